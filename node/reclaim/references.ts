/**
 * Which data the states of registers name, and what is written where a register is absent.
 *
 *   part       its storage
 *   upload     of a completion under way: the storages of the parts and the manifest
 *   object     of every version: storages and manifests, and the pages that hold older versions
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

/** Every data id that an object's state names, pages read through. Throws when a page can't be read. */
export type ObjectReferences = (
  object: RegisterKey,
  value: RegisterValue,
) => Promise<ReadonlySet<DataId>>

/** The verified bytes of a block from any replica; undefined when none has it. */
export type ReadBlock = (key: BlockKey) => Promise<Uint8Array | undefined>

export function partReferences(value: RegisterValue): Set<DataId> {
  if (value.tombstone) return new Set()
  const { storage } = partCodec.decode(value.body)
  return storage === undefined ? new Set() : idsOf([storage])
}

/** "Completing" is a reference (G5); later the object's state is, earlier the parts' are. */
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

/** Empty bodies have no bytes anywhere: their id is all zeros or missing. */
export function idsOf(storage: readonly StorageRecord[]): Set<DataId> {
  const ids = new Set<DataId>()
  for (const { dataId: bytes, sizeBytes } of storage) if (sizeBytes > 0) ids.add(idOf(bytes))
  return ids
}

function idOf(bytes: Uint8Array): DataId {
  return dataId(byteString(bytes))
}
