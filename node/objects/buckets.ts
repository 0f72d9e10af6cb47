/**
 * Buckets: which one has a name, its settings, and where its objects are.
 *
 * Invariants:
 *   - the bucket's own register decides who has the name (T6); an account's list is a superset (T2)
 *   - a change of a record answers only when a majority of each shard's replica sets has flushed the new generation
 *     (T8), so that a cached record is safe without a lease
 *   - no request is authorised by a record that was read, or proven by the replicas of the bucket's objects to be the
 *     newest (T8), more than a second before the request (T7)
 *   - "deleting" does not last: a node that meets it for long enough finishes the deletion
 */

import { utf8ByteString } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey, type Keyspace } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type {
  BucketAccess,
  BucketChange,
  BucketInfo,
  BucketSettings,
} from '../../gateway/port/buckets.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { sameAccess } from '../../gateway/port/bucket-access.ts'
import type { Clock, Random } from '../env/ports.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { Peers } from '../quorum/peers.ts'
import { AccountBuckets } from './account-buckets.ts'
import { Bucket } from './bucket.ts'
import { BucketCache, type KnownAccess } from './bucket-cache.ts'
import { BucketCreation } from './bucket-creation.ts'
import { BucketDeletion } from './bucket-deletion.ts'
import { bucketBusy, bucketRecreated, noSuchBucket } from './bucket-errors.ts'
import { FenceRaiser } from './bucket-fence.ts'
import { BucketProof } from './bucket-proof.ts'
import {
  BUCKET_DELETED,
  BUCKET_DELETING,
  BUCKET_LIVE,
  bucketValue,
  bucketInfoOf,
  recordOf,
  sameIncarnation,
  settingsOf,
  withChange,
} from './bucket-record.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'
import { sleep } from '../tools/sleep.ts'

/** How old the record for a decision about a request may be (T7). */
const ACCESS_AGE_MS = 1_000
/** For how long after a decision a change is refused when the name belongs to another incarnation by then. */
const DECISION_AGE_MS = 60_000
/** For background work, which is only delayed by an older record. */
const LOOSE_AGE_MS = 10_000
/** How long a bucket is met as "deleting" before the deletion is finished here. */
const DELETING_PATIENCE_MS = 3_000
const DELETING_POLL_MS = 100
/**
 * How long a caller that holds the queue of a key waits for the deletion, which may itself have to wait for that key.
 */
const FINISH_PATIENCE_MS = 2_000
const CHANGE_ATTEMPTS = 4
/**
 * When a read of the record takes longer than this, and there is a known record, that record is proven at the same
 * time.
 */
const READ_PATIENCE_MS = 300

export interface BucketsOptions {
  readonly registers: RegisterClient
  readonly peers: Peers
  readonly placement: ReplicaPlacement
  readonly clock: Clock
  readonly random: Random
  readonly partitionBits: () => number
  readonly keyspace: () => Keyspace
  readonly memberCount: () => number
  readonly isMember: () => boolean
  readonly bucketsPerAccount: number
  /** True when no object, at the fence given, exists: a quorum list (T6). */
  readonly isEmpty: (context: RequestContext, bucket: Bucket) => Promise<boolean>
  /** Aborts uploads of a bucket that is about to be deleted. The upload sweep finds those that it does not reach. */
  readonly abandonUploads: (context: RequestContext, bucket: Bucket) => Promise<void>
}

export class Buckets {
  readonly #options: BucketsOptions
  readonly #cache: BucketCache
  readonly #fence: FenceRaiser
  readonly #proof: BucketProof
  readonly #list: AccountBuckets
  readonly #creation: BucketCreation
  readonly #deletion: BucketDeletion

