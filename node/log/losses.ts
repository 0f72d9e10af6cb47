/** What a start finds to be lost, written down before anything goes on (D8). */

import type { Damage, LogLoss, StoreOptions } from './types.ts'

/** Of damage, what is told even where it loses nothing new: so that it can be known again. */
export const LOSS_PLACES_MAX = 64

export class LogLosses {
  readonly all: LogLoss[] = []
  readonly #forgot: (losses: readonly LogLoss[]) => Promise<void>
  #pending: LogLoss[] = []
  /** What is written down: a log that is damaged in a thousand places need not be said a thousand times. */
  readonly #partitions = new Set<number>()
  #everything = false
  #mark = false
  #places = 0

  constructor(forgot: (losses: readonly LogLoss[]) => Promise<void>) {
    this.#forgot = forgot
  }

  add(loss: LogLoss | undefined): void {
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
    this.#places += pending.filter(({ place }) => place !== undefined).length
  }

  #isNew({ partitions, mark, place }: LogLoss): boolean {
    if (place !== undefined && this.#places < LOSS_PLACES_MAX) return true
    if (mark && !this.#mark) return true
    if (this.#everything) return false
    return partitions === 'all' || partitions.some((each) => !this.#partitions.has(each))
  }
}

/** Damage that nobody can name may have been anything. */
export function damageLossOf(
  damage: Damage,
  options: Pick<StoreOptions, 'lossOf'>,
): LogLoss | undefined {
  const { identity, segment, offset, lengthBytes } = damage
  const place = { segment, offset, lengthBytes }
  if (identity !== undefined) {
    const loss = options.lossOf?.({ ...damage, identity })
    return loss === undefined ? undefined : { ...loss, place }
  }
  const detail = `${lengthBytes} unreadable bytes at ${offset} of segment ${segment}`
  return { partitions: 'all', mark: true, reason: 'damage', detail, place }
}
