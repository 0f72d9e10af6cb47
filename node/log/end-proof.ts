/**
 * Once the log is idle, or is closed, it notes in the manifest up to where it was flushed (D9). From then on a bad byte
 * before that place is corruption, and not a torn tail.
 */

import type { Clock } from '../env/ports.ts'

/** How long after the last append the log counts as idle. */
const IDLE_MS = 1_000

/** One for each open log. */
export class EndProof {
  readonly #clock: Clock
  readonly #isBusy: () => boolean
  readonly #prove: () => Promise<void>
  #lastAppendMs = 0
  #cancel: (() => void) | undefined

  /** `isBusy`: a batch is being written, or the log is not open any more. `prove`: notes the end in the manifest. */
  constructor(clock: Clock, isBusy: () => boolean, prove: () => Promise<void>) {
    this.#clock = clock
    this.#isBusy = isBusy
    this.#prove = prove
  }

  /** Everything that was appended is flushed. */
  rest(): void {
    this.#lastAppendMs = this.#clock.monotonicMs()
    this.#cancel ??= this.#clock.after(IDLE_MS, () => this.#look())
  }

  stop(): void {
    this.#cancel?.()
  }

  #look(): void {
    this.#cancel = undefined
    if (this.#isBusy()) return
    const restMs = this.#lastAppendMs + IDLE_MS - this.#clock.monotonicMs()
    if (restMs > 0) this.#cancel = this.#clock.after(restMs, () => this.#look())
    else void this.#prove()
  }
}
