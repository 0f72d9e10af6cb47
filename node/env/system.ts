/** The real clock and random source: the only file that may read them. */

import { randomBytes, randomFillSync } from 'node:crypto'
import type { Clock, Random } from './ports.ts'

/** setTimeout fires at once beyond this. */
const TIMER_DELAY_MS_MAX = 2 ** 31 - 1

export class SystemClock implements Clock {
  nowMs(): number {
    return Date.now()
  }

  monotonicMs(): number {
    return performance.now()
  }

  /** A delay beyond the limit is made of several timers. */
  after(delayMs: number, run: () => void): () => void {
    if (delayMs <= TIMER_DELAY_MS_MAX) {
      const timer = setTimeout(run, delayMs)
      return () => clearTimeout(timer)
    }
    let cancel = this.after(TIMER_DELAY_MS_MAX, () => {
      cancel = this.after(delayMs - TIMER_DELAY_MS_MAX, run)
    })
    return () => cancel()
  }
}

/** Runs `run` once, after what is ready in the present turn of the event loop. */
export function afterTurn(run: () => void): void {
  setImmediate(run)
}

/** Bytes are drawn so many at a time: a call for a few of them costs as much as one for all. */
const POOL_BYTES = 4_096
const POOLED_BYTES_MAX = 64

export class SystemRandom implements Random {
  readonly #pool = new Uint8Array(POOL_BYTES)
  #used = POOL_BYTES

  bytes(length: number): Uint8Array<ArrayBuffer> {
    // Copied out of Node's pool, so that a small id does not keep 8 KiB alive.
    if (length > POOLED_BYTES_MAX) return new Uint8Array(randomBytes(length))
    if (this.#used + length > POOL_BYTES) {
      randomFillSync(this.#pool)
      this.#used = 0
    }
    const from = this.#used
    this.#used += length
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i++) bytes[i] = this.#pool[from + i] as number
    // What was given out is nowhere else: it may become a key.
    this.#pool.fill(0, from, this.#used)
    return bytes
  }

  float(): number {
    return Math.random()
  }
}
