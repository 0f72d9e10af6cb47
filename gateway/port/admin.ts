/** The operations behind the admin port: state of the node, join tokens, cluster secret, scrubs, layout. */

import type { BucketQuota } from './bucket-documents.ts'
import type { LayoutBackend } from './layout.ts'
import type { LocateResult } from './locate-result.ts'
import type { LostStatus, NodeStatus, ScrubStatus, SecretStatus, TokenStatus } from './status.ts'

/** What a node offers to its operator. node/ implements it. */
export interface AdminBackend extends LayoutBackend {
  /** Why the node is not ready; undefined when it is. */
  notReadyReason(): string | undefined
  status(): Promise<NodeStatus>
  /** Returns the text of a new join token, which cannot be shown again. Throws StoreError Unavailable. */
  issueToken(options: { readonly ttlMs: number; readonly uses: number }): Promise<string>
  /** The join tokens that have not expired, without their secrets. */
  tokens(): readonly TokenStatus[]
  /** False when there is no token with this id. Throws StoreError Unavailable. */
  revokeToken(id: string): Promise<boolean>
  secret(): SecretStatus
  /** Replaces the cluster secret. Sessions that the old one signed stay valid for `overlapMs`. Throws StoreError
   * Unavailable. */
  rotateSecret(overlapMs: number): Promise<SecretStatus>
  locate(bucket: string, key: string): Promise<LocateResult>
  /** What a bucket holds and may hold. Throws StoreError NoSuchBucket, Unavailable. */
  quota(bucket: string): Promise<QuotaStatus>
  /** Null removes it. Throws as `quota`. */
  setQuota(bucket: string, quota: BucketQuota | null): Promise<QuotaStatus>
  /** Data that is lost for good: registers name it, and no replica has it. */
  lost(): Promise<LostStatus>
  /** Begins to verify everything that this node keeps, unless a scrub already runs. Returns its findings so far. */
  startScrub(): ScrubStatus
  scrubStatus(): ScrubStatus
  /** Values for Prometheus, read at the time of the scrape. */
  gauges(): readonly Gauge[]
}

/** A bucket's quota, and what was counted in the cluster. */
export interface QuotaStatus {
  readonly bucket: string
  /** Null: there is none. */
  readonly quota: BucketQuota | null
  /** Null: it could not be counted in time. `ageMs`: how long ago the oldest count began. */
  readonly usage: {
    readonly bytes: number
    readonly objects: number
    readonly ageMs: number
  } | null
}

/** A value for Prometheus, without labels. */
export interface Gauge {
  readonly name: string
  readonly help: string
  readonly type: 'counter' | 'gauge'
  readonly value: number
}
