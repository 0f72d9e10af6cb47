/**
 * The lowest generation of each bucket that this node still obeys, in each partition (T8).
 *
 * Invariants:
 *   - once a higher generation has come, a lower one is refused
 *   - the higher one is answered only after the accepts that were let in before it are flushed too, so that a list at the
 *     new generation sees what they wrote
 */

import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { bucketIdOf } from '../../protocol/keyspace/register-key.ts'
import type { Fence, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import type { Store } from '../log/store.ts'
import type { NewRecord } from '../log/types.ts'
import { minimumGenerationRow } from './index-rows.ts'
import { FINAL_GENERATION, minimumGenerationRecord } from './minimum-generation-records.ts'
import { minimumGone } from './removal-records.ts'
import { decodeNumber } from './row-format.ts'

/** How many minima are kept in memory. */
const MINIMA_MAX = 200_000

/** A minimum on its way to the disk, and the accepts that were let in before it. */
interface PendingRaise {
  readonly generation: number
  readonly flushed: Promise<unknown>
}

export class MinimumGenerations {
  readonly #store: Store
  /** Flushed. */
  readonly #minima = new Map<string, number>()
  /** Lower generations are refused already. */
  readonly #pending = new Map<string, PendingRaise>()
  /** Accepts that passed the check of the minimum and are not flushed yet. */
  readonly #inFlight = new Map<string, Set<Promise<unknown>>>()

  constructor(store: Store) {
    this.#store = store
  }

  /** Lower generations are refused. It may still be on its way to the disk: `raise` waits for that. */
  current(partition: number, fence: Fence): number {
    const pending = this.#pending.get(nameOf(partition, fence))
    return Math.max(pending?.generation ?? 0, this.flushed(partition, fence))
  }

  flushed(partition: number, fence: Fence): number {
    const name = nameOf(partition, fence)
    const cached = this.#minima.get(name)
    if (cached !== undefined) return cached
    const row = this.#store.get(minimumGenerationRow(partition, fence.bucket))
    const minimum = row === undefined ? 0 : decodeNumber(row)
    if (this.#minima.size >= MINIMA_MAX) this.#minima.clear()
    this.#minima.set(name, minimum)
    return minimum
  }

  /** The request's generation obeys the minimum, and is not flushed as such yet. */
  mustRaise({ key, fence }: RegisterRequest, reply: RegisterReply): boolean {
    if (fence === undefined || bucketIdOf(key) === undefined) return false
    if (reply.type === 'stale-fence' || reply.type === 'stale-epoch' || reply.type === 'no-vote')
      return false
    return this.flushed(partitionOfKey(key), fence) < fence.generation
  }

  /** An accept has passed the check: a raise that comes now waits for it. Returns what to call once it is flushed, or has
   * failed. */
  letIn(key: RegisterKey, fence: Fence, flushed: Promise<unknown>): () => void {
    const name = nameOf(partitionOfKey(key), fence)
    let accepts = this.#inFlight.get(name)
    if (accepts === undefined) {
      accepts = new Set()
      this.#inFlight.set(name, accepts)
    }
    accepts.add(flushed)
    return () => {
      accepts.delete(flushed)
      if (accepts.size === 0) this.#inFlight.delete(name)
    }
  }

  /** Resolves when the fence's generation is flushed as the minimum of each of the partitions. */
  async raise(fence: Fence, partitions: readonly number[]): Promise<void> {
    const records: NewRecord[] = []
    const names: string[] = []
    const waits = new Set<Promise<unknown>>()
    for (const partition of partitions) {
      if (this.flushed(partition, fence) >= fence.generation) continue
      const name = nameOf(partition, fence)
      const pending = this.#pending.get(name)
      if (pending !== undefined && pending.generation >= fence.generation) {
        waits.add(pending.flushed)
        continue
      }
      names.push(name)
      records.push(minimumGenerationRecord(partition, fence))
    }
    if (records.length > 0) waits.add(this.#write(fence, records, names))
    await Promise.all(waits)
  }

  /** The buckets are gone for good: where the node knows a minimum of one, it obeys no generation of it any more. */
  async finalise(partition: number, buckets: readonly BucketId[]): Promise<void> {
    const known = buckets.filter((bucket) => this.flushed(partition, { bucket, generation: 0 }) > 0)
    await Promise.all(
      known.map((bucket) => this.raise({ bucket, generation: FINAL_GENERATION }, [partition])),
    )
  }

  /** Drops final minima, for buckets that no node knows any more (T8). They hold until the removal is flushed. */
  async drop(partition: number, buckets: readonly BucketId[]): Promise<number> {
    const final = buckets.filter(
      (bucket) => this.flushed(partition, { bucket, generation: 0 }) === FINAL_GENERATION,
    )
    if (final.length === 0) return 0
    await this.#store.append(
      final.map((bucket) => minimumGone(partition, bucket)),
      { urgent: true },
    )
    for (const bucket of final) this.#minima.delete(nameOf(partition, { bucket, generation: 0 }))
    return final.length
  }

  async #write(
    { generation }: Fence,
    records: readonly NewRecord[],
    names: readonly string[],
  ): Promise<void> {
    const before = names.flatMap((name) => [...(this.#inFlight.get(name) ?? [])])
    const flushed = Promise.all([
      this.#store.append(records, { urgent: true }),
      Promise.allSettled(before),
    ])
    const raise: PendingRaise = { generation, flushed }
    for (const name of names) this.#pending.set(name, raise)
    try {
      await flushed
      for (const name of names) {
        this.#minima.set(name, Math.max(this.#minima.get(name) ?? 0, generation))
      }
    } finally {
      for (const name of names) if (this.#pending.get(name) === raise) this.#pending.delete(name)
    }
  }
}

function nameOf(partition: number, { bucket }: Fence): string {
  return String.fromCharCode(partition) + bucket
}
