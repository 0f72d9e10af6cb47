/**
 * Answers of the core that a gateway thread uses again while they are young (T7).
 *
 * Invariants:
 *   - an answer is used until the instant that the core gave, counted from before the thread asked. So the ages in core and thread
 *     add up to at most a second, and the two clocks are never compared
 *   - an answer is used only while the shared version is what it was before the thread asked (blocks.ts)
 *   - one call for a key at a time, unless the one under way may be too old for a caller
 *   - a failure is not kept. Who joined a call that began before its own request and failed, asks again
 *   - entries and bytes are bounded: the longest unused go first
 *
 * An answer in use is asked for again in the background when half of its second is left.
 */

import { RIGHTS_AGE_MS, type Timed } from '../port/rights.ts'

/** With this much left, an answer in use is asked for again. */
const AHEAD_MS = RIGHTS_AGE_MS / 2
/** What an entry takes beside its texts, roughly. */
const ENTRY_BYTES = 1_024

export interface KeptAnswersOptions<T> {
  readonly monotonicMs: () => number
  /** Changes whenever the core forgets. */
  readonly version: () => number
  readonly entriesMax: number
  readonly bytesMax: number
  /** Characters of the texts in a value. */
  readonly charactersOf: (value: T) => number
}

/** Asks the core. */
export type Ask<T> = (ageMs: number) => Promise<Timed<T>>

interface Kept<T> {
  readonly value: T
  readonly version: number
  readonly untilMs: number
  readonly sizeBytes: number
}

interface Flight<T> {
  /** Counts calls: a flight with a higher number than a caller's began after that call. */
  readonly order: number
  readonly version: number
  answer: Promise<Kept<T>>
}

export class KeptAnswers<T> {
  readonly #options: KeptAnswersOptions<T>
  /** The one that was not used for the longest time is first. */
  readonly #kept = new Map<string, Kept<T>>()
  readonly #flights = new Map<string, Flight<T>>()
  #calls = 0
  #bytes = 0

  constructor(options: KeptAnswersOptions<T>) {
    this.#options = options
  }

  get size(): { readonly entries: number; readonly bytes: number } {
    return { entries: this.#kept.size, bytes: this.#bytes }
  }

  /** The answer that is kept, if it may be used. `ask` serves to ask for it again ahead of time. */
  peek(key: string, ask: Ask<T>): { readonly value: T } | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined) return undefined
    const nowMs = this.#options.monotonicMs()
    if (kept.version !== this.#options.version() || nowMs >= kept.untilMs) {
      this.#drop(key, kept)
      return undefined
    }
    this.#kept.delete(key)
    this.#kept.set(key, kept)
    if (nowMs >= kept.untilMs - AHEAD_MS && !this.#flights.has(key)) {
      // A failure is ignored here: the next request asks again, and reports it once the time is over.
      this.#begin(key, ask, AHEAD_MS).answer.catch(() => {})
    }
    return kept
  }

  /** Asks, together with others that ask for the same. */
  async get(key: string, ask: Ask<T>): Promise<T> {
    const calledMs = this.#options.monotonicMs()
    const called = ++this.#calls
    for (;;) {
      const under = this.#flights.get(key)
      if (under === undefined || under.version !== this.#options.version()) {
        return (await this.#begin(key, ask, RIGHTS_AGE_MS).answer).value
      }
      try {
        const { value, untilMs } = await under.answer
        if (untilMs > calledMs) return value
      } catch (error) {
        if (under.order > called) throw error
      }
    }
  }

  #begin(key: string, ask: Ask<T>, ageMs: number): Flight<T> {
    const { monotonicMs, version, charactersOf } = this.#options
    const askedMs = monotonicMs()
    const flight: Flight<T> = {
      order: ++this.#calls,
      version: version(),
      answer: ask(ageMs).then(
        ({ value, usableMs }) => {
          const sizeBytes = ENTRY_BYTES + 2 * (key.length + charactersOf(value))
          const kept = { value, version: flight.version, untilMs: askedMs + usableMs, sizeBytes }
          if (this.#ended(key, flight) && flight.version === version()) this.#keep(key, kept)
          return kept
        },
        (error: unknown) => {
          this.#ended(key, flight)
          throw error
        },
      ),
    }
    this.#flights.set(key, flight)
    return flight
  }

  /** False when a later call came first. */
  #ended(key: string, flight: Flight<T>): boolean {
    return this.#flights.get(key) === flight && this.#flights.delete(key)
  }

  #keep(key: string, kept: Kept<T>): void {
    const { entriesMax, bytesMax, monotonicMs } = this.#options
    const before = this.#kept.get(key)
    if (before !== undefined) this.#drop(key, before)
    if (kept.sizeBytes > bytesMax || kept.untilMs <= monotonicMs()) return
    this.#kept.set(key, kept)
    this.#bytes += kept.sizeBytes
    for (const [oldest, entry] of this.#kept) {
      if (this.#kept.size <= entriesMax && this.#bytes <= bytesMax) return
      this.#drop(oldest, entry)
    }
  }

  #drop(key: string, kept: Kept<T>): void {
    this.#kept.delete(key)
    this.#bytes -= kept.sizeBytes
  }
}
