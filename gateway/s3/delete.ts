/** DeleteObject and DeleteObjects. */

import { trimXml } from '../http/ascii.ts'
import { StoreError } from '../../protocol/errors.ts'
import { isVersionId } from '../../protocol/object/version-id.ts'
import type { DeleteResult, WriteCondition } from '../port/objects.ts'
import { readBody } from '../body/body.ts'
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
import { mapBounded } from './common.ts'
import { requestedVersion } from './version.ts'

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
const PARALLEL = 16

export async function deleteObject(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const condition = deleteCondition(request.headers)
  const versionId = requestedVersion(call)
  const done = await call.store.deleteObject(call.context, { bucket, key, versionId, condition })
  const headers: ResponseHeaders = {}
  const shown = done.versionId ?? versionId
  if (shown !== undefined) headers['x-amz-version-id'] = shown
  if (done.deleteMarker) headers['x-amz-delete-marker'] = 'true'
  return emptyResponse(204, headers)
}

interface Target {
  readonly key: string
  readonly versionId: string | undefined
  readonly condition: WriteCondition | undefined
}

export async function deleteObjects(call: Call): Promise<S3Response> {
  call.wantBody(MAX_BODY_BYTES)
  const body = await readBody(call.request, call.auth, {
    maxBytes: MAX_BODY_BYTES,
    onBytes: (count) => call.onBytes(count),
  })
  if (!body.hasDigest) {
    throw new S3Error(
      'InvalidRequest',
      'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
    )
  }
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

/** The element of the answer for this key; '' for a success when `quiet`. */
async function deleteOne(call: Call, target: Target, quiet: boolean): Promise<string> {
  const { key, versionId, condition } = target
  const { bucket } = call
  let done: DeleteResult
  try {
    if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError')
    const action = versionId === undefined ? 's3:DeleteObject' : 's3:DeleteObjectVersion'
    await call.authorize(action, bucket, key, versionId)
    if (versionId !== undefined && !isVersionId(versionId)) throw new S3Error('NoSuchVersion')
    done = await call.store.deleteObject(call.context, { bucket, key, versionId, condition })
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

function failureOf(error: unknown, conditional: boolean): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof StoreError) return fromStoreError(error, { conditional })
  throw error
}
