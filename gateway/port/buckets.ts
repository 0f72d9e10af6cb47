/** Buckets: their owners, their settings, and the operations on them. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import type { BucketDocuments, DocumentChange } from './bucket-documents.ts'

/** What never changes about a bucket. */
export interface BucketInfo {
  readonly name: string
  readonly ownerAccount: string
  readonly createdMs: number
  readonly region: string
}

export type Versioning = 'Enabled' | 'Suspended'

/** AWS's four switches against public access. */
export interface PublicAccessBlock {
  readonly blockPublicAcls: boolean
  readonly ignorePublicAcls: boolean
  readonly blockPublicPolicy: boolean
  readonly restrictPublicBuckets: boolean
}

/** What a bucket's owner can configure. A field that was never configured is absent. */
export interface BucketSettings extends BucketDocuments {
  readonly versioning?: Versioning | undefined
  /** JSON, exactly as the client sent it. It was checked before it was stored. */
  readonly policy?: string | undefined
  /** The users and roles that the ARNs in the policy named when it was stored. */
  readonly principals?: readonly ResolvedPrincipal[] | undefined
  readonly publicAccessBlock?: PublicAccessBlock | undefined
}

/** What a decision about a request needs to know of a bucket. */
export interface BucketAccess {
  readonly info: BucketInfo
  readonly settings: BucketSettings
}

/** Only the fields that are present change; null removes a setting. */
export interface BucketChange extends DocumentChange {
  readonly versioning?: Versioning
  readonly policy?: string | null
  /** Given together with `policy`. */
  readonly principals?: readonly ResolvedPrincipal[]
  readonly publicAccessBlock?: PublicAccessBlock | null
}

export interface ChangeBucketRequest {
  readonly bucket: string
  /** Whose bucket it was when the caller's right was decided. The name may have got another owner since. Absent: anybody's. */
  readonly ownerAccount?: string | undefined
  readonly change: BucketChange
  /**
   * The settings that the change was checked against: it throws Conflict when what decides about access
   * (bucket-access.ts) differs by now.
   */
  readonly judged?: BucketSettings | undefined
}

/** The reason for a name that no webhook has. */
export const NO_WEBHOOK = 'The destination does not exist'

/** A webhook that does not exist, or has not taken a test event. */
export interface RefusedWebhook {
  readonly webhook: string
  /** One sentence, for who configures it. */
  readonly reason: string
}

/** Operations on buckets. Those on an existing bucket throw NoSuchBucket when there is none. */
export interface BucketBackend {
  /** For the decision about a request. The answer is at most 1 s old (T7). Throws NoSuchBucket, or
   * Unavailable when it cannot be read. */
  bucketAccess(context: RequestContext, bucket: string): Promise<BucketAccess>
  createBucket(
    context: RequestContext,
    request: {
      bucket: string
      ownerAccount: string
      region: string
      /** The settings that the bucket begins with. */
      documents?: BucketDocuments | undefined
      /** The bucket begins with object lock, and so with versioning. */
      objectLock?: boolean | undefined
    },
  ): Promise<BucketInfo>
  /** Linearizable: reads the register, unless a fence protects the operation that follows. */
  headBucket(context: RequestContext, bucket: string): Promise<BucketInfo>
  /** `ownerAccount`: see ChangeBucketRequest. Throws Conflict when the bucket has another owner by now. */
  deleteBucket(context: RequestContext, bucket: string, ownerAccount?: string): Promise<void>
  /** Linearizable. */
  getBucketSettings(context: RequestContext, bucket: string): Promise<BucketSettings>
  /**
   * Resolves when every later operation, through any node, obeys the change (T8). Throws Conflict when the bucket has
   * another owner by now, and InvalidBucketState for object lock without versioning.
   */
  changeBucket(context: RequestContext, request: ChangeBucketRequest): Promise<void>
  /**
   * Which of these webhooks cannot be used as destinations of the bucket's notifications, by their names. Unknown ones
   * never can; with `test` each of the others is sent a test event, and must take it.
   */
  checkWebhooks(
    context: RequestContext,
    request: { bucket: string; webhooks: readonly string[]; test: boolean },
  ): Promise<readonly RefusedWebhook[]>
  listBuckets(
    context: RequestContext,
    request: { ownerAccount: string; prefix: string; after?: string | undefined; limit: number },
  ): Promise<{ buckets: readonly BucketInfo[]; next?: string | undefined }>
}
