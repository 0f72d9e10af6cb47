/**
 * What a start finds to be lost. It is written down before the start goes on (D8): the replay waits for `report`
 * before the index reflects the log behind a loss. Called by store-recovery.ts.
 *
 * A loss that says nothing new is not written down again, but for the first LOSS_PLACES_MAX that name a place.
 */

import { assert } from '../../protocol/assert.ts'
import type { Damage, LogLoss, StoreOptions } from './types.ts'

/**
 * How many places of damage are written down although nothing new is lost by them: later starts then know them
 * again.
 */
export const LOSS_PLACES_MAX = 64

export class LogLosses {
  /** Everything that was added, in order. */
  readonly all: LogLoss[] = []
  readonly #forgot: (losses: readonly LogLoss[]) => Promise<void>
  /** Added since the last report. */
  #pending: LogLoss[] = []
  /** What is written down already: damage in a thousand places need not be written a thousand times. */
  readonly #partitions = new Set<number>()
  #everything = false
  #mark = false
  #places = 0

  constructor(forgot: (losses: readonly LogLoss[]) => Promise<void>) {
    this.#forgot = forgot
  }

  /** Undefined is no loss: what is damaged can be mended by itself (D3). */
  add(loss: LogLoss | undefined): void {
    if (loss === undefined) return
    assert(loss.mark || loss.partitions.length > 0, 'a loss says what is lost')
    this.all.push(loss)
    this.#pending.push(loss)
  }

  /** Resolves when all that was added is durable. Rejects as `forgot` does; the start then fails. */
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

  /** Whether it says more than what is written down already. */
  #isNew({ partitions, mark, place }: LogLoss): boolean {
    if (place !== undefined && this.#places < LOSS_PLACES_MAX) return true
    if (mark && !this.#mark) return true
    if (this.#everything) return false
    return partitions === 'all' || partitions.some((each) => !this.#partitions.has(each))
  }
}

/**
 * What is lost by damage. Undefined when only its own record is (D3). Damage that names no record may have been any
 * record.
 */
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
