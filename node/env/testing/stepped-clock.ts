/** A Clock that moves only when a test says so. */

import type { Clock } from '../ports.ts'

interface Timer {
  readonly atMs: number
  readonly run: () => void
}

export class SteppedClock implements Clock {
  #nowMs = 0
  readonly #timers = new Set<Timer>()

  nowMs(): number {
    return 1_800_000_000_000 + this.#nowMs
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + Math.max(0, delayMs), run }
    this.#timers.add(timer)
    return () => this.#timers.delete(timer)
  }

  /** Lets so much time pass: runs what is due, in order, and all that follows from it. */
  async pass(ms: number): Promise<void> {
    const until = this.#nowMs + ms
    await turn()
    for (;;) {
      const next = this.#next()
      if (next === undefined || next.atMs > until) break
      this.#run(next)
      await turn()
    }
    this.#nowMs = until
    await turn()
  }

  /** Lets time pass until the promise settles. */
  async settle<T>(promise: Promise<T>): Promise<T> {
    const outcome = { settled: false }
    const done = (): void => {
      outcome.settled = true
    }
    promise.then(done, done)
    await turn()
    while (!outcome.settled) {
      const next = this.#next()
      if (next === undefined) throw new Error('it waits for what never comes')
      this.#run(next)
      await turn()
    }
    return promise
  }

  #next(): Timer | undefined {
    return [...this.#timers].toSorted((a, b) => a.atMs - b.atMs)[0]
  }

  #run(timer: Timer): void {
    this.#timers.delete(timer)
    this.#nowMs = timer.atMs
    timer.run()
  }
}

/** Everything that waits for nothing but promises is over. */
function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}
