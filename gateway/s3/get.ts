/** GetObject and HeadObject: conditions, ranges, parts, overrides of headers. */

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
  requestedPart,
  SYSTEM_HEADERS,
} from './common.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

const OVERRIDES: readonly (readonly [parameter: string, header: string])[] = [
  ['response-content-type', 'Content-Type'],
  ['response-content-language', 'Content-Language'],
  ['response-expires', 'Expires'],
  ['response-cache-control', 'Cache-Control'],
  ['response-content-disposition', 'Content-Disposition'],
  ['response-content-encoding', 'Content-Encoding'],
]

export function getObject(call: Call): Promise<S3Response> {
  return readObject(call, true)
}

export function headObject(call: Call): Promise<S3Response> {
  return readObject(call, false)
}

async function readObject(call: Call, withData: boolean): Promise<S3Response> {
  try {
    return await readOnce(call, withData)
  } catch (error) {
    if (!(error instanceof ReplacedError)) throw error
    return readOnce(call, withData)
  }
}

async function readOnce(call: Call, withData: boolean): Promise<S3Response> {
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
  const reader = await call.store.getObject(call.context, { bucket, key, versionId, withData })
  const { info } = reader
  if (evaluateRead(headers, info, call.nowMs) === 'not-modified') {
    return { status: 304, headers: validators(reader) }
  }
  const answer = describe(reader)
  const range =
    partNumber === undefined
      ? rangeOf(call, info)
      : partRange(info, requestedPart(partNumber), answer)
  if (request.query.size > 0) override(call, answer)
  const start = range?.start ?? 0
  const end = range?.end ?? info.sizeBytes
  answer['Content-Length'] = String(end - start)
  if (range !== undefined) answer['Content-Range'] = `bytes ${start}-${end - 1}/${info.sizeBytes}`
  if (headers['x-amz-checksum-mode'] !== undefined) {
    if (partNumber !== undefined && info.parts !== undefined) {
      addPartChecksum(answer, info, Number(partNumber))
    } else if (range === undefined || end - start === info.sizeBytes) addChecksums(answer, info)
  }
  const status = range === undefined ? 200 : 206
  if (!withData) return { status, headers: answer }
  return { status, headers: answer, body: await bodyOf(reader, start, end) }
}

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

function describe({ info, versioned }: ObjectReader): ResponseHeaders {
  const answer: ResponseHeaders = {
    'Last-Modified': httpDate(info.lastModifiedMs),
    ETag: `"${info.etag}"`,
    'Accept-Ranges': 'bytes',
  }
  addVersionHeader(answer, { versioned, versionId: info.versionId })
  for (const [stored, answered] of SYSTEM_HEADERS) {
    const value = info.system[stored]
    if (value !== undefined) answer[answered] = value
  }
  for (const name in info.user) answer[`x-amz-meta-${name}`] = encodedWord(info.user[name] ?? '')
  if (info.storageClass !== 'STANDARD') answer['x-amz-storage-class'] = info.storageClass
  return answer
}

function rangeOf(call: Call, info: ObjectInfo): ByteRange | undefined {
  const { headers } = call.request
  const range = headers['range']
  if (range === undefined || !rangeApplies(headers, info)) return undefined
  return parseRange(range, info.sizeBytes)
}

/** The range of a part as it was uploaded. An object that was not uploaded in parts is its own only part. */
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
