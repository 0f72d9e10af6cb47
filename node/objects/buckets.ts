/**
 * Buckets: which one has a name, its settings, and where its objects are.
 *
 * Invariants:
 *   - the bucket's own register decides who has the name (T6); an account's list is a superset (T2)
 *   - a change of a record answers only when a majority of each shard's replica sets has flushed the new generation
 *     (T8), so that a cached record is safe without a lease
 *   - no request is authorised by a record that was read, or proven by the replicas of the bucket's objects to be the
 *     newest (T8), more than a second before the request (T7)
 *
 * Reading a record: bucket-reader.ts. Its states: bucket-creation.ts, bucket-deletion.ts. What is cached: bucket-cache.ts.
 */

import { batchesOf } from '../tools/in-batches.ts'
import { utf8ByteString } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { BucketId, RegisterKey } from '../../protocol/ids.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import type {
  BucketAccess,
  BucketBackend,
  BucketChange,
  BucketInfo,
  BucketSettings,
  ChangeBucketRequest,
} from '../../gateway/port/buckets.ts'
import { RIGHTS_AGE_MS, type Timed } from '../../gateway/port/rights.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { requireOwner, sameAccess } from '../../gateway/port/bucket-access.ts'
import type { Clock, Random } from '../env/ports.ts'
import type { Fresh } from '../tools/fresh.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { Peers } from '../quorum/peers.ts'
import { AccountBuckets } from './account-buckets.ts'
import { Bucket } from './bucket.ts'
import { BucketCache, type KnownAccess } from './bucket-cache.ts'
import { BucketCreation } from './bucket-creation.ts'
import { BucketDeletion } from './bucket-deletion.ts'
import { lockRefusal } from './bucket-lock.ts'
import { bucketBusy, bucketRecreated, noSuchBucket } from './bucket-errors.ts'
import { FenceRaiser } from './bucket-fence.ts'
import { BucketReader } from './bucket-reader.ts'
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
import { LifecycleDirectory } from './lifecycle-directory.ts'
import { objectRules } from '../../protocol/lifecycle/rule.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'

/** How old the record for a decision about a request may be (T7). */
const ACCESS_AGE_MS = RIGHTS_AGE_MS
/** For how long after a decision a change is refused when the name belongs to another incarnation by then. */
const DECISION_AGE_MS = 60_000
/** For background work, which is only delayed by an older record. */
const LOOSE_AGE_MS = 10_000
/** Records that a list of buckets reads at the same time. */
const READS_AT_ONCE = 32
/** How often a change of settings begins again when the record has changed since it was read. */
const CHANGE_ATTEMPTS = 4

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
  /** The limit of accounts without one of their own. */
  readonly bucketsPerAccount: number
  /** True when no object, at the fence given, exists: a quorum list (T6). */
  readonly isEmpty: (context: RequestContext, bucket: Bucket) => Promise<boolean>
  /** Aborts uploads of a bucket that is about to be deleted. The upload sweep finds those that it does not reach. */
  readonly abandonUploads: (context: RequestContext, bucket: Bucket) => Promise<void>
}

export class Buckets {
  /** Which buckets have a lifecycle. */
  readonly lifecycles: LifecycleDirectory
  readonly #options: BucketsOptions
  readonly #cache: BucketCache
  readonly #fence: FenceRaiser
  readonly #reader: BucketReader
  readonly #list: AccountBuckets
  readonly #creation: BucketCreation
  readonly #deletion: BucketDeletion

