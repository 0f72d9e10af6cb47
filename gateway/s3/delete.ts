/**
 * DeleteObject and DeleteObjects. Both succeed for a key that does not exist, as in S3: the caller wanted it gone.
 *
 * A delete without a version id makes a delete marker in a bucket with versioning. Otherwise the object is removed
 * for good (ObjectBackend.deleteObject).
 */

import { trimXml } from '../http/ascii.ts'
import { StoreError } from '../../protocol/errors.ts'
import { isVersionId } from '../../protocol/object/version-id.ts'
import type { DeleteResult, WriteCondition } from '../port/objects.ts'
import { deleteCondition } from './conditions.ts'
import { fromStoreError, S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import { childText, parsingXml, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { mapBounded, gatherBody, requireDigest } from './common.ts'
import { bypassesGovernance } from './locking.ts'
import { requestedVersion } from './version.ts'

/** AWS's maximum for one DeleteObjects. */
const MAX_KEYS = 1000
/** The elements of an `<Object>`. */
const TARGET_ELEMENTS: readonly string[] = ['Key', 'VersionId', 'ETag', 'Size', 'LastModifiedTime']
/** Room for 1,000 keys of 1,024 bytes, even if each byte is written as a reference. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
/** Room for the root, Quiet, and each key with all its elements. */
export const DELETE_LIMITS: XmlLimits = {
  maxBytes: MAX_BODY_BYTES,
  maxElements: 2 + MAX_KEYS * (1 + TARGET_ELEMENTS.length),
  maxDepth: 4,
}
/** How many keys of one DeleteObjects are deleted at a time. Each is a change of a register of its own. */
const PARALLEL = 16

/**
 * `DELETE /bucket/key`: 204. The answer names the delete marker that was made, or the version that was removed, and
 * says whether that is a delete marker. Throws PreconditionFailed; AccessDenied for a version that object lock protects; NotImplemented for conditions that AWS does not
 * have here.
 */
export async function deleteObject(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const condition = deleteCondition(request.headers)
  const versionId = requestedVersion(call)
  const bypassGovernance = await bypassesGovernance(call, () =>
    call.authorizeAlso('s3:BypassGovernanceRetention'),
  )
  const wanted = { bucket, key, versionId, condition, bypassGovernance }
  const done = await call.store.deleteObject(call.context, wanted)
  const headers: ResponseHeaders = {}
  const shown = done.versionId ?? versionId
  if (shown !== undefined) headers['x-amz-version-id'] = shown
  if (done.deleteMarker) headers['x-amz-delete-marker'] = 'true'
  return emptyResponse(204, headers)
}

/** One `<Object>` of a DeleteObjects request. */
interface Target {
  readonly key: string
  readonly versionId: string | undefined
  readonly condition: WriteCondition | undefined
}

/**
 * `POST /bucket?delete`: 200 with one element for each key, even when some of them could not be deleted. Only a
 * failure that concerns all keys fails the request: a malformed list, or a missing bucket.
 *
 * As in AWS, the body must have a digest (rule 4 of docs/s3-compatibility.md), because a damaged list would delete
 * other objects. With `<Quiet>true</Quiet>` only failures are listed. The elements of one key are next to each other,
 * in the order of the request; keys are in the order of their first appearance.
 */
export async function deleteObjects(call: Call): Promise<S3Response> {
  const body = await gatherBody(call, MAX_BODY_BYTES)
  requireDigest(body)
  const root = await call.inTurns(parsingXml(body.bytes, DELETE_LIMITS))
  if (root.name !== 'Delete') throw new S3Error('MalformedXML')
  const quiet = trimXml(childText(root, 'Quiet')) === 'true'
  const targets = targetsOf(root)
  const results = await mapBounded(byKey(targets), PARALLEL, async (group) => {
    let text = ''
    for (const target of group) text += await deleteOne(call, target, quiet)
    return text
  })
  return xmlResponse('DeleteResult', results.join(''))
}

/** Versions of one key are deleted one after the other, because they change the same register. */
function byKey(targets: readonly Target[]): Target[][] {
  const groups = new Map<string, Target[]>()
  for (const target of targets) {
    const group = groups.get(target.key)
    if (group === undefined) groups.set(target.key, [target])
    else group.push(target)
  }
  return [...groups.values()]
}

/** The keys of the list, in its order. Throws MalformedXML for no keys, more than 1,000, or an unknown element. */
function targetsOf(root: XmlElement): Target[] {
  const targets: Target[] = []
  for (const element of root.children) {
    if (element.name === 'Quiet') continue
    if (element.name !== 'Object') throw new S3Error('MalformedXML')
    targets.push(targetOf(element))
  }
  if (targets.length === 0 || targets.length > MAX_KEYS) throw new S3Error('MalformedXML')
  return targets
}

/**
 * One key with its version and conditions, which are those of DeleteObject as elements. An unknown element is
 * refused: it may be a condition that Shoal does not understand.
 */
function targetOf(element: XmlElement): Target {
  const key = childText(element, 'Key')
  if (key === undefined || key === '') throw new S3Error('MalformedXML')
  if (element.children.some((child) => !TARGET_ELEMENTS.includes(child.name))) {
    throw new S3Error('MalformedXML')
  }
  const condition = deleteCondition({
    'if-match': childText(element, 'ETag'),
    'x-amz-if-match-size': childText(element, 'Size'),
    'x-amz-if-match-last-modified-time': childText(element, 'LastModifiedTime'),
  })
  // As everywhere, an empty value counts as absent.
  return { key, versionId: childText(element, 'VersionId') || undefined, condition }
}

/**
 * Deletes one key and returns its element of the answer; '' for a success when `quiet`. The right is checked here for
 * each key, because policies may name keys (Operation.authorizedBy). Throws NoSuchBucket, which concerns all keys,
 * and errors that are neither of S3 nor of the store.
 */
async function deleteOne(call: Call, target: Target, quiet: boolean): Promise<string> {
  const { key, versionId, condition } = target
  const { bucket } = call
  let done: DeleteResult
  try {
    if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError')
    // Deleting a version is another right, since it cannot be undone.
    const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion'
    await call.authorize(action, { bucket, key, versionId })
    if (versionId !== undefined && !isVersionId(versionId)) throw new S3Error('NoSuchVersion')
    const bypassGovernance = await bypassesGovernance(call, () =>
      call.authorize('s3:BypassGovernanceRetention', { bucket, key, versionId }),
    )
    const wanted = { bucket, key, versionId, condition, bypassGovernance }
    done = await call.store.deleteObject(call.context, wanted)
  } catch (error) {
    const failure = failureOf(error, condition !== undefined)
    if (failure.code === 'NoSuchBucket') throw failure
    return `<Error>${tag('Key', key)}${tag('VersionId', versionId)}${tag('Code', failure.code)}${tag('Message', failure.message)}</Error>`
  }
  if (quiet) return ''
  const marker = done.deleteMarker
    ? tag('DeleteMarker', true) + tag('DeleteMarkerVersionId', done.versionId)
    : ''
  return `<Deleted>${tag('Key', key)}${tag('VersionId', versionId)}${marker}</Deleted>`
}

/** The error of S3 that is shown in an `<Error>`. Unknown errors are thrown again and end the request with a 500. */
function failureOf(error: unknown, conditional: boolean): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof StoreError) return fromStoreError(error, { conditional })
  throw error
}
