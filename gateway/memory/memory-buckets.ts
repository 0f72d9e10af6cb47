/** The buckets of a store in memory: their operations, and the state that objects and uploads share. */

import { StoreError } from '../../protocol/errors.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { expirationOf, type RuleTime } from '../../protocol/lifecycle/rule.ts'
import { requireOwner, sameAccess } from '../port/bucket-access.ts'
import { changedDocuments } from '../port/bucket-documents.ts'
import { NO_WEBHOOK } from '../port/buckets.ts'
import type {
  BucketAccess,
  BucketBackend,
  BucketInfo,
  BucketSettings,
  ChangeBucketRequest,
  RefusedWebhook,
} from '../port/buckets.ts'
import type { ObjectInfo, PutResult } from '../port/objects.ts'
import { compareKeys, foldPage } from './memory-listing.ts'
import {
  checkMemoryLocks,
  checkMemoryLockSetting,
  lockOfMemory,
  type MemoryLockRights,
} from './memory-locks.ts'
import type { StoredUpload } from './memory-uploads.ts'
import { addMemoryVersion, newVersionId, type StoredVersion } from './memory-versions.ts'

/** One bucket with everything in it. The files of the memory backend share it. */
export interface StoredBucket {
  readonly info: BucketInfo
  settings: BucketSettings
  /** By key, newest version first. Never an empty list. */
  readonly objects: Map<string, readonly StoredVersion[]>
  /** Open and completed uploads by id. A completed one stays, so that its completion can be repeated. */
  readonly uploads: Map<string, StoredUpload>
  /** Keys in the order of listings; undefined after a key was added or removed. */
  order: string[] | undefined
}

/**
 * All buckets of a store, its clock and its counter of writes. Open uploads do not keep a bucket from being deleted:
 * they go with it.
 */
export class MemoryBuckets implements BucketBackend {
  readonly #nowMs: () => number
  readonly #maxBuckets: number
  readonly #webhooks: ReadonlySet<string>
  readonly #buckets = new Map<string, StoredBucket>()
  #lastMs = 0
  #sequence = 0

  /** @param webhooks names of those that exist. Nothing is sent to them */
  constructor(nowMs: () => number, maxBuckets: number, webhooks: readonly string[]) {
    this.#nowMs = nowMs
    this.#maxBuckets = maxBuckets
    this.#webhooks = new Set(webhooks)
  }

  async bucketAccess(context: RequestContext, bucket: string): Promise<BucketAccess> {
    begin(context)
    const { info, settings } = this.get(bucket)
    return { info, settings }
  }

