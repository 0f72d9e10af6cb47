/** Data whose last known reference a change has removed, as the collector is told (G5). */

import { byteString } from '../../protocol/bytes.ts'
import type { StorageRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import { dataId, type RegisterKey } from '../../protocol/ids.ts'
import { ownedByManifest, ownedByObject, type BlockOwner } from '../../protocol/keyspace/owner.ts'
import {
  bucketIdOf,
  objectKeyOf,
  shardOfKey,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import type { Reclaim, Released } from './reclaim.ts'

/** The register of the upload that became this object. It is in the object's partition. */
export function uploadRegisterOf(
  object: RegisterKey,
  uploadId: Uint8Array,
  bits: number,
): RegisterKey {
  const bucket = bucketIdOf(object)!
  return uploadRegister(bucket, shardOfKey(object), objectKeyOf(object), byteString(uploadId), bits)
}

/**
 * The owner of a version's data: the registers that may name it.
 *
 * A version does not say from which part a piece of its data came, so the registers to ask are upload and object. The
 * parts' registers are tombstones since the upload was completed.
 */
export function ownerOf(object: RegisterKey, version: VersionRecord, bits: number): BlockOwner {
  const { uploadId } = version
  return uploadId.length === 0
    ? ownedByObject(object)
    : ownedByManifest(uploadRegisterOf(object, uploadId, bits))
}

/**
 * Data of a version that is gone, without what its manifest lists: `releasedParts`. Empty bodies have no blocks and are
 * left out. `mayFree` is never set for data of an upload, whose other register was not changed.
 */
export function releasedVersion(
  object: RegisterKey,
  version: VersionRecord,
  bits: number,
  isOver: Reclaim['isOver'],
): Released[] {
  const owner = ownerOf(object, version, bits)
  const plain = version.uploadId.length === 0
  return version.storage
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .map((storage) => releasedStorage(owner, storage, plain && isOver(idOf(storage))))
}

/** Manifest and parts of a version that is gone. `parts` is empty when the manifest could not be read. */
export function releasedParts(
  object: RegisterKey,
  version: VersionRecord,
  parts: readonly StorageRecord[],
  bits: number,
): Released[] {
  const owner = ownerOf(object, version, bits)
  const manifest = { dataId: version.manifest, sizeBytes: 0, packed: true }
  return [...parts.filter(({ sizeBytes }) => sizeBytes > 0), manifest].map((storage) =>
    releasedStorage(owner, storage, false),
  )
}

/** One piece of data, as the collector is told of it. */
export function releasedStorage(
  owner: BlockOwner,
  storage: StorageRecord,
  mayFree: boolean,
): Released {
  const { sizeBytes, packed } = storage
  return { owner, dataId: idOf(storage), sizeBytes, packed, mayFree }
}

function idOf(storage: StorageRecord): Released['dataId'] {
  return dataId(byteString(storage.dataId))
}
