/**
 * A complete store in memory behind the gateway's port: for tests, and as the model that real nodes
 * are compared with.
 *
 * Every change happens in one synchronous step after the whole body has arrived and was checked, so each
 * key's history is linearizable. Conditions are evaluated inside that step.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Backend } from '../port/backend.ts'
import type { ObjectBody, SmallBody } from '../port/body.ts'
import type { BucketBackend } from '../port/buckets.ts'
import type { Credential } from '../port/identity.ts'
import type {
  DeleteResult,
  ListPage,
  ListRequest,
  ObjectBackend,
  ObjectHeaders,
  ObjectReader,
  PutResult,
  RenameRequest,
  WriteCondition,
} from '../port/objects.ts'
import { ListedObjects } from '../port/listed-objects.ts'
import type { PrincipalDirectory } from '../port/principals.ts'
import type { KeyBackend } from '../port/encryption.ts'
import type { UploadBackend } from '../port/uploads.ts'
import type { ListVersionsPage, ListVersionsRequest } from '../port/versions.ts'
import { PACKED_BYTES, readPieces, receive } from './memory-body.ts'
import { begin, memoryExpiration, MemoryBuckets, orderOf } from './memory-buckets.ts'
import { foldPage } from './memory-listing.ts'
import { MemoryKeys } from './memory-keys.ts'
import { MemoryMultipart } from './memory-multipart.ts'
import { renameInMemory } from './memory-renames.ts'
import { principalsOf } from './memory-principals.ts'
import {
  changeVersionOf,
  checkCondition,
  listedObject,
  listVersionsOf,
  readableVersion,
  removeVersion,
} from './memory-versions.ts'

/** AWS's minimum for all parts but the last. */
const MIN_PART_BYTES = 5 * 1024 * 1024
/** What a delete marker has in place of an object. Listings and answers show none of it. */
const DELETE_MARKER = {
  sizeBytes: 0,
  etag: '',
  checksums: {},
  system: {},
  user: {},
  storageClass: 'STANDARD',
}

export interface MemoryBackendOptions {
  readonly credentials: readonly Credential[]
  /** Temporary credentials by their session token. */
  readonly sessions?: ReadonlyMap<string, Credential>
  readonly nowMs: () => number
  /** Of one account; 1,000 when absent. */
  readonly maxBuckets?: number
  /** Keys of the cluster besides the one that is always there. */
  readonly keys?: readonly string[]
  /** Names of webhooks that exist. Nothing is sent to them. */
  readonly webhooks?: readonly string[]
  /** Tests set a small one, so that their parts can be small. 5 MiB when absent. */
  readonly minPartBytes?: number
}

/**
 * One store. It keeps the promises of the port that a single process can keep: every operation is linearizable, and a
 * change of settings is obeyed by all operations that begin later.
 */
export class MemoryBackend implements Backend {
  readonly #principals: PrincipalDirectory
  readonly #credentials: Map<string, Credential>
  readonly #sessions: ReadonlyMap<string, Credential>
  readonly #buckets: MemoryBuckets
  readonly #uploads: MemoryMultipart
  readonly #keys: MemoryKeys

