/** Multipart uploads: their parts, their completion, and listings of the open ones. */

import type { RequestContext } from '../../protocol/context.ts'
import type { RuleTime } from '../../protocol/lifecycle/rule.ts'
import type { ChecksumAlgorithm, Checksums, ObjectBody, FinishedBody, SmallBody } from './body.ts'
import type { ObjectHeaders, PutResult, WriteCondition } from './objects.ts'

/** An open upload. */
export interface UploadInfo extends ObjectHeaders {
  readonly key: string
  readonly uploadId: string
  readonly initiatedMs: number
  /** When a rule of the bucket's lifecycle aborts it. Only in answers of createUpload and listParts. */
  readonly abort?: RuleTime | undefined
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
  /** How all parts are encrypted. */
  readonly encryption?: string | undefined
}

/** What a completion answers. */
export interface CompletedUpload extends PutResult, FinishedBody {
  readonly sizeBytes: number
  readonly encryption?: string | undefined
}

/** A stored part of an open upload. */
export interface PartInfo extends Omit<FinishedBody, 'salt'> {
  readonly partNumber: number
  /** Of the plain bytes. */
  readonly sizeBytes: number
  readonly lastModifiedMs: number
}

export interface ListUploadsRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly keyMarker?: string | undefined
  readonly uploadIdMarker?: string | undefined
  readonly limit: number
}

export interface ListUploadsPage {
  readonly uploads: readonly UploadInfo[]
  readonly prefixes: readonly string[]
  readonly nextKeyMarker?: string | undefined
  readonly nextUploadIdMarker?: string | undefined
}

/** A part as the completion names it. */
export interface CompletedPart {
  readonly partNumber: number
  /** Without quotes. */
  readonly etag: string
  readonly checksums: Checksums
}

/** Operations on multipart uploads. Those on an existing upload throw NoSuchUpload when there is none. */
export interface UploadBackend {
  createUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      checksumAlgorithm?: ChecksumAlgorithm | undefined
      checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
      /** How all parts will be encrypted (gateway/encryption/record.ts). */
      encryption?: string | undefined
    },
  ): Promise<UploadInfo>
  getUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<UploadInfo>
  putPart(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      uploadId: string
      partNumber: number
      body: ObjectBody | SmallBody
      /**
       * Called with the upload before the first chunk of the body is requested, and before `finish`: the checksums
       * that the part needs depend on how the upload was created. What it throws is passed on to the caller.
       */
      admit?: ((upload: UploadInfo) => void) | undefined
    },
  ): Promise<PartInfo>
  listParts(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string; after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: readonly PartInfo[]; next?: number | undefined }>
  listUploads(context: RequestContext, request: ListUploadsRequest): Promise<ListUploadsPage>
  /**
   * Idempotent. Checks the order, the ETags, the given checksums and the minimum of 5 MiB for all parts but the
   * last. Then calls `finish` with the upload and the named parts as they are stored, in order. When `finish` throws,
   * nothing changes and the caller gets the error.
   */
  completeUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      uploadId: string
      parts: readonly CompletedPart[]
      condition?: WriteCondition | undefined
      /** Resolves later only where it runs in another thread. */
      finish(parts: readonly PartInfo[], upload: UploadInfo): FinishedBody | Promise<FinishedBody>
    },
  ): Promise<CompletedUpload>
  abortUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<void>
}
