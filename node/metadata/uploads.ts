/**
 * Multipart uploads: a register for the upload, one for each part, all in the partition of the
 * object's shard, so that parallel parts never contend.
 *
 * Completion (G5): a ticket enters the object → open → completing, with the version that it will write
 * and the ticket's number → the object's change, which takes the ticket → completed. Each step is
 * idempotent; whoever meets "completing" can finish it, and a repeated request gets the same answer.
 * Without the ticket one that met "completing" and then slept would write the version a second time,
 * over what was put or deleted since. What a failed condition leaves is an open upload.
 */

import {
  byteString,
  bytesOf,
  bytesOfHex,
  equalBytes,
  hex,
  textOfUtf8,
  utf8,
  utf8ByteString,
} from '../../protocol/bytes.ts'
import {
  manifestCodec,
  partCodec,
  uploadCodec,
  type PartRecord,
  type StorageRecord,
  type UploadRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import { dataId, type ByteString, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import { ownedByManifest, ownedByPart } from '../../protocol/keyspace/owner.ts'
import {
  partRange,
  partRegister,
  uploadIdOf,
  uploadRange,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import { OBJECT_BYTES_MAX, PART_BYTES_MIN, PARTS_INLINE_MAX } from '../../protocol/limits.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type {
  ChecksumAlgorithm,
  CompletedPart,
  ListUploadsPage,
  ListUploadsRequest,
  ObjectBody,
  ObjectHeaders,
  PartInfo,
  PutResult,
  RequestContext,
  SealedBody,
  SmallBody,
  UploadInfo,
  WriteCondition,
} from '../../gateway/backend.ts'
import type { OwnedBlock } from '../data/blocks.ts'
import type { Bodies } from '../data/body.ts'
import type { Clock, Random } from '../env/ports.ts'
import type { Bucket, Buckets } from './buckets.ts'
import type { Lister } from './lister.ts'
import type { Objects } from './objects.ts'
import type { Registers } from './registers.ts'
import {
  checksumTypeNumber,
  checksumTypeOf,
  headersOf,
  pairs,
  partInfoOf,
  unpaired,
  versionOf,
  type ChecksumType,
} from './versions.ts'

const OPEN = 1
const COMPLETING = 2
const COMPLETED = 3
const ABORTED = 4

const DIGEST_BYTES = 32
const NUMBER_BYTES = 16

export interface UploadsOptions {
  readonly registers: Registers
  readonly buckets: Buckets
  readonly objects: Objects
  readonly bodies: Bodies
  readonly lister: Lister
  readonly clock: Clock
  readonly random: Random
  readonly partitionBits: number
}

interface Place {
  readonly bucket: Bucket
  readonly shard: number
  readonly id: ByteString
  readonly uploadId: string
  readonly key: string
  readonly register: RegisterKey
}

interface Named {
  bucket: string
  key: string
  uploadId: string
}

export class Uploads {
  readonly #options: UploadsOptions

  constructor(options: UploadsOptions) {
    this.#options = options
  }

  async create(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      checksumAlgorithm?: ChecksumAlgorithm | undefined
      checksumType?: ChecksumType
    },
  ): Promise<UploadInfo> {
    const { registers, random, clock } = this.#options
    const uploadId = hex(random.bytes(16))
    const place = await this.#place(context, { ...request, uploadId })
    const record: UploadRecord = {
      state: OPEN,
      key: request.key,
      initiatedMs: clock.nowMs(),
      storageClass: request.headers.storageClass,
      system: pairs(request.headers.system),
      user: pairs(request.headers.user),
      checksumAlgorithm: request.checksumAlgorithm ?? '',
      checksumType: checksumTypeNumber(request.checksumType),
      request: new Uint8Array(0),
      bucket: request.bucket,
    }
    await registers.change(context, {
      key: place.register,
      fence: place.bucket,
      change: (value) => (value === undefined ? { write: uploadValue(record) } : { keep: true }),
    })
    return uploadInfoOf(record, uploadId)
  }

  async get(context: RequestContext, named: Named): Promise<UploadInfo> {
    const place = await this.#place(context, named)
    return uploadInfoOf(await this.#readOpen(context, place), named.uploadId)
  }

  async putPart(
    context: RequestContext,
    request: Named & { partNumber: number; body: ObjectBody | SmallBody },
  ): Promise<PartInfo> {
    const { registers, bodies, clock, partitionBits } = this.#options
    const place = await this.#place(context, request)
    await this.#readOpen(context, place)
    const owner = ownedByPart(place.register, request.partNumber)
    const written = await bodies.write(context, request.body, owner)
    const { sealed, storage, sizeBytes, packed, attempt } = written
    const key = partRegister(
      place.bucket.id,
      place.shard,
      place.id,
      request.partNumber,
      partitionBits,
    )
    const block: OwnedBlock | undefined =
      packed === undefined
        ? undefined
        : { key: packedBlockKey(key, attempt.id), bytes: packed, owner }
    const part: PartRecord = {
      partNumber: request.partNumber,
      sizeBytes,
      etag: sealed.etag,
      lastModifiedMs: clock.nowMs(),
      checksums: pairs(sealed.checksums),
      ...(storage[0] === undefined ? {} : { storage: storage[0] }),
    }
    try {
      await registers.change(context, {
        key,
        fence: place.bucket,
        block,
        change: () => ({
          write: {
            tombstone: false,
            body: partCodec.encode(part),
            blocks: block === undefined ? [] : [block.key],
          },
        }),
      })
    } finally {
      attempt.end()
    }
    return partInfoOf(part)
  }

  async listParts(
    context: RequestContext,
    request: Named & { after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: PartInfo[]; next?: number | undefined }> {
    const place = await this.#place(context, request)
    const record = await this.#readOpen(context, place)
    const upload = uploadInfoOf(record, request.uploadId)
    const parts: PartInfo[] = []
    for await (const part of this.#parts(context, place, request.after, request.limit + 1)) {
      if (parts.length === request.limit) {
        return { upload, parts, next: parts.at(-1)?.partNumber ?? request.after }
      }
      parts.push(partInfoOf(part))
    }
    return { upload, parts }
  }

  async list(context: RequestContext, request: ListUploadsRequest): Promise<ListUploadsPage> {
    const { buckets, lister, partitionBits } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    const prefix = utf8ByteString(request.prefix)
    const delimiter = utf8ByteString(request.delimiter ?? '')
    const walk = lister.walk(context, {
      bucket,
      shards: Array.from({ length: bucket.shards }, (_, shard) => shard),
      // A walk's names are "key NUL id"; the marker without an id stands behind all of its uploads.
      range: (shard, after) => {
        const range = uploadRange(bucket.id, shard, prefix, undefined, partitionBits)
        if (after === undefined) return range
        const base = range.start.slice(0, range.start.length - prefix.length)
        const start = base + after
        return start > range.start
          ? { start: (start < range.end ? start : range.end) as RegisterKey, end: range.end }
          : range
      },
      after: uploadMarker(request, prefix, delimiter),
      expected: request.limit + 1,
    })
    const uploads: UploadInfo[] = []
    const prefixes: string[] = []
    let last: { key: string; uploadId: string } | undefined
    for (;;) {
      const row = await walk.next()
      if (row === undefined) return { uploads, prefixes }
      const record = uploadCodec.decode(row.body)
      if (record.state !== OPEN) continue
      if (uploads.length + prefixes.length >= request.limit) {
        return { uploads, prefixes, nextKeyMarker: last?.key, nextUploadIdMarker: last?.uploadId }
      }
      const name = row.name.slice(0, row.name.length - 17)
      const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
      if (cut >= 0) {
        const common = name.slice(0, cut + delimiter.length)
        prefixes.push(textOfUtf8(common))
        last = { key: textOfUtf8(common), uploadId: '' }
        walk.skipTo(`${common}\xff`)
      } else {
        const uploadId = hex(bytesOf(uploadIdOf(row.key)))
        uploads.push(uploadInfoOf(record, uploadId))
        last = { key: record.key, uploadId }
      }
    }
  }

  async complete(
    context: RequestContext,
    request: Named & {
      parts: readonly CompletedPart[]
      condition?: WriteCondition | undefined
      seal(parts: readonly PartInfo[], upload: UploadInfo): SealedBody
    },
  ): Promise<PutResult & SealedBody & { sizeBytes: number }> {
    const place = await this.#place(context, request)
    const digest = requestDigest(request.parts)
    const before = await this.#read(context, place)
    if (before === undefined || before.state === ABORTED) throw noSuchUpload(request.uploadId)
    if (before.state === COMPLETED || before.state === COMPLETING) {
      if (!isSameRequest(before, digest)) throw noSuchUpload(request.uploadId)
      return this.#finish(context, place, before, request.condition)
    }
    const stored = await this.#named(context, place, request.parts)
    const sealed = request.seal(stored.map(partInfoOf), uploadInfoOf(before, request.uploadId))
    const completing = this.#completing(place, before, stored, sealed, digest)
    const ticket = ticketOf(place, completing.record)
    const objectKey = this.#options.objects.key(place.bucket, place.key)
    await this.#options.objects.admit(context, place.bucket, objectKey, ticket)
    const outcome = await this.#options.registers.change(context, {
      key: place.register,
      fence: place.bucket,
      block: completing.block,
      change: (value) => {
        const record = value === undefined ? undefined : uploadCodec.decode(value.body)
        if (record?.state !== OPEN) return { keep: true }
        return { write: uploadValue(completing.record, completing.block) }
      },
    })
    if (outcome.type === 'written') {
      return this.#finish(context, place, completing.record, request.condition, completing.block)
    }
    await this.#options.objects.withdraw(context, place.bucket, objectKey, ticket)
    const now =
      outcome.current === undefined ? undefined : uploadCodec.decode(outcome.current.value.body)
    if (now === undefined || now.state === ABORTED || !isSameRequest(now, digest)) {
      throw noSuchUpload(request.uploadId)
    }
    return this.#finish(context, place, now, request.condition)
  }

  async abort(context: RequestContext, named: Named): Promise<void> {
    const place = await this.#place(context, named)
    const outcome = await this.#options.registers.change(context, {
      key: place.register,
      fence: place.bucket,
      change: (value) => {
        const record = value === undefined ? undefined : uploadCodec.decode(value.body)
        if (record?.state !== OPEN) return { keep: true }
        return { write: uploadValue({ ...record, state: ABORTED }) }
      },
    })
    if (outcome.type === 'written') return
    const { current } = outcome
    const state = current === undefined ? undefined : uploadCodec.decode(current.value.body).state
    if (state === ABORTED) return
    throw noSuchUpload(named.uploadId)
  }

  /** The object's change, then "completed"; the condition may still fail, and the upload is open again. */
  async #finish(
    context: RequestContext,
    place: Place,
    record: UploadRecord,
    condition: WriteCondition | undefined,
    block?: OwnedBlock,
  ): Promise<PutResult & SealedBody & { sizeBytes: number }> {
    const { objects } = this.#options
    const version = record.result
    if (version === undefined) throw noSuchUpload(place.uploadId)
    const answer = {
      etag: version.etag,
      checksums: unpaired(version.checksums),
      checksumType: checksumTypeOf(version.checksumType),
      sizeBytes: version.sizeBytes,
      versionId: 'null',
    }
    if (record.state === COMPLETED) return { ...answer, lastModifiedMs: version.lastModifiedMs }
    const objectKey = objects.key(place.bucket, place.key)
    const ticket = ticketOf(place, record)
    let put: PutResult | 'gone'
    try {
      put = await objects.writeCompleted(context, place.bucket, objectKey, {
        version,
        ticket,
        condition,
        block,
      })
    } catch (error) {
      if (
        error instanceof StoreError &&
        (error.code === 'PreconditionFailed' || error.code === 'NoSuchKey')
      ) {
        await this.#move(context, place, record, (now) => {
          const { result: _, ...rest } = now
          return { ...rest, state: OPEN, request: new Uint8Array(0) }
        })
        await objects.withdraw(context, place.bucket, objectKey, ticket)
      }
      throw error
    }
    const lastModifiedMs = put === 'gone' ? 0 : put.lastModifiedMs
    const now = await this.#move(context, place, record, (now) => ({
      ...now,
      state: COMPLETED,
      result: { ...version, lastModifiedMs },
    }))
    if (now?.state !== COMPLETED || !equalBytes(now.request, record.request)) {
      // The ticket is gone because a condition failed elsewhere, and the upload is open again.
      throw new StoreError('Unavailable', 'another completion of this upload was in the way')
    }
    return { ...answer, lastModifiedMs: now.result?.lastModifiedMs ?? lastModifiedMs }
  }

  /** From this very attempt to complete to another state; the result is the record as it is then. */
  async #move(
    context: RequestContext,
    place: Place,
    completing: UploadRecord,
    edit: (record: UploadRecord) => UploadRecord,
  ): Promise<UploadRecord | undefined> {
    const outcome = await this.#options.registers.change(context, {
      key: place.register,
      fence: place.bucket,
      change: (value) => {
        const record = value === undefined ? undefined : uploadCodec.decode(value.body)
        if (value === undefined || record?.state !== COMPLETING) return { keep: true }
        if (!equalBytes(record.request, completing.request)) return { keep: true }
        return { write: { ...uploadValue(edit(record)), blocks: value.blocks } }
      },
    })
    const value = outcome.type === 'written' ? outcome.value : outcome.current?.value
    return value === undefined ? undefined : uploadCodec.decode(value.body)
  }

  /** The parts that the request names, checked as S3 checks them. */
  async #named(
    context: RequestContext,
    place: Place,
    named: readonly CompletedPart[],
  ): Promise<PartRecord[]> {
    if (named.length === 0) throw new StoreError('InvalidPart', 'no parts were named')
    for (let i = 1; i < named.length; i++) {
      if (named[i]!.partNumber <= named[i - 1]!.partNumber) throw new StoreError('InvalidPartOrder')
    }
    const stored = new Map<number, PartRecord>()
    for await (const part of this.#parts(context, place, 0, named.length + 1)) {
      stored.set(part.partNumber, part)
    }
    let sizeBytes = 0
    const parts = named.map((want, i) => {
      const part = stored.get(want.partNumber)
      if (part === undefined || part.etag !== want.etag || !sameChecksums(part, want)) {
        throw new StoreError('InvalidPart', undefined, { PartNumber: want.partNumber })
      }
      if (i < named.length - 1 && part.sizeBytes < PART_BYTES_MIN) {
        throw new StoreError('EntityTooSmall', undefined, {
          PartNumber: want.partNumber,
          ProposedSize: part.sizeBytes,
          MinSizeAllowed: PART_BYTES_MIN,
          ETag: part.etag,
        })
      }
      sizeBytes += part.sizeBytes
      return part
    })
    if (sizeBytes > OBJECT_BYTES_MAX) throw new StoreError('EntityTooLarge')
    return parts
  }

  #completing(
    place: Place,
    before: UploadRecord,
    parts: readonly PartRecord[],
    sealed: SealedBody,
    digest: Uint8Array<ArrayBuffer>,
  ): { record: UploadRecord; block: OwnedBlock | undefined } {
    const storage: StorageRecord[] = parts.map(
      ({ storage, sizeBytes }) =>
        storage ?? { dataId: new Uint8Array(24), sizeBytes, packed: true },
    )
    const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
    const long = parts.length > PARTS_INLINE_MAX
    const manifest = long ? this.#options.bodies.begin().id : undefined
    const result = versionOf(headersOf(before), sealed, {
      sizeBytes,
      storage: long ? [] : storage,
      manifest: manifest === undefined ? new Uint8Array(0) : bytesOf(manifest),
      uploadId: bytesOf(place.id),
    })
    return {
      record: { ...before, state: COMPLETING, result, request: this.#numbered(digest) },
      block:
        manifest === undefined
          ? undefined
          : {
              key: packedBlockKey(place.register, manifest),
              owner: ownedByManifest(place.register),
              bytes: manifestCodec.encode({ storage }),
            },
    }
  }

  /** Digest of the request, then the number of this attempt to complete. */
  #numbered(digest: Uint8Array): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(DIGEST_BYTES + NUMBER_BYTES)
    bytes.set(digest)
    bytes.set(this.#options.random.bytes(NUMBER_BYTES), DIGEST_BYTES)
    return bytes
  }

  async *#parts(
    context: RequestContext,
    place: Place,
    after: number,
    expected: number,
  ): AsyncGenerator<PartRecord> {
    const { lister, partitionBits } = this.#options
    const walk = lister.walk(context, {
      bucket: place.bucket,
      shards: [place.shard],
      range: () => partRange(place.bucket.id, place.shard, place.id, after, partitionBits),
      expected,
    })
    for (;;) {
      const row = await walk.next()
      if (row === undefined) return
      yield partCodec.decode(row.body)
    }
  }

  async #readOpen(context: RequestContext, place: Place): Promise<UploadRecord> {
    const record = await this.#read(context, place)
    if (record?.state !== OPEN) throw noSuchUpload(place.uploadId)
    return record
  }

  async #read(context: RequestContext, place: Place): Promise<UploadRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, {
      key: place.register,
      fence: place.bucket,
    })
    if (accepted === undefined || accepted.value.tombstone) return undefined
    return uploadCodec.decode(accepted.value.body)
  }

  async #place(context: RequestContext, named: Named): Promise<Place> {
    const bucket = await this.#options.buckets.open(context, named.bucket)
    if (!/^[0-9a-f]{32}$/.test(named.uploadId)) throw noSuchUpload(named.uploadId)
    const name = utf8ByteString(named.key)
    const shard = shardOf(bucket.id, name, bucket.shards)
    const id = byteString(bytesOfHex(named.uploadId))
    const register = uploadRegister(bucket.id, shard, name, id, this.#options.partitionBits)
    return { bucket, shard, id, uploadId: named.uploadId, key: named.key, register }
  }
}

