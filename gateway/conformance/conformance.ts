/**
 * S3's behaviour as a list of cases that run against any endpoint: the gateway with its memory
 * backend in unit tests, real nodes in end-to-end tests. Each case has a bucket of its own.
 */

import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListMultipartUploadsCommand,
  ListObjectVersionsCommand,
  type S3Client,
} from '@aws-sdk/client-s3'
import { ACL_CASES } from './acls.ts'
import { BUCKET_CASES } from './buckets.ts'
import { CHECKSUM_CASES } from './checksums.ts'
import { CONDITION_CASES } from './conditions.ts'
import { BUCKET_TAG_CASES } from './bucket-tags.ts'
import { CORS_CASES } from './cors.ts'
import { ENCRYPTED_BUCKET_CASES } from './encrypted-buckets.ts'
import { ENCRYPTION_CASES } from './encryption.ts'
import { FORM_CASES } from './forms.ts'
import { LISTING_CASES } from './listing.ts'
import { LOGGING_CASES } from './logging.ts'
import { MULTIPART_CASES } from './multipart.ts'
import { LOCK_ATTEMPT_CASES } from './lock-attempts.ts'
import { OBJECT_LOCK_CASES } from './object-lock.ts'
import { NOTIFICATION_CASES } from './notifications.ts'
import { OBJECT_CASES } from './objects.ts'
import { OBJECT_TAG_CASES } from './object-tags.ts'
import { LIFECYCLE_CASES } from './lifecycle.ts'
import { RENAME_CASES } from './renames.ts'
import { SETTING_CASES } from './settings.ts'
import { STEERING_CASES } from './steering.ts'
import { VERSION_LISTING_CASES } from './version-listing.ts'
import { VERSION_WRITE_CASES } from './version-writes.ts'
import { VERSION_CASES } from './versions.ts'
import { WEBSITE_CASES } from './website.ts'
import { clientOf, sendRaw, type ConformanceCase, type ConformanceTarget } from './world.ts'

export type { ConformanceCase, ConformanceTarget } from './world.ts'

export const CONFORMANCE_CASES: readonly ConformanceCase[] = [
  ...BUCKET_CASES,
  ...ACL_CASES,
  ...OBJECT_CASES,
  ...CONDITION_CASES,
  ...BUCKET_TAG_CASES,
  ...OBJECT_TAG_CASES,
  ...OBJECT_LOCK_CASES,
  ...LOCK_ATTEMPT_CASES,
  ...CORS_CASES,
  ...FORM_CASES,
  ...LISTING_CASES,
  ...MULTIPART_CASES,
  ...CHECKSUM_CASES,
  ...VERSION_CASES,
  ...VERSION_LISTING_CASES,
  ...VERSION_WRITE_CASES,
  ...SETTING_CASES,
  ...LIFECYCLE_CASES,
  ...NOTIFICATION_CASES,
  ...STEERING_CASES,
  ...ENCRYPTION_CASES,
  ...ENCRYPTED_BUCKET_CASES,
  ...WEBSITE_CASES,
  ...RENAME_CASES,
  ...LOGGING_CASES,
]

export interface ConformanceResult {
  readonly name: string
  /** Why the case failed; absent when it passed. */
  readonly error?: unknown
}

/** Runs one case in a bucket of its own, named from `prefix`; then removes the bucket. */
export async function runCase(
  each: ConformanceCase,
  target: ConformanceTarget,
  prefix: string,
): Promise<void> {
  const s3 = clientOf(target)
  const bucket = `${prefix}-${CONFORMANCE_CASES.indexOf(each)}`
  await s3.send(new CreateBucketCommand({ Bucket: bucket }))
  try {
    await each.run({ target, s3, bucket, raw: (message) => sendRaw(target, message) })
    await emptyBucket(s3, bucket)
    await s3.send(new DeleteBucketCommand({ Bucket: bucket }))
  } finally {
    s3.destroy()
  }
}

/** Runs all cases, one after the other. `prefix` begins the names of buckets: choose one that is not in use. */
export async function runConformance(
  target: ConformanceTarget,
  prefix: string,
): Promise<ConformanceResult[]> {
  const results: ConformanceResult[] = []
  for (const each of CONFORMANCE_CASES) {
    try {
      await runCase(each, target, prefix)
      results.push({ name: each.name })
    } catch (error) {
      results.push({ name: each.name, error })
    }
  }
  return results
}

async function emptyBucket(s3: S3Client, Bucket: string): Promise<void> {
  for (;;) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket }))
    const entries = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    if (entries.length === 0) break
    // The XML of DeleteObjects cannot contain control characters.
    const plain = entries.filter((entry) => /^\P{Cc}+$/u.test(entry.Key ?? ''))
    for (const { Key, VersionId } of entries.filter((entry) => !plain.includes(entry))) {
      await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
    }
    if (plain.length === 0) continue
    const Objects = plain.map(({ Key, VersionId }) => ({ Key, VersionId }))
    const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    if (Errors !== undefined) throw new Error(`cannot empty a bucket: ${JSON.stringify(Errors)}`)
  }
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of Uploads ?? []) {
    if (Key !== undefined && UploadId !== undefined) {
      await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    }
  }
}
