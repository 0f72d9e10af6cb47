/**
 * S3's behaviour as a list of cases that any endpoint can be held to: the gateway over its memory
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
import { BUCKET_CASES } from './buckets.ts'
import { CHECKSUM_CASES } from './checksums.ts'
import { LISTING_CASES } from './listing.ts'
import { MULTIPART_CASES } from './multipart.ts'
import { OBJECT_CASES } from './objects.ts'
import { SETTING_CASES } from './settings.ts'
import { STEERING_CASES } from './steering.ts'
import { VERSION_LISTING_CASES } from './version-listing.ts'
import { VERSION_WRITE_CASES } from './version-writes.ts'
import { VERSION_CASES } from './versions.ts'
import { clientOf, sendRaw, type ConformanceCase, type ConformanceTarget } from './world.ts'

export type { ConformanceCase, ConformanceTarget } from './world.ts'

export const CONFORMANCE_CASES: readonly ConformanceCase[] = [
  ...BUCKET_CASES,
  ...OBJECT_CASES,
  ...LISTING_CASES,
  ...MULTIPART_CASES,
  ...CHECKSUM_CASES,
  ...VERSION_CASES,
  ...VERSION_LISTING_CASES,
  ...VERSION_WRITE_CASES,
  ...SETTING_CASES,
  ...STEERING_CASES,
]

export interface ConformanceResult {
  readonly name: string
  /** Absent: passed. */
  readonly error?: unknown
}

/** Runs one case in a bucket of its own, named from `prefix`; removes it behind itself. */
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

/** All cases, one after the other. `prefix` begins names of buckets: pick one that is not in use. */
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
    const rows = [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]
    if (rows.length === 0) break
    // Control characters can't stand in the XML of DeleteObjects.
    const plain = rows.filter((row) => /^\P{Cc}+$/u.test(row.Key ?? ''))
    for (const { Key, VersionId } of rows.filter((row) => !plain.includes(row))) {
      await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
    }
    if (plain.length === 0) continue
    const Objects = plain.map(({ Key, VersionId }) => ({ Key, VersionId }))
    const { Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }))
    if (Errors !== undefined)
      throw new Error(`a bucket can't be emptied: ${JSON.stringify(Errors)}`)
  }
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of Uploads ?? []) {
    if (Key !== undefined && UploadId !== undefined) {
      await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    }
  }
}
