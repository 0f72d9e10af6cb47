/**
 * Sends the events of one webhook's queue, oldest first and some at a time, until each was taken or is too old.
 *
 * 1. A round takes some events from the front. When the webhook takes all of them, the next round begins at once.
 * 2. While it takes none, the events stay where they are, and rounds follow each other ever more slowly: one look at a
 *    webhook that is down costs one connection.
 * 3. When it takes some and not others, or refuses some (4xx), those go to the end of the queue. So an event that it never
 *    takes holds up no other.
 *
 * What was taken is written down some time later: after a crash it may be sent again.
 */

import type { Clock, Logger, Outgoing, Random } from '../env/ports.ts'
import { messageOf } from '../net/errors.ts'
import { inLanes } from '../tools/in-batches.ts'
import type { EventLog, QueuedEvent } from './event-log.ts'
import { deliver, type Delivery, type Webhook } from './webhook.ts'

const ROUND_EVENTS = 32
const LANES = 8
const BACKOFF_MS_MIN = 1_000
const BACKOFF_MS_MAX = 60_000
/** How often the front is written down while events are sent. */
const SETTLE_MS = 1_000

export interface QueueDeliveryOptions {
  readonly webhook: Webhook
  readonly log: EventLog
  readonly outgoing: Outgoing
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** An event that is older is given up. */
  readonly ageMsMax: number
}

export class QueueDelivery {
  delivered = 0
  failed = 0
  /** Given up because of their age. */
  expired = 0
  readonly #options: QueueDeliveryOptions
  #failures = 0
  #settledMs = 0
  #isRunning = false
  #isStopped = false
  #cancel: (() => void) | undefined

  constructor(options: QueueDeliveryOptions) {
    this.#options = options
  }

  /** There may be something to send. */
  kick(): void {
    if (this.#isRunning || this.#isStopped || this.#cancel !== undefined) return
    this.#isRunning = true
    void this.#run()
  }

  stop(): void {
    this.#isStopped = true
    this.#cancel?.()
  }

  /** Rounds until there is nothing to send, or it has to pause. */
  async #run(): Promise<void> {
    let pauseMs: number | undefined
    try {
      while (pauseMs === undefined && !this.#isStopped && this.#options.log.count > 0) {
        pauseMs = await this.#round()
      }
      if (!this.#isStopped) await this.#settle()
    } catch (error) {
      const { webhook, logger } = this.#options
      logger.warn(
        { webhook: webhook.name, error: messageOf(error) },
        'notifications: the queue cannot be read',
      )
      pauseMs = BACKOFF_MS_MAX
    }
    this.#isRunning = false
    if (pauseMs !== undefined) this.#later(pauseMs)
    else if (this.#options.log.count > 0) this.kick()
  }

  #later(pauseMs: number): void {
    const { clock, random } = this.#options
    if (this.#isStopped) return
    this.#cancel = clock.after(pauseMs * (0.75 + random.float() / 2), () => {
      this.#cancel = undefined
      this.kick()
    })
  }

  /** Resolves with the pause after it, undefined when there is none to make. */
  async #round(): Promise<number | undefined> {
    const { log, clock, logger, webhook, ageMsMax } = this.#options
    const round = (await log.peek(ROUND_EVENTS)).map(({ event, end }) => ({ event, end }))
    const last = round.at(-1)
    if (last === undefined) return undefined
    const isOld = ({ timeMs }: QueuedEvent): boolean => clock.nowMs() - timeMs > ageMsMax
    const left: QueuedEvent[] = []
    let problem: Exclude<Delivery, { type: 'delivered' }> | undefined
    let taken = 0
    let refused = 0
    let isDown = false
    await inLanes(round, LANES, async ({ event }) => {
      // One failure is enough to know that the webhook is down, unless it takes others at the same time.
      const outcome: Delivery =
        isDown && taken === 0
          ? { type: 'failed', reason: '' }
          : await deliver(this.#options, webhook, event.message)
      if (outcome.type === 'delivered') taken++
      else {
        if (outcome.reason !== '') problem = outcome
        if (outcome.type === 'refused') refused++
        else isDown = true
        left.push(event)
      }
    })
    this.delivered += taken
    const found = problem as typeof problem
    if (found === undefined) {
      this.#failures = 0
      log.take(last.end, round.length)
      if (clock.monotonicMs() - this.#settledMs >= SETTLE_MS) await this.#settle()
      return undefined
    }
    this.failed += left.length
    if (this.#failures++ === 0) {
      logger.warn(
        { webhook: webhook.name, reason: found.reason },
        'notifications: a webhook takes no events',
      )
    }
    const kept = left.filter((event) => !isOld(event))
    const old = left.length - kept.length
    if (old > 0) {
      this.expired += old
      logger.error(
        { webhook: webhook.name, events: old },
        'notifications: events that were never taken are too old, and dropped',
      )
    }
    if (taken > 0 || refused > 0 || old > 0) {
      if (taken > 0) this.#failures = 1
      // If they cannot be stored again, the whole round stays at the front.
      const isMoved = await Promise.all(kept.map((event) => log.add(event, true)))
      if (isMoved.every((isAdded) => isAdded)) log.take(last.end, round.length)
    }
    return Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(10, this.#failures - 1))
  }

  async #settle(): Promise<void> {
    this.#settledMs = this.#options.clock.monotonicMs()
    await this.#options.log.settle()
  }
}