  constructor(options: BucketsOptions) {
    this.#options = options
    this.#cache = new BucketCache({
      ...options,
      reread: (name) => this.#readLive(internalContext(), name, true),
    })
    this.#fence = new FenceRaiser(options)
    this.#proof = new BucketProof(options)
    const readBucket = (context: RequestContext, name: string): Promise<BucketRecord | undefined> =>
      this.#readRecord(context, name)
    this.#list = new AccountBuckets({
      ...options,
      readBucket,
      decideBucket: (context, creating) => this.#creation.decided(context, creating),
    })
    this.#creation = new BucketCreation({
      ...options,
      list: this.#list,
      keyOf: (name) => this.#keyOf(name),
      readBucket,
    })
    this.#deletion = new BucketDeletion({
      ...options,
      fence: this.#fence,
      cache: this.#cache,
      list: this.#list,
      keyOf: (name) => this.#keyOf(name),
      readBucket,
    })
  }

  /** From the cache if possible: what follows is fenced (T8). Throws NoSuchBucket. */
  async open(context: RequestContext, name: string): Promise<Bucket> {
    this.#cache.followEpoch()
    return this.#cache.get(name) ?? this.read(context, name)
  }

  /** Asks the register: linearizable. Throws NoSuchBucket. */
  async read(context: RequestContext, name: string): Promise<Bucket> {
    const began = this.#cache.beginRead()
    return this.#cache.remember(await this.#readLive(context, name), began)
  }

  /** Called when these incarnations are gone for good and their minima are about to be dropped. From now on nothing
   * that this node knows of them counts (T8). Operations under way, and reads of records that began earlier, learn
   * from `isUsable` that they have to read the record again before they answer. */
  bury(ids: ReadonlySet<BucketId>): void {
    this.#cache.bury(ids)
  }

  /** Who owns it, and since when: linearizable. Throws NoSuchBucket. */
  async head(context: RequestContext, name: string): Promise<BucketInfo> {
    return bucketInfoOf(await this.#readOrProve(context, name))
  }

  /** For the decision about a request (T7). Throws NoSuchBucket, else Unavailable. */
  async access(context: RequestContext, name: string): Promise<BucketAccess> {
    return (await this.#known(context, name, ACCESS_AGE_MS)).value
  }

  /** Linearizable. */
  async settings(context: RequestContext, name: string): Promise<BucketSettings> {
    return settingsOf((await this.read(context, name)).record)
  }

  /** When it resolves, every later operation through any node obeys the change (T8). Unavailable: the change may still
   * happen. */
  async changeSettings(
    context: RequestContext,
    {
      bucket: name,
      change,
      judged,
    }: { bucket: string; change: BucketChange; judged?: BucketSettings | undefined },
  ): Promise<void> {
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS; attempt++) {
      const began = this.#cache.beginRead()
      const found = await this.#readLive(context, name)
      this.#mustBeDecided(found)
      let outdated = false
      const outcome = await this.#options.registers.change(context, {
        key: this.#keyOf(name),
        change: (current) => {
          const existing = recordOf(current)
          if (existing?.state !== BUCKET_LIVE || !sameIncarnation(existing, found)) {
            return { keep: true }
          }
          outdated = judged !== undefined && !sameAccess(judged, settingsOf(existing))
          if (outdated) return { keep: true }
          return { write: bucketValue(withChange(existing, change)) }
        },
      })
      if (outcome.type === 'kept') {
        // Assigned in the closure, which the compiler does not follow.
        if (!(outdated as boolean)) continue
        throw new StoreError('Conflict', 'the settings were changed meanwhile')
      }
      const next = recordOf(outcome.value) ?? found
      this.#cache.access.drop(name)
      this.#cache.remember(next, began)
      await this.#fence.raise(new Bucket(next, () => Promise.resolve(next)))
      return
    }
    throw bucketBusy()
  }

  /** Throws BucketAlreadyExists, BucketAlreadyOwnedByYou, TooManyBuckets, and Unavailable when the outcome is not
   * known. */
  async create(
    context: RequestContext,
    request: { bucket: string; ownerAccount: string; region: string },
  ): Promise<BucketInfo> {
    const began = this.#cache.beginRead()
    const record = await this.#creation.create(context, request)
    this.#cache.access.drop(record.name)
    // Another request may be deleting it already: at that generation nothing may be done with its objects (T8).
    return record.state === BUCKET_LIVE
      ? this.#cache.remember(record, began).info()
      : bucketInfoOf(record)
  }

  /** Throws NoSuchBucket, BucketNotEmpty, Conflict, and Unavailable when the outcome is not known. */
  async delete(context: RequestContext, name: string): Promise<void> {
    const found = await this.#creation.decided(context, await this.#readRecord(context, name))
    if (found === undefined) throw noSuchBucket(name)
    this.#mustBeDecided(found)
    await this.#deletion.run(context, found)
  }

  /** The account's buckets with this prefix, ordered by name. `next`: the last name of this page, when there are more. */
  async list(
    context: RequestContext,
    request: { ownerAccount: string; prefix: string; after?: string | undefined; limit: number },
  ): Promise<{ buckets: BucketInfo[]; next?: string | undefined }> {
    const entries = await this.#list.entries(context, request.ownerAccount)
    // For a while a second creation of the same name leaves an intent.
    const live = new Set(entries.filter((entry) => entry.live).map(({ name }) => name))
    const names = [...new Set(entries.map((entry) => entry.name))]
      .filter((name) => name.startsWith(request.prefix) && name > (request.after ?? ''))
      .sort()
    const buckets: BucketInfo[] = []
    for (let at = 0; at < names.length; at += 32) {
      const records = await Promise.all(
        names.slice(at, at + 32).map((name) => this.#readRecord(context, name)),
      )
      for (const record of records) {
        if (record === undefined || record.state === BUCKET_DELETED) continue
        if (record.ownerAccount !== request.ownerAccount) continue
        if (record.state !== BUCKET_LIVE && record.state !== BUCKET_DELETING) {
          // "Creating": its list has decided, or it has not been answered yet.
          if (!live.has(record.name)) continue
        }
        if (buckets.length === request.limit) return { buckets, next: buckets.at(-1)!.name }
        buckets.push(bucketInfoOf(record))
      }
    }
    return { buckets }
  }

  /** The bucket of this incarnation; undefined when it is gone for good. For background work: a bucket that was
   * deleted a moment ago may still be returned. */
  async find(context: RequestContext, name: string, id: BucketId): Promise<Bucket | undefined> {
    try {
      const known = await this.#known(context, name, LOOSE_AGE_MS)
      if (known.value.bucket.id === id) return known.value.bucket
      // The known record may be older than the question.
      const now = await this.read(context, name)
      return now.id === id ? now : undefined
    } catch (error) {
      if (error instanceof StoreError && error.code === 'NoSuchBucket') return undefined
      throw error
    }
  }

  async #known(
    context: RequestContext,
    name: string,
    ageMs: number,
  ): Promise<{ readonly value: KnownAccess }> {
    try {
      return await this.#cache.access.get(name, ageMs, async (sinceMs) => {
        const began = this.#cache.beginRead()
        const record = await this.#readOrProve(context, name)
        const bucket = this.#cache.remember(record, began)
        return {
          value: { bucket, info: bucketInfoOf(record), settings: settingsOf(record) },
          sinceMs,
        }
      })
    } catch (error) {
      if (!(error instanceof StoreError) || error.code === 'NoSuchBucket') throw error
      throw new StoreError('Unavailable', 'the settings of the bucket could not be read')
    }
  }

  /** The record of a live bucket: from its register; or the known one, once the replicas of its objects have proven
   * that no newer one had been answered when this was called. So a bucket stays usable when its register has no
   * majority. Only "live at this generation" is ever proven; everything else is read. Throws NoSuchBucket. */
  async #readOrProve(context: RequestContext, name: string): Promise<BucketRecord> {
    const reading = this.#readLive(context, name)
    const known = this.#cache.get(name)
    if (known === undefined) return reading
    const patience = this.#patience(name)
    const first = await Promise.race([reading, patience.over]).catch(unlessUnavailable)
    patience.cancel()
    if (first !== undefined) return first
    const { record } = known
    const proof = this.#proof.isCurrent(context, new Bucket(record, () => Promise.resolve(record)))
    const proven = proof.then((current) =>
      current && this.#cache.get(name) === known ? record : reading,
    )
    return Promise.race([
      reading.catch((error: unknown) => unlessUnavailable(error) ?? proven),
      proven,
    ])
  }

  /** How long to wait for the register alone: not at all when its majority is not connected. */
  #patience(name: string): { readonly over: Promise<undefined>; readonly cancel: () => void } {
    const reachable = this.#proof.isReachable(partitionOfKey(this.#keyOf(name)))
    let cancel = (): void => {}
    const over = new Promise<undefined>((resolve) => {
      const delayMs = reachable ? READ_PATIENCE_MS : 0
      cancel = this.#options.clock.after(delayMs, () => resolve(undefined))
    })
    return { over, cancel: () => cancel() }
  }

  /** The caller was authorised for one incarnation. Refuse if the name now belongs to another one. */
  #mustBeDecided(found: BucketRecord): void {
    const known = this.#cache.access.peek(found.name, DECISION_AGE_MS)
    if (known === undefined || sameIncarnation(known.value.bucket.record, found)) return
    this.#cache.access.drop(found.name)
    throw bucketRecreated()
  }

  /** Throws NoSuchBucket. */
  async #readLive(context: RequestContext, name: string, holdsKey = false): Promise<BucketRecord> {
    const { clock } = this.#options
    const since = clock.monotonicMs()
    for (;;) {
      const record = await this.#creation.decided(context, await this.#readRecord(context, name))
      if (record === undefined) {
        this.#cache.drop(name)
        throw noSuchBucket(name)
      }
      if (record.state === BUCKET_LIVE) return record
      if (clock.monotonicMs() - since > DELETING_PATIENCE_MS) {
        // The node that began the deletion is most likely dead.
        const finished = this.#deletion.finish(context, record).catch((error: unknown) => {
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

  async #readRecord(context: RequestContext, name: string): Promise<BucketRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, { key: this.#keyOf(name) })
    return recordOf(accepted?.value)
  }

  #keyOf(name: string): RegisterKey {
    return systemRegister('bucket', utf8ByteString(name), this.#options.keyspace())
  }
}

function unlessUnavailable(error: unknown): undefined {
  if (!(error instanceof StoreError) || error.code !== 'Unavailable') throw error
}
