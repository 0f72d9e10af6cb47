/**
 * A complete store in memory behind the gateway's port: for tests, and as the model that real nodes
 * are compared with.
 *
 * Every change happens in one synchronous step after the body has come and was sealed, so that each
 * key's history is linearizable; conditions are judged inside that step.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { Backend } from '../port/backend.ts'
import type { Credential } from '../port/identity.ts'
import type {
  CompletedPart,
  ListUploadsPage,
  ListUploadsRequest,
  PartInfo,
  UploadInfo,
} from '../port/uploads.ts'
import type { ListVersionsPage, ListVersionsRequest } from '../port/versions.ts'
import type {
  DeleteResult,
  ListPage,
  ListRequest,
  ObjectHeaders,
  ObjectInfo,
  ObjectReader,
  PutResult,
  WriteCondition,
} from '../port/objects.ts'
import type { ChecksumAlgorithm, ObjectBody, SealedBody, SmallBody } from '../port/body.ts'
import type { BucketAccess, BucketChange, BucketInfo, BucketSettings } from '../port/buckets.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { PACKED_BYTES, readPieces, receive } from './memory-body.ts'
import { compareKeys, foldPage } from './memory-listing.ts'
import { principalsOf } from './memory-principals.ts'
import type { PrincipalDirectory } from '../port/principals.ts'
import { sameAccess } from '../port/bucket-access.ts'
import {
  chooseParts,
  listPartsOf,
  listUploadsOf,
  objectPartOf,
  type StoredUpload,
} from './memory-uploads.ts'
import {
  addMemoryVersion,
  checkCondition,
  listedObject,
  listVersionsOf,
  newVersionId,
  readableVersion,
  removeVersion,
  type StoredVersion,
} from './memory-versions.ts'

const MIN_PART_BYTES = 5 * 1024 * 1024
const DELETE_MARKER = {
  sizeBytes: 0,
  etag: '',
  checksums: {},
  system: {},
  user: {},
  storageClass: 'STANDARD',
}

interface StoredBucket {
  readonly info: BucketInfo
  settings: BucketSettings
  /** Newest version first; never an empty list. */
  readonly objects: Map<string, readonly StoredVersion[]>
  readonly uploads: Map<string, StoredUpload>
  /** Keys in listing order, made again when keys came or went. */
  order: string[] | undefined
}

export interface MemoryBackendOptions {
  readonly credentials: readonly Credential[]
  /** Temporary credentials by their session token. */
  readonly sessions?: ReadonlyMap<string, Credential>
  readonly nowMs: () => number
  readonly maxBuckets?: number
  readonly minPartBytes?: number
}

export class MemoryBackend implements Backend {
  readonly #principals: PrincipalDirectory
  readonly #credentials: Map<string, Credential>
  readonly #sessions: ReadonlyMap<string, Credential>
  readonly #nowMs: () => number
  readonly #maxBuckets: number
  readonly #minPartBytes: number
  readonly #buckets = new Map<string, StoredBucket>()
  #uploadCount = 0
  #lastMs = 0
  #sequence = 0

  constructor(options: MemoryBackendOptions) {
    this.#credentials = new Map(options.credentials.map((each) => [each.accessKeyId, each]))
    this.#sessions = options.sessions ?? new Map()
    this.#principals = principalsOf([...this.#credentials.values(), ...this.#sessions.values()])
    this.#nowMs = options.nowMs
    this.#maxBuckets = options.maxBuckets ?? 1000
    this.#minPartBytes = options.minPartBytes ?? MIN_PART_BYTES
  }

  credential(accessKeyId: string): Promise<Credential | undefined> {
    return Promise.resolve(this.#credentials.get(accessKeyId))
  }

  async sessionCredential(accessKeyId: string, token: string): Promise<Credential | undefined> {
    const session = this.#sessions.get(token)
    if (session === undefined) throw new StoreError('InvalidToken')
    return session.accessKeyId === accessKeyId ? session : undefined
  }

  principalIds(
    context: RequestContext,
    arns: readonly string[],
  ): Promise<ReadonlyMap<string, string>> {
    return this.#principals.principalIds(context, arns)
  }

  markNamed(
    context: RequestContext,
    accountId: string,
    principals: readonly ResolvedPrincipal[],
  ): Promise<void> {
    return this.#principals.markNamed(context, accountId, principals)
  }

  principalArns(
    context: RequestContext,
    principals: readonly ResolvedPrincipal[],
  ): Promise<ReadonlyMap<string, string>> {
    return this.#principals.principalArns(context, principals)
  }

  async bucketAccess(context: RequestContext, bucket: string): Promise<BucketAccess> {
    begin(context)
    const { info, settings } = this.#bucket(bucket)
    return { info, settings }
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
      settings: {},
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

  async getBucketSettings(context: RequestContext, bucket: string): Promise<BucketSettings> {
    begin(context)
    return this.#bucket(bucket).settings
  }

  async changeBucket(
    context: RequestContext,
    request: { bucket: string; change: BucketChange; judged?: BucketSettings | undefined },
  ): Promise<void> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    const { versioning, policy, principals, publicAccessBlock, abortRules } = request.change
    const { settings } = bucket
    if (request.judged !== undefined && !sameAccess(request.judged, settings)) {
      throw new StoreError('Conflict', 'the settings were changed meanwhile')
    }
    bucket.settings = {
      versioning: versioning ?? settings.versioning,
      policy: changed(settings.policy, policy),
      principals: policy === undefined ? settings.principals : principals,
      publicAccessBlock: changed(settings.publicAccessBlock, publicAccessBlock),
      abortRules: changed(settings.abortRules, abortRules),
    }
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
    checkCondition(bucket.objects.get(request.key)?.[0], request.condition, 'put')
    return this.#store(
      bucket,
      { ...request.headers, ...sealed, key: request.key, sizeBytes },
      pieces,
    )
  }

