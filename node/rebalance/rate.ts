/** Rates in bytes a second for background work, and slots for work that runs at once. */

import type { Clock } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'

/** How much of the time that was not used may be made up for. */
const BURST_MS = 250

/**
 * Spreads bytes evenly over time: each caller waits until the rate has covered its bytes and those of all callers
 * before it.
 */
export class ByteRate {
  readonly #clock: Clock
  /** 0: no limit. */
  readonly #bytesPerSecond: number
  /** The time up to which the rate is used up. */
  #takenUntilMs: number

  constructor(clock: Clock, bytesPerSecond: number) {
    this.#clock = clock
    this.#bytesPerSecond = bytesPerSecond
    this.#takenUntilMs = clock.monotonicMs()
  }

  /** Resolves when this many bytes may move. */
  async take(bytes: number): Promise<void> {
    if (this.#bytesPerSecond === 0) return
    const nowMs = this.#clock.monotonicMs()
    const fromMs = Math.max(this.#takenUntilMs, nowMs - BURST_MS)
    this.#takenUntilMs = fromMs + (bytes * 1_000) / this.#bytesPerSecond
    if (this.#takenUntilMs > nowMs) await sleep(this.#clock, this.#takenUntilMs - nowMs)
  }
}

/** Bytes a second over the last seconds. */
export class Throughput {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #windowMs: number
  #samples: { readonly atMs: number; readonly bytes: number }[] = []
  totalBytes = 0

  constructor(clock: Pick<Clock, 'monotonicMs'>, windowMs = 5_000) {
    this.#clock = clock
    this.#windowMs = windowMs
  }

  /** Called when bytes have moved. */
  add(bytes: number): void {
    this.totalBytes += bytes
    const atMs = this.#clock.monotonicMs()
    this.#samples.push({ atMs, bytes })
    if (this.#samples.length > 1_000) this.#forget(atMs)
  }

  /** The mean over the window, rounded. It falls to 0 when nothing moves for that long. */
  get bytesPerSecond(): number {
    this.#forget(this.#clock.monotonicMs())
    const bytes = this.#samples.reduce((sum, sample) => sum + sample.bytes, 0)
    return Math.round((bytes * 1_000) / this.#windowMs)
  }

  #forget(nowMs: number): void {
    this.#samples = this.#samples.filter(({ atMs }) => nowMs - atMs < this.#windowMs)
  }
}

/**
 * Lets a fixed number of callers in at once, in the order in which they come. Unlike `inLanes`, which bounds the work on
 * one list, it bounds what several lists do together: the mover fetches blocks of several partitions at a time.
 */
export class Slots {
  readonly #waiting: (() => void)[] = []
  #free: number

  constructor(count: number) {
    this.#free = count
  }

  /** Resolves with a function that gives the slot back. */
  async take(): Promise<() => void> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>((resolve) => this.#waiting.push(resolve))
    return () => {
      const next = this.#waiting.shift()
      if (next === undefined) this.#free++
      else next()
    }
  }
}
