/**
 * Keeps one member connected. It dials until a link is ready, with randomised exponential back-off, and dials again
 * at once when the link is lost or silent, or when the peer connects by itself. One attempt runs at a time.
 */

import type { Clock, Random } from '../env/ports.ts'
import { REDIAL_DELAY_MS_MAX, REDIAL_DELAY_MS_MIN, STABLE_LINK_MS } from './limits.ts'

export interface DiallerInit {
  readonly clock: Clock
  readonly random: Random
  /** When two peers would dial each other at once, one of them waits this long. */
  readonly courtesyMs: number
  /** A link to the member is heard: nothing has to be done. */
  readonly connected: () => boolean
  /** Makes one attempt. `failed`: the attempts that failed before it. */
  readonly dial: (failed: number) => Promise<void>
  /** Called after each attempt that failed, with their number in a row. */
  readonly onFailure: (error: unknown, attempts: number) => void
}

/** One for each member, until it leaves. */
export class Dialler {
  readonly #init: DiallerInit
  /** Attempts in a row that failed, or whose link was lost soon. */
  #attempts = 0
  #upAtMs = 0
  #dialling = false
  #stopped = false
  #cancel = (): void => {}

  constructor(init: DiallerInit) {
    this.#init = init
  }

  /** Dials soon, from the shortest delay on. Does nothing while connected. */
  kick(courtesyMs = this.#init.courtesyMs): void {
    this.#attempts = 0
    if (this.#dialling || this.#stopped) return
    this.#schedule(courtesyMs + this.#init.random.float() * REDIAL_DELAY_MS_MIN)
  }

  /** Called when a link is ready. */
  up(): void {
    this.#upAtMs = this.#init.clock.monotonicMs()
  }

  /**
   * Called when the link is lost. A link that was short-lived counts as a failed dial: its cause, for instance a
   * peer of another version, would close the next link as well.
   */
  down(): void {
    if (this.#init.clock.monotonicMs() - this.#upAtMs >= STABLE_LINK_MS) {
      this.kick()
    } else if (!this.#dialling && !this.#stopped) {
      this.#attempts++
      this.#scheduleRetry()
    }
  }

  stop(): void {
    this.#stopped = true
    this.#cancel()
  }

  #schedule(delayMs: number): void {
    this.#cancel()
    this.#cancel = this.#init.clock.after(delayMs, () => void this.#attempt())
  }

  async #attempt(): Promise<void> {
    const { connected, dial, onFailure } = this.#init
    if (this.#stopped || this.#dialling || connected()) return
    this.#dialling = true
    const startMs = this.#init.clock.monotonicMs()
    try {
      await dial(this.#attempts)
    } catch (error) {
      this.#attempts++
      if (!this.#stopped) onFailure(error, this.#attempts)
    }
    this.#dialling = false
    if (this.#stopped || connected()) return
    this.#scheduleRetry(this.#init.clock.monotonicMs() - startMs)
  }

  /** @param tookMs how long the attempt took: one that ran into its deadline has waited long enough */
  #scheduleRetry(tookMs = 0): void {
    const doubled = REDIAL_DELAY_MS_MIN * 2 ** Math.min(this.#attempts, 16)
    const delayMs = Math.min(doubled, REDIAL_DELAY_MS_MAX)
    const jitteredMs = delayMs * (0.5 + this.#init.random.float() / 2)
    this.#schedule(Math.max(REDIAL_DELAY_MS_MIN, jitteredMs - tookMs))
  }
}
