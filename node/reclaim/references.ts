/**
 * Which data the states of registers name.
 *
 *   part       its storage
 *   upload     during a completion: the storages of the parts, and the manifest
 *   object     for every version: its storages and manifest, and the pages that hold older versions
 */

import { byteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  partCodec,
  uploadCodec,
  type StorageRecord,
} from '../../protocol/codec/versioned.ts'
import { dataId, type BlockKey, type DataId, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { UPLOAD_COMPLETING } from '../../protocol/object/upload-state.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'

/** Resolves with every data id that an object's state and its pages name. Rejects when a page can't be read. */
export type ObjectReferences = (
  object: RegisterKey,
  value: RegisterValue,
) => Promise<ReadonlySet<DataId>>

/** The verified bytes of a block from any replica; undefined when none has it. */
export type ReadBlock = (key: BlockKey) => Promise<Uint8Array | undefined>

/** What a part's state names: one data id, or none. */
export function partReferences(value: RegisterValue): Set<DataId> {
  if (value.tombstone) return new Set()
  const { storage } = partCodec.decode(value.body)
  return storage === undefined ? new Set() : idsOf([storage])
}

/**
 * What an upload's state names. Only a "completing" upload is a reference (G5): earlier the parts' states are, later
 * the object's state is. Throws when its manifest can't be read.
 */
export async function uploadReferences(
  upload: RegisterKey,
  value: RegisterValue,
  read: ReadBlock,
): Promise<Set<DataId>> {
  if (value.tombstone) return new Set()
  const { state, result } = uploadCodec.decode(value.body)
  if (state !== UPLOAD_COMPLETING || result === undefined) return new Set()
  const found = idsOf(result.storage)
  if (result.manifest.length > 0) {
    const manifest = idOf(result.manifest)
    found.add(manifest)
    const bytes = await read(packedBlockKey(upload, manifest))
    if (bytes === undefined) throw new Error('the list of parts of an upload can’t be read')
    for (const id of idsOf(manifestCodec.decode(bytes).storage)) found.add(id)
  }
  return found
}

/** The data ids of these storages. Empty bodies have no blocks: their id is all zeros or missing. */
export function idsOf(storage: readonly StorageRecord[]): Set<DataId> {
  const ids = new Set<DataId>()
  for (const { dataId: bytes, sizeBytes } of storage) if (sizeBytes > 0) ids.add(idOf(bytes))
  return ids
}

function idOf(bytes: Uint8Array): DataId {
  return dataId(byteString(bytes))
}
