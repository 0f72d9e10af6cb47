/** DeleteObject and DeleteObjects. */

import { StoreError } from '../../protocol/errors.ts'
import type { WriteCondition } from '../backend.ts'
import { readBody } from '../body.ts'
import { deleteCondition } from '../conditions.ts'
import { fromStoreError, S3Error } from '../errors.ts'
import type { Call } from '../operation.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../response.ts'
import { childText, parseXml, tag, type XmlElement } from '../xml.ts'
import { isCurrentVersion, mapBounded } from './common.ts'

const MAX_KEYS = 1000
/** 1,000 keys of 1,024 bytes, each byte written as a reference at worst, and their frame. */
const MAX_BODY_BYTES = 8 * 1024 * 1024
const PARALLEL = 16

export async function deleteObject(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const condition = deleteCondition(request.headers)
  if (isCurrentVersion(request.query.get('versionId'))) {
    await call.store.deleteObject(call.context, { bucket, key, condition })
  } else {
    // No such version: as S3, there is nothing to delete, in a bucket that exists.
    await call.store.headBucket(call.context, bucket)
  }
  return emptyResponse(204)
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
  const root = parseXml(body.bytes, { maxBytes: MAX_BODY_BYTES, maxDepth: 4 })
  if (root.name !== 'Delete') throw new S3Error('MalformedXML')
  const quiet = childText(root, 'Quiet')?.trim() === 'true'
  const targets = targetsOf(root)
  const rows = await mapBounded(targets, PARALLEL, (target) => deleteOne(call, target, quiet))
  return xmlResponse('DeleteResult', rows.join(''))
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
  const known = ['Key', 'VersionId', 'ETag', 'Size', 'LastModifiedTime']
  if (element.children.some((child) => !known.includes(child.name))) {
    throw new S3Error('MalformedXML')
  }
  const condition = deleteCondition({
    'if-match': childText(element, 'ETag'),
    'x-amz-if-match-size': childText(element, 'Size'),
    'x-amz-if-match-last-modified-time': childText(element, 'LastModifiedTime'),
  })
  return { key, versionId: childText(element, 'VersionId'), condition }
}

/** The row that the answer has for this key; '' when nothing is to be said. */
async function deleteOne(call: Call, target: Target, quiet: boolean): Promise<string> {
  const { key, versionId, condition } = target
  try {
    if (Buffer.byteLength(key) > 1024) throw new S3Error('KeyTooLongError')
    await call.authorize('s3:DeleteObject', call.bucket, key)
    if (isCurrentVersion(versionId)) {
      await call.store.deleteObject(call.context, { bucket: call.bucket, key, condition })
    }
  } catch (error) {
    const failure = failureOf(error, condition !== undefined)
    if (failure.code === 'NoSuchBucket') throw failure
    return `<Error>${tag('Key', key)}${tag('VersionId', versionId)}${tag('Code', failure.code)}${tag('Message', failure.message)}</Error>`
  }
  if (quiet) return ''
  return `<Deleted>${tag('Key', key)}${tag('VersionId', versionId)}</Deleted>`
}

function failureOf(error: unknown, conditional: boolean): S3Error {
  if (error instanceof S3Error) return error
  if (error instanceof StoreError) return fromStoreError(error, { conditional })
  throw error
}
