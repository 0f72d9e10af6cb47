/**
 * Multipart uploads: a register for the upload, one for each part, all in the partition of the object's shard, so that parallel
 * parts never contend. The gateway's operations on uploads come here.
 *
 *   open ──► completing ──► completed        protocol/object/upload-state.ts
 *     │  ◄──────┘
 *     └────► aborted
 *
 * Invariants:
 *   - a part is written without a look at the others: the last one with a number counts
 *   - a part that was put after its upload was over never becomes part of an object, and is removed        (G5)
 *   - no request waits for the removal of parts: it is done in the background, or by the sweep
 *
 * Completion: completion.ts. What uploads leave behind: upload-sweeper.ts, upload-parts.ts.
 */

import { hex } from '../../protocol/bytes.ts'
import { partCodec, type PartRecord, type UploadRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByPart } from '../../protocol/keyspace/owner.ts'
import { partRegister } from '../../protocol/keyspace/register-key.ts'
import type {
  ListUploadsPage,
  ListUploadsRequest,
  PartInfo,
  UploadInfo,
} from '../../gateway/port/uploads.ts'
import type { ObjectHeaders } from '../../gateway/port/objects.ts'
import type { ChecksumAlgorithm, ObjectBody, SmallBody } from '../../gateway/port/body.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bodies } from '../quorum/body.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { Clock, Random } from '../env/ports.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { Reclaim } from './reclaim.ts'
import { aclField } from './acls.ts'
import { Background } from './background.ts'
import type { Bucket } from './bucket.ts'
import { abortIn } from './bucket-lifecycle.ts'
import type { Buckets } from './buckets.ts'
import { Completion, type CompletionRequest } from './completion.ts'
import type { CompletionResult } from './completion-record.ts'
import type { Lister } from '../quorum/lister.ts'
import type { Objects } from './objects.ts'
import { announcedSize, NO_QUOTAS, quotaOf, type QuotaGate } from './quota-gate.ts'
import type { RegisterClient } from '../quorum/register-client.ts'
import type { ChangeOutcome } from '../quorum/register-change.ts'
import { UploadSweeper } from './upload-sweeper.ts'
import { listUploads } from './upload-lists.ts'
import { isBare, partOf, releasedPart, UploadParts } from './upload-parts.ts'
import {
  noSuchUpload,
  placeIn,
  uploadInfoOf,
  uploadRecordOf,
  uploadValue,
  type FencedPlace,
  type NamedUpload,
} from './upload-record.ts'
import {
  UPLOAD_ABORTED,
  UPLOAD_COMPLETED,
  UPLOAD_COMPLETING,
  UPLOAD_OPEN,
} from '../../protocol/object/upload-state.ts'
import {
  checksumTypeNumber,
  lockField,
  pairs,
  tagPairs,
  partInfoOf,
  type RecordedChecksumType,
} from './versions.ts'

export interface UploadsOptions {
  readonly registers: RegisterClient
  readonly buckets: Buckets
  readonly objects: Objects
  readonly bodies: Bodies
  readonly replicator: Replicator
  readonly lister: Lister
  readonly reclaim: Reclaim
  readonly clock: Clock
  readonly random: Random
  readonly partitionBits: () => number
  /** The least size of all parts but the last. When left out, S3's. */
  readonly partBytesMin?: number | undefined
  /** When left out, no bucket has a quota. */
  readonly quotas?: QuotaGate | undefined
}

export class Uploads {
  /** For the scan, which finds uploads that no request asks about any more. */
  readonly sweeper: UploadSweeper
  readonly #options: UploadsOptions
  readonly #parts: UploadParts
  readonly #completion: Completion
  /** Removal of parts that no request waits for. */
  readonly #background = new Background()

  readonly #quotas: QuotaGate

