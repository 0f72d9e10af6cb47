/** What gateway threads may keep of rights: the answers of the node's own caches, with their age. */

import type { RightsSource } from '../../gateway/port/rights.ts'
import type { Resolver } from '../iam/resolve.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Buckets } from '../objects/buckets.ts'

export interface NodeRightsOptions {
  readonly resolver: Resolver
  readonly buckets: Buckets
  /** Names the secrets that sign sessions, and the first root. */
  readonly layout: Pick<LayoutManager, 'onChange'>
}

export function createRights({ resolver, buckets, layout }: NodeRightsOptions): RightsSource {
  const listeners: (() => void)[] = []
  const forget = (): void => {
    for (const listener of listeners) listener()
  }
  resolver.onForget(forget)
  buckets.onForget(forget)
  layout.onChange(forget)
  return {
    timedCredential: (accessKeyId, token, ageMs) => resolver.timed(accessKeyId, token, ageMs),
    timedAccess: (context, bucket, ageMs) => buckets.timedAccess(context, bucket, ageMs),
    onForget: (listener) => void listeners.push(listener),
  }
}
