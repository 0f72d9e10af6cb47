/** PutBucketTagging, GetBucketTagging and DeleteBucketTagging. What tags may be: http/tags.ts. */

import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { parseTags, tagSetXml, TAGGING_LIMITS, type Tagged } from '../http/tags.ts'
import { parsingXml } from '../http/xml.ts'
import type { Tag } from '../port/bucket-documents.ts'
import { gatherBody, requireDigest } from './common.ts'
import type { Call } from './operation.ts'

/**
 * `PUT /bucket?tagging`: 204, replaces all tags. As in AWS, the body must have a digest, and a set without tags leaves
 * none. Throws what `parseTags` throws, BadDigest, NoSuchBucket.
 */
export async function putBucketTagging(call: Call): Promise<S3Response> {
  const given = await readTags(call, 'Bucket')
  const tags = given.length === 0 ? null : given
  await call.store.changeBucket(call.context, { bucket: call.bucket, change: { tags } })
  return emptyResponse(204)
}

/** `GET /bucket?tagging`. Throws NoSuchTagSet, NoSuchBucket. */
export async function getBucketTagging(call: Call): Promise<S3Response> {
  const { tags } = await call.store.getBucketSettings(call.context, call.bucket)
  if (tags === undefined) {
    throw new S3Error('NoSuchTagSet', undefined, { details: { BucketName: call.bucket } })
  }
  return xmlResponse('Tagging', tagSetXml(tags))
}

/** `DELETE /bucket?tagging`: 204, also when there were no tags. Throws NoSuchBucket. */
export async function deleteBucketTagging(call: Call): Promise<S3Response> {
  await call.store.changeBucket(call.context, { bucket: call.bucket, change: { tags: null } })
  return emptyResponse(204)
}

/** Reads the `<Tagging>` document in the body. Throws MissingRequestBodyError, and what `putBucketTagging` throws. */
async function readTags(call: Call, tagged: Tagged): Promise<Tag[]> {
  const body = await gatherBody(call, TAGGING_LIMITS.maxBytes)
  if (body.bytes.length === 0) throw new S3Error('MissingRequestBodyError')
  requireDigest(body)
  return parseTags(await call.inTurns(parsingXml(body.bytes, TAGGING_LIMITS)), tagged)
}
