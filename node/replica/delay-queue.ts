/**
 * A queue with one delay for all entries, first in, first out: they become due in the order in which they came. Used by the
 * collector and by the collection of tombstones, one queue for each delay.
 */

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

  /** The entry, while it waits. */
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

  /** When the first entry becomes due, on the caller's clock. Undefined when nothing waits. */
  nextDueMs(): number | undefined {
    for (const { dueMs } of this.#waiting.values()) return dueMs
    return undefined
  }

  /**
   * Takes out the next entry that is due, or, with `earlyMs`, that has waited for that long. Undefined when there is
   * none.
   */
  take(nowMs: number, earlyMs = Infinity): T | undefined {
    for (const [key, { item, dueMs }] of this.#waiting) {
      if (dueMs > nowMs && nowMs < dueMs - this.#delayMs + earlyMs) return undefined
      this.#waiting.delete(key)
      return item
    }
    return undefined
  }
}
