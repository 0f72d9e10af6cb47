/**
 * The buckets of an account: a list in the account's register. It bounds them and decides which of them come to life
 * (T2, T6).
 *
 * 1. A creator enters (name, incarnation, intent). It is refused when the list is full, intents included.
 * 2. The creator writes the bucket's register: "creating".
 * 3. A node that meets "creating" asks this list. In one change the intent becomes live, or it turns out to be gone.
 *    That is the moment of creation. Then the bucket's register follows: live, or deleted.
 *
 * So any intent may be removed at any time: its bucket then never comes to life, however late its creator is. Young
 * intents are left alone only as a courtesy (G4). A live entry is removed only after its bucket.
 */

import { byteString } from '../../protocol/bytes.ts'
import type { AccountBucketRecord, BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { Keyspace } from '../../protocol/keyspace/key.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Clock } from '../env/ports.ts'
import { changeAccount, readAccount, type AccountPlace } from './account-record.ts'
import { BUCKET_CREATING, BUCKET_DELETED, sameIncarnation } from './bucket-record.ts'
import { mapInBatches } from '../tools/in-batches.ts'
import type { RegisterClient } from '../quorum/register-client.ts'

/** How long an intent is left alone before another creator may remove it. A courtesy only (G4). */
const INTENT_PATIENCE_MS = 60_000
/** Entries whose buckets are read at the same time. */
const LOOK_AT_ONCE = 16

export interface AccountBucketsOptions {
  readonly registers: RegisterClient
  readonly clock: Clock
  readonly keyspace: () => Keyspace
  /** The limit of accounts without one of their own. */
  readonly bucketsPerAccount: number
  /** Reads the bucket's register. */
  readonly readBucket: (context: RequestContext, name: string) => Promise<BucketRecord | undefined>
  /** Decides a bucket that is "creating". */
  readonly decideBucket: (
    context: RequestContext,
    creating: BucketRecord,
  ) => Promise<BucketRecord | undefined>
}

/** What tells a bucket from every other one, and whose list it belongs in. */
type Identity = Pick<BucketRecord, 'name' | 'incarnation' | 'ownerAccount' | 'createdMs'>

export class AccountBuckets {
  readonly #options: AccountBucketsOptions
  /** An account's buckets are checked once at a time. */
  readonly #looking = new Map<string, Promise<boolean>>()

  constructor(options: AccountBucketsOptions) {
    this.#options = options
  }

  /** All entries, intents included: a superset of the account's buckets (T2). */
  async entries(
    context: RequestContext,
    accountId: string,
  ): Promise<readonly AccountBucketRecord[]> {
    return (await readAccount(context, this.#place(accountId))).buckets
  }

  /** Step 1. May be repeated. Throws TooManyBuckets. */
  async intend(context: RequestContext, bucket: Identity): Promise<void> {
    const accountId = bucket.ownerAccount
    // Clients retry on a full list, so check with a read first: it does not contend with writers.
    let full = this.#isFull(await readAccount(context, this.#place(accountId)), bucket)
    for (;;) {
      if (!full) {
        const entry = { ...pick(bucket), live: false }
        const { type } = await changeAccount(context, this.#place(accountId), (account) => {
          full = this.#isFull(account, bucket)
          if (full || account.buckets.some((other) => sameIncarnation(other, bucket))) {
            return undefined
          }
          return { ...account, buckets: [...account.buckets, entry] }
        })
        if (type === 'written' || !full) return
      }
      if (!(await this.#dropDead(context, accountId))) {
        throw new StoreError(
          'TooManyBuckets',
          'You have attempted to create more buckets than allowed',
        )
      }
      full = false
    }
  }

  /** Step 3: does the bucket come to life? The answer stays the same until the bucket is deleted; then it is `false`. */
  async decide(context: RequestContext, bucket: Identity): Promise<boolean> {
    const { account } = await changeAccount(
      context,
      this.#place(bucket.ownerAccount),
      ({ buckets, ...rest }) => {
        const intent = buckets.find((entry) => sameIncarnation(entry, bucket))
        if (intent === undefined || intent.live) return undefined
        const others = buckets.filter((entry) => entry !== intent)
        return { ...rest, buckets: [...others, { ...pick(bucket), live: true }] }
      },
    )
    return account.buckets.some((entry) => sameIncarnation(entry, bucket))
  }

  /** Removes an intent that came to nothing. An entry that has become live stays. */
  async withdraw(context: RequestContext, bucket: Identity): Promise<void> {
    await this.#remove(context, bucket.ownerAccount, [pick(bucket)], (entry) => !entry.live)
  }

  /** Removes the entry of a bucket that is deleted for good. */
  async forget(context: RequestContext, bucket: Identity): Promise<void> {
    await this.#remove(context, bucket.ownerAccount, [pick(bucket)], () => true)
  }

  #isFull(
    account: { closed: boolean; bucketsMax: number; buckets: readonly AccountBucketRecord[] },
    bucket: Identity,
  ): boolean {
    if (account.closed) throw new StoreError('Conflict', 'the account is closed')
    const { bucketsPerAccount } = this.#options
    const limit = account.bucketsMax === 0 ? bucketsPerAccount : account.bucketsMax
    const others = account.buckets.filter((entry) => !sameIncarnation(entry, bucket))
    return others.length >= limit
  }

  /**
   * Removes entries whose bucket is gone and intents whose creator died. Resolves with true when the list has become
   * shorter.
   *
   * A check that began before this call may have missed what happened since. When it has found nothing, another one is
   * made.
   */
  async #dropDead(context: RequestContext, accountId: string): Promise<boolean> {
    const under = this.#looking.get(accountId)
    if (under !== undefined && (await under.catch(() => false))) return true
    let mine = this.#looking.get(accountId)
    if (mine === undefined || mine === under) {
      mine = this.#look(context, accountId).finally(() => {
        if (this.#looking.get(accountId) === mine) this.#looking.delete(accountId)
      })
      this.#looking.set(accountId, mine)
    }
    return mine
  }

  /**
   * One check of the whole list: reads the bucket of each entry, then removes the dead ones in one change. Resolves
   * with true when it removed something.
   */
  async #look(context: RequestContext, accountId: string): Promise<boolean> {
    const entries = await this.entries(context, accountId)
    const areDead = await mapInBatches(entries, LOOK_AT_ONCE, (entry) =>
      this.#isDead(context, entry),
    )
    const dead = entries.filter((_, i) => areDead[i])
    if (dead.length === 0) return false
    const mayGo = (entry: AccountBucketRecord): boolean =>
      // An intent may have become live meanwhile.
      !entry.live || dead.some((each) => each.live && sameIncarnation(each, entry))
    return this.#remove(context, accountId, dead, mayGo)
  }

  /**
   * Whether the entry's bucket is gone for good. A bucket that is still "creating" is decided first, so that an old
   * intent either becomes live or ends here. Throws what reads and changes of registers throw: then nothing is removed.
   */
  async #isDead(context: RequestContext, entry: AccountBucketRecord): Promise<boolean> {
    const { readBucket, decideBucket, clock } = this.#options
    if (!entry.live && clock.nowMs() - entry.createdMs < INTENT_PATIENCE_MS) return false
    const record = await readBucket(context, entry.name)
    const here = record !== undefined && sameIncarnation(record, entry)
    if (here && record.state === BUCKET_CREATING) {
      return (await decideBucket(context, record)) === undefined
    }
    return !here || record.state === BUCKET_DELETED
  }

  /**
   * Removes the entries of these incarnations for which `mayGo` holds. It is asked about the newest entry, inside the
   * change. Resolves with true when something was removed.
   */
  async #remove(
    context: RequestContext,
    accountId: string,
    list: readonly Pick<AccountBucketRecord, 'incarnation'>[],
    mayGo: (entry: AccountBucketRecord) => boolean,
  ): Promise<boolean> {
    const named = new Set(list.map(({ incarnation }) => byteString(incarnation)))
    const { type } = await changeAccount(context, this.#place(accountId), (account) => {
      const left = account.buckets.filter(
        (entry) => !named.has(byteString(entry.incarnation)) || !mayGo(entry),
      )
      return left.length === account.buckets.length ? undefined : { ...account, buckets: left }
    })
    return type === 'written'
  }

  #place(accountId: string): AccountPlace {
    const { registers, keyspace } = this.#options
    return { registers, keyspace, accountId }
  }
}

function pick({
  name,
  incarnation,
  createdMs,
}: Omit<AccountBucketRecord, 'live'>): Omit<AccountBucketRecord, 'live'> {
  return { name, incarnation, createdMs }
}
