/**
 * The port through which the gateway sees storage: buckets, objects, uploads, identities. node/
 * implements it on registers and blocks; gateway/memory/memory-backend.ts in memory, for tests.
 *
 * Names and keys are JavaScript strings, exact as the client sent them (valid UTF-8, 1..1,024 bytes).
 * Order in listings is by UTF-8 bytes. Every failure that is not a bug is a StoreError
 * (protocol/errors.ts). Every method is linearizable for each key (docs/correctness.md 7).
 */

import type { RequestContext } from '../../protocol/context.ts'
import type { LayoutBackend } from './layout.ts'
import type { LocateResult } from './locate-result.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { SecretStatus, TokenStatus } from './status.ts'
import type { PrincipalDirectory } from './principals.ts'

export interface BucketInfo {
  readonly name: string
  readonly ownerAccount: string
  readonly createdMs: number
  readonly region: string
}

export type Versioning = 'Enabled' | 'Suspended'

export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** Uploads below the prefix that stay open for `days` are aborted. */
export interface AbortRule {
  readonly id: string
  readonly prefix: string
  readonly days: number
  readonly enabled: boolean
}

/** What a bucket's owner can set. Absent: never configured. */
export interface BucketSettings {
  readonly versioning?: Versioning | undefined
  /** JSON as it was given; checked before it is stored. */
  readonly policy?: string | undefined
  /** Whom the ARNs in the policy meant when it was stored. */
  readonly principals?: readonly ResolvedPrincipal[] | undefined
  readonly publicAccessBlock?: PublicAccessBlock | undefined
  readonly abortRules?: readonly AbortRule[] | undefined
}

/** A bucket as a decision about a request needs it. */
export interface BucketAccess {
  readonly info: BucketInfo
  readonly settings: BucketSettings
}

/** Fields that are present are set; null removes. */
export interface BucketChange {
  readonly versioning?: Versioning
  readonly policy?: string | null
  /** Goes with `policy`. */
  readonly principals?: readonly ResolvedPrincipal[]
  readonly publicAccessBlock?: PublicAccessBlock | null
  readonly abortRules?: readonly AbortRule[] | null
}

/** AWS's header names of the five algorithms are derived in gateway/body/checksum.ts. */
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

export interface ListedVersion extends ListedObject {
  readonly isLatest: boolean
  /** Then size, ETag and storage class say nothing. */
  readonly deleteMarker: boolean
}

export interface ListVersionsRequest {
  readonly bucket: string
  readonly prefix: string
  readonly delimiter?: string | undefined
  /** Exclusive, unless `versionIdMarker` stands beside it: then versions of this key older than that one
   * come first. A common prefix passes over everything below it. */
  readonly keyMarker?: string | undefined
  readonly versionIdMarker?: string | undefined
  readonly limit: number
}

