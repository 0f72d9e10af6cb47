/**
 * Buckets: who has a name, and where a bucket's objects lie.
 *
 * Invariants:
 *   - the bucket's own register decides who has the name (T6); an account's list is a superset (T2)
 *   - a change of a record answers only when a majority of each shard's replica sets has flushed the
 *     new generation (T8), so that a cached record is safe without a lease
 *   - "deleting" is met by others only for a while: whoever meets it long enough finishes it
 */

import { byteString, bytesOf, utf8ByteString } from '../../protocol/bytes.ts'
import {
  accountCodec,
  bucketCodec,
  type AccountRecord,
  type BucketRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { bucketId, type BucketId, type NodeId, type RegisterKey } from '../../protocol/ids.ts'
import { metadataPartition } from '../../protocol/keyspace/key.ts'
import { systemRegister } from '../../protocol/keyspace/register-key.ts'
import { isQuorum } from '../../protocol/register/quorum.ts'
import type { Fence, RegisterValue } from '../../protocol/register/types.ts'
import type { BucketInfo, RequestContext } from '../../gateway/backend.ts'
import { internalContext } from '../internal-context.ts'
import type { Clock, Random } from '../env/ports.ts'
import type { Peers } from '../rpc/peers.ts'
import type { FenceSource, Placement, Registers } from './registers.ts'

export const BUCKET_LIVE = 1
export const BUCKET_DELETING = 2
export const BUCKET_DELETED = 3

/** Cached records: the least recently used go. */
const CACHE_MAX = 10_000
const RAISE_TIMEOUT_MS = 4_000
/** How long a bucket may be met as "deleting" before whoever meets it finishes the deletion. */
const DELETING_PATIENCE_MS = 3_000
const DELETING_POLL_MS = 100

export interface BucketsOptions {
  readonly registers: Registers
  readonly peers: Peers
  readonly placement: Placement
  readonly clock: Clock
  readonly random: Random
  readonly partitionBits: number
  readonly memberCount: () => number
  readonly bucketsPerAccount: number
  /** False while a layout proposal is undecided (DESIGN.md 4). */
  readonly createAllowed: () => boolean
  /** True when no object, at the fence given, exists: a quorum list (T6). */
  readonly isEmpty: (context: RequestContext, bucket: Bucket) => Promise<boolean>
}

/** A bucket's record as this node last read it. It is its own fence: `refresh` reads it again. */
export class Bucket implements FenceSource {
  readonly name: string
  readonly id: BucketId
  #record: BucketRecord
  readonly #reread: (bucket: Bucket) => Promise<BucketRecord>

  constructor(record: BucketRecord, reread: (bucket: Bucket) => Promise<BucketRecord>) {
    this.name = record.name
    this.id = bucketId(byteString(record.incarnation))
    this.#record = record
    this.#reread = reread
  }

  get record(): BucketRecord {
    return this.#record
  }

  get shards(): number {
    return this.#record.shards
  }

  current(): Fence {
    return { bucket: this.id, generation: this.#record.generation }
  }

  async refresh(): Promise<void> {
    this.#record = await this.#reread(this)
  }

  /** The same bucket at the record's newer state, for who is changing it. */
  adopt(record: BucketRecord): void {
    this.#record = record
  }

  info(): BucketInfo {
    return {
      name: this.name,
      ownerAccount: this.#record.ownerAccount,
      createdMs: this.#record.createdMs,
      region: this.#record.region,
    }
  }
}

export class Buckets {
  readonly #options: BucketsOptions
  readonly #cache = new Map<string, Bucket>()

  constructor(options: BucketsOptions) {
    this.#options = options
  }

  /** From the cache when it can be: what follows is fenced (T8). Throws NoSuchBucket. */
  async open(context: RequestContext, name: string): Promise<Bucket> {
    const cached = this.#cache.get(name)
    if (cached !== undefined) return cached
    return this.read(context, name)
  }

  /** Asks the register: linearizable. Throws NoSuchBucket. */
  async read(context: RequestContext, name: string): Promise<Bucket> {
    const record = await this.#readLive(context, name)
    return this.#remember(record)
  }

  async create(
    context: RequestContext,
    request: { bucket: string; ownerAccount: string; region: string },
  ): Promise<BucketInfo> {
    const { registers, clock, random, memberCount, createAllowed } = this.#options
    const { bucket: name, ownerAccount } = request
    if (!createAllowed()) {
      throw new StoreError(
        'Unavailable',
        'the layout is changing; buckets can be created afterwards',
      )
    }
    const record: BucketRecord = {
      name,
      incarnation: random.bytes(16),
      generation: 0,
      state: BUCKET_LIVE,
      ownerAccount,
      createdMs: clock.nowMs(),
      region: request.region,
      shards: shardsFor(memberCount()),
    }
    // Who has the name already is the common answer: ask before an intent is written.
    const held = await this.#readRecord(context, name)
    if (held !== undefined && held.state !== BUCKET_DELETED) throw taken(held, ownerAccount)
    await this.#intend(context, record)
    const outcome = await registers.change(context, {
      key: this.#bucketKey(name),
      change: (current) => {
        const existing = recordOf(current)
        if (existing !== undefined && existing.state !== BUCKET_DELETED) return { keep: true }
        return { write: bucketValue(record) }
      },
    })
    if (outcome.type === 'kept') {
      await this.#forgetEntry(context, record)
      throw taken(recordOf(outcome.current?.value) ?? record, ownerAccount)
    }
    await this.#setLive(context, record)
    return this.#remember(record).info()
  }

  async delete(context: RequestContext, name: string): Promise<void> {
    const found = await this.#readRecord(context, name)
    if (found === undefined || found.state === BUCKET_DELETED) throw noSuchBucket(name)
    await this.#finishDeletion(context, found, true)
  }

  async list(
    context: RequestContext,
    request: { ownerAccount: string; prefix: string; after?: string | undefined; limit: number },
  ): Promise<{ buckets: BucketInfo[]; next?: string | undefined }> {
    const account = await this.#readAccount(context, request.ownerAccount)
    const names = account.buckets
      .map((entry) => entry.name)
      .filter((name) => name.startsWith(request.prefix) && name > (request.after ?? ''))
      .sort()
      // A second creation of the same name leaves an intent for a while.
      .filter((name, i, all) => name !== all[i - 1])
    const buckets: BucketInfo[] = []
    for (let at = 0; at < names.length; at += 32) {
      const records = await Promise.all(
        names.slice(at, at + 32).map((name) => this.#readRecord(context, name)),
      )
      for (const record of records) {
        if (record === undefined || record.state === BUCKET_DELETED) continue
        if (record.ownerAccount !== request.ownerAccount) continue
        if (buckets.length === request.limit) return { buckets, next: buckets.at(-1)!.name }
        buckets.push(this.#remember(record).info())
      }
    }
    return { buckets }
  }

  /** T6: change to "deleting", verify empty by a quorum list, tombstone; not empty: change back. */
  async #finishDeletion(
    context: RequestContext,
    found: BucketRecord,
    mayStart: boolean,
  ): Promise<void> {
    let record = found
    if (record.state === BUCKET_LIVE) {
      if (!mayStart) return
      record = await this.#changeRecord(context, record, BUCKET_DELETING)
    }
    const bucket = new Bucket(record, () => Promise.resolve(record))
    await this.#raise(bucket)
    if (!(await this.#options.isEmpty(context, bucket))) {
      await this.#raise(
        new Bucket(await this.#changeRecord(context, record, BUCKET_LIVE), async () => record),
      )
      throw new StoreError('BucketNotEmpty', 'The bucket you tried to delete is not empty', {
        BucketName: found.name,
      })
    }
    await this.#changeRecord(context, record, BUCKET_DELETED)
    this.#cache.delete(found.name)
    await this.#forgetEntry(context, record)
  }

  /** Moves the record of this incarnation to `state`, one generation on. */
  async #changeRecord(
    context: RequestContext,
    from: BucketRecord,
    state: number,
  ): Promise<BucketRecord> {
    let next: BucketRecord = from
    const outcome = await this.#options.registers.change(context, {
      key: this.#bucketKey(from.name),
      change: (current) => {
        const existing = recordOf(current)
        if (existing === undefined || !sameIncarnation(existing, from)) return { keep: true }
        if (existing.state !== from.state || existing.generation !== from.generation) {
          return { keep: true }
        }
        next = { ...existing, state, generation: existing.generation + 1 }
        return { write: bucketValue(next) }
      },
    })
    if (outcome.type === 'written') return next
    const current = recordOf(outcome.current?.value)
    if (
      current === undefined ||
      !sameIncarnation(current, from) ||
      current.state === BUCKET_DELETED
    )
      throw noSuchBucket(from.name)
    throw new StoreError('Conflict', 'another operation on this bucket is in progress')
  }

  /** T8: a majority of each shard's replica sets has flushed the new minimum. */
  async #raise(bucket: Bucket): Promise<void> {
    const { placement, peers } = this.#options
    const fence = bucket.current()
    for (let attempt = 0; attempt < 4; attempt++) {
      const epoch = placement.epoch()
      const partitions = this.#partitions(bucket)
      const byNode = new Map<NodeId, number[]>()
      for (const partition of partitions) {
        for (const node of new Set(placement.sets(partition).flat())) {
          byNode.set(node, [...(byNode.get(node) ?? []), partition])
        }
      }
      const done = new Set<NodeId>()
      await Promise.all(
        [...byNode].map(async ([node, list]) => {
          const request = {
            epoch,
            bucket: bytesOf(fence.bucket),
            generation: fence.generation,
            partitions: list,
          }
          try {
            const reply = await peers.raise(node, request, { timeoutMs: RAISE_TIMEOUT_MS })
            if (reply.result === 0) done.add(node)
            else if (reply.result === 1) await placement.observe(reply.epoch, node)
          } catch {
            // A node that can't be reached does not count.
          }
        }),
      )
      const acknowledged = [...done]
      if (
        epoch === placement.epoch() &&
        partitions.every((partition) => isQuorum(placement.sets(partition), acknowledged))
      )
        return
      if (epoch === placement.epoch()) break
    }
    throw new StoreError('Unavailable', 'no majority of the replicas answered in time')
  }

  #partitions(bucket: Bucket): number[] {
    const partitions = new Set<number>()
    for (let shard = 0; shard < bucket.shards; shard++) {
      partitions.add(metadataPartition(bucket.id, shard, this.#options.partitionBits))
    }
    return [...partitions]
  }

  async #readLive(context: RequestContext, name: string): Promise<BucketRecord> {
    const { clock } = this.#options
    const since = clock.monotonicMs()
    for (;;) {
      const record = await this.#readRecord(context, name)
      if (record === undefined || record.state === BUCKET_DELETED) {
        this.#cache.delete(name)
        throw noSuchBucket(name)
      }
      if (record.state === BUCKET_LIVE) return record
      if (clock.monotonicMs() - since > DELETING_PATIENCE_MS) {
        // The one that began is most likely dead.
        await this.#finishDeletion(context, record, false).catch((error: unknown) => {
          // Others finish it at the same time: only what the record says then counts.
          const codes = ['BucketNotEmpty', 'NoSuchBucket', 'Conflict']
          if (!(error instanceof StoreError && codes.includes(error.code))) throw error
        })
      } else {
        await new Promise<void>((resolve) => void clock.after(DELETING_POLL_MS, resolve))
      }
    }
  }

  async #readRecord(context: RequestContext, name: string): Promise<BucketRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, {
      key: this.#bucketKey(name),
    })
    return recordOf(accepted?.value)
  }

  #remember(record: BucketRecord): Bucket {
    const cached = this.#cache.get(record.name)
    if (cached !== undefined && sameIncarnation(cached.record, record)) {
      if (record.generation >= cached.record.generation) cached.adopt(record)
      return cached
    }
    const bucket = new Bucket(record, (old) => this.#reread(old))
    this.#cache.delete(record.name)
    this.#cache.set(record.name, bucket)
    if (this.#cache.size > CACHE_MAX) {
      for (const oldest of this.#cache.keys()) {
        this.#cache.delete(oldest)
        break
      }
    }
    return bucket
  }

  /** The record of the very same incarnation, or NoSuchBucket: its objects are gone with it. */
  async #reread(bucket: Bucket): Promise<BucketRecord> {
    const record = await this.#readLive(internalContext(), bucket.name)
    if (!sameIncarnation(record, bucket.record)) {
      this.#cache.delete(bucket.name)
      throw new StoreError('Unavailable', 'the bucket was deleted and created again meanwhile')
    }
    return record
  }

  #bucketKey(name: string): RegisterKey {
    return systemRegister('bucket', utf8ByteString(name), this.#options.partitionBits)
  }

  #accountKey(accountId: string): RegisterKey {
    return systemRegister('account', utf8ByteString(accountId), this.#options.partitionBits)
  }

  async #readAccount(context: RequestContext, accountId: string): Promise<AccountRecord> {
    const { accepted } = await this.#options.registers.read(context, {
      key: this.#accountKey(accountId),
    })
    return accountOf(accepted?.value, accountId)
  }

  async #intend(context: RequestContext, record: BucketRecord): Promise<void> {
    const limitDefault = this.#options.bucketsPerAccount
    const outcome = await this.#changeAccount(context, record.ownerAccount, (account) => {
      const limit = account.bucketsMax === 0 ? limitDefault : account.bucketsMax
      if (account.buckets.length >= limit) return undefined
      return [
        ...account.buckets,
        {
          name: record.name,
          incarnation: record.incarnation,
          live: false,
          createdMs: record.createdMs,
        },
      ]
    })
    if (outcome === 'kept') {
      if (await this.#dropDeadIntents(context, record.ownerAccount)) {
        return this.#intend(context, record)
      }
      throw new StoreError(
        'TooManyBuckets',
        'You have attempted to create more buckets than allowed',
      )
    }
  }

  /** Entries whose creator died, or whose bucket is gone: only the register can tell (T2, T6). */
  async #dropDeadIntents(context: RequestContext, accountId: string): Promise<boolean> {
    const account = await this.#readAccount(context, accountId)
    let dropped = false
    const now = this.#options.clock.nowMs()
    for (const entry of account.buckets) {
      // A creator may still be on its way: G4 lets a clock delay cleaning, never decide safety,
      // since the entry is a superset and only the bucket's register gives the name.
      if (!entry.live && now - entry.createdMs < 60_000) continue
      const record = await this.#readRecord(context, entry.name)
      const here =
        record !== undefined &&
        record.state !== BUCKET_DELETED &&
        byteString(record.incarnation) === byteString(entry.incarnation)
      if (here) continue
      await this.#dropEntry(context, accountId, entry.incarnation)
      dropped = true
    }
    return dropped
  }

  async #setLive(context: RequestContext, record: BucketRecord): Promise<void> {
    const id = byteString(record.incarnation)
    await this.#changeAccount(context, record.ownerAccount, (account) => {
      const others = account.buckets.filter((entry) => byteString(entry.incarnation) !== id)
      return [
        ...others,
        {
          name: record.name,
          incarnation: record.incarnation,
          live: true,
          createdMs: record.createdMs,
        },
      ]
    })
  }

  async #forgetEntry(context: RequestContext, record: BucketRecord): Promise<void> {
    await this.#dropEntry(context, record.ownerAccount, record.incarnation)
  }

  async #dropEntry(
    context: RequestContext,
    accountId: string,
    incarnation: Uint8Array,
  ): Promise<void> {
    const id = byteString(incarnation)
    await this.#changeAccount(context, accountId, (account) => {
      const left = account.buckets.filter((entry) => byteString(entry.incarnation) !== id)
      return left.length === account.buckets.length ? undefined : left
    })
  }

  async #changeAccount(
    context: RequestContext,
    accountId: string,
    edit: (account: AccountRecord) => AccountRecord['buckets'] | undefined,
  ): Promise<'written' | 'kept'> {
    const outcome = await this.#options.registers.change(context, {
      key: this.#accountKey(accountId),
      change: (current) => {
        const account = accountOf(current, accountId)
        const buckets = edit(account)
        if (buckets === undefined) return { keep: true }
        return {
          write: {
            tombstone: false,
            body: accountCodec.encode({ ...account, buckets }),
            blocks: [],
          },
        }
      },
    })
    return outcome.type
  }
}

