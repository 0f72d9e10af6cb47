/** A webhook of a simulated cluster: what it was told, and whether it takes anything at the moment. */

import type { NotificationRule } from '../../protocol/notification/rule.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { backendOf, BUCKET, context } from './calm-cluster.ts'

export const HOOK_RULE: NotificationRule = {
  id: 'rule',
  kind: 'queue',
  arn: 'arn:shoal:sqs::hook:webhook',
  events: [
    's3:ObjectCreated:*',
    's3:ObjectRemoved:*',
    's3:LifecycleExpiration:*',
    's3:ObjectTagging:*',
  ],
}

/** What is read of the record of an event. */
export interface ToldEvent {
  readonly eventName: string
  readonly eventTime: string
  readonly s3: {
    readonly configurationId: string
    readonly object: {
      readonly key: string
      readonly size?: number
      readonly eTag?: string
      readonly versionId?: string
      readonly sequencer: string
    }
  }
}

export class ToldEvents {
  readonly events: ToldEvent[] = []
  /** What it answers. */
  answer: number | 'silent' = 204

  /** The host of the webhook that every node is configured with. */
  constructor(cluster: SimulatedCluster) {
    cluster.web.hosts.set('hook.example', (body) => {
      if (this.answer !== 204) return this.answer
      const { Records: records = [] } = JSON.parse(body) as {
        readonly Records?: readonly ToldEvent[]
      }
      this.events.push(...records)
      return 204
    })
  }

  /** Keys of all events, each as often as it came. */
  get keys(): string[] {
    return this.events.map(({ s3 }) => s3.object.key)
  }
}

export function configureHook(
  cluster: SimulatedCluster,
  ...rules: NotificationRule[]
): Promise<void> {
  const change = { notification: rules.length === 0 ? [HOOK_RULE] : rules }
  return backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change })
}