function uploadMarker(
  request: ListUploadsRequest,
  prefix: ByteString,
  delimiter: ByteString,
): ByteString | undefined {
  if (request.keyMarker === undefined || request.keyMarker === '') return undefined
  const key = utf8ByteString(request.keyMarker)
  if (request.uploadIdMarker !== undefined && /^[0-9a-f]{32}$/.test(request.uploadIdMarker)) {
    return `${key}\0${byteString(bytesOfHex(request.uploadIdMarker))}\0`
  }
  // A common prefix that an earlier page ended with: everything below it is passed over.
  const cut =
    delimiter === '' || !key.startsWith(prefix) ? -1 : key.indexOf(delimiter, prefix.length)
  const folded = cut >= 0 && cut + delimiter.length === key.length
  return folded ? `${key}\xff` : `${key}\x01`
}

function requestDigest(parts: readonly CompletedPart[]): Uint8Array<ArrayBuffer> {
  const text = parts.map((part) => `${part.partNumber}:${part.etag}`).join(',')
  return new Uint8Array(blake3(utf8(text)))
}

function isSameRequest(record: UploadRecord, digest: Uint8Array): boolean {
  return equalBytes(record.request.subarray(0, DIGEST_BYTES), digest)
}

function ticketOf(place: Place, { request }: UploadRecord): Uint8Array<ArrayBuffer> {
  return bytesOf(place.id + byteString(request.subarray(DIGEST_BYTES)))
}

function sameChecksums(part: PartRecord, want: CompletedPart): boolean {
  const have = unpaired(part.checksums)
  for (const [name, value] of Object.entries(want.checksums)) {
    if (have[name] !== value) return false
  }
  return true
}

function uploadValue(record: UploadRecord, block?: OwnedBlock): Omit<RegisterValue, 'operation'> {
  return {
    tombstone: false,
    body: uploadCodec.encode(record),
    blocks: block === undefined ? [] : [block.key],
  }
}

function uploadInfoOf(record: UploadRecord, uploadId: string): UploadInfo {
  return {
    key: record.key,
    uploadId,
    initiatedMs: record.initiatedMs,
    checksumAlgorithm:
      record.checksumAlgorithm === '' ? undefined : (record.checksumAlgorithm as ChecksumAlgorithm),
    checksumType: checksumTypeOf(record.checksumType),
    ...headersOf(record),
  }
}

function noSuchUpload(uploadId: string): StoreError {
  return new StoreError('NoSuchUpload', undefined, { UploadId: uploadId })
}
