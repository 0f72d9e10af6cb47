/** Objects: writing, reading, deleting and listing their current versions. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ChecksumAlgorithm, ObjectBody, SealedBody, SmallBody } from './body.ts'

/** What the client gives with an object and gets back unchanged. */
export interface ObjectHeaders {
  /** Lower-case names: content-type, content-encoding, content-disposition, content-language,
   * cache-control, expires. */
  readonly system: Readonly<Record<string, string>>
  /** x-amz-meta-*, lower-case names without the prefix. Null-prototype. */
  readonly user: Readonly<Record<string, string>>
  /** As given; STANDARD when not. */
  readonly storageClass: string
}

/** ETags without quotes; '*' is any. All given conditions must hold. */
export interface WriteCondition {
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  /** DELETE only. */
  readonly ifMatchSizeBytes?: number | undefined
  readonly ifMatchLastModifiedMs?: number | undefined
}

export interface ObjectInfo extends ObjectHeaders, SealedBody {
  readonly key: string
  readonly sizeBytes: number
  readonly lastModifiedMs: number
  /** 'null': the null version. */
  readonly versionId: string
  /** Of a multipart object, in order; absent for others. */
  readonly parts?: readonly ObjectPart[] | undefined
}

/** One part of an object, as it was uploaded. */
export interface ObjectPart {
  readonly sizeBytes: number
  /** Base64, in the algorithm of the object's checksum. */
  readonly checksum?: string | undefined
}

export interface ObjectReader {
  readonly info: ObjectInfo
  /** The bucket has or had versioning: answers then name the version. */
  readonly versioned: boolean
  /**
   * Verified bytes of [start, end), at most 1 MiB a chunk. Throws before the first chunk when no
   * verified replica answers, ReplacedError when that is because the object is another by now (R4): then
   * it is to be got again, once. Later only by ending the stream with an error. A chunk is valid until
   * the next one is asked for.
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>
  /** The whole body when it came with the metadata (packed objects): no further round. */
  readonly bytes?: Uint8Array | undefined
}

export interface PutResult {
  /** 'null': the null version. */
  readonly versionId: string
  readonly versioned: boolean
  readonly lastModifiedMs: number
}

export interface DeleteResult {
  /** Of the delete marker that was made, or of the version that was removed. Absent: neither. */
  readonly versionId?: string | undefined
  /** A delete marker was made, or removed. */
  readonly deleteMarker: boolean
}

export interface ListRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Exclusive start: a key, or a common prefix (then everything below it is passed over). */
  readonly after?: string | undefined
  readonly limit: number
}

export interface ListedObject {
  readonly key: string
  readonly sizeBytes: number
  readonly etag: string
  readonly lastModifiedMs: number
  readonly storageClass: string
  readonly versionId: string
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
}

/** Objects and prefixes together in byte order; `limit` counts both. */
export interface ListPage {
  readonly objects: readonly ListedObject[]
  readonly prefixes: readonly string[]
  /** Present when there may be more: give it as `after` of the next page. */
  readonly next?: string | undefined
}

export interface ObjectBackend {
  putObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      body: ObjectBody | SmallBody
      condition?: WriteCondition | undefined
    },
  ): Promise<PutResult>
  /**
   * `withData` false: HEAD. Without a version the current one. Throws NoSuchKey (details DeleteMarker
   * 'true' and VersionId, when the current version is a delete marker), NoSuchVersion, or IsDeleteMarker
   * (details VersionId, LastModifiedMs) when the version named is one.
   */
  getObject(
    context: RequestContext,
    request: { bucket: string; key: string; versionId?: string | undefined; withData: boolean },
  ): Promise<ObjectReader>
  /**
   * Without a version: makes a delete marker in a versioned bucket, else removes the object. With one:
   * removes exactly that version for good. Succeeds also when there is nothing to delete, unless a
   * condition says otherwise; it is judged against the version named, else against the current one. A
   * version id that is none of this key's is nothing to delete.
   */
  deleteObject(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      versionId?: string | undefined
      condition?: WriteCondition | undefined
    },
  ): Promise<DeleteResult>
  listObjects(context: RequestContext, request: ListRequest): Promise<ListPage>
}
