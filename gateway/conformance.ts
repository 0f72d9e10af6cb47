/**
 * S3's behaviour as a list of cases that any endpoint can be held to: the gateway over its memory
 * backend in unit tests, real nodes in end-to-end tests. Each case has a bucket of its own.
 */

import {
  AbortMultipartUploadCommand,
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3'
import { BUCKET_CASES } from './conformance/buckets.ts'
import { LISTING_CASES } from './conformance/listing.ts'
import { MULTIPART_CASES } from './conformance/multipart.ts'
import { OBJECT_CASES } from './conformance/objects.ts'
import {
  clientOf,
  sendRaw,
  type ConformanceCase,
  type ConformanceTarget,
} from './conformance/world.ts'

export type { ConformanceCase, ConformanceTarget } from './conformance/world.ts'

export const CONFORMANCE_CASES: readonly ConformanceCase[] = [
  ...BUCKET_CASES,
  ...OBJECT_CASES,
  ...LISTING_CASES,
  ...MULTIPART_CASES,
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
  const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }))
  for (const { Key } of Contents ?? []) {
    if (Key !== undefined) await s3.send(new DeleteObjectCommand({ Bucket, Key }))
  }
  const { Uploads } = await s3.send(new ListMultipartUploadsCommand({ Bucket }))
  for (const { Key, UploadId } of Uploads ?? []) {
    if (Key !== undefined && UploadId !== undefined) {
      await s3.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }))
    }
  }
}
