/**
 * Notifications of buckets: what happened to objects becomes messages in a durable queue of this node for each webhook
 * (event-log.ts), which are sent from there (delivery.ts). docs/notifications.md says what is promised.
 *
 * Invariants:
 *   - a change is answered only when its event is flushed here, or was given up: what was acknowledged survives the death
 *     of the process
 *   - no request waits for a webhook, except for the one that configures it, and none waits long for the queue
 *   - what is given up is counted and logged
 */

import { NO_WEBHOOK, type RefusedWebhook } from '../../gateway/port/buckets.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { ruleOf, WEBHOOK_NAME, webhookOf } from '../../protocol/notification/rule.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Clock, Disk, Logger, Outgoing, Random } from '../env/ports.ts'
import { messageOf } from '../net/errors.ts'
import type { Bucket } from '../objects/bucket.ts'
import { notificationRulesOf, type Notices, type ObjectEvent } from '../objects/notices.ts'
import { counter, gauge } from '../tools/gauge.ts'
import { QueueDelivery } from './delivery.ts'
import { EventLog } from './event-log.ts'
import { eventMessage, testMessage } from './message.ts'
import { deliver, type Webhook } from './webhook.ts'

const DIRECTORY = 'webhooks'
/** How long a write waits for its events to be flushed. Later they are in memory alone, and sent from there. */
const STORE_MS_MAX = 2_000
/** Between two lines about events that are given up. */
const COMPLAIN_MS = 60_000

export interface NotificationSettings {
  readonly webhooks?: readonly Webhook[] | undefined
  /** Of each webhook's queue. */
  readonly queueBytesMax?: number | undefined
  readonly ageMsMax?: number | undefined
}

export interface NotificationsOptions {
  readonly clock: Clock
  readonly random: Random
  readonly disk: Disk
  readonly outgoing: Outgoing
  readonly logger: Logger
  readonly webhooks: readonly Webhook[]
  /** Of each webhook's queue. */
  readonly queueBytesMax: number
  readonly ageMsMax: number
}

interface Queue {
  readonly log: EventLog
  /** Absent while this node's configuration does not name the webhook. */
  readonly delivery: QueueDelivery | undefined
}

export class Notifications implements Notices {
  readonly #options: NotificationsOptions
  readonly #webhooks: ReadonlyMap<string, Webhook>
  /** By the name of the webhook. Opened at the start, or when the first event comes. */
  readonly #queues = new Map<string, Promise<Queue>>()
  readonly #open: Queue[] = []
  readonly #counts = { told: 0, dropped: 0, unflushed: 0 }
  #complainedMs = -Infinity
  #isStopped = false

  constructor(options: NotificationsOptions) {
    this.#options = options
    this.#webhooks = new Map(options.webhooks.map((webhook) => [webhook.name, webhook]))
  }

