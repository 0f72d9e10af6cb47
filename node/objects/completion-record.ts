/** What a completion makes of an upload and its parts, and what it answers. Pure. */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  type PartRecord,
  type StorageRecord,
  type UploadRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { dataId, type DataId } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByManifest } from '../../protocol/keyspace/owner.ts'
import { OBJECT_BYTES_MAX, PART_BYTES_MIN, PARTS_INLINE_BYTES_MAX } from '../../protocol/limits.ts'
import type { CompletedPart, CompletedUpload } from '../../gateway/port/uploads.ts'
import type { FinishedBody } from '../../gateway/port/body.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import { expirationIn } from './bucket-lifecycle.ts'
import type { Released } from './reclaim.ts'
import { noSuchUpload, requestOf, type FencedPlace, type UploadPlace } from './upload-record.ts'
import { UPLOAD_COMPLETING } from '../../protocol/object/upload-state.ts'
import { checksumTypeOf, objectHeadersOf, unpaired, versionRecordOf } from './versions.ts'

/** What CompleteMultipartUpload answers, also to a repeat of the request. */
export type CompletionResult = CompletedUpload

/** The numbers must rise. Throws InvalidPart for an empty list, InvalidPartOrder. */
export function checkOrder(named: readonly CompletedPart[]): void {
  if (named.length === 0) throw new StoreError('InvalidPart', 'no parts were named')
  for (let i = 1; i < named.length; i++) {
    if (named[i]!.partNumber <= named[i - 1]!.partNumber) throw new StoreError('InvalidPartOrder')
  }
}

/**
 * The named parts, as they are stored, in the order in which they were named.
 *
 * Throws InvalidPart when a part is not there or has another ETag or checksum, EntityTooSmall when one before the last
 * is smaller than `partBytesMin`, EntityTooLarge when all together exceed an object's limit.
 */
export function checkedParts(
  stored: ReadonlyMap<number, PartRecord>,
  named: readonly CompletedPart[],
  partBytesMin: number = PART_BYTES_MIN,
): PartRecord[] {
  let sizeBytes = 0
  const parts = named.map((want, i) => {
    const part = stored.get(want.partNumber)
    if (part === undefined || part.etag !== want.etag || !sameChecksums(part, want)) {
      throw new StoreError('InvalidPart', undefined, { PartNumber: want.partNumber })
    }
    if (i < named.length - 1 && part.sizeBytes < partBytesMin) {
      throw new StoreError('EntityTooSmall', undefined, {
        PartNumber: want.partNumber,
        ProposedSize: part.sizeBytes,
        MinSizeAllowed: partBytesMin,
        ETag: part.etag,
      })
    }
    sizeBytes += part.sizeBytes
    return part
  })
  if (sizeBytes > OBJECT_BYTES_MAX) throw new StoreError('EntityTooLarge')
  return parts
}

/**
 * The record of an upload that is completing, and a manifest when there are many parts.
 *
 * `before` is the open upload, `digest` and `attempt` name the request (upload-record.ts). `storage` in the result is
 * the complete list of parts, wherever it is stored. The manifest, if any, is a packed block beside the upload under
 * the attempt's id.
 */
export function completing(
  place: UploadPlace,
  before: UploadRecord,
  parts: readonly PartRecord[],
  finished: FinishedBody,
  digest: Uint8Array,
  attempt: DataId,
): { record: UploadRecord; block: OwnedBlock | undefined; storage: readonly StorageRecord[] } {
  const [algorithm] = Object.keys(finished.checksums)
  const storage = parts.map((part) => storageOf(part, algorithm))
  const sizeBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0)
  const long = lengthOf(storage) > PARTS_INLINE_BYTES_MAX
  const result = versionRecordOf(objectHeadersOf(before), finished, {
    sizeBytes,
    storage: long ? [] : storage,
    manifest: long ? bytesOf(attempt) : new Uint8Array(0),
    uploadId: bytesOf(place.id),
    ...(before.encryption !== undefined && { encryption: before.encryption }),
  })
  const request = requestOf(digest, attempt)
  const record = { ...before, state: UPLOAD_COMPLETING, result, request }
  if (!long) return { record, block: undefined, storage }
  const block = {
    key: packedBlockKey(place.register, attempt),
    owner: ownedByManifest(place.register),
    bytes: manifestCodec.encode({ storage }),
  }
  return { record, block, storage }
}

/** Where a part's bytes are, and its checksum in the algorithm of the object. */
function storageOf(part: PartRecord, algorithm: string | undefined): StorageRecord {
  const { sizeBytes } = part
  const storage = part.storage ?? { dataId: new Uint8Array(24), sizeBytes, packed: true }
  const checksum = part.checksums.find(({ name }) => name === algorithm)
  return checksum === undefined
    ? storage
    : { ...storage, checksum: new Uint8Array(Buffer.from(checksum.value, 'base64')) }
}

/** About how long the list is in a record, in bytes. */
function lengthOf(storage: readonly StorageRecord[]): number {
  return storage.reduce(
    (sum, { checksum, salt }) => sum + 40 + (checksum?.length ?? 0) + (salt?.length ?? 0),
    0,
  )
}

/** The answer for a completed upload, the same for each repeat. Throws NoSuchUpload when the record has no result. */
export function answerOf(place: FencedPlace, { result }: UploadRecord): CompletionResult {
  if (result === undefined) throw noSuchUpload(place.uploadId)
  return {
    etag: result.etag,
    checksums: unpaired(result.checksums),
    checksumType: checksumTypeOf(result.checksumType),
    sizeBytes: result.sizeBytes,
    ...(result.encryption !== undefined && { encryption: result.encryption }),
    versionId: result.versionId === '' ? 'null' : result.versionId,
    versioned: place.fence.record.versioning !== 0,
    lastModifiedMs: result.lastModifiedMs,
    expiration: expirationIn(place.fence, place.object, result),
  }
}

/** The data id of the list of parts, when it is too long for the record. */
export function manifestOf({ result }: UploadRecord): DataId | undefined {
  if (result === undefined || result.manifest.length === 0) return undefined
  return dataId(byteString(result.manifest))
}

/**
 * Tells the collector that the upload names its list of parts no more. Its size is not known here and not needed: it is
 * one packed block.
 */
export function releasedManifest(place: UploadPlace, id: DataId, mayFree: boolean): Released {
  const owner = ownedByManifest(place.register)
  return { owner, dataId: id, sizeBytes: 0, packed: true, mayFree }
}

/** Every checksum that the client names must be the stored one. Those that it leaves out are not compared. */
function sameChecksums(part: PartRecord, want: CompletedPart): boolean {
  const have = unpaired(part.checksums)
  for (const [name, value] of Object.entries(want.checksums)) {
    if (have[name] !== value) return false
  }
  return true
}
