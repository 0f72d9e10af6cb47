/** PutObjectTagging, GetObjectTagging and DeleteObjectTagging, of the current version or a named one. */

import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import { tagSetXml } from '../http/tags.ts'
import type { Tag } from '../port/bucket-documents.ts'
import type { Call } from './operation.ts'
import { tagsInBody } from './tagging.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

/**
 * `PUT /bucket/key?tagging`: 200, replaces all tags. Neither the ETag nor Last-Modified changes. Throws what `tagsInBody`
 * throws, NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker, OperationAborted when the right depended
 * on tags that have changed meanwhile.
 */
export async function putObjectTagging(call: Call): Promise<S3Response> {
  const versionId = requestedVersion(call)
  const tags = await tagsInBody(call, 'Object')
  return emptyResponse(200, await change(call, versionId, tags))
}

/** `GET /bucket/key?tagging`: an empty set when there are no tags. Throws NoSuchKey, NoSuchVersion, MethodNotAllowed. */
export async function getObjectTagging(call: Call): Promise<S3Response> {
  const { bucket, key } = call
  const versionId = requestedVersion(call)
  const { info, versioned } = await call.getObject({ bucket, key, versionId, withData: false })
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, { versioned, versionId: info.versionId })
  return xmlResponse('Tagging', tagSetXml(info.tags ?? []), headers)
}

/** `DELETE /bucket/key?tagging`: 204, also when there were no tags. Throws as `putObjectTagging`. */
export async function deleteObjectTagging(call: Call): Promise<S3Response> {
  return emptyResponse(204, await change(call, requestedVersion(call), []))
}

async function change(
  call: Call,
  versionId: string | undefined,
  tags: readonly Tag[],
): Promise<ResponseHeaders> {
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, await call.changeObject(versionId, { tags }))
  return headers
}
