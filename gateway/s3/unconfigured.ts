/**
 * Sub-resources that clients probe and that cannot be configured. They answer as S3 does when nothing is configured
 * (docs/s3-compatibility.md, rule 5): setting them gets 501, removing them 204. Each first checks that the bucket or
 * object exists, so that a probe of a missing one gets its 404. s3/table/unconfigured.ts lists them.
 */

import type { S3ErrorCode } from '../http/errors.ts'
import { bucketLacking } from './common.ts'
import type { Call, Handler } from './operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'

/**
 * A handler for a sub-resource of a bucket that S3 reports as missing: a 404 with `code`, the name of the bucket in
 * it.
 */
export function bucketLacks(code: S3ErrorCode): Handler {
  return async (call) => {
    await call.store.headBucket(call.context, call.bucket)
    throw bucketLacking(call, code)
  }
}

/** A handler for a sub-resource of a bucket that S3 shows as an empty document or one of defaults. */
export function bucketHas(root: string, content = ''): Handler {
  return async (call) => {
    await call.store.headBucket(call.context, call.bucket)
    return xmlResponse(root, content)
  }
}

/** Succeeds without removing anything, since the sub-resource never exists. */
export async function removeFromBucket(call: Call): Promise<S3Response> {
  await call.store.headBucket(call.context, call.bucket)
  return emptyResponse(204)
}