  constructor(options: BucketsOptions) {
    this.#options = options
    this.lifecycles = new LifecycleDirectory(options)
    this.#cache = new BucketCache({
      ...options,
      reread: (name) => this.#reader.live(internalContext(), name, { holdsKey: true }),
    })
    this.#fence = new FenceRaiser(options)
    this.#reader = new BucketReader({
      ...options,
      cache: this.#cache,
      keyOf: (name) => this.#keyOf(name),
      decided: (context, record) => this.#creation.decided(context, record),
      finishDeletion: (context, record) => this.#deletion.finish(context, record),
    })
    const readBucket = (context: RequestContext, name: string): Promise<BucketRecord | undefined> =>
      this.#reader.record(context, name)
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
    return this.#cache.remember(await this.#reader.live(context, name), began)
  }

  /** Called when these incarnations are gone for good and their minima are about to be dropped. From now on nothing
   * that this node knows of them counts (T8). Operations under way, and reads of records that began earlier, learn
   * from `isUsable` that they have to read the record again before they answer. */
  bury(ids: ReadonlySet<BucketId>): void {
    this.#cache.bury(ids)
  }

  /** Who owns it, and since when: linearizable. Throws NoSuchBucket. */
  async head(context: RequestContext, name: string): Promise<BucketInfo> {
    return bucketInfoOf(await this.#reader.liveOrProven(context, name))
  }

  /** For the decision about a request (T7). Throws NoSuchBucket, else Unavailable. */
  async access(context: RequestContext, name: string): Promise<BucketAccess> {
    return (await this.#known(context, name, ACCESS_AGE_MS)).value
  }

  /** As `access`, at most `ageMs` old, and for how long it may be used from now on. For caches in front of this one. */
  async timedAccess(
    context: RequestContext,
    name: string,
    ageMs: number,
  ): Promise<Timed<BucketAccess>> {
    const calledMs = this.#options.clock.monotonicMs()
    const { value, sinceMs } = await this.#known(context, name, ageMs)
    const { info, settings } = value
    return { value: { info, settings }, usableMs: sinceMs + ACCESS_AGE_MS - calledMs }
  }

  /** Called when something is forgotten: caches in front of this one must forget all that they keep. At most one listener. */
  onForget(forget: () => void): void {
    this.#cache.access.onForget(forget)
  }

  /** Asks the register: linearizable. Throws NoSuchBucket. */
  async settings(context: RequestContext, name: string): Promise<BucketSettings> {
    return settingsOf((await this.read(context, name)).record)
  }

  /**
   * Changes some settings of a live bucket. When it resolves, every later operation through any node obeys the change
   * (T8).
   *
   * Throws NoSuchBucket; Conflict when it has another owner by now, when `judged` is given and what decides about access
   * differs by now, or when others change the bucket again and again; Unavailable when the change may still happen.
   */
  async changeSettings(
    context: RequestContext,
    { bucket: name, ownerAccount, change, judged }: ChangeBucketRequest,
  ): Promise<void> {
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS; attempt++) {
      const began = this.#cache.beginRead()
      const found = await this.#reader.live(context, name)
      this.#mustBeDecided(found)
      // An incarnation never changes its owner.
      requireOwner(found, ownerAccount)
      await this.#announce(context, found, change, 'before')
      let outdated = false
      let refusal: StoreError | undefined
      const outcome = await this.#options.registers.change(context, {
        key: this.#keyOf(name),
        change: (current) => {
          outdated = false
          refusal = undefined
          const existing = recordOf(current)
          if (existing?.state !== BUCKET_LIVE || !sameIncarnation(existing, found)) {
            return { keep: true }
          }
          outdated = judged !== undefined && !sameAccess(judged, settingsOf(existing))
          if (outdated) return { keep: true }
          refusal = lockRefusal(settingsOf(existing), change)
          if (refusal !== undefined) return { keep: true }
          return { write: bucketValue(withChange(existing, change)) }
        },
      })
      if (outcome.type === 'kept') {
        if (refusal !== undefined) throw refusal
        // Assigned in the closure, which the compiler does not follow.
        if (!(outdated as boolean)) continue
        throw new StoreError('Conflict', 'the settings were changed meanwhile')
      }
      const next = recordOf(outcome.value) ?? found
      this.#cache.access.drop(name)
      this.#cache.remember(next, began)
      await this.#fence.raise(new Bucket(next, () => Promise.resolve(next)))
      await this.#announce(context, next, change, 'after')
      return
    }
    throw bucketBusy()
  }

  /**
   * Resolves when the bucket is live in its register (T6). Throws BucketAlreadyExists, BucketAlreadyOwnedByYou,
   * TooManyBuckets, Conflict, and Unavailable when the outcome is not known.
   */
  async create(
    context: RequestContext,
    request: Parameters<BucketBackend['createBucket']>[1],
  ): Promise<BucketInfo> {
    const began = this.#cache.beginRead()
    const record = await this.#creation.create(context, request)
    this.#cache.access.drop(record.name)
    // Another request may be deleting it already: at that generation nothing may be done with its objects (T8).
    return record.state === BUCKET_LIVE
      ? this.#cache.remember(record, began).info()
      : bucketInfoOf(record)
  }

  /**
   * Deletes an empty bucket. Throws NoSuchBucket, BucketNotEmpty, Conflict, and Unavailable when the outcome is not
   * known.
   */
  async delete(context: RequestContext, name: string, ownerAccount?: string): Promise<void> {
    const found = await this.#creation.decided(context, await this.#reader.record(context, name))
    if (found === undefined) throw noSuchBucket(name)
    requireOwner(found, ownerAccount)
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
    for (const some of batchesOf(names, READS_AT_ONCE)) {
      const records = await Promise.all(some.map((name) => this.#reader.record(context, name)))
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

  /**
   * The record with its settings, at most `ageMs` old. Throws NoSuchBucket; every other failure of the read is
   * Unavailable.
   */
  async #known(context: RequestContext, name: string, ageMs: number): Promise<Fresh<KnownAccess>> {
    try {
      return await this.#cache.access.get(name, ageMs, async (sinceMs) => {
        const began = this.#cache.beginRead()
        const record = await this.#reader.liveOrProven(context, name)
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

  /** Before and after rules are stored, so that no node misses them (lifecycle-directory.ts). */
  async #announce(
    context: RequestContext,
    record: BucketRecord,
    { lifecycle }: BucketChange,
    when: 'before' | 'after',
  ): Promise<void> {
    if (lifecycle === undefined) return
    const { lifecycles } = this
    if (objectRules(lifecycle ?? []).length > 0) await lifecycles.add(context, record)
    else if (when === 'after') await lifecycles.renew(context, record)
  }

  /** The caller was authorised for one incarnation. Refuse if the name now belongs to another one. */
  #mustBeDecided(found: BucketRecord): void {
    const known = this.#cache.access.peek(found.name, DECISION_AGE_MS)
    if (known === undefined || sameIncarnation(known.value.bucket.record, found)) return
    this.#cache.access.drop(found.name)
    throw bucketRecreated()
  }

  /** One of the system partitions, which have more replicas than others. */
  #keyOf(name: string): RegisterKey {
    return systemRegister('bucket', utf8ByteString(name), this.#options.keyspace())
  }
}
