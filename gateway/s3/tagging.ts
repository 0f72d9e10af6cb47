/**
 * Tags in requests and answers: the documents of the tagging operations, the header of requests that store an object,
 * and the tags of the source of a copy. What tags may be: http/tags.ts.
 */

import type { ResponseHeaders } from '../http/response.ts'
import { parseTagHeader, parseTags, TAGGING_LIMITS, type Tagged } from '../http/tags.ts'
import type { Tag } from '../port/bucket-documents.ts'
import type { ObjectInfo } from '../port/objects.ts'
import { digestedXml } from './common.ts'
import type { Call } from './operation.ts'

/** Documents that were read already: a decision about the request may need the tags before the handler does. */
const documents = new WeakMap<Call, Promise<readonly Tag[]>>()

/**
 * The tags of the `<Tagging>` document in the body, which is read once. As in AWS, it must have a digest. Throws
 * MissingRequestBodyError, what `parseTags` throws, and the errors of a wrong digest.
 */
export function tagsInBody(call: Call, tagged: Tagged): Promise<readonly Tag[]> {
  let tags = documents.get(call)
  if (tags === undefined) {
    tags = readTags(call, tagged)
    documents.set(call, tags)
  }
  return tags
}

async function readTags(call: Call, tagged: Tagged): Promise<readonly Tag[]> {
  return parseTags(await digestedXml(call, TAGGING_LIMITS), tagged)
}

/**
 * The tags of x-amz-tagging, for an object that is about to be stored. They need the right to put tags too. Undefined
 * when there are none. Throws what `parseTagHeader` throws, AccessDenied.
 */
export async function tagsInHeader(call: Call): Promise<readonly Tag[] | undefined> {
  const header = call.request.headers['x-amz-tagging']
  if (header === undefined) return undefined
  const tags = parseTagHeader(header)
  if (tags.length === 0) return undefined
  await call.authorizeAlso('s3:PutObjectTagging')
  return tags
}

/** The right to read the tags of an object, or of a named version of it. */
export function tagsAction(versionId: string | undefined): string {
  return versionId === undefined ? 's3:GetObjectTagging' : 's3:GetObjectVersionTagging'
}

/** As in AWS, the number of tags is told only to callers who may read the tags. Without tags there is no header. */
export async function addTagCount(
  headers: ResponseHeaders,
  call: Call,
  info: ObjectInfo,
  versionId: string | undefined,
): Promise<void> {
  const { bucket, key } = call
  const { tags } = info
  if (tags === undefined) return
  if (!(await call.may(tagsAction(versionId), { bucket, key, versionId }, info))) return
  headers['x-amz-tagging-count'] = String(tags.length)
}
