/**
 * Sub-resources that clients probe and that cannot be configured. They answer as S3 does when nothing is configured
 * (docs/s3-compatibility.md, rule 5): setting them gets 501, removing them 204. Each first checks that the bucket or
 * object exists, so that a probe of a missing one gets its 404. s3/table/unconfigured.ts lists them.
 */

import { allowsAcls } from '../auth/acl-settings.ts'
import { S3Error, type S3ErrorCode } from '../http/errors.ts'
import type { Call, Handler } from './operation.ts'
import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import { checkObjectAcl } from './acl.ts'
import { aclXml, ownersGrants } from './acl-grants.ts'
import { bucketOwner, gatherBody } from './common.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

const MAX_BODY_BYTES = 64 * 1024

/**
 * A handler for a sub-resource of a bucket that S3 reports as missing: a 404 with `code`, the name of the bucket in
 * it.
 */
export function bucketLacks(code: S3ErrorCode): Handler {
  return async (call) => {
    await call.store.headBucket(call.context, call.bucket)
    throw new S3Error(code, undefined, { details: { BucketName: call.bucket } })
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

/** `GET /bucket/key?acl`: the same as of the bucket, whose account owns every object in it. */
export async function getObjectAcl(call: Call): Promise<S3Response> {
  const headers = await findObject(call)
  const owner = await bucketOwner(call)
  return xmlResponse('AccessControlPolicy', aclXml(owner, ownersGrants(owner)), headers)
}

/** `PUT /bucket/key?acl`: accepts only what is always the case, a canned list in the header that gives the owner all. */
export async function putObjectAcl(call: Call): Promise<S3Response> {
  const { bytes } = await gatherBody(call, MAX_BODY_BYTES)
  if (bytes.length > 0 || call.request.headers['x-amz-acl'] === undefined) {
    const { settings } = await call.access(call.bucket)
    if (!allowsAcls(settings)) throw new S3Error('AccessControlListNotSupported')
    throw new S3Error('NotImplemented', 'Access control lists of objects are not implemented')
  }
  await checkObjectAcl(call)
  return emptyResponse(200, await findObject(call))
}

/**
 * Checks that the object exists, and returns headers that name its version. Throws NoSuchKey, NoSuchVersion,
 * MethodNotAllowed for a delete marker.
 */
async function findObject(call: Call): Promise<ResponseHeaders> {
  const { bucket, key } = call
  const wanted = { bucket, key, versionId: requestedVersion(call), withData: false }
  const { info, versioned } = await call.getObject(wanted)
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, { versioned, versionId: info.versionId })
  return headers
}
