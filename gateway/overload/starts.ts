/**
 * Starts the requests that a turn of the event loop has brought together, after the turn, in the order of their arrival. Their
 * steps then run side by side and their answers leave together: a client on the same machine is woken once for all of them, and
 * small bodies that came with their heads are there already.
 *
 * Hundreds of connections can each bring a request within one turn, and everything else that waits for the loop would wait for
 * all of them. So at most STARTS_PER_TURN start; the others do so after later turns.
 */

import type { AfterTurn } from '../http/clock.ts'

/** Each takes a few tenths of a millisecond. */
const STARTS_PER_TURN = 32

/** Used by connections.ts for every request. */
export class Starts {
  readonly #afterTurn: AfterTurn
  #isArmed = false
  #waiting: (() => void)[] = []

  constructor(afterTurn: AfterTurn) {
    this.#afterTurn = afterTurn
  }

  run(start: () => void): void {
    this.#waiting.push(start)
    this.#arm()
  }

  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#afterTurn(() => this.#begin())
  }

  #begin(): void {
    this.#isArmed = false
    const due = this.#waiting.splice(0, STARTS_PER_TURN)
    if (this.#waiting.length > 0) this.#arm()
    for (const start of due) start()
  }
}