  /** Goes on with what earlier starts have left. Never rejects. */
  async start(): Promise<void> {
    const { disk, logger } = this.#options
    try {
      for (const name of await disk.list(DIRECTORY)) {
        if (!WEBHOOK_NAME.test(name)) continue
        const { log, delivery } = await this.#queue(name)
        if (log.count > 0 && delivery === undefined) {
          logger.warn(
            { webhook: name, events: log.count },
            'notifications: events wait for a webhook that is not configured',
          )
        }
        delivery?.kick()
      }
    } catch (error) {
      logger.error({ error: messageOf(error) }, 'notifications: stored events cannot be read')
    }
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    for (const { delivery } of this.#open) delivery?.stop()
    this.#options.outgoing.close()
    await Promise.all(this.#open.map(({ log }) => log.close()))
  }

  async tell(
    context: RequestContext,
    bucket: Bucket,
    key: string,
    ballot: Ballot,
    events: readonly ObjectEvent[],
  ): Promise<void> {
    const { clock } = this.#options
    const { record } = bucket
    const rules = notificationRulesOf(record)
    const stored = events.map(async (event) => {
      const rule = ruleOf(rules, event.name, key)
      const webhook = rule && webhookOf(rule)
      if (rule === undefined || webhook === undefined) return
      const timeMs = clock.nowMs()
      const { origin } = context
      const message = eventMessage({ bucket: record, key, ballot, event, rule, timeMs, origin })
      await this.#store(webhook, timeMs, message)
    })
    const all = Promise.all(stored)
    let isLate = false
    const late = new Promise<void>((resolve) => {
      const cancel = clock.after(STORE_MS_MAX, () => {
        isLate = true
        resolve()
      })
      void all.then(cancel)
    })
    await Promise.race([all, late])
    if (isLate) this.#giveUp('unflushed', 'events are not flushed in time')
  }

  /** See BucketBackend.checkWebhooks. */
  async check(
    context: RequestContext,
    request: {
      readonly bucket: string
      readonly webhooks: readonly string[]
      readonly test: boolean
    },
  ): Promise<readonly RefusedWebhook[]> {
    const { clock } = this.#options
    const checks = request.webhooks.map(async (name): Promise<RefusedWebhook[]> => {
      const webhook = this.#webhooks.get(name)
      if (webhook === undefined) return [{ webhook: name, reason: NO_WEBHOOK }]
      if (!request.test) return []
      const message = testMessage(request.bucket, clock.nowMs(), context.origin)
      const outcome = await deliver(this.#options, webhook, message)
      if (outcome.type === 'delivered') return []
      return [
        {
          webhook: name,
          reason: `The destination does not take the test event: ${outcome.reason}`,
        },
      ]
    })
    return (await Promise.all(checks)).flat()
  }

  gauges(): readonly Gauge[] {
    const { told, dropped, unflushed } = this.#counts
    const sum = (of: (queue: Queue) => number): number =>
      this.#open.reduce((all, queue) => all + of(queue), 0)
    const expired = sum(({ delivery }) => delivery?.expired ?? 0)
    const damaged = sum(({ log }) => log.damaged)
    return [
      gauge(
        'shoal_notifications_queued',
        'Events that webhooks have not taken yet',
        sum(({ log }) => log.count),
      ),
      gauge(
        'shoal_notifications_queue_bytes',
        'Bytes of the files that hold them',
        sum(({ log }) => log.bytes),
      ),
      counter('shoal_notifications_total', 'Events that rules of buckets want to be told', told),
      counter(
        'shoal_notifications_delivered_total',
        'Events that webhooks have taken',
        sum(({ delivery }) => delivery?.delivered ?? 0),
      ),
      counter(
        'shoal_notifications_failures_total',
        'Tries that failed',
        sum(({ delivery }) => delivery?.failed ?? 0),
      ),
      counter(
        'shoal_notifications_dropped_total',
        'Events that are lost: no room, too old, or a damaged file',
        dropped + expired + damaged,
      ),
      counter(
        'shoal_notifications_unflushed_total',
        'Answers that did not wait any longer until their events were flushed',
        unflushed,
      ),
    ]
  }

  /** Never rejects. */
  async #store(webhook: string, timeMs: number, message: Uint8Array): Promise<void> {
    this.#counts.told++
    try {
      const { log, delivery } = await this.#queue(webhook)
      if (await log.add({ timeMs, message })) delivery?.kick()
      else this.#giveUp('dropped', 'the queue is full, or its disk fails', webhook)
    } catch (error) {
      this.#giveUp('dropped', messageOf(error), webhook)
    }
  }

  #giveUp(count: 'dropped' | 'unflushed', reason: string, webhook?: string): void {
    const { clock, logger } = this.#options
    this.#counts[count]++
    const nowMs = clock.monotonicMs()
    if (nowMs - this.#complainedMs < COMPLAIN_MS) return
    this.#complainedMs = nowMs
    logger.error({ webhook, reason, ...this.#counts }, 'notifications: events are given up')
  }

  /** One that cannot be opened is tried again for the next event. */
  #queue(name: string): Promise<Queue> {
    let queue = this.#queues.get(name)
    if (queue === undefined) {
      queue = this.#openQueue(name)
      this.#queues.set(name, queue)
      queue.catch(() => this.#queues.delete(name))
    }
    return queue
  }

  async #openQueue(name: string): Promise<Queue> {
    const { disk, logger, queueBytesMax: bytesMax } = this.#options
    const webhook = this.#webhooks.get(name)
    const log = await EventLog.open({ disk, logger, directory: `${DIRECTORY}/${name}`, bytesMax })
    const delivery = webhook && new QueueDelivery({ ...this.#options, webhook, log })
    if (this.#isStopped) delivery?.stop()
    const queue = { log, delivery }
    this.#open.push(queue)
    return queue
  }
}
