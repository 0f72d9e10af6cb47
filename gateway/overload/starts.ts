/**
 * Spreads what comes in a burst over several turns of the event loop: hundreds of connections can bring a request
 * each within one turn, and whatever else waits for the loop would wait for all of them.
 *
 * The first STARTS_PER_TURN run at once. The others run in later turns, in the order in which they came.
 */

import type { GatewayClock } from '../http/clock.ts'

/** Some tenths of a millisecond each. */
const STARTS_PER_TURN = 32

export class Starts {
  readonly #clock: Pick<GatewayClock, 'after'>
  #left = STARTS_PER_TURN
  #waiting: (() => void)[] = []
  #isArmed = false

  constructor(clock: Pick<GatewayClock, 'after'>) {
    this.#clock = clock
  }

  run(start: () => void): void {
    this.#arm()
    if (this.#left > 0 && this.#waiting.length === 0) {
      this.#left--
      start()
    } else this.#waiting.push(start)
  }

  /** At the next turn, nothing was started in it yet. */
  #arm(): void {
    if (this.#isArmed) return
    this.#isArmed = true
    this.#clock.after(0, () => {
      this.#isArmed = false
      const due = this.#waiting.splice(0, STARTS_PER_TURN)
      this.#left = STARTS_PER_TURN - due.length
      if (due.length > 0) this.#arm()
      for (const start of due) start()
    })
  }
}
