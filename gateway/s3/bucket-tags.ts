/** PutBucketTagging, GetBucketTagging and DeleteBucketTagging. What tags may be: http/tags.ts. */

import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { tagSetXml } from '../http/tags.ts'
import { bucketLacking } from './common.ts'
import type { Call } from './operation.ts'
import { tagsInBody } from './tagging.ts'

/**
 * `PUT /bucket?tagging`: 204, replaces all tags. As in AWS, the body must have a digest, and a set without tags leaves
 * none. Throws what `tagsInBody` throws, NoSuchBucket.
 */
export async function putBucketTagging(call: Call): Promise<S3Response> {
  const given = await tagsInBody(call, 'Bucket')
  const tags = given.length === 0 ? null : given
  await call.changeBucket({ tags })
  return emptyResponse(204)
}

/** `GET /bucket?tagging`. Throws NoSuchTagSet, NoSuchBucket. */
export async function getBucketTagging(call: Call): Promise<S3Response> {
  const { tags } = await call.store.getBucketSettings(call.context, call.bucket)
  if (tags === undefined) {
    throw bucketLacking(call, 'NoSuchTagSet')
  }
  return xmlResponse('Tagging', tagSetXml(tags))
}

/** `DELETE /bucket?tagging`: 204, also when there were no tags. Throws NoSuchBucket. */
export async function deleteBucketTagging(call: Call): Promise<S3Response> {
  await call.changeBucket({ tags: null })
  return emptyResponse(204)
}
