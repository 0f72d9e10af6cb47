/**
 * Values that may be used only while they are young (T7): read again when they are too old, never used
 * when that fails.
 *
 * Invariants:
 *   - a value's age counts from before its read was begun, so that whatever was changed and answered
 *     before then is in it
 *   - `get` returns a value that was at most `ageMs` old when `get` was called, also to a caller that
 *     joined a read which was under way
 *   - a failure is never older than the caller that gets it: a caller that came after a bucket was created must not get
 *     NoSuchBucket from a read that began before. A caller whose joined read fails reads again, together with the others
 *     that wait
 *   - one read of a name at a time, unless the one under way is too old or was dropped
 */

import type { Clock } from '../env/ports.ts'
import { dropOldest } from './drop-oldest.ts'

export interface Fresh<V> {
  readonly value: V
  /** An instant of the monotonic clock: every change that was answered before it is in the value. */
  readonly sinceMs: number
}

interface Entry<V> {
  /** Counts calls: a read with a higher number than a caller's began after that call. */
  readonly order: number
  /** When the read was begun. */
  readonly startedMs: number
  readonly flight: Promise<Fresh<V>>
}

export class FreshCache<V> {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #entriesMax: number
  /** Known values. The one that was not read for the longest time is first. */
  readonly #known = new Map<string, Fresh<V>>()
  readonly #flights = new Map<string, Entry<V>>()
  #calls = 0
  #forgot: () => void = () => {}

  constructor(clock: Pick<Clock, 'monotonicMs'>, entriesMax: number) {
    this.#clock = clock
    this.#entriesMax = entriesMax
  }

  /** Called by `drop` and `clear`, for caches in front of this one. At most one listener. */
  onForget(forgot: () => void): void {
    this.#forgot = forgot
  }

  /** The value if it is known and young enough. Reads nothing. */
  peek(name: string, ageMs: number): Fresh<V> | undefined {
    const known = this.#known.get(name)
    return known !== undefined && known.sinceMs > this.#clock.monotonicMs() - ageMs
      ? known
      : undefined
  }

  /**
   * @param read given the instant at which it is begun; says what its value is as old as: that instant, or
   *   an earlier one when it put together what was read before. What it throws goes to all who called before it began.
   */
  async get(
    name: string,
    ageMs: number,
    read: (startedMs: number) => Promise<Fresh<V>>,
  ): Promise<Fresh<V>> {
    const called = ++this.#calls
    const oldestMs = this.#clock.monotonicMs() - ageMs
    const known = this.#known.get(name)
    if (known !== undefined && known.sinceMs > oldestMs) return known
    for (;;) {
      const under = this.#flights.get(name)
      if (under === undefined || under.startedMs <= oldestMs) return this.#begin(name, read)
      try {
        const joined = await under.flight
        if (joined.sinceMs > oldestMs) return joined
      } catch (error) {
        if (under.order > called) throw error
      }
    }
  }

  /** The next `get` reads again, and the result of a read under way is not kept. */
  drop(name: string): void {
    this.#known.delete(name)
    this.#flights.delete(name)
    this.#forgot()
  }

  clear(): void {
    this.#known.clear()
    this.#flights.clear()
    this.#forgot()
  }

  #begin(name: string, read: (startedMs: number) => Promise<Fresh<V>>): Promise<Fresh<V>> {
    const startedMs = this.#clock.monotonicMs()
    const entry: Entry<V> = {
      order: ++this.#calls,
      startedMs,
      flight: read(startedMs).then(
        (fresh) => {
          if (this.#ended(name, entry)) this.#keep(name, fresh)
          return fresh
        },
        (error: unknown) => {
          this.#ended(name, entry)
          throw error
        },
      ),
    }
    this.#flights.set(name, entry)
    return entry.flight
  }

  /** False when it was dropped, or a later read came first. */
  #ended(name: string, entry: Entry<V>): boolean {
    if (this.#flights.get(name) !== entry) return false
    this.#flights.delete(name)
    return true
  }

  #keep(name: string, fresh: Fresh<V>): void {
    this.#known.delete(name)
    this.#known.set(name, fresh)
    dropOldest(this.#known, this.#entriesMax)
  }
}
