/**
 * Starts the requests that a turn of the event loop has brought together, after the turn, in the order of their arrival. Their
 * steps then run side by side and their answers leave together: a client on the same machine is woken once for all of them, and
 * small bodies that came with their heads are there already.
 *
 * Hundreds of connections can each bring a request within one turn, and everything else that waits for the loop would wait for
 * all of them. So at most STARTS_PER_TURN start; the others do so after later turns.
 */

import type { AfterTurn } from '../http/clock.ts'
import { inNextTurn } from '../http/next-turn.ts'

/** Each takes a tenth of a millisecond or two. */
const STARTS_PER_TURN = 32
/** After a turn that has accepted a connection. The loop accepts one in each turn, so more of them may be waiting. */
const STARTS_WHILE_CONNECTING = 4

/** Used by connections.ts for every request. */
export class Starts {
  readonly #arm: () => void
  #isConnecting = false
  #waiting: (() => void)[] = []

  constructor(afterTurn: AfterTurn) {
    this.#arm = inNextTurn(afterTurn, () => this.#begin())
  }

  run(start: () => void): void {
    this.#waiting.push(start)
    this.#arm()
  }

  /** Call it when a connection was accepted. */
  connected(): void {
    this.#isConnecting = true
  }

  #begin(): void {
    const most = this.#isConnecting ? STARTS_WHILE_CONNECTING : STARTS_PER_TURN
    this.#isConnecting = false
    const due = this.#waiting.splice(0, most)
    if (this.#waiting.length > 0) this.#arm()
    for (const start of due) start()
  }
}
