/**
 * The port through which the gateway sees storage: buckets, objects, uploads, identities. node/
 * implements it on registers and blocks; gateway/memory-backend.ts in memory, for tests.
 *
 * Names and keys are JavaScript strings, exact as the client sent them (valid UTF-8, 1..1,024 bytes).
 * Order in listings is by UTF-8 bytes. Every failure that is not a bug is a StoreError
 * (protocol/errors.ts). Every method is linearizable for each key (CORRECTNESS.md 7).
 */

/** Travels with one request through backend and peers. */
export interface RequestContext {
  /** S3's name of the operation: PutObject … for metrics. */
  readonly operation: string
  /** Aborted when the client is gone or the deadline has passed. */
  readonly signal: AbortSignal
  /** Quorum round trips that the request waited for one after the other. The backend adds. */
  rounds: number
}

export interface BucketInfo {
  readonly name: string
  readonly ownerAccount: string
  readonly createdMs: number
  readonly region: string
}

/** AWS's header names of the five algorithms are derived in gateway/checksum.ts. */
export type ChecksumAlgorithm = 'CRC32' | 'CRC32C' | 'CRC64NVME' | 'SHA1' | 'SHA256'

/** Base64 values by algorithm. */
export type Checksums = Readonly<Partial<Record<ChecksumAlgorithm, string>>>

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

/** What is known only once the last byte has come. */
export interface SealedBody {
  /** Without quotes: hex MD5, or md5-of-md5s with "-N". */
  readonly etag: string
  readonly checksums: Checksums
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
}

export interface ObjectBody {
  /** The exact size in bytes after decoding, when the client said it (it always does for S3). */
  readonly sizeBytes?: number | undefined
  /** Chunks may be reused by the producer once the next one is asked for: copy or consume. */
  readonly chunks: AsyncIterable<Uint8Array>
  /**
   * Called once after the last chunk and before anything becomes visible. Throws when the body is
   * not what was announced (length, MD5, checksum, signature): then nothing is stored.
   */
  seal(): SealedBody
}

/** A body that is already whole in memory (at most 64 KiB): the hot path of small objects. */
export interface SmallBody {
  readonly bytes: Uint8Array
  seal(): SealedBody
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
  /** 'null' in unversioned buckets. */
  readonly versionId: string
  /** Sizes of the parts of a multipart object, in order; absent for others. */
  readonly partSizes?: readonly number[] | undefined
}

export interface ObjectReader {
  readonly info: ObjectInfo
  /**
   * Verified bytes of [start, end), at most 1 MiB a chunk. Throws before the first chunk when no
   * verified replica answers; later only by ending the stream with an error. A chunk is valid until
   * the next one is asked for.
   */
  read(start: number, end: number): AsyncIterable<Uint8Array>
  /** The whole body when it came with the metadata (packed objects): no further round. */
  readonly bytes?: Uint8Array | undefined
}

export interface PutResult {
  readonly versionId: string
  readonly lastModifiedMs: number
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

export interface UploadInfo extends ObjectHeaders {
  readonly key: string
  readonly uploadId: string
  readonly initiatedMs: number
  readonly checksumAlgorithm?: ChecksumAlgorithm | undefined
  readonly checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
}

export interface PartInfo extends SealedBody {
  readonly partNumber: number
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

/** One part named in a completion. */
export interface CompletedPart {
  readonly partNumber: number
  /** Without quotes. */
  readonly etag: string
  readonly checksums: Checksums
}

/** Who signed, with what right: policies are evaluated by protocol/iam. */
export interface Identity {
  readonly accountId: string
  readonly principalArn: string
  readonly userName: string
  readonly isRoot: boolean
  /** Identity policies as JSON text; root has none and may do everything in its account. */
  readonly policies: readonly string[]
}

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly identity: Identity
}

export interface Backend {
  /** Undefined when there is no such key. Cached at most 1 s, then re-read or denied (T7). */
  credential(accessKeyId: string): Promise<Credential | undefined>

