/** Waiting on the clock, and giving way to others in long work. */

import type { Clock } from '../env/ports.ts'

export function sleep(clock: Pick<Clock, 'after'>, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve))
}

/** Rows, or what costs as much, in one turn of the event loop: about a millisecond of work. */
export const TURN_ROWS_MAX = 256
const TURN_MS_MAX = 8

/**
 * For background work over many rows: call `await turns.took(rows)` after every few of them. When the turn has been long
 * enough, it resolves only after waiting requests were served.
 */
export class Turns {
  readonly #clock: Clock
  #rows = 0
  #beganMs: number

  constructor(clock: Clock) {
    this.#clock = clock
    this.#beganMs = clock.monotonicMs()
  }

  /** Undefined while the turn may go on: a promise for each row would cost more than the row. */
  took(rows = 1): Promise<void> | undefined {
    this.#rows += rows
    const isOver =
      this.#rows >= TURN_ROWS_MAX || this.#clock.monotonicMs() - this.#beganMs >= TURN_MS_MAX
    return isOver ? this.#next() : undefined
  }

  async #next(): Promise<void> {
    await sleep(this.#clock, 0)
    this.#rows = 0
    this.#beganMs = this.#clock.monotonicMs()
  }
}
