/** Functions over the multipart uploads of the memory backend: parts and listings. */

import { StoreError } from '../../protocol/errors.ts'
import type {
  CompletedPart,
  CompletedUpload,
  ListUploadsPage,
  ListUploadsRequest,
  PartInfo,
  UploadInfo,
} from '../port/uploads.ts'
import type { EncryptedBody } from '../port/encryption.ts'
import type { ObjectPart } from '../port/objects.ts'
import type { ChecksumAlgorithm, FinishedBody } from '../port/body.ts'
import { compareKeys, foldPage } from './memory-listing.ts'

/** A part and its bytes, in the pieces in which they arrived. */
export interface StoredPart {
  readonly info: PartInfo
  readonly pieces: readonly Uint8Array[]
  readonly encrypted: EncryptedBody | undefined
}

/** An upload with its latest parts by number. They are dropped when the object has their bytes. */
export interface StoredUpload {
  readonly info: UploadInfo
  readonly parts: Map<number, StoredPart>
  /** The answer of the completion, once there was one. */
  completed?: CompletedUpload
}

/** The parts after number `request.after`, in order. `next` is the last number shown, if there are more. */
export function listPartsOf(
  upload: StoredUpload,
  request: { after: number; limit: number },
): { parts: readonly PartInfo[]; next?: number | undefined } {
  const rest = [...upload.parts.values()]
    .map((part) => part.info)
    .filter((part) => part.partNumber > request.after)
    .sort((a, b) => a.partNumber - b.partNumber)
  const parts = rest.slice(0, request.limit)
  const next = rest.length > parts.length ? parts.at(-1)?.partNumber : undefined
  return { parts, next }
}

/** Lists the open uploads, without completed ones. */
export function listUploadsOf(
  uploads: Iterable<StoredUpload>,
  request: ListUploadsRequest,
): ListUploadsPage {
  const { keyMarker, uploadIdMarker } = request
  const open = [...uploads]
    .filter((upload) => upload.completed === undefined)
    .map((upload) => upload.info)
    .sort((a, b) => compareKeys(a.key, b.key) || compareKeys(a.uploadId, b.uploadId))
    .filter((upload) => {
      if (keyMarker === undefined) return true
      const order = compareKeys(upload.key, keyMarker)
      if (order !== 0) return order > 0
      return uploadIdMarker !== undefined && compareKeys(upload.uploadId, uploadIdMarker) > 0
    })
  const { prefix, delimiter, limit } = request
  // Several uploads may share a key, so a key marker cannot be used as `after`; a prefix can.
  const skipped = keyMarker?.endsWith(delimiter ?? '\n') === true ? keyMarker : undefined
  const entries = open.filter((upload) => skipped === undefined || !upload.key.startsWith(skipped))
  const page = foldPage(entries, (upload) => upload.key, { prefix, delimiter, limit })
  if (page.next === undefined) return { uploads: page.entries, prefixes: page.prefixes }
  const last = page.entries.at(-1)
  return {
    uploads: page.entries,
    prefixes: page.prefixes,
    nextKeyMarker: page.next,
    nextUploadIdMarker: last?.key === page.next ? last.uploadId : undefined,
  }
}

/** The part as the object stores it, with the checksum in the algorithm of the whole object. */
export function objectPartOf({ sizeBytes, checksums }: PartInfo, whole: FinishedBody): ObjectPart {
  const [algorithm] = Object.keys(whole.checksums) as ChecksumAlgorithm[]
  return { sizeBytes, checksum: algorithm === undefined ? undefined : checksums[algorithm] }
}

/** The named parts, in order. Throws InvalidPartOrder, InvalidPart, EntityTooSmall. */
export function chooseParts(
  upload: StoredUpload,
  named: readonly CompletedPart[],
  minPartBytes: number,
): StoredPart[] {
  const chosen: StoredPart[] = []
  let last = 0
  for (const each of named) {
    if (each.partNumber <= last) throw new StoreError('InvalidPartOrder')
    last = each.partNumber
  }
  for (const [index, each] of named.entries()) {
    const part = upload.parts.get(each.partNumber)
    const sums = Object.entries(each.checksums) as [ChecksumAlgorithm, string][]
    const differs =
      part === undefined ||
      part.info.etag !== each.etag ||
      sums.some(([algorithm, value]) => part.info.checksums[algorithm] !== value)
    if (differs) {
      throw new StoreError('InvalidPart', undefined, {
        UploadId: upload.info.uploadId,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    if (index < named.length - 1 && part.info.sizeBytes < minPartBytes) {
      throw new StoreError('EntityTooSmall', undefined, {
        ProposedSize: part.info.sizeBytes,
        MinSizeAllowed: minPartBytes,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    chosen.push(part)
  }
  return chosen
}
