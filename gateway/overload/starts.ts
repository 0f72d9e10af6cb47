/**
 * Spreads a burst of requests over several turns of the event loop. Hundreds of connections can each bring a request
 * within one turn, and everything else that waits for the loop would wait for all of them.
 *
 * The first STARTS_PER_TURN run immediately. The others run in later turns, in the order of their arrival.
 */

import type { GatewayClock } from '../http/clock.ts'
import { inNextTurn } from '../http/next-turn.ts'

/** Each takes a few tenths of a millisecond. */
const STARTS_PER_TURN = 32

/** Used by connections.ts for every request. */
export class Starts {
  /** Begins to count from zero at the next turn. */
  readonly #arm: () => void
  #left = STARTS_PER_TURN
  #waiting: (() => void)[] = []

  constructor(clock: Pick<GatewayClock, 'after'>) {
    this.#arm = inNextTurn(clock, () => this.#begin())
  }

  run(start: () => void): void {
    this.#arm()
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left--
      start()
    } else this.#waiting.push(start)
  }

  #begin(): void {
    const due = this.#waiting.splice(0, STARTS_PER_TURN)
    this.#left = STARTS_PER_TURN - due.length
    if (due.length > 0) this.#arm()
    for (const start of due) start()
  }
}
