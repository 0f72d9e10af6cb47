/** A bucket with object lock, for cases, and its removal once its locks have ended or may be passed over. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectsCommand,
  ListObjectVersionsCommand,
  PutObjectLegalHoldCommand,
} from '@aws-sdk/client-s3'
import type { ConformanceCase, ConformanceWorld, RawResponse } from './world.ts'

/** As Content-MD5 has it. */
export function md5OfText(text: string): string {
  return createHash('md5').update(text).digest('base64')
}

async function putLockedBucket({ s3, bucket: Bucket }: ConformanceWorld): Promise<void> {
  await s3.send(new CreateBucketCommand({ Bucket, ObjectLockEnabledForBucket: true }))
}

/** Sends a document with its digest, to the bucket or to a key of it. */
export function sendDocument(
  world: ConformanceWorld,
  key: string,
  name: string,
  text: string,
  more: readonly (readonly [string, string])[] = [],
): Promise<RawResponse> {
  const path = key === '' ? `/${world.bucket}` : `/${world.bucket}/${key}`
  const headers = { 'content-md5': md5OfText(text) }
  return world.raw({
    method: 'PUT',
    path,
    query: [[name, ''], ...more],
    headers,
    body: [Buffer.from(text)],
  })
}

/** Waits for short compliance retention to end. */
async function removeLockedBucket({ s3, bucket: Bucket }: ConformanceWorld): Promise<void> {
  for (;;) {
    const page = await s3.send(new ListObjectVersionsCommand({ Bucket }))
    const versions = page.Versions ?? []
    const entries = [...versions, ...(page.DeleteMarkers ?? [])]
    if (entries.length === 0) break
    const LegalHold = { Status: 'OFF' } as const
    for (const { Key, VersionId } of versions) {
      await s3.send(new PutObjectLegalHoldCommand({ Bucket, Key, VersionId, LegalHold }))
    }
    const Objects = entries.map(({ Key, VersionId }) => ({ Key, VersionId }))
    const { Errors = [] } = await s3.send(
      new DeleteObjectsCommand({ Bucket, Delete: { Objects }, BypassGovernanceRetention: true }),
    )
    assert(Errors.every(({ Code }) => Code === 'AccessDenied'))
  }
  await s3.send(new DeleteBucketCommand({ Bucket }))
}

/** Runs a case in a bucket with object lock, and removes it. */
export function locked(
  name: string,
  run: (world: ConformanceWorld) => Promise<void>,
): ConformanceCase {
  return {
    name,
    async run(outer) {
      const world = { ...outer, bucket: `${outer.bucket}-lock` }
      await putLockedBucket(world)
      await run(world)
      await removeLockedBucket(world)
    },
  }
}
