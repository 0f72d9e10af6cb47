/**
 * CompleteMultipartUpload: reads the list of parts, and computes the ETag and checksum of the whole object.
 *
 * The store checks the list against the parts that it has (UploadBackend.completeUpload) and then calls
 * `finishUpload`. What that throws makes the completion fail, and the upload stays open.
 */

import { trimXml } from '../http/ascii.ts'
import { createHash } from 'node:crypto'
import type { Work } from '../../protocol/work.ts'
import type { CompletedPart, PartInfo, UploadInfo } from '../port/uploads.ts'
import type { FinishedBody } from '../port/body.ts'
import { CHECKSUM_ALGORITHMS, declaredOfObject } from '../body/checksum.ts'
import { writeCondition } from './conditions.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { xmlResponse, type ResponseHeaders, type S3Response } from '../http/response.ts'
import { childText, parsingXml, tag, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { checksumOfObject, type DeclaredOfObject } from './checksum-plan.ts'
import { checksumsOf, checksumXml, invalidArgument, MAX_PARTS, gatherBody } from './common.ts'
import { customerKey } from './customer-key.ts'
import { checkUploadKey, completedHeaders } from './encryption.ts'
import { checksumTypeHeader, requestedUpload } from './multipart.ts'
import { addExpiration } from './expiration.ts'
import { addVersionHeader } from './version.ts'

/** Room for 10,000 parts with an ETag and one or two checksums each. */
const MAX_BODY_BYTES = 6 * 1024 * 1024
/** Room for the root, and for each part its number, its ETag and one checksum of each kind. */
export const COMPLETE_LIMITS: XmlLimits = {
  maxBytes: MAX_BODY_BYTES,
  maxElements: 1 + MAX_PARTS * (3 + CHECKSUM_ALGORITHMS.length),
  maxDepth: 4,
}

/**
 * `POST /bucket/key?uploadId=…`. The answer comes as a whole when the object is visible, with the status of the
 * result: a failure is never a 200. AWS may send the 200 first and put an error into its body.
 *
 * Throws MalformedXML, InvalidPart, InvalidPartOrder, EntityTooSmall, NoSuchUpload, PreconditionFailed, BadDigest,
 * InvalidRequest.
 */
export async function completeMultipartUpload(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const condition = writeCondition(request.headers)
  const expected = expectedOf(call)
  const customer = customerKey(call.request, 'read')
  const { bytes } = await gatherBody(call, MAX_BODY_BYTES, { checksumsAreOfObject: true })
  const parts = await call.inTurns(parsingParts(bytes))
  const result = await call.store.completeUpload(call.context, {
    ...requestedUpload(call),
    parts,
    condition,
    finish: (stored, upload) => {
      checkUploadKey(call, upload, customer)
      return finishUpload(stored, upload, parts, expected)
    },
  })
  const answer: ResponseHeaders = completedHeaders(result.encryption)
  addVersionHeader(answer, result)
  addExpiration(answer, result.expiration)
  const scheme = request.secure ? 'https' : 'http'
  const host = request.headers['host'] ?? ''
  return xmlResponse(
    'CompleteMultipartUploadResult',
    tag('Location', `${scheme}://${host}${request.rawPath}`) +
      tag('Bucket', bucket) +
      tag('Key', key) +
      tag('ETag', `"${result.etag}"`) +
      checksumXml(result),
    answer,
  )
}

/** What the client announces about the whole object. */
interface Expected extends DeclaredOfObject {
  readonly sizeBytes: number | undefined
}

/** Reads the headers about the whole object. Throws InvalidArgument, InvalidRequest, NotImplemented. */
function expectedOf(call: Call): Expected {
  const size = call.request.headers['x-amz-mp-object-size']
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw invalidArgument('x-amz-mp-object-size', size)
  }
  return {
    checksum: declaredOfObject(call.request),
    type: checksumTypeHeader(call),
    sizeBytes: size === undefined ? undefined : Number(size),
  }
}

/**
 * Parses the list of parts, in the order of the request. The order of their numbers is for the store to check, which
 * has an error of its own for it. Throws MalformedXML, InvalidPart for a number outside 1 to 10,000.
 */
export function* parsingParts(bytes: Uint8Array): Work<CompletedPart[]> {
  if (bytes.length === 0) throw new S3Error('MalformedXML')
  const root = yield* parsingXml(bytes, COMPLETE_LIMITS)
  if (root.name !== 'CompleteMultipartUpload') throw new S3Error('MalformedXML')
  const elements = root.children.filter((child) => child.name === 'Part')
  if (elements.length !== root.children.length) throw new S3Error('MalformedXML')
  if (elements.length === 0 || elements.length > MAX_PARTS) throw new S3Error('MalformedXML')
  return elements.map(parsePart)
}

/** One `<Part>`. Clients send ETags with or without quotes; both are accepted. */
function parsePart(element: XmlElement): CompletedPart {
  const number = trimXml(childText(element, 'PartNumber') ?? '')
  const etag = trimXml(childText(element, 'ETag'))
  if (!/^\d{1,5}$/.test(number) || etag === undefined) throw new S3Error('MalformedXML')
  const partNumber = Number(number)
  if (partNumber < 1 || partNumber > MAX_PARTS) throw new S3Error('InvalidPart')
  return { partNumber, etag: etag.replace(/^"(.*)"$/, '$1'), checksums: checksumsOf(element) }
}

/**
 * The ETag and checksum of the whole object, called by the store with the stored parts in order. `named` are the
 * parts as the completion lists them, `expected` what it announces about the object. The ETag is AWS's: the MD5 of
 * the parts' raw MD5s, then `-` and their number. Throws InvalidRequest, BadDigest when the client announced another
 * size or checksum.
 */
export function finishUpload(
  parts: readonly PartInfo[],
  upload: UploadInfo,
  named: readonly CompletedPart[],
  expected: Expected,
): FinishedBody {
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  if (expected.sizeBytes !== undefined && expected.sizeBytes !== sizeBytes) {
    throw new S3Error(
      'InvalidRequest',
      `The provided 'x-amz-mp-object-size' header value ${expected.sizeBytes} does not match what was computed: ${sizeBytes}`,
    )
  }
  const md5 = createHash('md5')
  for (const part of parts) md5.update(Buffer.from(part.etag, 'hex'))
  const etag = `${md5.digest('hex')}-${parts.length}`
  return { etag, ...checksumOfObject(upload, parts, named, expected) }
}
