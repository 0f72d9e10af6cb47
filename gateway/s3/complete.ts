/** CompleteMultipartUpload: the list of parts, ETag and checksum of the whole. */

import { createHash } from 'node:crypto'
import type { Work } from '../../protocol/work.ts'
import type {
  ChecksumAlgorithm,
  CompletedPart,
  PartInfo,
  SealedBody,
  UploadInfo,
} from '../backend.ts'
import { readBody } from '../body.ts'
import { CHECKSUM_ALGORITHMS, checksumHeader, combineFullObject, compositeOf } from '../checksum.ts'
import { writeCondition } from '../conditions.ts'
import { S3Error } from '../errors.ts'
import type { Call } from '../operation.ts'
import { xmlResponse, type ResponseHeaders, type S3Response } from '../response.ts'
import { childText, parsingXml, tag, type XmlElement, type XmlLimits } from '../xml.ts'
import { checksumsOf, checksumXml, invalidArgument, MAX_PARTS } from './common.ts'
import { checksumTypeHeader, uploadOf } from './multipart.ts'
import { addVersion } from './version.ts'

/** 10,000 parts with an ETag and a checksum or two each. */
const MAX_BODY_BYTES = 6 * 1024 * 1024
/** The root, and each part with its number, its ETag and one checksum of each kind. */
export const COMPLETE_LIMITS: XmlLimits = {
  maxBytes: MAX_BODY_BYTES,
  maxElements: 1 + MAX_PARTS * (3 + CHECKSUM_ALGORITHMS.length),
  maxDepth: 4,
}

export async function completeMultipartUpload(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const condition = writeCondition(request.headers)
  const expected = expectedOf(call)
  call.wantBody(MAX_BODY_BYTES)
  const { bytes } = await readBody(request, call.auth, {
    maxBytes: MAX_BODY_BYTES,
    onBytes: (count) => call.onBytes(count),
    checksumsAreOfObject: true,
  })
  const parts = await call.inTurns(parsingParts(bytes))
  const result = await call.store.completeUpload(call.context, {
    ...uploadOf(call),
    parts,
    condition,
    seal: (stored, upload) => sealUpload(stored, upload, expected),
  })
  const answer: ResponseHeaders = {}
  addVersion(answer, result)
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

/** What the client says of the whole object beforehand. */
interface Expected {
  readonly checksums: readonly (readonly [algorithm: ChecksumAlgorithm, value: string])[]
  readonly checksumType: 'FULL_OBJECT' | 'COMPOSITE' | undefined
  readonly sizeBytes: number | undefined
}

function expectedOf(call: Call): Expected {
  const { headers } = call.request
  const checksums: [ChecksumAlgorithm, string][] = []
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = headers[checksumHeader(algorithm)]
    if (value !== undefined) checksums.push([algorithm, value])
  }
  const size = headers['x-amz-mp-object-size']
  if (size !== undefined && !/^\d{1,15}$/.test(size)) {
    throw invalidArgument('x-amz-mp-object-size', size)
  }
  return {
    checksums,
    checksumType: checksumTypeHeader(call),
    sizeBytes: size === undefined ? undefined : Number(size),
  }
}

/** Throws InvalidRequest, MalformedXML, InvalidPart. */
export function* parsingParts(bytes: Uint8Array): Work<CompletedPart[]> {
  if (bytes.length === 0) {
    throw new S3Error('InvalidRequest', 'You must specify at least one part')
  }
  const root = yield* parsingXml(bytes, COMPLETE_LIMITS)
  if (root.name !== 'CompleteMultipartUpload') throw new S3Error('MalformedXML')
  const elements = root.children.filter((child) => child.name === 'Part')
  if (elements.length !== root.children.length) throw new S3Error('MalformedXML')
  if (elements.length === 0 || elements.length > MAX_PARTS) throw new S3Error('MalformedXML')
  return elements.map(parsePart)
}

function parsePart(element: XmlElement): CompletedPart {
  const number = childText(element, 'PartNumber')?.trim() ?? ''
  const etag = childText(element, 'ETag')?.trim()
  if (!/^\d{1,5}$/.test(number) || etag === undefined) throw new S3Error('MalformedXML')
  const partNumber = Number(number)
  if (partNumber < 1 || partNumber > MAX_PARTS) throw new S3Error('InvalidPart')
  return { partNumber, etag: etag.replace(/^"(.*)"$/, '$1'), checksums: checksumsOf(element) }
}

/** ETag and checksum of the whole; refuses what the client announced otherwise. */
export function sealUpload(
  parts: readonly PartInfo[],
  upload: UploadInfo,
  expected: Expected,
): SealedBody {
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
  const sealed: SealedBody = { etag, ...checksumOfParts(parts, upload, expected) }
  for (const [algorithm, value] of expected.checksums) {
    const computed = sealed.checksums[algorithm]
    if (computed === value || computed === `${value}-${parts.length}`) continue
    throw new S3Error(
      'BadDigest',
      `The ${algorithm.toLowerCase()} you specified did not match the calculated checksum.`,
    )
  }
  return sealed
}

function checksumOfParts(
  parts: readonly PartInfo[],
  upload: UploadInfo,
  expected: Expected,
): Omit<SealedBody, 'etag'> {
  const { checksumAlgorithm: algorithm, checksumType } = upload
  if (
    expected.checksumType !== undefined &&
    expected.checksumType !== (checksumType ?? 'COMPOSITE')
  ) {
    throw new S3Error(
      'InvalidRequest',
      `The upload was created using the ${checksumType ?? 'COMPOSITE'} checksum mode. The complete request must use the same checksum mode.`,
    )
  }
  if (algorithm === undefined) return unplannedChecksum(parts, expected)
  const sums = parts.map((part) => {
    const checksum = part.checksums[algorithm]
    if (checksum === undefined) {
      throw new S3Error(
        'InvalidRequest',
        `The upload was created using a ${algorithm.toLowerCase()} checksum. It was missing for part ${part.partNumber}.`,
      )
    }
    return { checksum, sizeBytes: part.sizeBytes }
  })
  const value =
    checksumType === 'FULL_OBJECT'
      ? combineFullObject(algorithm, sums)
      : compositeOf(
          algorithm,
          sums.map((each) => each.checksum),
        )
  return { checksums: { [algorithm]: value }, checksumType: checksumType ?? 'COMPOSITE' }
}

/** The client names a checksum only now: it can be judged when all parts carry that CRC. */
function unplannedChecksum(
  parts: readonly PartInfo[],
  expected: Expected,
): Omit<SealedBody, 'etag'> {
  for (const [algorithm] of expected.checksums) {
    const sums = parts.map((part) => part.checksums[algorithm])
    if (algorithm.startsWith('CRC') && sums.every((sum) => sum !== undefined)) {
      const named = sums.map((checksum, index) => ({
        checksum,
        sizeBytes: parts[index]?.sizeBytes ?? 0,
      }))
      return {
        checksums: { [algorithm]: combineFullObject(algorithm, named) },
        checksumType: 'FULL_OBJECT',
      }
    }
    throw new S3Error(
      'InvalidRequest',
      `The upload was not created using a ${algorithm.toLowerCase()} checksum.`,
    )
  }
  return { checksums: {} }
}