/** Keys in byte order, of one key the newest version first; `limit` counts versions and prefixes. */
export interface ListVersionsPage {
  readonly versions: readonly ListedVersion[]
  readonly prefixes: readonly string[]
  /** Present when there may be more. */
  readonly nextKeyMarker?: string | undefined
  /** Absent when the page ended with a common prefix. */
  readonly nextVersionIdMarker?: string | undefined
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

/** A policy that speaks about its holder, and how an explanation names it. */
export interface PolicyText {
  /** ARN of a managed policy; of an inline one 'user/ann/policy-name', 'group/…', 'role/…'. */
  readonly name: string
  /** JSON as it was given. */
  readonly text: string
}

/** Who signed, with what right: policies are evaluated by protocol/iam. */
export interface Identity {
  readonly accountId: string
  /** 'arn:aws:iam::123456789012:user/ann', '…:root', 'arn:aws:sts::…:assumed-role/role/session'. */
  readonly principalArn: string
  /** aws:userid: the account's id for root, AIDA…, AROA…:session. */
  readonly principalId: string
  /** aws:username of a user; '' of a role's session; 'root'. */
  readonly userName: string
  /** aws:PrincipalType. */
  readonly type: 'Account' | 'User' | 'AssumedRole' | 'Anonymous'
  readonly isRoot: boolean
  /** Identity policies, of groups too; root has none and may do everything in its account. */
  readonly policies: readonly PolicyText[]
  /** Of a session: what it may do at most. Absent: no limit of its own. */
  readonly sessionPolicies?: readonly PolicyText[] | undefined
  /** Of a role's session: the role's ARN, which policies may name as principal too. */
  readonly roleArn?: string | undefined
  /** Of a session: when its token was issued (aws:TokenIssueTime). */
  readonly tokenIssuedMs?: number | undefined
}

export interface Credential {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly identity: Identity
}

export interface Backend extends PrincipalDirectory {
  /** Undefined when there is no such key, or it is inactive. Cached at most 1 s, then re-read, or
   * Unavailable: nobody is let in on what may be out of date (T7). */
  credential(accessKeyId: string): Promise<Credential | undefined>
  /** Of temporary credentials. The token alone says who it is; what that identity may do is read as in
   * `credential`. Throws StoreError ExpiredToken or InvalidToken. */
  sessionCredential(accessKeyId: string, token: string): Promise<Credential | undefined>
  /** For the decision about a request: at most 1 s old, else read again, or Unavailable (T7). Throws
   * NoSuchBucket. */
  bucketAccess(context: RequestContext, bucket: string): Promise<BucketAccess>

