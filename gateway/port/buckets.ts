/** Buckets: who owns them, what their owner has set, and the operations on them. */

import type { RequestContext } from '../../protocol/context.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'

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

export interface BucketBackend {
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
}
