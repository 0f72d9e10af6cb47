/** What a start finds to be lost, written down before anything goes on (D8). */

import type { Damage, Loss, StoreOptions } from './types.ts'

export class Losses {
  readonly all: Loss[] = []
  readonly #forgot: (losses: readonly Loss[]) => Promise<void>
  #pending: Loss[] = []
  /** What is written down: a log that is damaged in a thousand places need not be said a thousand times. */
  readonly #partitions = new Set<number>()
  #everything = false
  #mark = false

  constructor(forgot: (losses: readonly Loss[]) => Promise<void>) {
    this.#forgot = forgot
  }

  add(loss: Loss | undefined): void {
    if (loss === undefined) return
    this.all.push(loss)
    this.#pending.push(loss)
  }

  /** Resolves when all that was added is durable. */
  async report(): Promise<void> {
    const pending = this.#pending
    this.#pending = []
    if (!pending.some((loss) => this.#isNew(loss))) return
    await this.#forgot(pending)
    for (const { partitions, mark } of pending) {
      if (partitions === 'all') this.#everything = true
      else for (const partition of partitions) this.#partitions.add(partition)
      this.#mark ||= mark
    }
  }

  #isNew({ partitions, mark }: Loss): boolean {
    if (mark && !this.#mark) return true
    if (this.#everything) return false
    return partitions === 'all' || partitions.some((each) => !this.#partitions.has(each))
  }
}

/** Damage that nobody can name may have been anything. */
export function lossOf(damage: Damage, options: Pick<StoreOptions, 'lossOf'>): Loss | undefined {
  const { identity, segment, offset, lengthBytes } = damage
  if (identity !== undefined) return options.lossOf?.({ ...damage, identity })
  const detail = `${lengthBytes} unreadable bytes at ${offset} of segment ${segment}`
  return { partitions: 'all', mark: true, reason: 'damage', detail }
}
