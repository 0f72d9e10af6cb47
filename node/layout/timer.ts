/**
 * The clock of all that waits in this folder. One `stop` ends every wait, and with it every loop: none of them goes
 * on after the node was told to stop.
 */

import type { Clock, Random } from '../env/ports.ts'
import { MembershipError } from './errors.ts'

export class Timer {
  readonly #clock: Clock
  readonly #random: Random
  readonly #waiting = new Set<() => void>()
  #stopped = false

  constructor(clock: Clock, random: Random) {
    this.#clock = clock
    this.#random = random
  }

  get stopped(): boolean {
    return this.#stopped
  }

  /** Milliseconds of the monotonic clock. Only differences mean anything. */
  nowMs(): number {
    return this.#clock.monotonicMs()
  }

  /** A random delay between half of `delayMs` and the whole of it. */
  jittered(delayMs: number): number {
    return delayMs * (0.5 + this.#random.float() / 2)
  }

  /** Rejects with MembershipError 'stopped' once stopped. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const stopped = (): void => reject(new MembershipError('stopped', 'the node is stopping'))
      if (this.#stopped) {
        stopped()
        return
      }
      const cancelled = (): void => {
        cancel()
        stopped()
      }
      const cancel = this.#clock.after(delayMs, () => {
        this.#waiting.delete(cancelled)
        resolve()
      })
      this.#waiting.add(cancelled)
    })
  }

  /** Rejects all waits that are under way. Later ones reject at once. */
  stop(): void {
    this.#stopped = true
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const cancel of waiting) cancel()
  }
}
