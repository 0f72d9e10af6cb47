/** What writes ask of quotas, and what a bucket's record says of its own. */

import type { BucketQuota } from '../../gateway/port/bucket-documents.ts'
import type { ObjectBody, SmallBody } from '../../gateway/port/body.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { settingsOf } from './bucket-record.ts'
import type { Bucket } from './bucket.ts'

/** What a bucket holds, or what a write adds to it. */
export interface BucketAmount {
  readonly bytes: number
  readonly objects: number
}

/** Asked before a write begins, so that a refused one costs no transfer. */
export interface QuotaGate {
  /** Undefined when the bucket has no quota. Rejects with QuotaExceeded when it does not allow that much more. */
  admit(bucket: Bucket, more: BucketAmount): Promise<void> | undefined
}

export const NO_QUOTAS: QuotaGate = { admit: () => undefined }

/** By record: every write asks. */
const parsed = new WeakMap<BucketRecord, { readonly quota: BucketQuota | undefined }>()

/** The quota that the record names. */
export function quotaOf(record: BucketRecord): BucketQuota | undefined {
  if (record.documents.length === 0) return undefined
  let known = parsed.get(record)
  if (known === undefined) {
    known = { quota: settingsOf(record).quota }
    parsed.set(record, known)
  }
  return known.quota
}

/** 0 when the body does not say how long it will be. */
export function announcedSize(body: ObjectBody | SmallBody): number {
  return 'bytes' in body ? body.bytes.length : (body.sizeBytes ?? 0)
}
