/** Shared by several operations: stored headers, checksums, owners, checks of parameters. */

import { upperCase } from '../http/ascii.ts'
import { childText, parsingXml, type XmlElement, type XmlLimits } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import type { ObjectHeaders } from '../port/objects.ts'
import type { ChecksumAlgorithm, Checksums, FinishedBody } from '../port/body.ts'
import {
  readBody,
  storedContentEncoding,
  type ReadBodyOptions,
  type WholeBody,
} from '../body/body.ts'
import { CHECKSUM_ALGORITHMS, checksumHeader, isChecksumAlgorithm } from '../body/checksum.ts'
import { S3Error, type S3ErrorCode } from '../http/errors.ts'
import { parameter, userMetadata, type HeaderRecord, type S3Request } from '../http/request.ts'
import type { Call } from './operation.ts'
import type { ResponseHeaders } from '../http/response.ts'

/** AWS's maximum for one PUT, one part and the source of one copy. */
export const MAX_OBJECT_PUT_BYTES = 5 * 1024 ** 3
/** AWS's maximum for one upload. */
export const MAX_PARTS = 10_000
/** AWS's maximum for one page of a listing. Larger numbers are accepted and mean this one. */
const MAX_PAGE = 1000

/** Where a website sends those who ask for the object. It is stored like a system header. */
export const REDIRECT_LOCATION = 'x-amz-website-redirect-location'
const REDIRECT_LOCATION_BYTES_MAX = 2048

/** The stored system headers and their spelling in answers, in the order of answers. */
export const SYSTEM_HEADERS: readonly (readonly [stored: string, answered: string])[] = [
  ['content-type', 'Content-Type'],
  ['content-encoding', 'Content-Encoding'],
  ['content-disposition', 'Content-Disposition'],
  ['content-language', 'Content-Language'],
  ['cache-control', 'Cache-Control'],
  ['expires', 'Expires'],
  [REDIRECT_LOCATION, REDIRECT_LOCATION],
]

/** What AWS answers for objects without a Content-Type. */
export const DEFAULT_CONTENT_TYPE = 'binary/octet-stream'

/**
 * The headers that PutObject, CopyObject with REPLACE and CreateMultipartUpload store with the object. Empty ones are
 * left out. `aws-chunked` is removed from Content-Encoding: it belongs to the transfer (rule 2 of
 * docs/s3-compatibility.md).
 */
export function objectHeaders(request: S3Request): ObjectHeaders {
  const { headers } = request
  const system: Record<string, string> = {
    'content-type': headers['content-type'] || DEFAULT_CONTENT_TYPE,
  }
  if (headers['content-encoding'] !== undefined) {
    const encoding = storedContentEncoding(request)
    if (encoding !== undefined) system['content-encoding'] = encoding
  }
  keep(headers, system, 'content-disposition')
  keep(headers, system, 'content-language')
  keep(headers, system, 'cache-control')
  keep(headers, system, 'expires')
  keepRedirect(headers, system)
  return {
    system,
    user: userMetadata(request),
    storageClass: headers['x-amz-storage-class'] ?? 'STANDARD',
  }
}

function keep(headers: HeaderRecord, system: Record<string, string>, name: string): void {
  const value = headers[name]
  if (value !== undefined && value !== '') system[name] = value
}

/** Throws InvalidRedirectLocation. */
export function keepRedirect(headers: HeaderRecord, system: Record<string, string>): void {
  const location = headers[REDIRECT_LOCATION]
  if (location === undefined) return
  if (!/^(?:https?:\/)?\//.test(location)) throw new S3Error('InvalidRedirectLocation')
  if (location.length > REDIRECT_LOCATION_BYTES_MAX) {
    throw new S3Error(
      'InvalidRedirectLocation',
      `The length of website redirect location cannot exceed ${REDIRECT_LOCATION_BYTES_MAX} characters.`,
    )
  }
  system[REDIRECT_LOCATION] = location
}

/**
 * Adds the x-amz-checksum-* headers to an answer, and the type when there is any checksum. Objects of parts that were
 * stored by an old version may have none.
 */
export function addChecksums(
  headers: ResponseHeaders,
  finished: Pick<FinishedBody, 'checksums' | 'checksumType'>,
): void {
  let any = false
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = finished.checksums[algorithm]
    if (value === undefined) continue
    headers[checksumHeader(algorithm)] = value
    any = true
  }
  if (any) headers['x-amz-checksum-type'] = finished.checksumType ?? 'FULL_OBJECT'
}

/** `<ChecksumCRC32>…</ChecksumCRC32>` …, then `<ChecksumType>` if there is one. */
export function checksumXml(finished: Pick<FinishedBody, 'checksums' | 'checksumType'>): string {
  const text = checksumValuesXml(finished.checksums)
  if (text === '') return ''
  return `${text}<ChecksumType>${finished.checksumType ?? 'FULL_OBJECT'}</ChecksumType>`
}

