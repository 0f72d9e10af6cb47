/**
 * Timers of background work that end together, each between once and twice as long as asked: nodes do not act in
 * step. One set for each part that waits, such as Resync with its hints.
 */

import type { Clock, Random } from '../env/ports.ts'

export class JitteredTimers {
  readonly #clock: Pick<Clock, 'after'>
  readonly #random: Pick<Random, 'float'>
  readonly #cancels = new Set<() => void>()
  #stopped = false

  constructor(clock: Pick<Clock, 'after'>, random: Pick<Random, 'float'>) {
    this.#clock = clock
    this.#random = random
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Calls `run` once, in delayMs to 2 × delayMs, unless the timers are stopped before. */
  after(delayMs: number, run: () => void): void {
    const cancel = this.#clock.after(delayMs * (1 + this.#random.float()), () => {
      this.#cancels.delete(cancel)
      if (!this.#stopped) run()
    })
    this.#cancels.add(cancel)
  }

  /** Nothing runs any more. */
  stop(): void {
    this.#stopped = true
    for (const cancel of this.#cancels) cancel()
  }
}
