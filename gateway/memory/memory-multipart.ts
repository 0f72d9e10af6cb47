/**
 * Multipart uploads of a store in memory. A completion is one synchronous step after its checks; repeating it gives
 * the same answer and changes nothing (UploadBackend.completeUpload).
 */

import { StoreError } from '../../protocol/errors.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { abortOf } from '../../protocol/lifecycle/rule.ts'
import type { FinishedBody } from '../port/body.ts'
import type {
  CompletedUpload,
  ListUploadsPage,
  ListUploadsRequest,
  PartInfo,
  UploadBackend,
  UploadInfo,
} from '../port/uploads.ts'
import { receive } from './memory-body.ts'
import { begin, type MemoryBuckets } from './memory-buckets.ts'
import {
  chooseParts,
  listPartsOf,
  listUploadsOf,
  objectPartOf,
  type StoredUpload,
} from './memory-uploads.ts'
import { checkCondition } from './memory-versions.ts'

/** What a method of the port is asked. */
type Request<Method extends keyof UploadBackend> = Parameters<UploadBackend[Method]>[1]

export class MemoryMultipart implements UploadBackend {
  readonly #buckets: MemoryBuckets
  readonly #minPartBytes: number
  #uploadCount = 0

  constructor(buckets: MemoryBuckets, minPartBytes: number) {
    this.#buckets = buckets
    this.#minPartBytes = minPartBytes
  }

  async createUpload(
    context: RequestContext,
    request: Request<'createUpload'>,
  ): Promise<UploadInfo> {
    begin(context)
    const bucket = this.#buckets.get(request.bucket)
    const { key, headers, checksumAlgorithm, checksumType, encryption } = request
    const uploadId = `memory-${String(++this.#uploadCount).padStart(10, '0')}`
    const initiatedMs = this.#buckets.tick()
    const kind = {
      checksumAlgorithm,
      checksumType,
      ...(encryption !== undefined && { encryption }),
    }
    const info = { ...headers, key, uploadId, initiatedMs, ...kind }
    bucket.uploads.set(uploadId, { info, parts: new Map() })
    return { ...info, abort: abortOf(bucket.settings.lifecycle ?? [], info) }
  }

  async getUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<UploadInfo> {
    begin(context)
    return this.#upload(request, true).info
  }

  async putPart(context: RequestContext, request: Request<'putPart'>): Promise<PartInfo> {
    begin(context)
    request.admit?.(this.#upload(request).info)
    const { pieces, finished, sizeBytes, encrypted } = await receive(request.body)
    context.signal.throwIfAborted()
    const upload = this.#upload(request)
    const { partNumber } = request
    const info: PartInfo = {
      ...finished,
      partNumber,
      sizeBytes,
      lastModifiedMs: this.#buckets.tick(),
    }
    upload.parts.set(partNumber, { info, pieces, encrypted })
    return info
  }

  async listParts(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string; after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: readonly PartInfo[]; next?: number | undefined }> {
    begin(context)
    const upload = this.#upload(request)
    const { settings } = this.#buckets.get(request.bucket)
    const abort = abortOf(settings.lifecycle ?? [], upload.info)
    return { upload: { ...upload.info, abort }, ...listPartsOf(upload, request) }
  }

  async listUploads(
    context: RequestContext,
    request: ListUploadsRequest,
  ): Promise<ListUploadsPage> {
    begin(context)
    return listUploadsOf(this.#buckets.get(request.bucket).uploads.values(), request)
  }

  async completeUpload(
    context: RequestContext,
    request: Request<'completeUpload'>,
  ): Promise<CompletedUpload> {
    begin(context)
    const made = this.#finish(request)
    if (!(made instanceof Promise)) return this.#complete(request, made)
    const finished = await made
    context.signal.throwIfAborted()
    // Everything is judged again: the store may have changed meanwhile.
    return this.#complete(request, finished)
  }

  /** ETag and checksums of the whole, from the parts as they are now. Undefined when the upload is completed already. */
  #finish(request: Request<'completeUpload'>): FinishedBody | Promise<FinishedBody> | undefined {
    const upload = this.#upload(request, true)
    if (upload.completed !== undefined) return undefined
    const infos = chooseParts(upload, request.parts, this.#minPartBytes).map((part) => part.info)
    const { objects } = this.#buckets.get(request.bucket)
    checkCondition(objects.get(request.key)?.[0], request.condition, 'put')
    return request.finish(infos, upload.info)
  }

  #complete(
    request: Request<'completeUpload'>,
    finished: FinishedBody | undefined,
  ): CompletedUpload {
    const upload = this.#upload(request, true)
    if (upload.completed !== undefined) return upload.completed
    if (finished === undefined) throw new StoreError('Conflict')
    const parts = chooseParts(upload, request.parts, this.#minPartBytes)
    const bucket = this.#buckets.get(request.bucket)
    checkCondition(bucket.objects.get(request.key)?.[0], request.condition, 'put')
    const infos = parts.map((part) => part.info)
    const sizeBytes = infos.reduce((sum, part) => sum + part.sizeBytes, 0)
    const { system, user, storageClass, tags, lock, acl, encryption: record } = upload.info
    const bodies = parts.flatMap(({ encrypted }) => encrypted ?? [])
    const result = this.#buckets.addVersion(
      bucket,
      {
        ...finished,
        system,
        user,
        storageClass,
        tags,
        lock,
        acl,
        key: request.key,
        sizeBytes,
        parts: infos.map((part) => objectPartOf(part, finished)),
        ...(record !== undefined && { encryption: { record, bodies } }),
      },
      parts.flatMap((part) => part.pieces),
    )
    upload.completed = {
      ...result,
      ...finished,
      sizeBytes,
      ...(record !== undefined && { encryption: record }),
    }
    upload.parts.clear()
    return upload.completed
  }

  async abortUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<void> {
    begin(context)
    this.#upload(request)
    this.#buckets.get(request.bucket).uploads.delete(request.uploadId)
  }

  /**
   * The upload that a request names, by bucket, key and id. One that was completed is found only with `completedToo`.
   * Throws NoSuchBucket, NoSuchUpload.
   */
  #upload(
    request: { bucket: string; key: string; uploadId: string },
    completedToo = false,
  ): StoredUpload {
    const upload = this.#buckets.get(request.bucket).uploads.get(request.uploadId)
    if (upload === undefined || upload.info.key !== request.key)
      throw new StoreError('NoSuchUpload')
    if (upload.completed !== undefined && !completedToo) throw new StoreError('NoSuchUpload')
    return upload
  }
}
