/**
 * Reads a bucket's record. A reader that meets a bucket between two states brings it forward: "creating" is decided, and a
 * deletion that takes too long is finished. Called by buckets.ts.
 *
 * Invariants:
 *   - "creating" is never returned: the account's list decides it first                                       (T6)
 *   - "deleting" does not last: a node that meets it for long enough finishes the deletion
 *   - a record that comes from the cache was proven to be the newest one that had been answered               (T7, T8)
 */

import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import { sleep } from '../tools/sleep.ts'
import { Bucket } from './bucket.ts'
import type { BucketCache } from './bucket-cache.ts'
import { noSuchBucket } from './bucket-errors.ts'
import { BucketProof, type BucketProofOptions } from './bucket-proof.ts'
import { BUCKET_LIVE, recordOf } from './bucket-record.ts'

/** How long a bucket is met as "deleting" before the deletion is finished here. */
const DELETING_PATIENCE_MS = 3_000
/** How often a bucket that is "deleting" is read again meanwhile. */
const DELETING_POLL_MS = 100
/**
 * How long a caller that holds the queue of a key waits for the deletion, which may itself have to wait for that key.
 */
const FINISH_PATIENCE_MS = 2_000
/**
 * When a read of the record takes longer than this, and there is a known record, that record is proven at the same
 * time.
 */
const READ_PATIENCE_MS = 300

export interface BucketReaderOptions extends BucketProofOptions {
  readonly clock: Clock
  readonly cache: Pick<BucketCache, 'get' | 'drop'>
  readonly keyOf: (name: string) => RegisterKey
  /** Decides a record that is "creating" (BucketCreation.decided). */
  readonly decided: (
    context: RequestContext,
    record: BucketRecord | undefined,
  ) => Promise<BucketRecord | undefined>
  /** Ends the deletion of a bucket that is "deleting" (BucketDeletion.finish). */
  readonly finishDeletion: (context: RequestContext, record: BucketRecord) => Promise<void>
}

export class BucketReader {
  readonly #options: BucketReaderOptions
  readonly #proof: BucketProof

  constructor(options: BucketReaderOptions) {
    this.#options = options
    this.#proof = new BucketProof(options)
  }

  /** The record as it is, in any state. Linearizable. */
  async record(context: RequestContext, name: string): Promise<BucketRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, {
      key: this.#options.keyOf(name),
    })
    return recordOf(accepted?.value)
  }

  /**
   * The record of a live bucket, from its register. Waits while the bucket is "deleting", and finishes the deletion when
   * that takes too long. Throws NoSuchBucket. `holdsKey`: the caller holds the queue of one of the bucket's keys, so it
   * waits only a while, and then this throws Unavailable.
   */
  async live(
    context: RequestContext,
    name: string,
    { holdsKey = false } = {},
  ): Promise<BucketRecord> {
    const { clock, cache, decided, finishDeletion } = this.#options
    const since = clock.monotonicMs()
    for (;;) {
      const record = await decided(context, await this.record(context, name))
      if (record === undefined) {
        cache.drop(name)
        throw noSuchBucket(name)
      }
      if (record.state === BUCKET_LIVE) return record
      if (clock.monotonicMs() - since > DELETING_PATIENCE_MS) {
        // The node that began the deletion is most likely dead.
        const finished = finishDeletion(context, record).catch((error: unknown) => {
          // Others may finish it at the same time. Only what the record says then counts.
          const codes = ['BucketNotEmpty', 'NoSuchBucket', 'Conflict']
          if (!(error instanceof StoreError && codes.includes(error.code))) throw error
        })
        if (!holdsKey) {
          await finished
          continue
        }
        // The list of the deletion may have to wait for the very key whose change waits for this.
        const late = sleep(clock, FINISH_PATIENCE_MS).then(() => 'late' as const)
        if ((await Promise.race([finished, late])) === 'late') {
          finished.catch(() => {})
          throw new StoreError('Unavailable', 'the bucket is being deleted')
        }
      } else {
        await sleep(clock, DELETING_POLL_MS)
      }
    }
  }

  /** The record of a live bucket: from its register; or the known one, once the replicas of its objects have proven
   * that no newer one had been answered when this was called. So a bucket stays usable when its register has no
   * majority. Only "live at this generation" is ever proven; everything else is read. Throws NoSuchBucket. */
  async liveOrProven(context: RequestContext, name: string): Promise<BucketRecord> {
    const reading = this.live(context, name)
    const known = this.#options.cache.get(name)
    if (known === undefined) return reading
    const patience = this.#patience(name)
    const first = await Promise.race([reading, patience.over]).catch(unlessUnavailable)
    patience.cancel()
    if (first !== undefined) return first
    const { record } = known
    const proof = this.#proof.isCurrent(context, new Bucket(record, () => Promise.resolve(record)))
    const proven = proof.then((current) =>
      current && this.#options.cache.get(name) === known ? record : reading,
    )
    return Promise.race([
      reading.catch((error: unknown) => unlessUnavailable(error) ?? proven),
      proven,
    ])
  }

  /** How long to wait for the register alone: not at all when its majority is not connected. */
  #patience(name: string): { readonly over: Promise<undefined>; readonly cancel: () => void } {
    const reachable = this.#proof.isReachable(partitionOfKey(this.#options.keyOf(name)))
    let cancel = (): void => {}
    const over = new Promise<undefined>((resolve) => {
      const delayMs = reachable ? READ_PATIENCE_MS : 0
      cancel = this.#options.clock.after(delayMs, () => resolve(undefined))
    })
    return { over, cancel: () => cancel() }
  }
}

/** Swallows Unavailable, and throws any other error on. */
function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof StoreError) || error.code !== 'Unavailable') throw error
}
