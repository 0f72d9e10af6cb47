/** Buckets: create, head, list, what clients probe, delete. */

import {
  CreateBucketCommand,
  DeleteBucketCommand,
  GetBucketLocationCommand,
  GetBucketPolicyCommand,
  GetBucketTaggingCommand,
  GetBucketVersioningCommand,
  HeadBucketCommand,
  ListBucketsCommand,
  PutObjectCommand,
  DeleteObjectCommand,
} from '@aws-sdk/client-s3'
import { equal } from '../../suite.ts'
import type { Context } from '../../suite.ts'
import { failureOf } from './common.ts'
import type { NextClient } from './common.ts'

export async function bucketSteps(context: Context, next: NextClient): Promise<void> {
  const Bucket = 'sdk-buckets'

  await context.step('create, head and list buckets', async () => {
    await next().send(new CreateBucketCommand({ Bucket }))
    await next().send(new HeadBucketCommand({ Bucket }))
    const { Buckets = [] } = await next().send(new ListBucketsCommand())
    equal(Buckets.filter((one) => one.Name === Bucket).length, 1, 'times listed')
    const missing = await failureOf(next().send(new HeadBucketCommand({ Bucket: 'sdk-none' })))
    equal(missing.status, 404, 'status of a missing bucket')
  })

  await context.step('answer probes as AWS does when nothing is configured', async () => {
    await next().send(new GetBucketLocationCommand({ Bucket }))
    const versioning = await next().send(new GetBucketVersioningCommand({ Bucket }))
    equal(versioning.Status ?? 'none', 'none', 'versioning')
    const tags = await failureOf(next().send(new GetBucketTaggingCommand({ Bucket })))
    equal(tags, { status: 404, name: 'NoSuchTagSet' }, 'tags')
    const policy = await failureOf(next().send(new GetBucketPolicyCommand({ Bucket })))
    equal(policy, { status: 404, name: 'NoSuchBucketPolicy' }, 'policy')
  })

  await context.step('refuse to delete a bucket that is not empty', async () => {
    await next().send(new PutObjectCommand({ Bucket, Key: 'one', Body: 'x' }))
    const refused = await failureOf(next().send(new DeleteBucketCommand({ Bucket })))
    equal(refused, { status: 409, name: 'BucketNotEmpty' }, 'refused')
    await next().send(new DeleteObjectCommand({ Bucket, Key: 'one' }))
    await next().send(new DeleteBucketCommand({ Bucket }))
    const gone = await failureOf(
      next().send(new PutObjectCommand({ Bucket, Key: 'two', Body: 'x' })),
    )
    equal(gone, { status: 404, name: 'NoSuchBucket' }, 'a PUT into the deleted bucket')
  })
}