  async getObject(
    context: RequestContext,
    request: { bucket: string; key: string; versionId?: string | undefined; withData: boolean },
  ): Promise<ObjectReader> {
    begin(context)
    const { objects, settings } = this.#bucket(request.bucket)
    const { info, pieces } = readableVersion(objects.get(request.key) ?? [], request.versionId)
    const packed = request.withData && info.sizeBytes <= PACKED_BYTES && pieces.length <= 1
    return {
      info,
      versioned: settings.versioning !== undefined,
      read: (start, end) => readPieces(pieces, start, end),
      bytes: packed ? (pieces[0] ?? new Uint8Array(0)) : undefined,
    }
  }

  async deleteObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      versionId?: string | undefined
      condition?: WriteCondition | undefined
    },
  ): Promise<DeleteResult> {
    begin(context)
    const { key, versionId, condition } = request
    const bucket = this.#bucket(request.bucket)
    const versions = bucket.objects.get(key) ?? []
    if (versionId !== undefined) {
      const judged = versions.find((version) => version.info.versionId === versionId)
      checkCondition(judged, condition, 'delete version')
      const { left, result } = removeVersion(versions, versionId)
      this.#replace(bucket, key, left)
      return result
    }
    checkCondition(versions[0], condition, 'delete')
    if (bucket.settings.versioning === undefined) {
      this.#replace(bucket, key, [])
      return { deleteMarker: false }
    }
    const made = this.#store(bucket, { ...DELETE_MARKER, key }, [], true)
    return { versionId: made.versionId, deleteMarker: true }
  }

  async listObjects(context: RequestContext, request: ListRequest): Promise<ListPage> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    const { objects } = bucket
    const keys = orderOf(bucket).filter((key) => objects.get(key)?.[0]?.deleteMarker === false)
    const page = foldPage(keys, (key) => key, request)
    const found = page.rows.flatMap((key) => objects.get(key)?.slice(0, 1) ?? [])
    return { objects: found.map(listedObject), prefixes: page.prefixes, next: page.next }
  }

  async listVersions(
    context: RequestContext,
    request: ListVersionsRequest,
  ): Promise<ListVersionsPage> {
    begin(context)
    const bucket = this.#bucket(request.bucket)
    return listVersionsOf(bucket.objects, orderOf(bucket), request)
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
      admit?: ((upload: UploadInfo) => void) | undefined
    },
  ): Promise<PartInfo> {
    begin(context)
    request.admit?.(this.#upload(request).info)
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
    return { upload: upload.info, ...listPartsOf(upload, request) }
  }

  async listUploads(
    context: RequestContext,
    request: ListUploadsRequest,
  ): Promise<ListUploadsPage> {
    begin(context)
    return listUploadsOf(this.#bucket(request.bucket).uploads.values(), request)
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
    checkCondition(bucket.objects.get(request.key)?.[0], request.condition, 'put')
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
        parts: infos.map((part) => objectPartOf(part, sealed)),
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
    deleteMarker = false,
  ): PutResult {
    const { versioning } = bucket.settings
    const lastModifiedMs = this.#tick()
    const sequence = ++this.#sequence
    const versionId = newVersionId(versioning, sequence)
    const info: ObjectInfo = { ...fields, lastModifiedMs, versionId }
    const made: StoredVersion = { info, pieces, sequence, deleteMarker }
    const before = bucket.objects.get(fields.key) ?? []
    this.#replace(bucket, fields.key, addMemoryVersion(before, made, versioning))
    return { versionId, versioned: versioning !== undefined, lastModifiedMs }
  }

  #replace(bucket: StoredBucket, key: string, versions: readonly StoredVersion[]): void {
    if (bucket.objects.has(key) !== versions.length > 0) bucket.order = undefined
    if (versions.length > 0) bucket.objects.set(key, versions)
    else bucket.objects.delete(key)
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

/** Null removes, undefined leaves as it was. */
function changed<Value>(
  before: Value | undefined,
  given: Value | null | undefined,
): Value | undefined {
  return given === undefined ? before : (given ?? undefined)
}

function orderOf(bucket: StoredBucket): readonly string[] {
  bucket.order ??= [...bucket.objects.keys()].sort(compareKeys)
  return bucket.order
}
