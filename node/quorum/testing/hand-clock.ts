/** A clock for tests: time passes only while `settle` or `pass` waits. */

import type { Clock } from '../../env/ports.ts'

export class HandClock implements Clock {
  #nowMs = 1_000
  #timers: { readonly atMs: number; readonly run: () => void }[] = []

  nowMs(): number {
    return this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter((each) => each !== timer)
    }
  }

  /** Lets so much time pass. */
  pass(byMs: number): Promise<void> {
    return this.settle(new Promise<void>((resolve) => void this.after(byMs, resolve)))
  }

  /** Runs timers, the earliest first, until the promise settles. Throws when it never will. */
  async settle<T>(work: Promise<T>): Promise<T> {
    let over = false
    const end = (): void => {
      over = true
    }
    work.then(end, end)
    for (;;) {
      await new Promise<void>((resolve) => void setImmediate(resolve))
      if (over) return work
      const next = this.#timers.toSorted((a, b) => a.atMs - b.atMs)[0]
      if (next === undefined) throw new Error('it waits for something that never happens')
      this.#timers = this.#timers.filter((each) => each !== next)
      this.#nowMs = Math.max(this.#nowMs, next.atMs)
      next.run()
    }
  }
}
