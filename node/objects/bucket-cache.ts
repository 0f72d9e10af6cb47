/**
 * What this node knows of buckets: their records as it last read them, and when it read them.
 *
 * Invariants:
 *   - operations on a bucket from the cache are fenced by its generation, so that a stale record is refused by the
 *     replicas (T8)
 *   - nothing counts of a bucket whose minima may be gone: it was buried since its record was read, or this node was
 *     not a member for a while, and was not told
 */

import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import type { BucketId } from '../../protocol/ids.ts'
import type { BucketAccess } from '../../gateway/port/buckets.ts'
import type { Clock } from '../env/ports.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'
import { dropOldest } from '../tools/drop-oldest.ts'
import { FreshCache } from '../tools/fresh.ts'
import { Bucket } from './bucket.ts'
import { bucketRecreated } from './bucket-errors.ts'
import { sameIncarnation } from './bucket-record.ts'

/** The least recently stored records are dropped. */
const CACHE_MAX = 10_000

/** What decisions about requests are made from, and the bucket that it was read with. */
export interface KnownAccess extends BucketAccess {
  readonly bucket: Bucket
}

export interface BucketCacheOptions {
  readonly clock: Clock
  readonly placement: Pick<ReplicaPlacement, 'epoch'>
  /** Whether this node is a member of the layout. Only members are told of buried buckets. */
  readonly isMember: () => boolean
  /** Reads the record of a live bucket while the queue of one of its keys is held. Throws NoSuchBucket. */
  readonly reread: (name: string) => Promise<BucketRecord>
}

export class BucketCache {
  /** For decisions about requests (T7). */
  readonly access: FreshCache<KnownAccess>
  readonly #options: BucketCacheOptions
  /** By name, the one that was stored last at the end. */
  readonly #buckets = new Map<string, Bucket>()
  /** Counts reads of records. A read's number is drawn when it begins. */
  #order = 0
  /**
   * Raised to `#order` when something may have been buried. A record whose read began no later counts only while it is
   * in the cache.
   */
  #horizon = 0
  /** Which read was the last one of each record. */
  readonly #readAt = new WeakMap<Bucket, number>()
  /** The epoch in which `followEpoch` was called last, and whether this node was a member in it. */
  #epoch = 0
  #wasMember = false

  constructor(options: BucketCacheOptions) {
    this.#options = options
    this.access = new FreshCache(options.clock, CACHE_MAX)
  }

  /** The cached bucket, without a read. It may be stale: whatever is done with it is fenced (T8). */
  get(name: string): Bucket | undefined {
    return this.#buckets.get(name)
  }

  /** The bucket is gone, as far as its register says. Operations that hold it already meet the fence. */
  drop(name: string): void {
    this.#buckets.delete(name)
  }

  /**
   * These incarnations are gone for good, and their minima are about to be dropped. From then on a replica does not
   * refuse their old generations any more, so what was read before must not count.
   */
  bury(ids: ReadonlySet<BucketId>): void {
    for (const [name, bucket] of this.#buckets) {
      if (!ids.has(bucket.id)) continue
      this.#buckets.delete(name)
      this.access.drop(name)
    }
    this.#horizon = this.#order
  }

  /** Called when a read of a record begins. The result is for `remember`. */
  beginRead(): number {
    this.followEpoch()
    return ++this.#order
  }

  /** Forgets everything when this node was not a member for a while: it was not told which buckets were buried. */
  followEpoch(): void {
    const epoch = this.#options.placement.epoch()
    if (epoch === this.#epoch) return
    const isMember = this.#options.isMember()
    if (!isMember || !this.#wasMember || epoch !== this.#epoch + 1) {
      this.#buckets.clear()
      this.access.clear()
      this.#horizon = this.#order
    }
    this.#epoch = epoch
    this.#wasMember = isMember
  }

  /**
   * Takes a record that was read, and returns its bucket: the cached one when it is the same incarnation, brought up to
   * the record's generation. A record that was read before a burial gets a bucket, but no place in the cache.
   * @param began what `beginRead` returned when the read of the record began
   */
  remember(record: BucketRecord, began: number): Bucket {
    const cached = this.#buckets.get(record.name)
    if (cached !== undefined && sameIncarnation(cached.record, record)) {
      cached.adopt(record)
      return cached
    }
    const bucket = new Bucket(
      record,
      (old) => this.#reread(old),
      (old) => this.#isUsable(old),
    )
    this.#readAt.set(bucket, began)
    if (began <= this.#horizon) return bucket
    this.#buckets.delete(record.name)
    this.#buckets.set(record.name, bucket)
    dropOldest(this.#buckets, CACHE_MAX)
    return bucket
  }

  /**
   * Whether replicas that accept the bucket's fence prove something (FenceSource): its record was read after the last
   * burial, or it was not among the buried ones and so is still in the cache.
   */
  #isUsable(bucket: Bucket): boolean {
    this.followEpoch()
    return (
      (this.#readAt.get(bucket) ?? 0) > this.#horizon || this.#buckets.get(bucket.name) === bucket
    )
  }

  /** The newest record of the same incarnation. Throws Unavailable when the name belongs to another one. */
  async #reread(bucket: Bucket): Promise<BucketRecord> {
    const began = this.beginRead()
    const record = await this.#options.reread(bucket.name)
    if (sameIncarnation(record, bucket.record)) {
      this.#readAt.set(bucket, began)
      return record
    }
    if (this.#buckets.get(bucket.name) === bucket) this.#buckets.delete(bucket.name)
    throw bucketRecreated()
  }
}
