/**
 * Looks at all requests in flight every few seconds. Clients below the minimum rate are cut off (F27), and requests
 * without progress in the store get their 503. All requests share one timer, which stops when there are none. A
 * streamed upload above the minimum rate is never cut, however long it takes; a body that is kept as a whole has a
 * deadline (admission.ts).
 */

import type { GatewayClock } from '../http/clock.ts'
import type { AbortCause, Exchange } from '../http/exchange.ts'

export interface WatchLimits {
  readonly lookEveryMs: number
  /** The average between two looks, only while the request waits for its client. */
  readonly minBytesPerSecond: number
  /** After this many looks in a row below the minimum the request is ended. */
  readonly slowLooksMax: number
  /** How long a request may make no progress while it does not wait for its client. */
  readonly stallMs: number
}

export const WATCH_LIMITS: WatchLimits = {
  lookEveryMs: 5_000,
  minBytesPerSecond: 1_024,
  slowLooksMax: 6,
  stallMs: 60_000,
}

/** One for each gateway: knows all requests in flight, and ends those that are stuck. */
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
      /** Called when the client disconnected long ago and the store still has not returned. */
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

  /** Returns false when the request was already removed. */
  remove(exchange: Exchange): boolean {
    return this.inFlight.delete(exchange)
  }

  /** Ends the request and tells the server. */
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

  /**
   * Why the request must be ended now; undefined when it need not be. While it waits for its client, the client's
   * rate counts; otherwise the store must make progress.
   */
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
    // The store's time starts when the client has sent everything.
    exchange.lastProgressMs = nowMs
    if (moved * 1000 >= minBytesPerSecond * lookEveryMs) exchange.slowLooks = 0
    else if (++exchange.slowLooks >= slowLooksMax) return 'too-slow'
    return undefined
  }
}
