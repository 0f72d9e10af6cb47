/**
 * GetObjectAttributes: what HEAD does not tell, chosen by the client. Unlike HEAD it answers in XML, and it lists the
 * parts that an object was uploaded in.
 */

import { trim } from '../http/ascii.ts'
import type { ObjectInfo } from '../port/objects.ts'
import type { Checksums, FinishedBody } from '../port/body.ts'
import type { Call } from './operation.ts'
import { httpDate, xmlResponse, type ResponseHeaders, type S3Response } from '../http/response.ts'
import { tag } from '../http/xml.ts'
import { algorithmOf, checksumXml, invalidArgument } from './common.ts'
import { openReader } from './encryption.ts'
import { addVersionHeader, readAction, requestedVersion } from './version.ts'

/** The attributes that a client may ask for in x-amz-object-attributes. */
const KNOWN = ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize']
/** AWS's maximum for one page of parts. */
const MAX_PAGE = 1000

/**
 * `GET /bucket/key?attributes`. Elements are in the order of AWS's answer, whatever the order in the request. Throws
 * InvalidArgument, AccessDenied, NoSuchKey, NoSuchVersion.
 */
export async function getObjectAttributes(call: Call): Promise<S3Response> {
  const { headers } = call.request
  const versionId = requestedVersion(call)
  const wanted = wantedAttributes(headers['x-amz-object-attributes'])
  const { bucket, key } = call
  // As in AWS, the caller also needs the right to read the object.
  const object = { bucket, key, versionId }
  await call.authorize(readAction(versionId), object)
  const found = await call.getObject({ ...object, withData: false })
  const { info, versioned } = await openReader(call, found, false)
  const maxParts = countHeader(call, 'x-amz-max-parts') ?? MAX_PAGE
  const marker = countHeader(call, 'x-amz-part-number-marker') ?? 0
  let content = ''
  if (wanted.has('ETag')) content += tag('ETag', info.etag)
  if (wanted.has('Checksum')) {
    const sums = checksumXml(withoutCount(info))
    if (sums !== '') content += `<Checksum>${sums}</Checksum>`
  }
  if (wanted.has('ObjectParts')) content += partsXml(info, marker, Math.min(maxParts, MAX_PAGE))
  if (wanted.has('StorageClass')) content += tag('StorageClass', info.storageClass)
  if (wanted.has('ObjectSize')) content += tag('ObjectSize', info.sizeBytes)
  const answer: ResponseHeaders = { 'Last-Modified': httpDate(info.lastModifiedMs) }
  addVersionHeader(answer, { versioned, versionId: info.versionId })
  return xmlResponse('GetObjectAttributesResponse', content, answer)
}

/** The names in x-amz-object-attributes, at least one. Throws InvalidArgument. */
function wantedAttributes(header: string | undefined): ReadonlySet<string> {
  // Empty members are ignored; a list on several lines may have some (RFC 9110, 5.6.1.2).
  const given = (header ?? '').split(',').map(trim)
  const names = given.filter((name) => name !== '')
  const wrong = names.length === 0 ? '' : names.find((name) => !KNOWN.includes(name))
  if (wrong !== undefined) {
    throw invalidArgument('x-amz-object-attributes', wrong, 'Invalid attribute name specified.')
  }
  return new Set(names)
}

/** A header that holds a number from 0 to 999,999; undefined without it. Throws InvalidArgument. */
function countHeader(call: Call, name: string): number | undefined {
  const text = call.request.headers[name]
  if (text === undefined) return undefined
  if (!/^\d{1,6}$/.test(text)) throw invalidArgument(name, text)
  return Number(text)
}

/** As in AWS, composite checksums are shown here without the number of parts. */
function withoutCount({ checksums, checksumType }: ObjectInfo): Omit<FinishedBody, 'etag'> {
  const plain = Object.entries(checksums).map(([algorithm, value]) => [
    algorithm,
    value.replace(/-\d+$/, ''),
  ])
  return { checksums: Object.fromEntries(plain) as Checksums, checksumType }
}

/**
 * The parts after number `marker`, at most `maxParts`. '' for objects that were not uploaded in parts: as in AWS,
 * they have no `<ObjectParts>` at all.
 */
function partsXml(info: ObjectInfo, marker: number, maxParts: number): string {
  const { parts } = info
  if (parts === undefined) return ''
  const algorithm = algorithmOf(info.checksums)
  const shown = parts.slice(marker, marker + maxParts)
  const last = marker + shown.length
  let text =
    tag('PartsCount', parts.length) +
    tag('PartNumberMarker', marker) +
    tag('NextPartNumberMarker', last) +
    tag('MaxParts', maxParts) +
    tag('IsTruncated', last < parts.length)
  for (const [index, { sizeBytes, checksum }] of shown.entries()) {
    const sum = algorithm === undefined ? '' : tag(`Checksum${algorithm}`, checksum)
    text += `<Part>${tag('PartNumber', marker + index + 1)}${tag('Size', sizeBytes)}${sum}</Part>`
  }
  return `<ObjectParts>${text}</ObjectParts>`
}
