/** The real clock and random source: the only file that may read them. */

import { randomBytes } from 'node:crypto'
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

export class SystemRandom implements Random {
  bytes(length: number): Uint8Array<ArrayBuffer> {
    // Copied out of Node's pool, so that a small id does not keep 8 KiB alive.
    return new Uint8Array(randomBytes(length))
  }

  float(): number {
    return Math.random()
  }
}
