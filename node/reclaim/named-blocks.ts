/** Every block that a register's value names, version by version, also through pages and manifests. */

import { byteString } from '../../protocol/bytes.ts'
import {
  manifestCodec,
  pageCodec,
  partCodec,
  uploadCodec,
  type PageRecord,
  type StorageRecord,
  type VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { dataId, type BlockKey, type RegisterKey } from '../../protocol/ids.ts'
import { blockKey, blockPartition, packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { objectOf } from '../../protocol/object/object.ts'
import { pageIdOf } from '../../protocol/object/pages.ts'
import { UPLOAD_COMPLETING } from '../../protocol/object/upload-state.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import { versionIdText } from '../objects/versions.ts'
import type { ReadBlock } from './references.ts'

/** Blocks that are lost together: one entry of the list of what is lost. */
export interface NamedBlocks {
  /** The id that clients know, or a description in brackets where there is no version id. */
  readonly versionId: string
  readonly sizeBytes: number
  readonly blocks: BlockKey[]
}

/**
 * Yields the blocks of each version. A page or manifest that can't be read is named itself, and what it lists is left out.
 * Rejects with the error of `read`.
 */
export async function* namedBlocks(
  key: RegisterKey,
  value: RegisterValue,
  read: ReadBlock,
  bits: number,
): AsyncGenerator<NamedBlocks> {
  if (value.tombstone) return
  const space = spaceOf(key)
  if (space === 'object') yield* ofPage(key, objectOf(value), read, bits)
  if (space === 'part') {
    const { storage } = partCodec.decode(value.body)
    if (storage === undefined) return
    const blocks = blocksOf(key, [storage], bits)
    yield { versionId: '(uploaded)', sizeBytes: storage.sizeBytes, blocks }
  }
  if (space === 'upload') {
    const { state, result } = uploadCodec.decode(value.body)
    if (state !== UPLOAD_COMPLETING || result === undefined) return
    const named = await ofVersion(key, result, read, bits)
    yield { ...named, versionId: '(being completed)' }
  }
}

/** The versions of a record or a page, and what its pages hold. Delete markers have no data. */
async function* ofPage(
  key: RegisterKey,
  { versions, pages }: Pick<PageRecord, 'versions' | 'pages'>,
  read: ReadBlock,
  bits: number,
): AsyncGenerator<NamedBlocks> {
  for (const version of versions) {
    if (!version.deleteMarker) yield await ofVersion(key, version, read, bits)
  }
  for (const ref of pages) {
    const block = packedBlockKey(key, pageIdOf(ref))
    yield { versionId: pageName(ref), sizeBytes: 0, blocks: [block] }
    const bytes = await read(block)
    if (bytes !== undefined) yield* ofPage(key, pageCodec.decode(bytes), read, bits)
  }
}

/** What the list of lost data calls a page of versions. */
export function pageName({ count }: { readonly count: number }): string {
  return `(a page of ${count} older versions)`
}

/** All blocks of one version, also those that its manifest lists. */
async function ofVersion(
  key: RegisterKey,
  version: VersionRecord,
  read: ReadBlock,
  bits: number,
): Promise<NamedBlocks> {
  const { sizeBytes, storage, manifest } = version
  const blocks = blocksOf(key, storage, bits)
  if (manifest.length > 0) {
    const block = packedBlockKey(key, dataId(byteString(manifest)))
    blocks.push(block)
    const bytes = await read(block)
    if (bytes !== undefined)
      blocks.push(...blocksOf(key, manifestCodec.decode(bytes).storage, bits))
  }
  return { versionId: versionIdText(version), sizeBytes, blocks }
}

/** Packed data is one block beside the register; other data is in blocks of 1 MiB. */
function blocksOf(key: RegisterKey, storages: readonly StorageRecord[], bits: number): BlockKey[] {
  const blocks: BlockKey[] = []
  for (const { dataId: bytes, sizeBytes, packed } of storages) {
    if (sizeBytes === 0) continue
    const id = dataId(byteString(bytes))
    if (packed) {
      blocks.push(packedBlockKey(key, id))
      continue
    }
    for (let index = 0; index * BLOCK_BYTES < sizeBytes; index++) {
      blocks.push(blockKey(blockPartition(id, index, bits), id, index))
    }
  }
  return blocks
}
