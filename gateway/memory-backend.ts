/**
 * A complete store in memory behind the gateway's port: for tests, and as the model that real nodes
 * are compared with.
 *
 * Every change happens in one synchronous step after the body has come and was sealed, so that each
 * key's history is linearizable; conditions are judged inside that step.
 */

import { StoreError } from '../protocol/errors.ts'
import type {
  Backend,
  BucketInfo,
  Checksums,
  ChecksumAlgorithm,
  CompletedPart,
  Credential,
  ListedObject,
  ListPage,
  ListRequest,
  ListUploadsPage,
  ListUploadsRequest,
  ObjectBody,
  ObjectHeaders,
  ObjectInfo,
  ObjectReader,
  PartInfo,
  PutResult,
  RequestContext,
  SealedBody,
  SmallBody,
  UploadInfo,
  WriteCondition,
} from './backend.ts'
import { compareKeys, foldPage } from './memory-listing.ts'

const MIN_PART_BYTES = 5 * 1024 * 1024
const PACKED_BYTES = 64 * 1024
const CHUNK_BYTES = 1024 * 1024

interface StoredObject {
  readonly info: ObjectInfo
  readonly pieces: readonly Uint8Array[]
}

interface StoredPart {
  readonly info: PartInfo
  readonly pieces: readonly Uint8Array[]
}

interface StoredUpload {
  readonly info: UploadInfo
  readonly parts: Map<number, StoredPart>
  completed?: PutResult & SealedBody & { sizeBytes: number }
}

interface StoredBucket {
  readonly info: BucketInfo
  readonly objects: Map<string, StoredObject>
  readonly uploads: Map<string, StoredUpload>
  /** Keys in listing order, made again when keys came or went. */
  order: string[] | undefined
}

export interface MemoryBackendOptions {
  readonly credentials: readonly Credential[]
  readonly nowMs: () => number
  readonly maxBuckets?: number
  readonly minPartBytes?: number
}

export class MemoryBackend implements Backend {
  readonly #credentials: Map<string, Credential>
  readonly #nowMs: () => number
  readonly #maxBuckets: number
  readonly #minPartBytes: number
  readonly #buckets = new Map<string, StoredBucket>()
  #uploadCount = 0
  #lastMs = 0

  constructor(options: MemoryBackendOptions) {
    this.#credentials = new Map(options.credentials.map((each) => [each.accessKeyId, each]))
    this.#nowMs = options.nowMs
    this.#maxBuckets = options.maxBuckets ?? 1000
    this.#minPartBytes = options.minPartBytes ?? MIN_PART_BYTES
  }

  credential(accessKeyId: string): Promise<Credential | undefined> {
    return Promise.resolve(this.#credentials.get(accessKeyId))
  }

  async createBucket(
    context: RequestContext,
    request: { bucket: string; ownerAccount: string; region: string },
  ): Promise<BucketInfo> {
    begin(context)
    const existing = this.#buckets.get(request.bucket)
    if (existing?.info.ownerAccount === request.ownerAccount) {
      throw new StoreError('BucketAlreadyOwnedByYou')
    }
    if (existing !== undefined) throw new StoreError('BucketAlreadyExists')
    let owned = 0
    for (const bucket of this.#buckets.values()) {
      if (bucket.info.ownerAccount === request.ownerAccount) owned++
    }
    if (owned >= this.#maxBuckets) throw new StoreError('TooManyBuckets')
    const info: BucketInfo = {
      name: request.bucket,
      ownerAccount: request.ownerAccount,
      createdMs: this.#tick(),
      region: request.region,
    }
    this.#buckets.set(request.bucket, {
      info,
      objects: new Map(),
      uploads: new Map(),
      order: undefined,
    })
    return info
  }

  async headBucket(context: RequestContext, bucket: string): Promise<BucketInfo> {
    begin(context)
    return this.#bucket(bucket).info
  }

  async deleteBucket(context: RequestContext, name: string): Promise<void> {
    begin(context)
    const bucket = this.#bucket(name)
    if (bucket.objects.size > 0) throw new StoreError('BucketNotEmpty')
    this.#buckets.delete(name)
  }