  createBucket(
    context: RequestContext,
    request: { bucket: string; ownerAccount: string; region: string },
  ): Promise<BucketInfo>
  /** Linearizable: asks the register unless a fence protects what follows. */
  headBucket(context: RequestContext, bucket: string): Promise<BucketInfo>
  deleteBucket(context: RequestContext, bucket: string): Promise<void>
  /** Linearizable. */
  getBucketSettings(context: RequestContext, bucket: string): Promise<BucketSettings>
  /** Answers when every later operation through any node obeys it (T8). With `judged` it throws Conflict when
   * the bucket's policy or its block of public access is not as in these settings any more. */
  changeBucket(
    context: RequestContext,
    request: { bucket: string; change: BucketChange; judged?: BucketSettings | undefined },
  ): Promise<void>
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
  /** Delete markers included. */
  listVersions(context: RequestContext, request: ListVersionsRequest): Promise<ListVersionsPage>
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
      /**
       * Called with the upload before the body's first chunk is asked for, and before `seal`: what the upload
       * was created with says which checksums the part needs. What it throws goes through to the caller.
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

/** What the admin port shows and does. */
export interface AdminBackend extends LayoutBackend {
  /** Undefined: ready. Otherwise why not. */
  notReadyReason(): string | undefined
  status(): Promise<NodeStatus>
  /** Of a joiner: its text, which can't be shown again. Throws StoreError Unavailable. */
  issueToken(options: { readonly ttlMs: number; readonly uses: number }): Promise<string>
  /** Join tokens that have not expired, without what opens with them. */
  tokens(): readonly TokenStatus[]
  /** False: there is none with this id. Throws StoreError Unavailable. */
  revokeToken(id: string): Promise<boolean>
  secret(): SecretStatus
  /** The next cluster secret. Sessions that the present one signed are good for so long. Throws StoreError
   * Unavailable. */
  rotateSecret(overlapMs: number): Promise<SecretStatus>
  locate(bucket: string, key: string): Promise<LocateResult>
  /** What is lost for good: registers name it, and no replica has it. */
  lost(): Promise<LostStatus>
  /** Begins to verify everything that this node keeps, or joins what runs; what it found so far. */
  startScrub(): ScrubStatus
  scrubStatus(): ScrubStatus
  /** Prometheus values read at scrape time. */
  gauges(): readonly Gauge[]
}

export interface Gauge {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
}

/** The scrub that runs, or else the last one. */
export interface ScrubStatus {
  readonly running: boolean
  readonly startedMs?: number | undefined
  /** Absent before the first one has finished, and while one runs. */
  readonly finishedMs?: number | undefined
  readonly error?: string | undefined
  /** Finished since the start of the node. */
  readonly passes: number
  readonly doneBytes: number
  readonly totalBytes: number
  /** Live records read and compared. */
  readonly records: number
  /** Damaged records, or stretches of the log. */
  readonly bad: number
  /** Rows of the index that were wrong or missing. */
  readonly badRows: number
  readonly mended: number
  /** What could not be mended, yet. */
  readonly left: number
  /** What registers name and was not where it should be, what of it was fetched, what no replica has for
   * good, and what could not be found out. */
  readonly missing: number
  readonly fetched: number
  readonly lost: number
  readonly unknown: number
}

/** Versions of objects, parts, and pages of versions whose data no replica has any more. */
export interface LostStatus {
  readonly objects: readonly {
    readonly bucket: string
    readonly key: string
    /** 'null', a version id, or in brackets what else is lost of the key. */
    readonly versionId: string
    readonly sizeBytes: number
    readonly foundMs: number
  }[]
  /** Members that did not say what they know. */
  readonly unanswered: number
}

export interface UpkeepStatus {
  readonly compaction: {
    readonly state: 'idle' | 'working' | 'stopped'
    readonly segments: number
    readonly movedBytes: number
    readonly freedBytes: number
    /** They hold damage and have to stay. */
    readonly stuckSegments: number
    /** Bytes appended to the log since the start, by those that were not copied by compaction. */
    readonly writeAmplification: number
  }
  readonly scrub: ScrubStatus
}

export interface NodeStatus {
  readonly node: string
  readonly cluster: string
  readonly epoch: number
  readonly layoutState: 'STABLE' | 'PLANNED' | 'JOINT'
  readonly replication: number
  /** Set when losing one node stops writes (two members). */
  readonly warnings: readonly string[]
  readonly members: readonly {
    readonly node: string
    /** Its short id where it has none. */
    readonly name: string
    readonly zone: string
    readonly addresses: readonly string[]
    readonly capacityBytes: number
    readonly up: boolean
    readonly freeBytes?: number | undefined
    readonly usedBytes?: number | undefined
    /** Partitions of its own on which it does not vote, because it may have forgotten something, and why. */
    readonly forgottenPartitions?: number | undefined
    readonly forgottenWhy?: readonly string[] | undefined
    /** Partitions of which it has lost something for good, because there was no other replica. */
    readonly lostPartitions?: number | undefined
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
    /** Since the start the index was made anew from the log: because it was missing, damaged, or of
     * another form. */
    readonly indexRebuilt: boolean
  }
  readonly space: {
    readonly totalBytes: number
    readonly freeBytes: number
    readonly logBytes: number
    /** Of the log: what compaction can give back now, and what it can once nothing older is left. */
    readonly deadBytes: number
    readonly removalBytes: number
    /** Freed by the collector since the start: blocks, bytes, and deleted registers forgotten. */
    readonly freedBlocks: number
    readonly freedBytes: number
    readonly registersCollected: number
    /** Data waiting to be judged or freed. */
    readonly queued: number
  }
  readonly upkeep: UpkeepStatus
  /** Entries of the list of what is lost for good (`shoal status --lost`). */
  readonly lost: number
  /** Earlier sets of members from which blocks are still fetched. */
  readonly sources: number
  /** Partitions that hold up a change of the layout, and nodes whose return would help. Absent when none. */
  readonly held?: { readonly partitions: number; readonly nodes: readonly string[] } | undefined
  /** Blocks on their way to the nodes that hold them by the layout. */
  readonly moves: { readonly pendingBytes: number; readonly bytesPerSecond: number }
  /** Whichever one fails now, requests go on and nothing is lost. */
  readonly canLoseANode: boolean
  /** Why, or why not: 'every partition has a majority without it'. */
  readonly canLoseANodeWhy: string
  readonly uptimeSeconds: number
}
