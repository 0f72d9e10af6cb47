/**
 * ListObjectVersions: all versions of all keys, including delete markers, newest first. Works on every bucket:
 * without versioning each key has one version, `null` (rule 3 of docs/s3-compatibility.md).
 */

import type { ListedVersion, ListVersionsPage } from '../port/versions.ts'
import type { Meter } from '../../protocol/work.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { xmlResponse, type S3Response } from '../http/response.ts'
import { joinedXml, meteredName, tag, xmlDate } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import { invalidArgument } from './common.ts'
import {
  commonXml,
  detailsXml,
  listedOwners,
  listingOf,
  named,
  prefixesXml,
  storageXml,
  type Listing,
} from './list.ts'
import type { ListedOwners } from './list-xml.ts'
import { checkedVersionId } from './version.ts'

/** Where a page begins: after this key or, with both, after this version of the key. */
interface Markers {
  readonly keyMarker: string | undefined
  readonly versionIdMarker: string | undefined
}

/**
 * `GET /bucket?versions`. Versions and delete markers are in one list in the order of the page, as in AWS. The
 * markers for the next page are present when the page is truncated. Throws InvalidArgument, NoSuchBucket.
 */
export async function listObjectVersions(call: Call): Promise<S3Response> {
  const listing = listingOf(call, 'max-keys')
  const markers = markersOf(call)
  const page = await readPage(call, listing, markers)
  const { write, prefix } = listing
  const { nextKeyMarker, nextVersionIdMarker } = page
  const head =
    tag('Name', call.bucket) +
    named('Prefix', prefix, write) +
    named('KeyMarker', markers.keyMarker ?? '', write) +
    tag('VersionIdMarker', markers.versionIdMarker ?? '') +
    (nextKeyMarker === undefined ? '' : named('NextKeyMarker', nextKeyMarker, write)) +
    tag('NextVersionIdMarker', nextVersionIdMarker)
  const owners = await listedOwners(call)
  const entry = (version: ListedVersion, meter: Meter): string =>
    versionXml(version, meteredName(version.key, write, meter), owners)
  const entries = await call.inTurns(joinedXml(page.versions, entry))
  return xmlResponse(
    'ListVersionsResult',
    head +
      commonXml(listing, nextKeyMarker !== undefined) +
      entries +
      (await prefixesXml(call, page.prefixes, write)),
  )
}

/**
 * Where the listing starts. As in AWS, a version id marker may neither be empty nor come without its key marker.
 * Throws InvalidArgument.
 */
function markersOf(call: Call): Markers {
  const { request } = call
  const keyMarker = parameter(request, 'key-marker')
  const text = request.query.get('version-id-marker')
  if (text === undefined) return { keyMarker, versionIdMarker: undefined }
  if (text === '') {
    throw invalidArgument('version-id-marker', text, 'A version-id marker cannot be empty.')
  }
  if (keyMarker === undefined) {
    throw invalidArgument(
      'version-id-marker',
      text,
      'A version-id marker cannot be specified without a key marker.',
    )
  }
  return { keyMarker, versionIdMarker: checkedVersionId(text, 'version-id-marker') }
}

/**
 * One page of the store. `max-keys=0` is an empty page that is not truncated; the store is asked only whether the
 * bucket exists.
 */
async function readPage(
  call: Call,
  { prefix, delimiter, limit }: Listing,
  markers: Markers,
): Promise<ListVersionsPage> {
  const { bucket } = call
  if (limit === 0) {
    await call.store.headBucket(call.context, bucket)
    return { versions: [], prefixes: [] }
  }
  const turn = call.onPage(limit)
  if (turn !== undefined) await turn
  return call.store.listVersions(call.context, { bucket, prefix, delimiter, limit, ...markers })
}

/** A `<Version>` or a `<DeleteMarker>`; `key` as it is written. A delete marker has no ETag, size or storage class to show. */
function versionXml(version: ListedVersion, key: string, owners: ListedOwners): string {
  const { owner: account } = version
  const owner = (account === undefined ? undefined : owners.of?.(account)) ?? owners.common
  const head = `<Key>${key}</Key><VersionId>${escapeXml(version.versionId)}</VersionId><IsLatest>${version.isLatest}</IsLatest>`
  if (version.deleteMarker) {
    return `<DeleteMarker>${head}<LastModified>${xmlDate(version.lastModifiedMs)}</LastModified>${owner}</DeleteMarker>`
  }
  return `<Version>${head}${detailsXml(version)}${owner}${storageXml(version)}</Version>`
}
