/** The writes of one simulated node on their way to its disk. While one flush runs, the next batch gathers. */

import type { Ballot } from '../../protocol/register/ballot.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type { KernelClock } from './parts.ts'

/** One record on its way to the disk, and what waits for it. */
export interface DiskEntry {
  readonly key: number
  readonly persist?: Accepted
  readonly mark?: number
  readonly floor?: Ballot
  readonly minimum?: number
  readonly collected?: Ballot
  readonly data?: number
  /** All registers go, upon entry at this epoch (L9) or because others have them (L8). */
  readonly discard?: number
  readonly whenFlushed?: () => void
}

export class GroupCommit {
  readonly #clock: KernelClock
  readonly #apply: (entries: readonly DiskEntry[]) => void
  #gathering: DiskEntry[] = []
  #flushing: DiskEntry[] | undefined
  /** Raised by a crash: a flush that was under way is void. */
  #life = 0

  /** `apply` takes what is flushed into the disk. */
  constructor(clock: KernelClock, apply: (entries: readonly DiskEntry[]) => void) {
    this.#clock = clock
    this.#apply = apply
  }

  get isIdle(): boolean {
    return !this.#flushing && this.#gathering.length === 0
  }

  append(entry: DiskEntry): void {
    this.#gathering.push(entry)
    if (!this.#flushing) this.#flush()
  }

  /** Only a prefix of a flush in flight reaches the disk; what had gathered is lost. */
  crash(): void {
    const flushing = this.#flushing ?? []
    this.#life++
    this.#apply(flushing.slice(0, this.#clock.random.int(flushing.length + 1)))
    this.#flushing = undefined
    this.#gathering = []
  }

  #flush(): void {
    const life = this.#life
    this.#flushing = this.#gathering
    this.#gathering = []
    const { random, scenario } = this.#clock
    this.#clock.after(1 + random.int(scenario.flushMax), () => {
      if (this.#life !== life) return
      const done = this.#flushing ?? []
      this.#flushing = undefined
      this.#apply(done)
      for (const { whenFlushed } of done) whenFlushed?.()
      if (this.#gathering.length > 0 && !this.#flushing) this.#flush()
    })
  }
}
