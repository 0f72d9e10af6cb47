/** A clock that tests advance themselves. Its wall time is real, so that requests can be signed. */

import type { GatewayClock } from '../http/clock.ts'

export class ManualClock implements GatewayClock {
  #nowMs = 0
  #timers = new Set<{ readonly atMs: number; readonly run: () => void }>()

  nowMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): () => void {
    const timer = { atMs: this.#nowMs + delayMs, run }
    this.#timers.add(timer)
    return () => void this.#timers.delete(timer)
  }

  get waiting(): number {
    return this.#timers.size
  }

  advance(byMs: number): void {
    const untilMs = this.#nowMs + byMs
    for (;;) {
      const due = [...this.#timers]
        .filter((timer) => timer.atMs <= untilMs)
        .sort((a, b) => a.atMs - b.atMs)[0]
      if (due === undefined) break
      this.#nowMs = Math.max(this.#nowMs, due.atMs)
      this.#timers.delete(due)
      due.run()
    }
    this.#nowMs = untilMs
  }
}
