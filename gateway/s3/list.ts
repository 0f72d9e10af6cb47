/**
 * ListObjects and ListObjectsV2, and what ListObjectVersions shares with them. The store decides whether there
 * is a next page (T1), not the number of entries: even a short or empty page may have one.
 */

import { allowsAcls } from '../auth/acl-settings.ts'
import { LISTED_TEXT, ListedObjects, type ListedObject } from '../port/listed-objects.ts'
import type { ListPage } from '../port/objects.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { AnswerMemory } from '../http/answer-memory.ts'
import { xmlResponseOf, type S3Response } from '../http/response.ts'
import { encodeUrl, joinedXml, meteredName, tag, xmlDate, type NameWriter } from '../http/xml.ts'
import { escapeXml, xmlDocumentAround } from '../http/xml-text.ts'
import { listingXml, type ListedOwners } from './list-xml.ts'
import { invalidArgument, ownerXml, pageSize } from './common.ts'

/** The parameters that all listings of a bucket share, checked. */
export interface Listing {
  /** '' lists all keys. */
  readonly prefix: string
  /** Keys that contain it after the prefix are shown together, as one common prefix. */
  readonly delimiter: string | undefined
  /** Keys and common prefixes of one page: 0 to 1,000. */
  readonly limit: number
  /** For every key, prefix, delimiter and marker of the answer. */
  readonly write: NameWriter
  /** `<EncodingType>`, or ''. */
  readonly encodingXml: string
}

/**
 * `GET /bucket`: the older listing, which continues after a key (`marker`). Every entry has its owner. Throws
 * InvalidArgument, NoSuchBucket.
 */
export async function listObjects(call: Call): Promise<S3Response> {
  const listing = listingOf(call, 'max-keys')
  const marker = parameter(call.request, 'marker')
  const page = await readPage(call, listing, marker)
  const owners = await listedOwners(call)
  const { write } = listing
  const head =
    tag('Name', call.bucket) +
    named('Prefix', listing.prefix, write) +
    named('Marker', marker ?? '', write) +
    (saysNextMarker(page, listing) ? named('NextMarker', page.next ?? '', write) : '')
  const common = commonXml(listing, page.next !== undefined)
  return pageResponse(call, page, listing, owners, head + common)
}

/** As in AWS: without a delimiter clients continue after the last key, so only a page that ends elsewhere has a marker. */
function saysNextMarker({ next, objects }: ListPage, { delimiter }: Listing): boolean {
  const last = objects.length === 0 ? undefined : objects.text(objects.length - 1, LISTED_TEXT.key)
  return next !== undefined && (delimiter !== undefined || last !== next)
}

/**
 * `GET /bucket?list-type=2`: continues with an opaque token. A token takes precedence over `start-after`, which
 * counts only for the first page. Entries have an owner only with `fetch-owner=true`. Throws InvalidArgument,
 * NoSuchBucket.
 */
export async function listObjectsV2(call: Call): Promise<S3Response> {
  const { request } = call
  const listing = listingOf(call, 'max-keys')
  const startAfter = parameter(request, 'start-after')
  const token = parameter(request, 'continuation-token')
  const after = token === undefined ? startAfter : decodeListToken(token)
  const page = await readPage(call, listing, after)
  const { write } = listing
  const count = page.objects.length + page.prefixes.length
  const owners: ListedOwners =
    parameter(request, 'fetch-owner') === 'true' ? await listedOwners(call) : { common: '' }
  const head =
    tag('Name', call.bucket) +
    named('Prefix', listing.prefix, write) +
    // As in AWS, an empty one has no effect but is returned.
    (request.query.has('start-after') ? named('StartAfter', startAfter ?? '', write) : '') +
    tag('ContinuationToken', request.query.get('continuation-token')) +
    (page.next === undefined ? '' : tag('NextContinuationToken', encodeListToken(page.next))) +
    tag('KeyCount', count)
  const common = commonXml(listing, page.next !== undefined)
  return pageResponse(call, page, listing, owners, head + common)
}

/**
 * Reads the parameters that all listings of a bucket share. `sizeParameter` is the name of the one that limits the
 * page: `max-keys` or `max-uploads`. Throws InvalidArgument.
 */
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
      (prefix, meter) =>
        `<CommonPrefixes><Prefix>${meteredName(prefix, write, meter)}</Prefix></CommonPrefixes>`,
    ),
  )
}

/**
 * One page of the store, after the key `after`. `max-keys=0` is an empty page that is not truncated, as in AWS; the
 * store is asked only whether the bucket exists.
 */
async function readPage(
  call: Call,
  listing: Listing,
  after: string | undefined,
): Promise<ListPage> {
  if (listing.limit === 0) {
    await call.store.headBucket(call.context, call.bucket)
    return { objects: ListedObjects.of([]), prefixes: [] }
  }
  const { prefix, delimiter, limit } = listing
  const turn = call.onPage(limit)
  if (turn !== undefined) await turn
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

/** For the documents of all pages that are being sent. */
const answers = new AnswerMemory()

/** The document of a page, whose elements before the entries are `head`. */
async function pageResponse(
  call: Call,
  page: ListPage,
  { write }: Listing,
  owners: ListedOwners,
  head: string,
): Promise<S3Response> {
  const prefixes = await prefixesXml(call, page.prefixes, write)
  const [start, end] = xmlDocumentAround('ListBucketResult', head, prefixes)
  // A page may have 1,000 entries, and there may be many listings at once: they take turns (work-queue.ts).
  const work = listingXml(page.objects, write, owners, start, end, answers)
  const body = await call.inTurns(work)
  page.objects.release()
  return { ...xmlResponseOf(body), release: () => answers.give(body) }
}

/**
 * Who owns the entries of a listing, in elements of these names. An account of its own counts where lists do
 * (BucketOwnerEnforced: nowhere).
 */
export async function listedOwners(
  call: Call,
  ...elements: readonly string[]
): Promise<ListedOwners> {
  const { info, settings } = await call.access(call.bucket)
  const names = elements.length === 0 ? ['Owner'] : elements
  const of = (account: string): string => names.map((name) => ownerXml(account, name)).join('')
  const common = of(info.ownerAccount)
  return allowsAcls(settings) ? { common, of } : { common }
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

/** The storage class as the client sent it with the object. */
export function storageXml(object: ListedObject): string {
  const { storageClass } = object
  if (storageClass === 'STANDARD') return '<StorageClass>STANDARD</StorageClass>'
  return `<StorageClass>${escapeXml(storageClass)}</StorageClass>`
}

const TOKEN_VERSION = '1'

/**
 * The token for the page after `next`: base64url of the version of its format, then the key. It is opaque to clients,
 * and the version allows another content later. Used by ListObjectsV2 and ListBuckets.
 */
export function encodeListToken(next: string): string {
  return Buffer.from(TOKEN_VERSION + next, 'utf8').toString('base64url')
}

/**
 * The key in a token. Throws InvalidArgument unless `encodeListToken` could have made it: a token that was cut or
 * changed would continue somewhere else without an error.
 */
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
