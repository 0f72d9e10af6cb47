/** Objects: one register each, its data packed beside it or in blocks of its own. */

import { byteString, textOfUtf8, utf8ByteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  objectCodec,
  type ObjectRecord,
  type StorageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { dataId, type BlockKey, type ByteString, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey, shardOf } from '../../protocol/keyspace/key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRange, objectRegister } from '../../protocol/keyspace/register-key.ts'
import {
  currentVersion,
  objectOf,
  objectValue,
  ticketState,
  verdict,
  withNullVersion,
  withoutTicket,
  withoutVersions,
  withRefusedTicket,
  withTicket,
} from '../../protocol/object/object.ts'
import { summaryOf } from '../../protocol/object/summary.ts'
import type { Accepted } from '../../protocol/register/types.ts'
import type {
  ListPage,
  ListRequest,
  ObjectBody,
  ObjectHeaders,
  ObjectReader,
  PutResult,
  RequestContext,
  SmallBody,
  WriteCondition,
} from '../../gateway/backend.ts'
import type { OwnedBlock } from '../data/blocks.ts'
import type { Bodies } from '../data/body.ts'
import type { Replicator } from '../data/replicator.ts'
import type { Clock } from '../env/ports.ts'
import type { Bucket, Buckets } from './buckets.ts'
import type { Lister } from './lister.ts'
import type { PackedBlock } from './register-host.ts'
import type { Registers } from './registers.ts'
import { infoOf, listedOf, versionOf } from './versions.ts'

export interface ObjectsOptions {
  readonly registers: Registers
  readonly buckets: Buckets
  readonly bodies: Bodies
  readonly replicator: Replicator
  readonly lister: Lister
  readonly clock: Clock
  readonly partitionBits: number
}

/** Sorts above every UTF-8 key with the prefix in front of it. */
const ABOVE_KEYS = '\xff'

export class Objects {
  readonly #options: ObjectsOptions

  constructor(options: ObjectsOptions) {
    this.#options = options
  }

  key(bucket: Bucket, key: string): RegisterKey {
    const name = utf8ByteString(key)
    const shard = shardOf(bucket.id, name, bucket.shards)
    return objectRegister(bucket.id, shard, name, this.#options.partitionBits)
  }

  async put(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      body: ObjectBody | SmallBody
      condition?: WriteCondition | undefined
    },
  ): Promise<PutResult> {
    const { buckets, bodies } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    const key = this.key(bucket, request.key)
    const owner = ownedByObject(key)
    const written = await bodies.write(context, request.body, owner)
    const { sealed, storage, sizeBytes, packed, attempt } = written
    const version = versionOf(request.headers, sealed, {
      sizeBytes,
      storage,
      manifest: new Uint8Array(0),
      uploadId: new Uint8Array(0),
    })
    const block: OwnedBlock | undefined =
      packed === undefined
        ? undefined
        : { key: packedBlockKey(key, attempt.id), bytes: packed, owner }
    try {
      return await this.writeVersion(context, bucket, key, version, request.condition, block)
    } finally {
      attempt.end()
    }
  }

  /** One change: the version becomes the current one, or the condition fails on a chosen state (P3). */
  async writeVersion(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    version: VersionRecord,
    condition: WriteCondition | undefined,
    block: OwnedBlock | undefined,
  ): Promise<PutResult> {
    const nowMs = this.#options.clock.nowMs()
    const outcome = await this.#options.registers.change(context, {
      key,
      fence: bucket,
      block,
      change: (value) => {
        const record = objectOf(value)
        if (verdict(currentVersion(record), condition) !== 'holds') return { keep: true }
        const next = withNullVersion(record, version, nowMs)
        return { write: objectValue(next, block === undefined ? [] : [block.key]) }
      },
    })
    if (outcome.type === 'written') return putResult(outcome.value)
    throw conditionError(verdict(currentVersion(objectOf(outcome.current?.value)), condition))
  }

  /** Puts a completion's ticket into the object, before the upload says "completing" (P4). */
  async admit(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    ticket: Uint8Array<ArrayBuffer>,
  ): Promise<void> {
    await this.#edit(context, bucket, key, (record) => withTicket(record, ticket))
  }

  /** Takes a ticket back that nobody may use any more. */
  async withdraw(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    ticket: Uint8Array,
  ): Promise<void> {
    await this.#edit(context, bucket, key, (record) =>
      ticketState(record, ticket) === 'gone' ? undefined : withoutTicket(record, ticket),
    )
  }

  /**
   * The change of a completion. `gone`: the ticket has left the object, with its version or without.
   * The manifest lies with the upload already, in the same partition; where a replica lacks it, it
   * says so and gets it (A5).
   */
  async writeCompleted(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    completion: {
      readonly version: VersionRecord
      readonly ticket: Uint8Array
      readonly condition?: WriteCondition | undefined
      readonly block?: OwnedBlock | undefined
    },
  ): Promise<PutResult | 'gone'> {
    const { version, ticket, condition, block } = completion
    const nowMs = this.#options.clock.nowMs()
    let judged: ReturnType<typeof verdict> = 'holds'
    const outcome = await this.#options.registers.change(context, {
      key,
      fence: bucket,
      block,
      change: (value) => {
        const record = objectOf(value)
        if (value === undefined || ticketState(record, ticket) !== 'good') return { keep: true }
        judged = verdict(currentVersion(record), condition)
        if (judged === 'holds') {
          const next = withNullVersion(record, version, nowMs)
          return { write: objectValue(next, blocksOf(key, version)) }
        }
        return { write: objectValue(withRefusedTicket(record, ticket), value.blocks) }
      },
    })
    if (outcome.type === 'written') {
      if (ticketState(objectOf(outcome.value), ticket) === 'refused') throw conditionError(judged)
      return putResult(outcome.value)
    }
    const record = objectOf(outcome.current?.value)
    if (ticketState(record, ticket) === 'refused') {
      throw conditionError('fails')
    }
    return 'gone'
  }

  async #edit(
    context: RequestContext,
    bucket: Bucket,
    key: RegisterKey,
    edit: (record: ObjectRecord) => ObjectRecord | undefined,
  ): Promise<void> {
    await this.#options.registers.change(context, {
      key,
      fence: bucket,
      change: (value) => {
        const next = edit(objectOf(value))
        return next === undefined
          ? { keep: true }
          : { write: objectValue(next, value?.blocks ?? []) }
      },
    })
  }

  async get(
    context: RequestContext,
    request: { bucket: string; key: string; withData: boolean },
  ): Promise<ObjectReader> {
    const { buckets, registers, bodies } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    const key = this.key(bucket, request.key)
    const { accepted, block } = await registers.read(context, {
      key,
      fence: bucket,
      withBlock: request.withData,
    })
    const version = currentVersion(objectOf(liveValue(accepted)))
    if (version === undefined) throw new StoreError('NoSuchKey', undefined, { Key: request.key })
    const storage = await this.#storage(context, key, version, block)
    const partSizes =
      version.uploadId.length === 0 ? undefined : storage.map(({ sizeBytes }) => sizeBytes)
    const info = infoOf(request.key, version, partSizes)
    const read = (start: number, end: number): AsyncIterable<Uint8Array> =>
      bodies.read(context, storage, partitionOfKey(key), start, end)
    if (version.sizeBytes === 0) return { info, read, bytes: new Uint8Array(0) }
    const only = storage.length === 1 ? storage[0] : undefined
    // A slower replica may have sent the block of an older state.
    const packed =
      only?.packed === true && packedBlockKey(key, dataId(byteString(only.dataId))) === block?.key
    if (packed && block?.bytes.length === version.sizeBytes) {
      return { info, read, bytes: block.bytes }
    }
    return { info, read }
  }

  async #storage(
    context: RequestContext,
    key: RegisterKey,
    version: VersionRecord,
    block: PackedBlock | undefined,
  ): Promise<readonly StorageRecord[]> {
    if (version.manifest.length === 0) return version.storage
    const manifestKey: BlockKey = packedBlockKey(key, dataId(byteString(version.manifest)))
    let bytes = block?.key === manifestKey ? block.bytes : undefined
    if (bytes === undefined) {
      context.rounds++
      bytes = await this.#options.replicator.read(context, manifestKey)
    }
    if (bytes === undefined) {
      throw new StoreError('Unavailable', 'no replica has a good copy of the list of parts')
    }
    return manifestCodec.decode(bytes).storage
  }

  async delete(
    context: RequestContext,
    request: { bucket: string; key: string; condition?: WriteCondition | undefined },
  ): Promise<void> {
    const { buckets, registers } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    const { condition } = request
    const outcome = await registers.change(context, {
      key: this.key(bucket, request.key),
      fence: bucket,
      change: (value) => {
        const record = objectOf(value)
        const current = currentVersion(record)
        if (current === undefined || verdict(current, condition) !== 'holds') return { keep: true }
        return { write: objectValue(withoutVersions(record), []) }
      },
    })
    if (outcome.type === 'written') return
    const current = currentVersion(objectOf(liveValue(outcome.current)))
    // Nothing to delete is a success, as S3 answers it.
    if (current !== undefined && verdict(current, condition) === 'fails') {
      throw conditionError('fails')
    }
  }

  async list(context: RequestContext, request: ListRequest): Promise<ListPage> {
    const bucket = await this.#options.buckets.open(context, request.bucket)
    const prefix = utf8ByteString(request.prefix)
    const delimiter = utf8ByteString(request.delimiter ?? '')
    const walk = this.#walk(context, bucket, prefix, delimiter, request)
    const objects: ListPage['objects'][number][] = []
    const prefixes: string[] = []
    let last: ByteString | undefined
    for (;;) {
      if (objects.length + prefixes.length >= request.limit && request.limit === 0) {
        return { objects, prefixes }
      }
      const row = await walk.next()
      if (row === undefined) return { objects, prefixes }
      const summary = summaryOf(row.body)
      if (summary === undefined) continue
      if (objects.length + prefixes.length >= request.limit) {
        return { objects, prefixes, next: textOfUtf8(last!) }
      }
      const cut = delimiter === '' ? -1 : row.name.indexOf(delimiter, prefix.length)
      if (cut >= 0) {
        last = row.name.slice(0, cut + delimiter.length)
        prefixes.push(textOfUtf8(last))
        walk.skipTo(last + ABOVE_KEYS)
      } else {
        last = row.name
        objects.push(listedOf(row.name, summary))
      }
    }
  }

  /** A quorum list: no object, not even one whose upload is still completing. */
  async isEmpty(context: RequestContext, bucket: Bucket): Promise<boolean> {
    const walk = this.#walk(context, bucket, '', '', { limit: 1 })
    for (;;) {
      const row = await walk.next()
      if (row === undefined) return true
      if (objectCodec.decode(row.body).versions.length > 0) return false
    }
  }

  #walk(
    context: RequestContext,
    bucket: Bucket,
    prefix: ByteString,
    delimiter: ByteString,
    request: { after?: string | undefined; limit: number },
  ): ReturnType<Lister['walk']> {
    const bits = this.#options.partitionBits
    let after = request.after === undefined ? undefined : utf8ByteString(request.after)
    if (after !== undefined && delimiter !== '' && after.startsWith(prefix)) {
      // A common prefix that an earlier page ended with: everything below it is passed over.
      const cut = after.indexOf(delimiter, prefix.length)
      if (cut >= 0 && cut + delimiter.length === after.length) after += ABOVE_KEYS
    }
    return this.#options.lister.walk(context, {
      bucket,
      shards: Array.from({ length: bucket.shards }, (_, shard) => shard),
      range: (shard, behind) => objectRange(bucket.id, shard, prefix, behind, bits),
      after,
      expected: request.limit + 1,
    })
  }
}

/** A tombstone still has a body (its sequence); readers see nothing. */
function liveValue(accepted: Accepted | undefined): Accepted['value'] | undefined {
  return accepted === undefined || accepted.value.tombstone ? undefined : accepted.value
}

/** Manifest, and packed blocks of small parts: they ride with the object's state too (A5). */
function blocksOf(key: RegisterKey, version: VersionRecord): BlockKey[] {
  const packed = version.storage
    .filter(({ packed, sizeBytes }) => packed && sizeBytes > 0)
    .map((storage) => packedBlockKey(key, dataId(byteString(storage.dataId))))
  const { manifest } = version
  if (manifest.length === 0) return packed
  return [packedBlockKey(key, dataId(byteString(manifest))), ...packed]
}

function putResult(value: Accepted['value']): PutResult {
  return { versionId: 'null', lastModifiedMs: objectOf(value).versions[0]?.lastModifiedMs ?? 0 }
}

function conditionError(outcome: ReturnType<typeof verdict>): StoreError {
  return outcome === 'absent'
    ? new StoreError('NoSuchKey')
    : new StoreError('PreconditionFailed', undefined, { Condition: 'If-Match' })
}
