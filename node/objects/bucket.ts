/** A bucket's record as one node last read it, and the fence that it is (T8). */

import { byteString } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { bucketId, type BucketId } from '../../protocol/ids.ts'
import type { Fence } from '../../protocol/register/types.ts'
import type { BucketInfo } from '../../gateway/port/buckets.ts'
import { bucketInfoOf } from './bucket-record.ts'
import type { FenceSource } from '../quorum/fence-source.ts'

/** A bucket is its own fence: `refresh` reads its record again. */
export class Bucket implements FenceSource {
  readonly name: string
  /** The incarnation: another bucket under the same name has another id. */
  readonly id: BucketId
  /** Replaced by newer ones of the same incarnation, while operations are under way. */
  #record: BucketRecord
  readonly #reread: (bucket: Bucket) => Promise<BucketRecord>
  readonly #isUsable: ((bucket: Bucket) => boolean) | undefined

  /**
   * @param reread returns the newest record of the same incarnation; throws when there is none
   * @param isUsable false once the minima of this bucket may be gone: see `FenceSource`. When left out, always usable
   */
  constructor(
    record: BucketRecord,
    reread: (bucket: Bucket) => Promise<BucketRecord>,
    isUsable?: (bucket: Bucket) => boolean,
  ) {
    this.name = record.name
    this.id = bucketId(byteString(record.incarnation))
    this.#record = record
    this.#reread = reread
    this.#isUsable = isUsable
  }

  get record(): BucketRecord {
    return this.#record
  }

  /** Fixed for the bucket's life: the place of each object depends on it. */
  get shards(): number {
    return this.#record.shards
  }

  /** The fence for operations that obey this record (T8). */
  current(): Fence {
    return { bucket: this.id, generation: this.#record.generation }
  }

  isUsable(): boolean {
    return this.#isUsable?.(this) ?? true
  }

  /**
   * Reads the record again, after a replica has refused its generation. Throws NoSuchBucket, and Unavailable when the
   * name belongs to another incarnation.
   */
  async refresh(): Promise<void> {
    this.adopt(await this.#reread(this))
  }

  /** Takes the record of the same incarnation at a newer generation. An older one changes nothing. */
  adopt(record: BucketRecord): void {
    if (record.generation >= this.#record.generation) this.#record = record
  }

  info(): BucketInfo {
    return bucketInfoOf(this.#record)
  }
}