/** The checksums of a part, which have no type. */
export function checksumValuesXml(checksums: Checksums): string {
  let text = ''
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = checksums[algorithm]
    if (value !== undefined) text += `<Checksum${algorithm}>${value}</Checksum${algorithm}>`
  }
  return text
}

/** The checksums in an element of a request: ChecksumCRC32 … */
export function checksumsOf(element: XmlElement): Checksums {
  const found: Partial<Record<ChecksumAlgorithm, string>> = {}
  for (const algorithm of CHECKSUM_ALGORITHMS) {
    const value = childText(element, `Checksum${algorithm}`)
    if (value !== undefined && value !== '') found[algorithm] = value
  }
  return found
}

/** The algorithm of a stored object's or part's checksum; undefined when it has none. */
export function algorithmOf(checksums: Checksums): ChecksumAlgorithm | undefined {
  return CHECKSUM_ALGORITHMS.find((algorithm) => checksums[algorithm] !== undefined)
}

/**
 * Reads a header that names a checksum algorithm, in upper or lower case; undefined without the header. Throws
 * InvalidRequest for an unknown name.
 */
export function algorithmHeader(
  headers: HeaderRecord,
  name: string,
): ChecksumAlgorithm | undefined {
  const text = headers[name]
  if (text === undefined) return undefined
  const upper = upperCase(text)
  if (!isChecksumAlgorithm(upper)) {
    throw new S3Error('InvalidRequest', 'Checksum algorithm provided is unsupported.')
  }
  return upper
}

/**
 * The element that names the owner of a bucket, object or upload. Shoal's accounts have no canonical id and no
 * display name as in AWS, so both elements have the account's id.
 */
export function ownerXml(account: string, element = 'Owner'): string {
  const id = escapeXml(account)
  return `<${element}><ID>${id}</ID><DisplayName>${id}</DisplayName></${element}>`
}

/** InvalidArgument with the name and the value of the argument. */
export function invalidArgument(name: string, value: string, message?: string): S3Error {
  return new S3Error('InvalidArgument', message, {
    details: { ArgumentName: name, ArgumentValue: value },
  })
}

/**
 * Reads the size of a page from the query parameter `name`: 0 to 1,000; more means 1,000, and absent 1,000 too. 0 is
 * allowed, as in AWS. Throws InvalidArgument for anything but a number below 2^31.
 */
export function pageSize(request: S3Request, name: string): number {
  const text = parameter(request, name)
  if (text === undefined) return MAX_PAGE
  const value = Number(text)
  if (!/^\d{1,10}$/.test(text) || value > 0x7fffffff) {
    throw invalidArgument(name, text, `Provided ${name} not an integer or within integer range`)
  }
  return Math.min(value, MAX_PAGE)
}

/** Reads a part number, 1 to 10,000. Throws InvalidArgument. */
export function requestedPart(text: string): number {
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > MAX_PARTS) {
    throw invalidArgument(
      'partNumber',
      text,
      `Part number must be an integer between 1 and ${MAX_PARTS}, inclusive`,
    )
  }
  return value
}

/**
 * The results of `run` for all items, in their order. At most `width` run at a time. Rejects with the first failure;
 * what runs by then is not awaited.
 */
export async function mapBounded<Item, Value>(
  items: readonly Item[],
  width: number,
  run: (item: Item) => Promise<Value>,
): Promise<Value[]> {
  const values: Value[] = []
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < items.length) {
      const index = next++
      values[index] = await run(items[index]!)
    }
  }
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker))
  return values
}

/**
 * Asks the client for the body of a document, reads it as a whole, and verifies it. Throws MalformedXML above `maxBytes`,
 * SlowDown when there is no memory for it, and the errors of a wrong digest.
 */
export async function gatherBody(
  call: Call,
  maxBytes: number,
  options?: Pick<ReadBodyOptions, 'checksumsAreOfObject'>,
): Promise<WholeBody> {
  call.wantBody(maxBytes)
  const onBytes = (count: number): Promise<void> | undefined => call.onBytes(count)
  return readBody(call.request, call.auth, { ...options, maxBytes, onBytes })
}

/** AWS requires a digest where a damaged document would do harm. Throws InvalidRequest. */
export function requireDigest({ hasDigest }: WholeBody): void {
  if (hasDigest) return
  throw new S3Error(
    'InvalidRequest',
    'Missing required header for this request: Content-MD5 OR x-amz-checksum-*',
  )
}

/**
 * The document in a body that must be there and have a digest. Throws MissingRequestBodyError, InvalidRequest without a
 * digest, BadDigest, MalformedXML.
 */
export async function digestedXml(call: Call, limits: XmlLimits): Promise<XmlElement> {
  const body = await gatherBody(call, limits.maxBytes)
  if (body.bytes.length === 0) throw new S3Error('MissingRequestBodyError')
  requireDigest(body)
  return call.inTurns(parsingXml(body.bytes, limits))
}

/** What the bucket of a call does not have. */
export function bucketLacking({ bucket }: Call, code: S3ErrorCode): S3Error {
  return new S3Error(code, undefined, { details: { BucketName: bucket } })
}