/** Four for each member, a power of two from 16 to 256 (DESIGN.md 3). */
export function shardsFor(members: number): number {
  const wanted = 4 * members
  let shards = 16
  while (shards < wanted && shards < 256) shards *= 2
  return shards
}

function recordOf(value: RegisterValue | undefined): BucketRecord | undefined {
  return value === undefined ? undefined : bucketCodec.decode(value.body)
}

function bucketValue(record: BucketRecord): Omit<RegisterValue, 'operation'> {
  return {
    tombstone: record.state === BUCKET_DELETED,
    body: bucketCodec.encode(record),
    blocks: [],
  }
}

function accountOf(value: RegisterValue | undefined, accountId: string): AccountRecord {
  if (value === undefined) return { accountId, buckets: [], bucketsMax: 0 }
  return accountCodec.decode(value.body)
}

function sameIncarnation(a: BucketRecord, b: BucketRecord): boolean {
  return byteString(a.incarnation) === byteString(b.incarnation)
}

function taken(record: BucketRecord, asker: string): StoreError {
  return record.ownerAccount === asker
    ? new StoreError('BucketAlreadyOwnedByYou', undefined, { BucketName: record.name })
    : new StoreError('BucketAlreadyExists', undefined, { BucketName: record.name })
}

function noSuchBucket(name: string): StoreError {
  return new StoreError('NoSuchBucket', 'The specified bucket does not exist', {
    BucketName: name,
  })
}