  async listBuckets(
    context: RequestContext,
    request: { ownerAccount: string; prefix: string; after?: string | undefined; limit: number },
  ): Promise<{ buckets: readonly BucketInfo[]; next?: string | undefined }> {
    begin(context)
    const owned = [...this.#buckets.values()]
      .map((bucket) => bucket.info)
      .filter((info) => info.ownerAccount === request.ownerAccount)
      .sort((a, b) => compareKeys(a.name, b.name))
    const page = foldPage(owned, (info) => info.name, request)
    return { buckets: page.rows, next: page.next }
  }

  async putObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      body: ObjectBody | SmallBody
      condition?: WriteCondition | undefined
    },
  ): Promise<PutResult> {
    begin(context)
    this.#bucket(request.bucket)
    const { pieces, sealed, sizeBytes } = await receive(request.body)
    context.signal.throwIfAborted()
    const bucket = this.#bucket(request.bucket)
    checkCondition(bucket.objects.get(request.key), request.condition, 'put')
    return this.#store(
      bucket,
      { ...request.headers, ...sealed, key: request.key, sizeBytes },
      pieces,
    )
  }

  async getObject(
    context: RequestContext,
    request: { bucket: string; key: string; withData: boolean },
  ): Promise<ObjectReader> {
    begin(context)
    const object = this.#bucket(request.bucket).objects.get(request.key)
    if (object === undefined) throw new StoreError('NoSuchKey')
    const { info, pieces } = object
    const packed = request.withData && info.sizeBytes <= PACKED_BYTES && pieces.length <= 1
    return {
      info,
      read: (start, end) => readPieces(pieces, start, end),
      bytes: packed ? (pieces[0] ?? new Uint8Array(0)) : undefined,
    }
  }

  async deleteObject(
    context: RequestContext,
    request: { bucket: string; key: string; condition?: WriteCondition | undefined },
  ): Promise<void> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    checkCondition(bucket.objects.get(request.key), request.condition, 'delete')
    if (bucket.objects.delete(request.key)) bucket.order = undefined
  }

  async listObjects(context: RequestContext, request: ListRequest): Promise<ListPage> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    bucket.order ??= [...bucket.objects.keys()].sort(compareKeys)
    const page = foldPage(bucket.order, (key) => key, request)
    const objects = page.rows.map((key) => listed(bucket.objects.get(key)!.info))
    return { objects, prefixes: page.prefixes, next: page.next }
  }

  async createUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      checksumAlgorithm?: ChecksumAlgorithm | undefined
      checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
    },
  ): Promise<UploadInfo> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    const { key, headers, checksumAlgorithm, checksumType } = request
    const uploadId = `memory-${String(++this.#uploadCount).padStart(10, '0')}`
    const initiatedMs = this.#tick()
    const info = { ...headers, key, uploadId, initiatedMs, checksumAlgorithm, checksumType }
    bucket.uploads.set(uploadId, { info, parts: new Map() })
    return info
  }

  async getUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<UploadInfo> {
    begin(context)
    return this.#upload(request, true).info
  }

  async putPart(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      uploadId: string
      partNumber: number
      body: ObjectBody | SmallBody
    },
  ): Promise<PartInfo> {
    begin(context)
    this.#upload(request)
    const { pieces, sealed, sizeBytes } = await receive(request.body)
    context.signal.throwIfAborted()
    const upload = this.#upload(request)
    const { partNumber } = request
    const info: PartInfo = { ...sealed, partNumber, sizeBytes, lastModifiedMs: this.#tick() }
    upload.parts.set(partNumber, { info, pieces })
    return info
  }

  async listParts(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string; after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: readonly PartInfo[]; next?: number | undefined }> {
    begin(context)
    const upload = this.#upload(request)
    const rest = [...upload.parts.values()]
      .map((part) => part.info)
      .filter((part) => part.partNumber > request.after)
      .sort((a, b) => a.partNumber - b.partNumber)
    const parts = rest.slice(0, request.limit)
    const next = rest.length > parts.length ? parts.at(-1)?.partNumber : undefined
    return { upload: upload.info, parts, next }
  }

  async listUploads(
    context: RequestContext,
    request: ListUploadsRequest,
  ): Promise<ListUploadsPage> {
    begin(context)
    const { keyMarker, uploadIdMarker } = request
    const open = [...this.#bucket(request.bucket).uploads.values()]
      .filter((upload) => upload.completed === undefined)
      .map((upload) => upload.info)
      .sort((a, b) => compareKeys(a.key, b.key) || compareKeys(a.uploadId, b.uploadId))
      .filter((upload) => {
        if (keyMarker === undefined) return true
        const order = compareKeys(upload.key, keyMarker)
        if (order !== 0) return order > 0
        return uploadIdMarker !== undefined && compareKeys(upload.uploadId, uploadIdMarker) > 0
      })
    const { prefix, delimiter, limit } = request
    // Several uploads share a key, so `after` can't be given here; a marker that is a prefix can.
    const skipped = keyMarker?.endsWith(delimiter ?? '\n') === true ? keyMarker : undefined
    const rows = open.filter((upload) => skipped === undefined || !upload.key.startsWith(skipped))
    const page = foldPage(rows, (upload) => upload.key, { prefix, delimiter, limit })
    if (page.next === undefined) return { uploads: page.rows, prefixes: page.prefixes }
    const last = page.rows.at(-1)
    return {
      uploads: page.rows,
      prefixes: page.prefixes,
      nextKeyMarker: page.next,
      nextUploadIdMarker: last?.key === page.next ? last.uploadId : undefined,
    }
  }

  async completeUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      uploadId: string
      parts: readonly CompletedPart[]
      condition?: WriteCondition | undefined
      seal(parts: readonly PartInfo[], upload: UploadInfo): SealedBody
    },
  ): Promise<PutResult & SealedBody & { sizeBytes: number }> {
    begin(context)
    const upload = this.#upload(request, true)
    if (upload.completed !== undefined) return upload.completed
    const parts = chooseParts(upload, request.parts, this.#minPartBytes)
    const bucket = this.#bucket(request.bucket)
    checkCondition(bucket.objects.get(request.key), request.condition, 'put')
    const infos = parts.map((part) => part.info)
    const sealed = request.seal(infos, upload.info)
    const sizeBytes = infos.reduce((sum, part) => sum + part.sizeBytes, 0)
    const { system, user, storageClass } = upload.info
    const result = this.#store(
      bucket,
      {
        ...sealed,
        system,
        user,
        storageClass,
        key: request.key,
        sizeBytes,
        partSizes: infos.map((part) => part.sizeBytes),
      },
      parts.flatMap((part) => part.pieces),
    )
    upload.completed = { ...result, ...sealed, sizeBytes }
    upload.parts.clear()
    return upload.completed
  }

  async abortUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<void> {
    begin(context)
    this.#upload(request)
    this.#bucket(request.bucket).uploads.delete(request.uploadId)
  }

  #bucket(name: string): StoredBucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw new StoreError('NoSuchBucket')
    return bucket
  }

  #upload(
    request: { bucket: string; key: string; uploadId: string },
    completedToo = false,
  ): StoredUpload {
    const upload = this.#bucket(request.bucket).uploads.get(request.uploadId)
    if (upload === undefined || upload.info.key !== request.key)
      throw new StoreError('NoSuchUpload')
    if (upload.completed !== undefined && !completedToo) throw new StoreError('NoSuchUpload')
    return upload
  }

  #store(
    bucket: StoredBucket,
    fields: Omit<ObjectInfo, 'lastModifiedMs' | 'versionId'>,
    pieces: readonly Uint8Array[],
  ): PutResult {
    const lastModifiedMs = this.#tick()
    if (!bucket.objects.has(fields.key)) bucket.order = undefined
    bucket.objects.set(fields.key, {
      info: { ...fields, lastModifiedMs, versionId: 'null' },
      pieces,
    })
    return { versionId: 'null', lastModifiedMs }
  }

  /** T4: never the same instant twice. */
  #tick(): number {
    this.#lastMs = Math.max(this.#lastMs + 1, Math.floor(this.#nowMs()))
    return this.#lastMs
  }
}

