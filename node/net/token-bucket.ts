/**
 * A rate with room for bursts: the bucket holds at most `burst` tokens, begins full, and earns `perSecond` of them. An
 * infinite burst is no limit. Takes the time from the clock's monotonic side.
 */

import type { Clock } from '../env/ports.ts'
import type { Rate } from './limits.ts'

export class TokenBucket {
  readonly #clock: Pick<Clock, 'monotonicMs'>
  readonly #rate: Rate
  #tokens: number
  #filledAtMs: number

  constructor(clock: Pick<Clock, 'monotonicMs'>, rate: Rate) {
    this.#clock = clock
    this.#rate = rate
    this.#tokens = rate.burst
    this.#filledAtMs = clock.monotonicMs()
  }

  /** Takes some. Returns false and takes none when there are fewer. */
  take(count = 1): boolean {
    const { burst, perSecond } = this.#rate
    if (burst === Infinity) return true
    const nowMs = this.#clock.monotonicMs()
    const earned = ((nowMs - this.#filledAtMs) * perSecond) / 1_000
    this.#tokens = Math.min(burst, this.#tokens + earned)
    this.#filledAtMs = nowMs
    if (this.#tokens < count) return false
    this.#tokens -= count
    return true
  }

  /** Whether the bucket is full, because nothing was taken lately. */
  get full(): boolean {
    return this.take(0) && this.#tokens === this.#rate.burst
  }
}
