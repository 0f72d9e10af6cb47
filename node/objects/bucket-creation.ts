/**
 * How a bucket is created (T6). Any node that meets the bucket may do the next step, and every step may be done twice.
 *
 * 1. Intent: an entry in the account's list, which has a limit (account-buckets.ts).
 * 2. "Creating" in the bucket's register, unless another bucket has the name.
 * 3. The intent becomes live in the list. This is the moment of creation.
 * 4. Live in the register.
 *
 * Invariants:
 *   - a bucket lives only after its entry was live in the list, so that the limit is exact
 *   - a creation that dies between two steps leaves an intent, or a bucket that the next reader decides
 */

import type { BucketDocuments } from '../../gateway/port/bucket-documents.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock, Random } from '../env/ports.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { AccountBuckets } from './account-buckets.ts'
import {
  BUCKET_CREATING,
  BUCKET_DELETED,
  BUCKET_LIVE,
  bucketValue,
  newBucket,
  recordOf,
  sameIncarnation,
} from './bucket-record.ts'
import type { RegisterClient } from '../quorum/register-client.ts'

/** How long a step is retried whose outcome is not known. Each step may be done twice. */
const DOUBT_MS = 6_000
/** How often `create` draws a new incarnation when the one before it came to nothing. */
const ATTEMPTS = 4

export interface BucketCreationOptions {
  readonly registers: RegisterClient
  readonly clock: Clock
  readonly random: Random
  readonly list: AccountBuckets
  /** Members of the layout: a new bucket has shards in proportion. */
  readonly memberCount: () => number
  readonly keyOf: (name: string) => RegisterKey
  /** Reads the bucket's register, without deciding what it finds. */
  readonly readBucket: (context: RequestContext, name: string) => Promise<BucketRecord | undefined>
}

/** A bucket to create. `region` is stored as the caller gave it. */
interface BucketRequest {
  readonly bucket: string
  readonly ownerAccount: string
  readonly region: string
  readonly documents?: BucketDocuments | undefined
  readonly objectLock?: boolean | undefined
}

export class BucketCreation {
  readonly #options: BucketCreationOptions

  constructor(options: BucketCreationOptions) {
    this.#options = options
  }