  async createBucket(
    context: RequestContext,
    request: Parameters<BucketBackend['createBucket']>[1],
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
      createdMs: this.tick(),
      region: request.region,
    }
    this.#buckets.set(request.bucket, {
      info,
      settings: {
        ...request.documents,
        ...(request.objectLock === true && { versioning: 'Enabled', objectLock: {} }),
      },
      objects: new Map(),
      uploads: new Map(),
      order: undefined,
    })
    return info
  }

  async headBucket(context: RequestContext, bucket: string): Promise<BucketInfo> {
    begin(context)
    return this.get(bucket).info
  }

  async deleteBucket(context: RequestContext, name: string, ownerAccount?: string): Promise<void> {
    begin(context)
    const bucket = this.get(name)
    requireOwner(bucket.info, ownerAccount)
    if (bucket.objects.size > 0) throw new StoreError('BucketNotEmpty')
    this.#buckets.delete(name)
  }

  async getBucketSettings(context: RequestContext, bucket: string): Promise<BucketSettings> {
    begin(context)
    return this.get(bucket).settings
  }

  async changeBucket(context: RequestContext, request: ChangeBucketRequest): Promise<void> {
    begin(context)
    const bucket = this.get(request.bucket)
    const { versioning, policy, principals, publicAccessBlock } = request.change
    const { settings, info } = bucket
    requireOwner(info, request.ownerAccount)
    if (request.judged !== undefined && !sameAccess(request.judged, settings)) {
      throw new StoreError('Conflict', 'the settings were changed meanwhile')
    }
    checkMemoryLockSetting(settings, request.change)
    bucket.settings = {
      ...changedDocuments(settings, request.change),
      versioning: versioning ?? settings.versioning,
      policy: changed(settings.policy, policy),
      principals: policy === undefined ? settings.principals : principals,
      publicAccessBlock: changed(settings.publicAccessBlock, publicAccessBlock),
    }
  }

  async checkWebhooks(
    context: RequestContext,
    request: Parameters<BucketBackend['checkWebhooks']>[1],
  ): Promise<readonly RefusedWebhook[]> {
    begin(context)
    this.get(request.bucket)
    return request.webhooks
      .filter((webhook) => !this.#webhooks.has(webhook))
      .map((webhook) => ({ webhook, reason: NO_WEBHOOK }))
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
    return { buckets: page.entries, next: page.next }
  }

  /** Throws NoSuchBucket. */
  get(name: string): StoredBucket {
    const bucket = this.#buckets.get(name)
    if (bucket === undefined) throw new StoreError('NoSuchBucket')
    return bucket
  }

  /** Adds the newest version of a key. */
  addVersion(
    bucket: StoredBucket,
    fields: Omit<ObjectInfo, 'lastModifiedMs' | 'versionId'>,
    pieces: readonly Uint8Array[],
    deleteMarker = false,
  ): PutResult {
    const { versioning, objectLock } = bucket.settings
    if (!deleteMarker) checkMemoryQuota(bucket, fields.sizeBytes)
    const lastModifiedMs = this.tick()
    const sequence = ++this.#sequence
    const versionId = newVersionId(versioning, sequence)
    const lock = deleteMarker ? undefined : lockOfMemory(fields.lock, objectLock, lastModifiedMs)
    const info: ObjectInfo = { ...fields, lock, lastModifiedMs, versionId }
    const made: StoredVersion = { info, pieces, sequence, deleteMarker }
    const before = bucket.objects.get(fields.key) ?? []
    this.replace(bucket, fields.key, addMemoryVersion(before, made, versioning))
    const expiration = memoryExpiration(bucket.settings, info)
    return { versionId, versioned: versioning !== undefined, lastModifiedMs, expiration }
  }

  /** Replaces the versions of a key. Without versions the key is removed. Throws ObjectLocked. */
  replace(
    bucket: StoredBucket,
    key: string,
    versions: readonly StoredVersion[],
    rights: MemoryLockRights = {},
  ): void {
    checkMemoryLocks(bucket.objects.get(key) ?? [], versions, this.#nowMs(), rights)
    if (bucket.objects.has(key) !== versions.length > 0) bucket.order = undefined
    if (versions.length > 0) bucket.objects.set(key, versions)
    else bucket.objects.delete(key)
  }

  /** Never returns the same time twice (T4). */
  tick(): number {
    this.#lastMs = Math.max(this.#lastMs + 1, Math.floor(this.#nowMs()))
    return this.#lastMs
  }
}

/** Begins an operation: throws when the request was aborted, otherwise counts a round. */
export function begin(context: RequestContext): void {
  context.signal.throwIfAborted()
  context.rounds++
}

/** A node counts open uploads too, and is less exact. Throws QuotaExceeded. */
function checkMemoryQuota({ objects, settings: { quota } }: StoredBucket, more: number): void {
  if (quota === undefined) return
  const versions = [...objects.values()].flat().filter(({ deleteMarker }) => !deleteMarker)
  const bytes = versions.reduce((sum, { info }) => sum + info.sizeBytes, more)
  if (bytes > (quota.bytes ?? Infinity) || versions.length >= (quota.objects ?? Infinity)) {
    throw new StoreError('QuotaExceeded')
  }
}

/** Null removes a setting, undefined leaves it unchanged. */
function changed<Value>(
  before: Value | undefined,
  given: Value | null | undefined,
): Value | undefined {
  return given === undefined ? before : (given ?? undefined)
}

/** The keys of a bucket in the order of listings. */
export function orderOf(bucket: StoredBucket): readonly string[] {
  bucket.order ??= [...bucket.objects.keys()].sort(compareKeys)
  return bucket.order
}

/** When the version expires, if it is the current one. */
export function memoryExpiration(
  { lifecycle = [] }: BucketSettings,
  info: ObjectInfo,
): RuleTime | undefined {
  const tags = info.tags?.map(({ key, value }) => ({ name: key, value }))
  return expirationOf(lifecycle, info.key, { ...info, tags, deleteMarker: false })
}
