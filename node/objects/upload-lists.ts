/**
 * Open uploads of a bucket, in order of key and id, folded by a delimiter. Called by uploads.ts.
 *
 * A walk's names are "key NUL id (16 bytes)", so uploads of one key are ordered by their ids.
 */

import {
  byteString,
  bytesOf,
  bytesOfHex,
  hex,
  textOfUtf8,
  utf8ByteString,
} from '../../protocol/bytes.ts'
import { uploadCodec } from '../../protocol/codec/versioned.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import { uploadIdOf, uploadRange } from '../../protocol/keyspace/register-key.ts'
import type { ListUploadsPage, ListUploadsRequest, UploadInfo } from '../../gateway/port/uploads.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Bucket } from './bucket.ts'
import type { Lister } from '../quorum/lister.ts'
import { uploadInfoOf } from './upload-record.ts'
import { UPLOAD_OPEN } from '../../protocol/object/upload-state.ts'

/**
 * One page of open uploads. It begins behind the request's key marker and, within that key, behind its upload id
 * marker. The next markers are there when there is more: the last upload or common prefix of this page. Throws
 * Unavailable, and what the bucket's fence throws.
 */
export async function listUploads(
  context: RequestContext,
  lister: Lister,
  bucket: Bucket,
  request: ListUploadsRequest,
  partitionBits: number,
): Promise<ListUploadsPage> {
  const prefix = utf8ByteString(request.prefix)
  const delimiter = utf8ByteString(request.delimiter ?? '')
  const walk = lister.walk(context, {
    bucket,
    shards: Array.from({ length: bucket.shards }, (_, shard) => shard),
    // A walk's names are "key NUL id"; a marker without an id comes after all uploads of its key.
    range: (shard, after) => {
      const range = uploadRange(bucket.id, shard, prefix, undefined, partitionBits)
      if (after === undefined) return range
      const base = range.start.slice(0, range.start.length - prefix.length)
      const start = base + after
      return start > range.start
        ? { start: (start < range.end ? start : range.end) as RegisterKey, end: range.end }
        : range
    },
    after: markerOf(request, prefix, delimiter),
    expected: request.limit + 1,
  })
  const uploads: UploadInfo[] = []
  const prefixes: string[] = []
  let last: { key: string; uploadId: string } | undefined
  for (;;) {
    const entry = walk.take() ?? (await walk.next())
    if (entry === undefined) return { uploads, prefixes }
    const record = uploadCodec.decode(entry.body)
    if (record.state !== UPLOAD_OPEN) continue
    if (uploads.length + prefixes.length >= request.limit) {
      return { uploads, prefixes, nextKeyMarker: last?.key, nextUploadIdMarker: last?.uploadId }
    }
    const name = entry.name.slice(0, entry.name.length - 17)
    const cut = delimiter === '' ? -1 : name.indexOf(delimiter, prefix.length)
    if (cut >= 0) {
      const common = name.slice(0, cut + delimiter.length)
      prefixes.push(textOfUtf8(common))
      last = { key: textOfUtf8(common), uploadId: '' }
      walk.skipTo(`${common}\xff`)
    } else {
      const uploadId = hex(bytesOf(uploadIdOf(entry.key)))
      uploads.push(uploadInfoOf(record, uploadId))
      last = { key: record.key, uploadId }
    }
  }
}

/**
 * Where a walk begins, as a name of it; undefined for the start of the bucket. An upload id marker that is no id counts
 * as missing.
 */
function markerOf(
  request: ListUploadsRequest,
  prefix: ByteString,
  delimiter: ByteString,
): ByteString | undefined {
  if (request.keyMarker === undefined || request.keyMarker === '') return undefined
  const key = utf8ByteString(request.keyMarker)
  if (request.uploadIdMarker !== undefined && /^[0-9a-f]{32}$/.test(request.uploadIdMarker)) {
    return `${key}\0${byteString(bytesOfHex(request.uploadIdMarker))}\0`
  }
  // An earlier page ended with a common prefix: everything below it is skipped.
  const cut =
    delimiter === '' || !key.startsWith(prefix) ? -1 : key.indexOf(delimiter, prefix.length)
  const folded = cut >= 0 && cut + delimiter.length === key.length
  return folded ? `${key}\xff` : `${key}\x01`
}