  constructor(options: MemoryBackendOptions) {
    this.#credentials = new Map(options.credentials.map((each) => [each.accessKeyId, each]))
    this.#sessions = options.sessions ?? new Map()
    this.#principals = principalsOf([...this.#credentials.values(), ...this.#sessions.values()])
    this.#buckets = new MemoryBuckets(
      options.nowMs,
      options.maxBuckets ?? 1000,
      options.webhooks ?? [],
    )
    this.#keys = new MemoryKeys(options.keys ?? [])
    this.#uploads = new MemoryMultipart(this.#buckets, options.minPartBytes ?? MIN_PART_BYTES)
  }

  credential(accessKeyId: string): Promise<Credential | undefined> {
    return Promise.resolve(this.#credentials.get(accessKeyId))
  }

  /** Throws InvalidToken for an unknown token. A token of another key finds nothing. */
  async sessionCredential(accessKeyId: string, token: string): Promise<Credential | undefined> {
    const session = this.#sessions.get(token)
    if (session === undefined) throw new StoreError('InvalidToken')
    return session.accessKeyId === accessKeyId ? session : undefined
  }

  async putObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      body: ObjectBody | SmallBody
      encryption?: string | undefined
      condition?: WriteCondition | undefined
    },
  ): Promise<PutResult> {
    begin(context)
    this.#buckets.get(request.bucket)
    const { pieces, finished, sizeBytes, encrypted } = await receive(request.body)
    const { encryption: record } = request
    const bodies = encrypted === undefined ? [] : [encrypted]
    context.signal.throwIfAborted()
    const bucket = this.#buckets.get(request.bucket)
    checkCondition(bucket.objects.get(request.key)?.[0], request.condition, 'put')
    return this.#buckets.addVersion(
      bucket,
      {
        ...request.headers,
        ...finished,
        key: request.key,
        sizeBytes,
        ...(record !== undefined && { encryption: { record, bodies } }),
      },
      pieces,
    )
  }

  async getObject(
    context: RequestContext,
    request: { bucket: string; key: string; versionId?: string | undefined; withData: boolean },
  ): Promise<ObjectReader> {
    begin(context)
    const { objects, settings } = this.#buckets.get(request.bucket)
    const versions = objects.get(request.key) ?? []
    const { info: stored, pieces } = readableVersion(versions, request.versionId)
    const isCurrent = stored === versions[0]?.info
    const expiration = isCurrent ? memoryExpiration(settings, stored) : undefined
    const info = { ...stored, expiration }
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
      bypassGovernance?: boolean | undefined
    },
  ): Promise<DeleteResult> {
    begin(context)
    const { key, versionId, condition, bypassGovernance } = request
    const bucket = this.#buckets.get(request.bucket)
    const versions = bucket.objects.get(key) ?? []
    if (versionId !== undefined) {
      const judged = versions.find((version) => version.info.versionId === versionId)
      checkCondition(judged, condition, 'delete version')
      const { left, result } = removeVersion(versions, versionId)
      this.#buckets.replace(bucket, key, left, { bypassGovernance })
      return result
    }
    checkCondition(versions[0], condition, 'delete')
    if (bucket.settings.versioning === undefined) {
      this.#buckets.replace(bucket, key, [])
      return { deleteMarker: false }
    }
    const made = this.#buckets.addVersion(bucket, { ...DELETE_MARKER, key }, [], true)
    return { versionId: made.versionId, deleteMarker: true }
  }

  async changeObject(
    context: RequestContext,
    request: Parameters<ObjectBackend['changeObject']>[1],
  ): ReturnType<ObjectBackend['changeObject']> {
    begin(context)
    const bucket = this.#buckets.get(request.bucket)
    const { changed, versionId } = changeVersionOf(bucket.objects.get(request.key) ?? [], request)
    const { bypassGovernance, legalHold } = request.change
    this.#buckets.replace(bucket, request.key, changed, {
      bypassGovernance,
      liftsHold: legalHold === false,
    })
    return { versionId, versioned: bucket.settings.versioning !== undefined }
  }

  async renameObject(context: RequestContext, request: RenameRequest): Promise<void> {
    begin(context)
    renameInMemory(this.#buckets, request)
  }

  async listObjects(context: RequestContext, request: ListRequest): Promise<ListPage> {
    begin(context)
    const bucket = this.#buckets.get(request.bucket)
    const { objects } = bucket
    const keys = orderOf(bucket).filter((key) => objects.get(key)?.[0]?.deleteMarker === false)
    const page = foldPage(keys, (key) => key, request)
    const found = page.entries.flatMap((key) => objects.get(key)?.slice(0, 1) ?? [])
    return {
      objects: ListedObjects.of(found.map(listedObject)),
      prefixes: page.prefixes,
      next: page.next,
    }
  }

  async listVersions(
    context: RequestContext,
    request: ListVersionsRequest,
  ): Promise<ListVersionsPage> {
    begin(context)
    const bucket = this.#buckets.get(request.bucket)
    return listVersionsOf(bucket.objects, orderOf(bucket), request)
  }

  principalIds: PrincipalDirectory['principalIds'] = (...all) =>
    this.#principals.principalIds(...all)
  markNamed: PrincipalDirectory['markNamed'] = (...all) => this.#principals.markNamed(...all)
  principalArns: PrincipalDirectory['principalArns'] = (...all) =>
    this.#principals.principalArns(...all)

  bucketAccess: BucketBackend['bucketAccess'] = (...all) => this.#buckets.bucketAccess(...all)
  createBucket: BucketBackend['createBucket'] = (...all) => this.#buckets.createBucket(...all)
  headBucket: BucketBackend['headBucket'] = (...all) => this.#buckets.headBucket(...all)
  deleteBucket: BucketBackend['deleteBucket'] = (...all) => this.#buckets.deleteBucket(...all)
  getBucketSettings: BucketBackend['getBucketSettings'] = (...all) =>
    this.#buckets.getBucketSettings(...all)
  changeBucket: BucketBackend['changeBucket'] = (...all) => this.#buckets.changeBucket(...all)
  checkWebhooks: BucketBackend['checkWebhooks'] = (...all) => this.#buckets.checkWebhooks(...all)
  listBuckets: BucketBackend['listBuckets'] = (...all) => this.#buckets.listBuckets(...all)

  createUpload: UploadBackend['createUpload'] = (...all) => this.#uploads.createUpload(...all)
  getUpload: UploadBackend['getUpload'] = (...all) => this.#uploads.getUpload(...all)
  putPart: UploadBackend['putPart'] = (...all) => this.#uploads.putPart(...all)
  listParts: UploadBackend['listParts'] = (...all) => this.#uploads.listParts(...all)
  listUploads: UploadBackend['listUploads'] = (...all) => this.#uploads.listUploads(...all)
  completeUpload: UploadBackend['completeUpload'] = (...all) => this.#uploads.completeUpload(...all)
  abortUpload: UploadBackend['abortUpload'] = (...all) => this.#uploads.abortUpload(...all)

  wrapDataKey: KeyBackend['wrapDataKey'] = (...all) => this.#keys.wrapDataKey(...all)
  unwrapDataKey: KeyBackend['unwrapDataKey'] = (...all) => this.#keys.unwrapDataKey(...all)
}