function begin(context: RequestContext): void {
  context.signal.throwIfAborted()
  context.rounds++
}

/** Copies the chunks, since a producer may use their memory again. */
async function receive(
  body: ObjectBody | SmallBody,
): Promise<{ pieces: Uint8Array[]; sealed: SealedBody; sizeBytes: number }> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  if ('bytes' in body) {
    if (body.bytes.length > 0) pieces.push(Uint8Array.from(body.bytes))
    sizeBytes = body.bytes.length
  } else {
    for await (const chunk of body.chunks) {
      pieces.push(Uint8Array.from(chunk))
      sizeBytes += chunk.length
    }
  }
  const sealed = body.seal()
  const whole = pieces.length > 1 && sizeBytes <= PACKED_BYTES ? [Buffer.concat(pieces)] : pieces
  return { pieces: whole, sealed, sizeBytes }
}

async function* readPieces(
  pieces: readonly Uint8Array[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const piece of pieces) {
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, piece.length)
    for (let offset = from; offset < to; offset += CHUNK_BYTES) {
      yield piece.subarray(offset, Math.min(offset + CHUNK_BYTES, to))
    }
    at += piece.length
  }
}

function listed(info: ObjectInfo): ListedObject {
  const algorithm = firstAlgorithm(info.checksums)
  return {
    key: info.key,
    sizeBytes: info.sizeBytes,
    etag: info.etag,
    lastModifiedMs: info.lastModifiedMs,
    storageClass: info.storageClass,
    versionId: info.versionId,
    checksumAlgorithm: algorithm,
    checksumType: algorithm === undefined ? undefined : info.checksumType,
  }
}

