/**
 * Looks at all requests in flight every few seconds: clients below the minimum rate are cut off (F27),
 * and requests that the store leaves without progress get their 503. One timer for all of them,
 * none while there are none; a long honest upload that streams is never cut, however long it takes. A body
 * that is kept as a whole has a deadline (admission.ts).
 */

import type { GatewayClock } from '../http/clock.ts'
import type { AbortCause, Exchange } from '../http/exchange.ts'

export interface WatchLimits {
  readonly lookEveryMs: number
  /** Averaged from one look to the next, only while the request waits for its client. */
  readonly minBytesPerSecond: number
  /** So many looks below the minimum in a row end a request. */
  readonly slowLooksMax: number
  /** Without progress, while the request does not wait for its client. */
  readonly stallMs: number
}

export const WATCH_LIMITS: WatchLimits = {
  lookEveryMs: 5_000,
  minBytesPerSecond: 1_024,
  slowLooksMax: 6,
  stallMs: 60_000,
}

export class Watch {
  readonly inFlight = new Set<Exchange>()
  readonly #clock: GatewayClock
  readonly #limits: WatchLimits
  readonly #onAbort: (exchange: Exchange, cause: AbortCause) => void
  readonly #onGivenUp: (exchange: Exchange) => void
  #cancel: (() => void) | undefined

  constructor(
    clock: GatewayClock,
    limits: WatchLimits,
    on: {
      abort(exchange: Exchange, cause: AbortCause): void
      /** Its client is long gone, and the store still has not come back. */
      givenUp(exchange: Exchange): void
    },
  ) {
    this.#clock = clock
    this.#limits = limits
    this.#onAbort = (exchange, cause) => on.abort(exchange, cause)
    this.#onGivenUp = (exchange) => on.givenUp(exchange)
  }

  add(exchange: Exchange): void {
    this.inFlight.add(exchange)
    this.#cancel ??= this.#clock.after(this.#limits.lookEveryMs, () => this.#look())
  }

  /** False when it was over already. */
  remove(exchange: Exchange): boolean {
    return this.inFlight.delete(exchange)
  }

  /** Ends the request and says so to whoever serves it. */
  abort(exchange: Exchange, cause: AbortCause): void {
    if (exchange.aborted !== undefined) return
    exchange.abort(cause)
    this.#onAbort(exchange, cause)
  }

  stop(): void {
    this.#cancel?.()
    this.#cancel = undefined
  }

  #look(): void {
    this.#cancel = undefined
    const nowMs = this.#clock.monotonicMs()
    for (const exchange of this.inFlight) {
      if (exchange.aborted !== undefined) {
        if (nowMs - exchange.lastProgressMs > this.#limits.stallMs) this.#onGivenUp(exchange)
        continue
      }
      const cause = this.#judge(exchange, nowMs)
      if (cause !== undefined) this.abort(exchange, cause)
    }
    if (this.inFlight.size > 0) {
      this.#cancel = this.#clock.after(this.#limits.lookEveryMs, () => this.#look())
    }
  }

  #judge(exchange: Exchange, nowMs: number): AbortCause | undefined {
    const { lookEveryMs, minBytesPerSecond, slowLooksMax, stallMs } = this.#limits
    const bytes = exchange.progressBytes()
    const moved = bytes - exchange.bytesSeen
    exchange.bytesSeen = bytes
    if (moved > 0) exchange.lastProgressMs = nowMs
    if (!exchange.waitsForClient()) {
      exchange.slowLooks = 0
      return nowMs - exchange.lastProgressMs > stallMs ? 'deadline' : undefined
    }
    if (nowMs > exchange.gatherUntilMs && !exchange.isAnswering) return 'too-slow'
    // The store's own time begins when the client's ends.
    exchange.lastProgressMs = nowMs
    if (moved * 1000 >= minBytesPerSecond * lookEveryMs) exchange.slowLooks = 0
    else if (++exchange.slowLooks >= slowLooksMax) return 'too-slow'
    return undefined
  }
}