  /**
   * Creates the bucket and resolves with its record, which may be "deleting" already. Throws BucketAlreadyExists,
   * BucketAlreadyOwnedByYou, TooManyBuckets, Conflict when others are in the way again and again, and Unavailable when
   * the outcome is not known.
   */
  async create(context: RequestContext, request: BucketRequest): Promise<BucketRecord> {
    const { clock, readBucket, list } = this.#options
    const until = clock.monotonicMs() + DOUBT_MS
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      // Most refusals are for names that are taken: check before an intent is written.
      const held = await this.decided(context, await readBucket(context, request.bucket))
      if (held !== undefined) throw taken(held, request.ownerAccount)
      const record = this.#newRecord(request)
      try {
        await this.#insist(until, () => list.intend(context, record))
        const live = await this.#bring(context, until, record)
        if (live !== undefined) return live
        // The name belongs to another bucket, or the intent was removed because its creator seemed dead.
        await list.withdraw(context, record)
      } catch (error) {
        if (!isTooMany(error)) this.#withdrawLater(record)
        throw error
      }
    }
    throw new StoreError('Conflict', 'another operation on this bucket is in progress')
  }

  /** Brings the bucket to life. Undefined when it has never lived: another one may be tried then. Throws Unavailable
   * when it may have lived and been deleted again, because another try would be a second creation. */
  async #bring(
    context: RequestContext,
    untilMs: number,
    record: BucketRecord,
  ): Promise<BucketRecord | undefined> {
    let tries = 0
    const written = await this.#insist(untilMs, () => {
      tries++
      return this.#write(context, record)
    })
    const live = await this.#insist(untilMs, () => this.decided(context, written))
    if (live !== undefined && sameIncarnation(live, record)) return live
    // The name belongs to another bucket, and nothing of this one was ever sent.
    if (!sameIncarnation(written, record) && tries === 1) return undefined
    const now = await this.#options.readBucket(context, record.name)
    const refused = now?.state === BUCKET_DELETED && now.generation === record.generation + 1
    if (refused && sameIncarnation(now, record)) return undefined
    throw new StoreError('Unavailable', 'the bucket was created and may have been deleted again')
  }

  /**
   * The record once it is decided, so no longer "creating"; undefined when no bucket has the name. A record in any
   * other state is returned as it is. Called by every reader of a bucket's register (buckets.ts).
   */
  async decided(
    context: RequestContext,
    record: BucketRecord | undefined,
  ): Promise<BucketRecord | undefined> {
    if (record === undefined || record.state === BUCKET_DELETED) return undefined
    if (record.state !== BUCKET_CREATING) return record
    const lives = await this.#options.list.decide(context, record)
    const state = lives ? BUCKET_LIVE : BUCKET_DELETED
    const next = { ...record, state, generation: record.generation + 1 }
    const outcome = await this.#options.registers.change(context, {
      key: this.#options.keyOf(record.name),
      change: (current) => {
        const existing = recordOf(current)
        if (existing?.state !== BUCKET_CREATING || !sameIncarnation(existing, record)) {
          return { keep: true }
        }
        return { write: bucketValue(next) }
      },
    })
    if (outcome.type === 'written') return lives ? next : undefined
    const now = recordOf(outcome.current?.value)
    // Another bucket that is "creating" is not decided here: a client that wants the name tries again.
    if (now === undefined || now.state === BUCKET_DELETED) return undefined
    return now.state === BUCKET_CREATING ? undefined : now
  }

  /** Returns the bucket that has the register afterwards: this one, unless another one has it. */
  async #write(context: RequestContext, record: BucketRecord): Promise<BucketRecord> {
    const outcome = await this.#options.registers.change(context, {
      key: this.#options.keyOf(record.name),
      change: (current) => {
        const existing = recordOf(current)
        const free =
          existing === undefined ||
          (existing.state === BUCKET_DELETED && !sameIncarnation(existing, record))
        return free ? { write: bucketValue(record) } : { keep: true }
      },
    })
    if (outcome.type === 'written') return record
    const existing = recordOf(outcome.current?.value)
    return existing ?? record
  }

  /** With an incarnation of its own: a second creation under the name is another bucket. */
  #newRecord({ bucket, ownerAccount, region, documents, objectLock }: BucketRequest): BucketRecord {
    const { random, clock, memberCount } = this.#options
    const identity = {
      name: bucket,
      incarnation: random.bytes(16),
      ownerAccount,
      createdMs: clock.nowMs(),
      region,
      shards: shardsFor(memberCount()),
    }
    return newBucket(identity, { ...documents, ...(objectLock === true && { objectLock: {} }) })
  }

  /** Repeats a step whose outcome is not known. */
  async #insist<T>(untilMs: number, work: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await work()
      } catch (error) {
        const doubt = error instanceof StoreError && error.code === 'Unavailable'
        if (!doubt || this.#options.clock.monotonicMs() >= untilMs) throw error
      }
    }
  }

  /** A failed creation gives its place in the list back, unless the bucket has come to life after all. */
  #withdrawLater(record: BucketRecord): void {
    this.#options.list.withdraw(internalContext(), record).catch(() => {
      // The entry is removed when the account meets its limit.
    })
  }
}

/** Nothing was entered, or an entry that is removed when the account meets its limit. */
function isTooMany(error: unknown): boolean {
  return error instanceof StoreError && error.code === 'TooManyBuckets'
}

/** Four for each member, a power of two from 16 to 256 (docs/architecture.md). */
export function shardsFor(members: number): number {
  const wanted = 4 * members
  let shards = 16
  while (shards < wanted && shards < 256) shards *= 2
  return shards
}

function taken(record: BucketRecord, asker: string): StoreError {
  const code = record.ownerAccount === asker ? 'BucketAlreadyOwnedByYou' : 'BucketAlreadyExists'
  return new StoreError(code, undefined, { BucketName: record.name })
}