function firstAlgorithm(checksums: Checksums): ChecksumAlgorithm | undefined {
  return Object.keys(checksums)[0] as ChecksumAlgorithm | undefined
}

function checkCondition(
  current: StoredObject | undefined,
  condition: WriteCondition | undefined,
  change: 'put' | 'delete',
): void {
  if (condition === undefined) return
  const info = current?.info
  const { ifMatch, ifNoneMatch, ifMatchSizeBytes, ifMatchLastModifiedMs } = condition
  if (info === undefined) {
    const wantsObject = ifMatch ?? ifMatchSizeBytes?.toString() ?? ifMatchLastModifiedMs?.toString()
    if (wantsObject === undefined) return
    throw new StoreError(change === 'put' ? 'NoSuchKey' : 'PreconditionFailed')
  }
  const matches = (tags: readonly string[]): boolean =>
    tags.includes('*') || tags.includes(info.etag)
  const holds =
    (ifMatch === undefined || matches(ifMatch)) &&
    (ifNoneMatch === undefined || !matches(ifNoneMatch)) &&
    (ifMatchSizeBytes === undefined || ifMatchSizeBytes === info.sizeBytes) &&
    (ifMatchLastModifiedMs === undefined ||
      Math.floor(ifMatchLastModifiedMs / 1000) === Math.floor(info.lastModifiedMs / 1000))
  if (!holds) throw new StoreError('PreconditionFailed')
}

function chooseParts(
  upload: StoredUpload,
  named: readonly CompletedPart[],
  minPartBytes: number,
): StoredPart[] {
  const chosen: StoredPart[] = []
  let last = 0
  for (const each of named) {
    if (each.partNumber <= last) throw new StoreError('InvalidPartOrder')
    last = each.partNumber
  }
  for (const [index, each] of named.entries()) {
    const part = upload.parts.get(each.partNumber)
    const sums = Object.entries(each.checksums) as [ChecksumAlgorithm, string][]
    const differs =
      part === undefined ||
      part.info.etag !== each.etag ||
      sums.some(([algorithm, value]) => part.info.checksums[algorithm] !== value)
    if (differs) {
      throw new StoreError('InvalidPart', undefined, {
        UploadId: upload.info.uploadId,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    if (index < named.length - 1 && part.info.sizeBytes < minPartBytes) {
      throw new StoreError('EntityTooSmall', undefined, {
        ProposedSize: part.info.sizeBytes,
        MinSizeAllowed: minPartBytes,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    chosen.push(part)
  }
  return chosen
}