  createBucket(
    context: RequestContext,
    request: { bucket: string; ownerAccount: string; region: string },
  ): Promise<BucketInfo>
  /** Linearizable: asks the register unless a fence protects what follows. */
  headBucket(context: RequestContext, bucket: string): Promise<BucketInfo>
  deleteBucket(context: RequestContext, bucket: string): Promise<void>
  listBuckets(
    context: RequestContext,
    request: { ownerAccount: string; prefix: string; after?: string | undefined; limit: number },
  ): Promise<{ buckets: readonly BucketInfo[]; next?: string | undefined }>

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
  /** `withData` false: HEAD. Throws NoSuchKey. */
  getObject(
    context: RequestContext,
    request: { bucket: string; key: string; withData: boolean },
  ): Promise<ObjectReader>
  /** Succeeds also when there is nothing to delete, unless a condition says otherwise. */
  deleteObject(
    context: RequestContext,
    request: { bucket: string; key: string; condition?: WriteCondition | undefined },
  ): Promise<void>
  listObjects(context: RequestContext, request: ListRequest): Promise<ListPage>

  createUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      headers: ObjectHeaders
      checksumAlgorithm?: ChecksumAlgorithm | undefined
      checksumType?: 'FULL_OBJECT' | 'COMPOSITE' | undefined
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
    },
  ): Promise<PartInfo>
  listParts(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string; after: number; limit: number },
  ): Promise<{ upload: UploadInfo; parts: readonly PartInfo[]; next?: number | undefined }>
  listUploads(context: RequestContext, request: ListUploadsRequest): Promise<ListUploadsPage>
  /**
   * Idempotent. Checks order, ETags, given checksums and the 5 MiB minimum (all parts but the last),
   * then calls `seal` with the named parts as stored, in order, and the upload. What `seal` throws goes
   * through to the caller and nothing changes.
   */
  completeUpload(
    context: RequestContext,
    request: {
      bucket: string
      key: string
      uploadId: string
      parts: readonly CompletedPart[]
      condition?: WriteCondition | undefined
      seal(parts: readonly PartInfo[], upload: UploadInfo): SealedBody
    },
  ): Promise<PutResult & SealedBody & { sizeBytes: number }>
  abortUpload(
    context: RequestContext,
    request: { bucket: string; key: string; uploadId: string },
  ): Promise<void>
}

/** What the admin port shows. */
export interface AdminBackend {
  /** Undefined: ready. Otherwise why not. */
  notReadyReason(): string | undefined
  status(): Promise<NodeStatus>
  issueToken(ttlMs: number): string
  locate(bucket: string, key: string): Promise<LocateResult>
  layout(): Promise<unknown>
  /** Prometheus values read at scrape time. */
  gauges(): readonly { name: string; help: string; type: 'counter' | 'gauge'; value: number }[]
}

export interface NodeStatus {
  readonly node: string
  readonly cluster: string
  readonly epoch: number
  readonly layoutState: 'STABLE' | 'JOINT'
  readonly replication: number
  /** Set when losing one node stops writes (two members). */
  readonly warnings: readonly string[]
  readonly members: readonly {
    readonly node: string
    readonly zone: string
    readonly addresses: readonly string[]
    readonly capacityBytes: number
    readonly up: boolean
    readonly freeBytes?: number | undefined
    readonly usedBytes?: number | undefined
  }[]
  readonly partitions: {
    readonly total: number
    /** All replicas up and, by the last exchange of digests, the same. */
    readonly whole: number
    readonly degraded: number
    /** Not yet compared since a peer came back. */
    readonly unverified: number
  }
  readonly resync: { readonly pending: number; readonly done: number; readonly running: boolean }
  readonly recovery: {
    readonly running: boolean
    readonly recordsReplayed: number
    readonly bytesReplayed: number
    readonly damagedRecords: number
  }
  readonly space: {
    readonly totalBytes: number
    readonly freeBytes: number
    readonly logBytes: number
  }
  readonly uptimeSeconds: number
}

export interface LocateResult {
  readonly bucket: string
  readonly key: string
  readonly hash: string
  readonly partition: number
  readonly epoch: number
  readonly byLayout: readonly { readonly node: string; readonly distance: string }[]
  /** By walking the DHT to a provider of the slice and asking it. */
  readonly byWalk?:
    | { readonly replicas: readonly string[]; readonly provider: string; readonly hops: number }
    | undefined
  readonly agree: boolean
}
