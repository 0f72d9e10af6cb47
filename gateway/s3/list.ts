/**
 * ListObjects and ListObjectsV2, and what ListObjectVersions shares with them. The store decides whether there
 * is a next page (T1), not the number of entries: even a short or empty page may have one.
 */

import type { ListedObject, ListPage } from '../port/objects.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { xmlResponse, type S3Response } from '../http/response.ts'
import { encodeUrl, joinedXml, tag, xmlDate } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import { bucketOwner, invalidArgument, ownerXml, pageSize } from './common.ts'

/** Writes names as XML, or form-encoded when the client asked for that. */
export type NameWriter = (text: string) => string

/** The parameters of a listing. */
export interface Listing {
  readonly prefix: string
  readonly delimiter: string | undefined
  readonly limit: number
  readonly write: NameWriter
  readonly encodingXml: string
}

export async function listObjects(call: Call): Promise<S3Response> {
  const listing = listingOf(call, 'max-keys')
  const marker = parameter(call.request, 'marker')
  const page = await readPage(call, listing, marker)
  const owner = ownerXml(await bucketOwner(call))
  const { write } = listing
  const head =
    tag('Name', call.bucket) +
    named('Prefix', listing.prefix, write) +
    named('Marker', marker ?? '', write) +
    (saysNextMarker(page, listing) ? named('NextMarker', page.next ?? '', write) : '')
  return xmlResponse(
    'ListBucketResult',
    head +
      commonXml(listing, page.next !== undefined) +
      (await entriesXml(call, page, listing, owner)),
  )
}

/** As in AWS: without a delimiter clients continue after the last key, so only a page that ends elsewhere has a marker. */
function saysNextMarker({ next, objects }: ListPage, { delimiter }: Listing): boolean {
  return next !== undefined && (delimiter !== undefined || objects.at(-1)?.key !== next)
}

export async function listObjectsV2(call: Call): Promise<S3Response> {
  const { request } = call
  const listing = listingOf(call, 'max-keys')
  const startAfter = parameter(request, 'start-after')
  const token = parameter(request, 'continuation-token')
  const after = token === undefined ? startAfter : decodeListToken(token)
  const page = await readPage(call, listing, after)
  const { write } = listing
  const count = page.objects.length + page.prefixes.length
  const owner =
    parameter(request, 'fetch-owner') === 'true' ? ownerXml(await bucketOwner(call)) : ''
  const head =
    tag('Name', call.bucket) +
    named('Prefix', listing.prefix, write) +
    // As in AWS, an empty one has no effect but is returned.
    (request.query.has('start-after') ? named('StartAfter', startAfter ?? '', write) : '') +
    tag('ContinuationToken', request.query.get('continuation-token')) +
    (page.next === undefined ? '' : tag('NextContinuationToken', encodeListToken(page.next))) +
    tag('KeyCount', count)
  return xmlResponse(
    'ListBucketResult',
    head +
      commonXml(listing, page.next !== undefined) +
      (await entriesXml(call, page, listing, owner)),
  )
}

/** The parameters that all listings of a bucket share. Throws InvalidArgument. */
export function listingOf(call: Call, sizeParameter: string): Listing {
  const { request } = call
  const encoding = parameter(request, 'encoding-type')
  if (encoding !== undefined && encoding !== 'url') {
    throw invalidArgument('encoding-type', encoding, 'Invalid Encoding Method specified in Request')
  }
  return {
    prefix: parameter(request, 'prefix') ?? '',
    delimiter: parameter(request, 'delimiter'),
    limit: pageSize(request, sizeParameter),
    write: encoding === 'url' ? encodeUrl : escapeXml,
    encodingXml: encoding === 'url' ? '<EncodingType>url</EncodingType>' : '',
  }
}

/** An element with a name, written as the client asked for it. */
export function named(element: string, value: string, write: NameWriter): string {
  return `<${element}>${write(value)}</${element}>`
}

/** The common prefixes of a page. */
export function prefixesXml(
  call: Call,
  prefixes: readonly string[],
  write: NameWriter,
): string | Promise<string> {
  return call.inTurns(
    joinedXml(
      prefixes,
      (prefix) => `<CommonPrefixes><Prefix>${write(prefix)}</Prefix></CommonPrefixes>`,
    ),
  )
}

async function readPage(
  call: Call,
  listing: Listing,
  after: string | undefined,
): Promise<ListPage> {
  if (listing.limit === 0) {
    await call.store.headBucket(call.context, call.bucket)
    return { objects: [], prefixes: [] }
  }
  const { prefix, delimiter, limit } = listing
  return call.store.listObjects(call.context, {
    bucket: call.bucket,
    prefix,
    delimiter,
    after: after || undefined,
    limit,
  })
}

/** The elements that all listings of a bucket have. */
export function commonXml(listing: Listing, truncated: boolean): string {
  const { delimiter } = listing
  return (
    tag('MaxKeys', listing.limit) +
    (delimiter === undefined ? '' : named('Delimiter', delimiter, listing.write)) +
    listing.encodingXml +
    tag('IsTruncated', truncated)
  )
}

/** The hot loop of a listing: it makes only the text of each entry. */
async function entriesXml(
  call: Call,
  page: ListPage,
  { write }: Listing,
  owner: string,
): Promise<string> {
  const entry = (object: ListedObject): string =>
    `<Contents><Key>${write(object.key)}</Key>${detailsXml(object)}${owner}${storageXml(object)}</Contents>`
  const objects = await call.inTurns(joinedXml(page.objects, entry))
  return objects + (await prefixesXml(call, page.prefixes, write))
}

/** The elements of one entry, without key, version and owner. */
export function detailsXml(object: ListedObject): string {
  const { checksumAlgorithm, checksumType } = object
  const checksum =
    checksumAlgorithm === undefined
      ? ''
      : `<ChecksumAlgorithm>${checksumAlgorithm}</ChecksumAlgorithm><ChecksumType>${checksumType ?? 'FULL_OBJECT'}</ChecksumType>`
  return `<LastModified>${xmlDate(object.lastModifiedMs)}</LastModified><ETag>&quot;${object.etag}&quot;</ETag>${checksum}<Size>${object.sizeBytes}</Size>`
}

export function storageXml(object: ListedObject): string {
  return `<StorageClass>${escapeXml(object.storageClass)}</StorageClass>`
}

const TOKEN_VERSION = '1'

/** The token is opaque to clients. Its version allows another content later. */
export function encodeListToken(next: string): string {
  return Buffer.from(TOKEN_VERSION + next, 'utf8').toString('base64url')
}

/** The content of a token. Throws InvalidArgument. */
export function decodeListToken(token: string): string {
  const text = Buffer.from(token, 'base64url').toString('utf8')
  const valid = text.startsWith(TOKEN_VERSION) && encodeListToken(text.slice(1)) === token
  if (!valid) {
    throw invalidArgument(
      'continuation-token',
      token,
      'The continuation token provided is incorrect',
    )
  }
  return text.slice(1)
}
