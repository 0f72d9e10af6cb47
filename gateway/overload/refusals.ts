/** Counts 503 answers by reason. The log gets one line for many of them. */

import { StoreError } from '../../protocol/errors.ts'
import type { GatewayClock } from '../http/clock.ts'
import { S3Error } from '../http/errors.ts'
import { RequestAborted, type Exchange } from '../http/exchange.ts'
import type { GatewayLogger } from '../port/logger.ts'

const LINE_EVERY_MS = 10_000
/** Bounds the number of series, in case a reason ever contains a key or another variable text. */
const REASONS_MAX = 24

/**
 * One for each gateway. The gate notes every 503. `byReason` has the totals since the start, for metrics. The log gets
 * a line for the first one, and ten seconds later a line for those that came meanwhile.
 */
export class Refusals {
  readonly byReason = new Map<string, number>()
  readonly #clock: GatewayClock
  readonly #logger: GatewayLogger
  /** Counted since the last line of the log. */
  readonly #unsaid = new Map<string, number>()
  #pending = false

  constructor(clock: GatewayClock, logger: GatewayLogger) {
    this.#clock = clock
    this.#logger = logger
  }

  note(reason: string): void {
    const known = this.byReason.has(reason) || this.byReason.size < REASONS_MAX
    const name = known ? reason : 'other'
    this.byReason.set(name, (this.byReason.get(name) ?? 0) + 1)
    this.#unsaid.set(name, (this.#unsaid.get(name) ?? 0) + 1)
    if (this.#pending) return
    this.#pending = true
    this.#say()
    this.#clock.after(LINE_EVERY_MS, () => {
      this.#pending = false
      this.#say()
    })
  }

  #say(): void {
    if (this.#unsaid.size === 0) return
    const reasons = Object.fromEntries(this.#unsaid)
    this.#unsaid.clear()
    this.#logger.warn({ reasons }, 'requests were answered 503')
  }
}

/** The reason of a 503, for counters and logs: the text of the cause, which callers are not always told. */
export function reasonOf(error: unknown, exchange: Exchange): string {
  if (exchange.aborted !== undefined) return `the request was ended: ${exchange.aborted}`
  if (error instanceof StoreError) return error.message
  if (error instanceof RequestAborted) return 'the request was ended'
  if (error instanceof S3Error && error.cause instanceof Error) return error.cause.message
  return 'too many requests'
}
