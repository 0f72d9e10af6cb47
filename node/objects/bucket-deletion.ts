/**
 * How a bucket is deleted (T6). Any node that meets "deleting" may finish the deletion, so every step may be done twice.
 *
 * 1. "Deleting" in the bucket's register, and its generation at a majority of each shard: no write gets in any more (T8).
 * 2. A quorum list looks whether the bucket is empty. When it is not, the bucket becomes live again.
 * 3. Open uploads are aborted, as far as they are reached in time.
 * 4. A tombstone in the bucket's register: the bucket is gone. Its entry leaves the account's list.
 *
 * Invariants:
 *   - the list of step 2 is made at the generation of "deleting", so it sees every write that was answered before
 *   - each change of the state raises the generation, so a deletion that others have decided is noticed
 */

import { byteString } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import { FINAL_GENERATION } from '../replica/minimum-generation-records.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { AccountBuckets } from './account-buckets.ts'
import { Bucket } from './bucket.ts'
import type { BucketCache } from './bucket-cache.ts'
import { bucketBusy, bucketRecreated, noSuchBucket } from './bucket-errors.ts'
import type { FenceRaiser } from './bucket-fence.ts'
import {
  BUCKET_DELETED,
  BUCKET_DELETING,
  BUCKET_LIVE,
  bucketValue,
  recordOf,
  sameIncarnation,
} from './bucket-record.ts'

/** The parts of Buckets that a deletion works with. */
export interface BucketDeletionOptions {
  readonly registers: RegisterClient
  readonly fence: FenceRaiser
  readonly cache: BucketCache
  readonly list: AccountBuckets
  readonly keyOf: (name: string) => RegisterKey
  readonly readBucket: (context: RequestContext, name: string) => Promise<BucketRecord | undefined>
  /** True when no object, at the fence given, exists: a quorum list (T6). */
  readonly isEmpty: (context: RequestContext, bucket: Bucket) => Promise<boolean>
  /** Aborts uploads of a bucket that is about to be deleted. The upload sweep finds those that it does not reach. */
  readonly abandonUploads: (context: RequestContext, bucket: Bucket) => Promise<void>
}

export class BucketDeletion {
  readonly #options: BucketDeletionOptions

  constructor(options: BucketDeletionOptions) {
    this.#options = options
  }

  /**
   * Deletes the bucket on a client's request. `found` is live or "deleting". Throws BucketNotEmpty, NoSuchBucket,
   * Conflict, and Unavailable when it is not known what has happened.
   *
   * Others may finish this deletion meanwhile. Then their success is this request's success too.
   */
  async run(context: RequestContext, found: BucketRecord): Promise<void> {
    if (found.state === BUCKET_DELETING) {
      await this.finish(context, found)
      // The request that began the deletion is the one that is answered with success.
      throw noSuchBucket(found.name)
    }
    const begun = await this.#changeState(context, found, BUCKET_DELETING)
    try {
      await this.finish(context, begun)
    } catch (error) {
      const codes = ['NoSuchBucket', 'Conflict']
      if (!(error instanceof StoreError && codes.includes(error.code))) throw error
      if (!(await this.#wasFinished(context, begun))) throw error
    }
  }

  /**
   * Ends the deletion of a bucket that is "deleting": deleted, or live again. Called for the request, and by any reader
   * that has met "deleting" for long enough. Throws BucketNotEmpty when the bucket lives on, and NoSuchBucket or
   * Conflict when another deletion has decided.
   */
  async finish(context: RequestContext, record: BucketRecord): Promise<void> {
    const { fence, cache, list, isEmpty, abandonUploads } = this.#options
    const bucket = new Bucket(record, (old) => this.#rereadDeleting(old))
    await fence.raise(bucket)
    if (!(await isEmpty(context, bucket))) {
      const back = await this.#changeState(context, record, BUCKET_LIVE)
      await fence.raise(new Bucket(back, () => Promise.resolve(back)))
      throw new StoreError('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
        BucketName: record.name,
      })
    }
    await abandonUploads(context, bucket)
    const deleted = await this.#changeState(context, record, BUCKET_DELETED)
    // Nothing depends on this raise. It only lets the minima be dropped later.
    const final = { ...deleted, generation: FINAL_GENERATION }
    void fence.raise(new Bucket(final, () => Promise.resolve(final))).catch(() => {})
    cache.drop(record.name)
    cache.access.drop(record.name)
    // An entry that is left over is removed when the account meets its limit: the register has decided.
    await list.forget(context, record).catch(() => {})
  }

  /** Have others finished this deletion? Throws Unavailable when the name has a new bucket, because then it can no
   * longer be known what became of the old one. */
  async #wasFinished(context: RequestContext, begun: BucketRecord): Promise<boolean> {
    const now = await this.#options.readBucket(context, begun.name)
    if (now === undefined || !sameIncarnation(now, begun)) throw bucketRecreated()
    return now.state === BUCKET_DELETED && now.generation === begun.generation + 1
  }

  /** Moves the record of this incarnation to `state`, one generation on. Settings that a live bucket was given since
   * `from` was read are kept; a "deleting" record must be the one that this deletion wrote. */
  async #changeState(
    context: RequestContext,
    from: BucketRecord,
    state: number,
  ): Promise<BucketRecord> {
    const outcome = await this.#options.registers.change(context, {
      key: this.#options.keyOf(from.name),
      change: (current) => {
        const existing = recordOf(current)
        if (existing === undefined || !sameIncarnation(existing, from)) return { keep: true }
        const same = from.state === BUCKET_LIVE || existing.generation === from.generation
        if (existing.state !== from.state || !same) return { keep: true }
        return { write: bucketValue({ ...existing, state, generation: existing.generation + 1 }) }
      },
    })
    const written = outcome.type === 'written' ? recordOf(outcome.value) : undefined
    if (written !== undefined) return written
    const current = outcome.type === 'kept' ? recordOf(outcome.current?.value) : undefined
    if (
      current === undefined ||
      !sameIncarnation(current, from) ||
      current.state === BUCKET_DELETED
    )
      throw noSuchBucket(from.name)
    throw bucketBusy()
  }

  /** The record while the deletion is under way. Throws when another deletion has decided meanwhile. */
  async #rereadDeleting(bucket: Bucket): Promise<BucketRecord> {
    const record = await this.#options.readBucket(internalContext(), bucket.name)
    if (record === undefined || byteString(record.incarnation) !== (bucket.id as string)) {
      throw noSuchBucket(bucket.name)
    }
    if (record.generation !== bucket.record.generation) throw bucketBusy()
    return record
  }
}
