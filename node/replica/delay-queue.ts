/** Queues with a delay each, first in, first out: the entries of one lane become due in order. */

interface Waiting<T> {
  readonly item: T
  readonly dueMs: number
}

export class DelayQueue<Key, T> {
  readonly #delayMs: number
  readonly #waiting = new Map<Key, Waiting<T>>()

  constructor(delayMs: number) {
    this.#delayMs = delayMs
  }

  get size(): number {
    return this.#waiting.size
  }

  get(key: Key): T | undefined {
    return this.#waiting.get(key)?.item
  }

  /** An entry that is waiting already keeps its place. */
  add(key: Key, item: T, nowMs: number): void {
    if (!this.#waiting.has(key)) this.#waiting.set(key, { item, dueMs: nowMs + this.#delayMs })
  }

  remove(key: Key): void {
    this.#waiting.delete(key)
  }

  /** Undefined when nothing waits. */
  nextDueMs(): number | undefined {
    for (const { dueMs } of this.#waiting.values()) return dueMs
    return undefined
  }

  /** Takes out the next entry that is due, or, with `earlyMs`, that has waited for that long. */
  take(nowMs: number, earlyMs = Infinity): T | undefined {
    for (const [key, { item, dueMs }] of this.#waiting) {
      if (dueMs > nowMs && nowMs < dueMs - this.#delayMs + earlyMs) return undefined
      this.#waiting.delete(key)
      return item
    }
    return undefined
  }
}
