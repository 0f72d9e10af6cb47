/**
 * GetObject and HeadObject: conditions, ranges, parts, overrides of headers. Both run the same code, so a HEAD has
 * the status and headers that the GET would have.
 *
 *   read the metadata → conditions (304, 412) → headers of the object → range or part (206, 416)
 *                     → response-* parameters → checksum → first chunk
 *
 * No byte of an answer is sent before its first chunk is there. Until then a failure still becomes an error document.
 */

import { ReplacedError } from '../../protocol/errors.ts'
import type { ObjectInfo, ObjectReader } from '../port/objects.ts'
import { evaluateRead, rangeApplies } from './conditions.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { parseRange, type ByteRange } from '../http/range.ts'
import {
  encodedWord,
  headerValue,
  httpDate,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import {
  addChecksums,
  algorithmOf,
  invalidArgument,
  REDIRECT_LOCATION,
  requestedPart,
  SYSTEM_HEADERS,
} from './common.ts'
import { encryptionHeaders, openReader } from './encryption.ts'
import { addLockHeaders } from './locking.ts'
import { addTagCount } from './tagging.ts'
import { addExpiration } from './expiration.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

/** The query parameters of GET and HEAD that set a header of the answer, also one that the object does not have. */
const OVERRIDES: readonly (readonly [parameter: string, header: string])[] = [
  ['response-content-type', 'Content-Type'],
  ['response-content-language', 'Content-Language'],
  ['response-expires', 'Expires'],
  ['response-cache-control', 'Cache-Control'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-encoding', 'Content-Encoding'],
]

/**
 * `GET /bucket/key`: 200 with the object, 206 with a range or part of it, 304 when the client has it already. Throws
 * NoSuchKey, NoSuchVersion, MethodNotAllowed for a named delete marker, PreconditionFailed, InvalidRange,
 * InvalidPartNumber.
 */
export function getObject(call: Call): Promise<S3Response> {
  return readObject(call, true)
}

/** `HEAD /bucket/key`: the status and the headers of the GET. The store is not asked for the data. */
export function headObject(call: Call): Promise<S3Response> {
  return readObject(call, false)
}

/**
 * The object for a visitor of a website: GetObject or HeadObject, but an object that redirects is answered with 301, whatever
 * the conditions of the request are.
 */
export function readWebsiteObject(call: Call, withData: boolean): Promise<S3Response> {
  return readObject(call, withData, redirectOf)
}

function redirectOf({ system }: ObjectInfo): S3Response | undefined {
  const location = system[REDIRECT_LOCATION]
  return location === undefined ? undefined : { status: 301, headers: { Location: location } }
}

/** What is answered instead of some objects. */
type Instead = (info: ObjectInfo) => S3Response | undefined

/**
 * Reads once more, and only once, when the object was replaced between its metadata and its first chunk (R4). The
 * second read may find another version, so conditions and ranges are evaluated again.
 */
async function readObject(call: Call, withData: boolean, instead?: Instead): Promise<S3Response> {
  try {
    return await readOnce(call, withData, instead)
  } catch (error) {
    if (!(error instanceof ReplacedError)) throw error
    return readOnce(call, withData, instead)
  }
}

/**
 * One attempt. Throws ReplacedError when the blocks were freed by an overwrite or delete before the first chunk was
 * read.
 */
async function readOnce(call: Call, withData: boolean, instead?: Instead): Promise<S3Response> {
  const { request, bucket, key } = call
  const { headers } = request
  const versionId = requestedVersion(call)
  const partNumber = parameter(request, 'partNumber')
  if (partNumber !== undefined && (headers['range'] ?? '') !== '') {
    throw new S3Error(
      'InvalidRequest',
      'Cannot specify both Range header and partNumber query parameter',
    )
  }
  const found = await call.getObject({ bucket, key, versionId, withData })
  const reader = await openReader(call, found, withData)
  const { info } = reader
  const other = instead?.(info)
  if (other !== undefined) return other
  if (evaluateRead(headers, info, call.nowMs) === 'not-modified') {
    return { status: 304, headers: validators(reader) }
  }
  const answer = { ...describe(reader), ...encryptionHeaders(call, info) }
  if (info.tags !== undefined) await addTagCount(answer, call, info, versionId)
  if (info.lock !== undefined) await addLockHeaders(answer, call, info, versionId)
  const range =
    partNumber === undefined
      ? rangeOf(call, info)
      : partRange(info, requestedPart(partNumber), answer)
  if (request.query.size > 0) override(call, answer)
  const start = range?.start ?? 0
  const end = range?.end ?? info.sizeBytes
  answer['Content-Length'] = String(end - start)
  if (range !== undefined) answer['Content-Range'] = `bytes ${start}-${end - 1}/${info.sizeBytes}`
  // A stored checksum covers the whole object. With a range the client could not verify it, and the SDKs would report
  // damaged data.
  if (headers['x-amz-checksum-mode'] !== undefined) {
    if (partNumber !== undefined && info.parts !== undefined) {
      addPartChecksum(answer, info, Number(partNumber))
    } else if (range === undefined || end - start === info.sizeBytes) addChecksums(answer, info)
  }
  const status = range === undefined ? 200 : 206
  if (!withData) return { status, headers: answer }
  return { status, headers: answer, body: await bodyOf(reader, start, end) }
}

/**
 * The bytes [start, end): the ones that came with the metadata when the object is packed, else a stream whose first
 * chunk has been read.
 */
async function bodyOf(
  reader: ObjectReader,
  start: number,
  end: number,
): Promise<Uint8Array | AsyncIterable<Uint8Array> | string> {
  const { bytes, info } = reader
  if (start === end) return ''
  if (bytes === undefined) return begun(reader.read(start, end)[Symbol.asyncIterator]())
  return end - start === info.sizeBytes ? bytes : bytes.subarray(start, end)
}

/** Fetches the first chunk. Until then nothing of the answer has been sent, so the read may be repeated (R4). */
async function begun(chunks: AsyncIterator<Uint8Array>): Promise<AsyncIterable<Uint8Array>> {
  let first: IteratorResult<Uint8Array> | undefined = await chunks.next()
  const iterator: AsyncIterator<Uint8Array> = {
    next() {
      if (first === undefined) return chunks.next()
      const result = Promise.resolve(first)
      first = undefined
      return result
    },
    return: () => chunks.return?.() ?? Promise.resolve({ done: true, value: undefined }),
  }
  return { [Symbol.asyncIterator]: () => iterator }
}

/**
 * The headers of a 304: those that a 200 would have had and that a cache needs to update its copy (RFC 9110 15.4.5).
 */
function validators({ info, versioned }: ObjectReader): ResponseHeaders {
  const answer: ResponseHeaders = {
    'Last-Modified': httpDate(info.lastModifiedMs),
    ETag: `"${info.etag}"`,
  }
  addVersionHeader(answer, { versioned, versionId: info.versionId })
  const cache = info.system['cache-control']
  const expires = info.system['expires']
  if (cache !== undefined) answer['Cache-Control'] = cache
  if (expires !== undefined) answer['Expires'] = expires
  return answer
}

/**
 * The headers that describe the object as a whole. User metadata that is not ASCII becomes encoded words (RFC 2047),
 * as in S3. The storage class is left out when it is STANDARD, as in S3.
 */
function describe({ info, versioned }: ObjectReader): ResponseHeaders {
  const answer: ResponseHeaders = {
    'Last-Modified': httpDate(info.lastModifiedMs),
    ETag: `"${info.etag}"`,
    'Accept-Ranges': 'bytes',
  }
  addVersionHeader(answer, { versioned, versionId: info.versionId })
  addExpiration(answer, info.expiration)
  for (const [stored, answered] of SYSTEM_HEADERS) {
    const value = info.system[stored]
    if (value !== undefined) answer[answered] = value
  }
  for (const name in info.user) answer[`x-amz-meta-${name}`] = encodedWord(info.user[name] ?? '')
  if (info.storageClass !== 'STANDARD') answer['x-amz-storage-class'] = info.storageClass
  return answer
}

/**
 * The range of the Range header. Undefined means the whole object with 200: without a range, when If-Range names
 * another version of the object, and for the ranges that S3 ignores (range.ts). Throws InvalidRange.
 */
function rangeOf(call: Call, info: ObjectInfo): ByteRange | undefined {
  const { headers } = call.request
  const range = headers['range']
  if (range === undefined || !rangeApplies(headers, info)) return undefined
  return parseRange(range, info.sizeBytes)
}

/**
 * The range of a part as it was uploaded. Adds the number of parts to the answer. An object that was not uploaded in
 * parts is its own only part. Undefined for an empty part: Content-Range could not name it, so the answer is a 200
 * without bytes. Throws InvalidPartNumber (416).
 */
function partRange(
  info: ObjectInfo,
  partNumber: number,
  answer: ResponseHeaders,
): ByteRange | undefined {
  const sizes = info.parts?.map(({ sizeBytes }) => sizeBytes) ?? [info.sizeBytes]
  if (partNumber > sizes.length) {
    throw new S3Error('InvalidPartNumber', undefined, {
      details: { ActualPartCount: sizes.length, PartNumberRequested: partNumber },
    })
  }
  if (info.parts !== undefined) answer['x-amz-mp-parts-count'] = String(sizes.length)
  let start = 0
  for (const size of sizes.slice(0, partNumber - 1)) start += size
  const end = start + (sizes[partNumber - 1] ?? 0)
  return start === end ? undefined : { start, end }
}

/** Adds the checksum of the part, not of the object: clients verify the bytes that they get with it. */
function addPartChecksum(answer: ResponseHeaders, info: ObjectInfo, partNumber: number): void {
  const algorithm = algorithmOf(info.checksums)
  const checksum = info.parts?.[partNumber - 1]?.checksum
  if (algorithm === undefined || checksum === undefined) return
  addChecksums(answer, { checksums: { [algorithm]: checksum }, checksumType: info.checksumType })
}

/** Applies response-* parameters. Only signed requests may choose headers of the answer, since browsers obey these. */
function override(call: Call, answer: ResponseHeaders): void {
  for (const [name, header] of OVERRIDES) {
    const text = parameter(call.request, name)
    if (text === undefined) continue
    if (call.auth.method === 'anonymous') {
      throw new S3Error(
        'InvalidRequest',
        'Request specific response headers cannot be used for anonymous GET requests.',
      )
    }
    const value = headerValue(text)
    if (value === undefined) throw invalidArgument(name, text, 'Header value is not valid.')
    answer[header] = value
  }
}