  constructor(options: UploadsOptions) {
    this.#options = options
    this.#quotas = options.quotas ?? NO_QUOTAS
    const parts = new UploadParts(options)
    const completion = new Completion({
      ...options,
      parts,
      onCompleted: (place, record, storage) =>
        this.#background.run(() =>
          parts.clean(internalContext(), place.fence, place, record, storage),
        ),
    })
    this.sweeper = new UploadSweeper({ ...options, completion, parts })
    this.#parts = parts
    this.#completion = completion
  }

  /**
   * Opens an upload with a random id. Throws NoSuchBucket, and Unavailable: then there may be an upload that no client
   * knows, which a rule of the bucket aborts.
   */
  async create(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      checksumAlgorithm?: ChecksumAlgorithm | undefined
      checksumType?: RecordedChecksumType
      encryption?: string | undefined
    },
  ): Promise<UploadInfo> {
    const { registers, random, clock } = this.#options
    const uploadId = hex(random.bytes(16))
    const place = await this.#place(context, { ...request, uploadId })
    const record: UploadRecord = {
      state: UPLOAD_OPEN,
      key: request.key,
      initiatedMs: clock.nowMs(),
      storageClass: request.headers.storageClass,
      system: pairs(request.headers.system),
      user: pairs(request.headers.user),
      tags: tagPairs(request.headers.tags),
      ...lockField(request.headers.lock),
      ...aclField(request.headers.acl),
      checksumAlgorithm: request.checksumAlgorithm ?? '',
      checksumType: checksumTypeNumber(request.checksumType),
      request: new Uint8Array(0),
      bucket: request.bucket,
      ...(request.encryption !== undefined && { encryption: request.encryption }),
    }
    await registers.change(context, {
      key: place.register,
      fence: place.fence,
      change: (value) => (value === undefined ? { write: uploadValue(record) } : { keep: true }),
    })
    const info = uploadInfoOf(record, uploadId)
    return { ...info, abort: abortIn(place.fence, record) }
  }

  /** What an open upload was created with. Throws NoSuchUpload. */
  async get(context: RequestContext, named: NamedUpload): Promise<UploadInfo> {
    const place = await this.#place(context, named)
    return uploadInfoOf(await this.#readOpen(context, place), named.uploadId)
  }

  /**
   * Stores a part, in place of an earlier one with its number. `admit` is called before the body is read.
   *
   * Throws NoSuchUpload when the upload is not open, what `admit` and the body throw, InsufficientStorage, and
   * Unavailable when the outcome is not known. The upload is not read again when the body is in: #takeBackLate does
   * that afterwards.
   */
  async putPart(
    context: RequestContext,
    request: NamedUpload & {
      partNumber: number
      body: ObjectBody | SmallBody
      admit?: ((upload: UploadInfo) => void) | undefined
    },
  ): Promise<PartInfo> {
    const { registers, bodies, clock, partitionBits, reclaim } = this.#options
    const { partNumber } = request
    const place = await this.#place(context, request)
    const upload = await this.#readOpen(context, place)
    request.admit?.(uploadInfoOf(upload, place.uploadId))
    await this.#quotas.admit(place.fence, { bytes: announcedSize(request.body), objects: 0 })
    const owner = ownedByPart(place.register, partNumber)
    const written = await bodies.write(context, request.body, owner)
    const { finished, storage, sizeBytes, packed, attempt } = written
    const key = partRegister(place.bucketId, place.shard, place.id, partNumber, partitionBits())
    const block: OwnedBlock | undefined =
      packed === undefined
        ? undefined
        : { key: packedBlockKey(key, attempt.id), bytes: packed, owner }
    const part: PartRecord = {
      partNumber,
      sizeBytes,
      etag: finished.etag,
      lastModifiedMs: clock.nowMs(),
      checksums: pairs(finished.checksums),
      ...(storage[0] === undefined ? {} : { storage: storage[0] }),
      key: place.key,
    }
    let outcome: ChangeOutcome | undefined
    try {
      outcome = await registers.change(context, {
        key,
        fence: place.fence,
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
      // The old data may be on its way into the object, and the new data may not have been written: the collector
      // asks about both.
      const released = outcome?.type === 'written' ? partOf(outcome.before) : part
      if (released !== undefined) reclaim.released(releasedPart(place.register, released, false))
    }
    this.#background.run(() => this.#takeBackLate(place, key))
    return partInfoOf(part)
  }

  /**
   * Up to `limit` parts with numbers above `after`, in order. `next` is there when there are more: the last number of
   * this page. Throws NoSuchUpload when the upload is not open.
   */
  async listParts(
    context: RequestContext,
    request: NamedUpload & { after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: PartInfo[]; next?: number | undefined }> {
    const place = await this.#place(context, request)
    const record = await this.#readOpen(context, place)
    const abort = abortIn(place.fence, record)
    const upload = { ...uploadInfoOf(record, request.uploadId), abort }
    const parts: PartInfo[] = []
    const { after, limit } = request
    const found = this.#parts.walk(context, place.fence, place, { after, expected: limit + 1 })
    for await (const { part } of found) {
      if (parts.length === limit) return { upload, parts, next: parts.at(-1)?.partNumber ?? after }
      parts.push(partInfoOf(part))
    }
    return { upload, parts }
  }

  /** One page of open uploads (upload-lists.ts). */
  async list(context: RequestContext, request: ListUploadsRequest): Promise<ListUploadsPage> {
    const { buckets, lister, partitionBits } = this.#options
    const bucket = await buckets.open(context, request.bucket)
    return listUploads(context, lister, bucket, request, partitionBits())
  }

  /** Completes the upload (completion.ts). May be repeated for a day. */
  async complete(
    context: RequestContext,
    request: NamedUpload & CompletionRequest,
  ): Promise<CompletionResult> {
    const place = await this.#place(context, request)
    // A repeat of a completion that is done needs no room.
    if (quotaOf(place.fence.record) !== undefined && (await this.#isOpen(context, place))) {
      await this.#quotas.admit(place.fence, { bytes: 0, objects: 1 })
    }
    return this.#completion.complete(context, place, request)
  }

  /**
   * Aborts an open upload. May be repeated. Throws Conflict while a completion is under way, and NoSuchUpload for a
   * completed upload. Its parts are removed in the background.
   */
  async abort(context: RequestContext, named: NamedUpload): Promise<void> {
    const place = await this.#place(context, named)
    const { state, record } = await this.sweeper.abort(context, place)
    if (state === UPLOAD_COMPLETING) {
      throw new StoreError('Conflict', 'a completion of this upload is under way')
    }
    if (state !== UPLOAD_ABORTED) throw noSuchUpload(named.uploadId)
    if (record === undefined) return
    this.#background.run(() => this.#parts.clean(internalContext(), place.fence, place, record))
  }

  /**
   * Aborts uploads of a bucket that is empty and about to go, for a few seconds. Never throws: the sweep finds the
   * rest.
   */
  abandonAll(context: RequestContext, bucket: Bucket): Promise<void> {
    return this.sweeper.abandonAll(context, bucket)
  }

  /**
   * Looks at the upload once more after a part was put. Removes a part that was put after its upload was over, and
   * perhaps after the other parts were removed.
   */
  async #takeBackLate(place: FencedPlace, key: RegisterKey): Promise<void> {
    const { registers } = this.#options
    const context = internalContext()
    const { accepted } = await registers.read(context, { key: place.register, fence: place.fence })
    const record = uploadRecordOf(accepted?.value)
    if (record === undefined) await this.#parts.drop(context, place, key, undefined)
    // The upload's record there is bare and names no part.
    else if (record.state === UPLOAD_COMPLETED && isBare(record)) {
      await this.#parts.drop(context, place, key, new Set())
    } else if (record.state === UPLOAD_COMPLETED || record.state === UPLOAD_ABORTED) {
      await this.#parts.clean(context, place.fence, place, record)
    }
  }

  async #isOpen(context: RequestContext, place: FencedPlace): Promise<boolean> {
    return (await this.#read(context, place))?.state === UPLOAD_OPEN
  }

  /** The record of an open upload. Throws NoSuchUpload. Linearizable. */
  async #readOpen(context: RequestContext, place: FencedPlace): Promise<UploadRecord> {
    const record = await this.#read(context, place)
    if (record?.state !== UPLOAD_OPEN) throw noSuchUpload(place.uploadId)
    return record
  }

  async #read(
    context: RequestContext,
    { register, fence }: FencedPlace,
  ): Promise<UploadRecord | undefined> {
    const { accepted } = await this.#options.registers.read(context, { key: register, fence })
    return uploadRecordOf(accepted?.value)
  }

  /** Opens the bucket from the cache. Throws NoSuchBucket, and NoSuchUpload for a malformed id. */
  async #place(context: RequestContext, named: NamedUpload): Promise<FencedPlace> {
    const bucket = await this.#options.buckets.open(context, named.bucket)
    return placeIn(bucket, named, this.#options.partitionBits())
  }
}
