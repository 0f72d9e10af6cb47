/** Keys of blocks: partition (2) ‖ data id (24) ‖ index u32. */

import { readU32, u16, u32 } from '../bytes.ts'
import type { BlockKey, DataId, RegisterKey } from '../ids.ts'
import { DATA_ID_BYTES } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { KeyRange } from './key.ts'
import { blockKeyHash, partitionOf, partitionOfKey } from './key.ts'

export const BLOCK_KEY_BYTES = 2 + DATA_ID_BYTES + 4

/**
 * The partition of a block of its own. Packed blocks are in that of their register.
 *
 * @param bits partition bits of the cluster
 */
export function blockPartition(dataId: DataId, index: number, bits: number): number {
  return partitionOf(blockKeyHash(dataId, index), bits)
}

/** The key of the block in any partition: the caller says which. */
export function blockKey(partition: number, dataId: DataId, index: number): BlockKey {
  return (u16(partition) + dataId + u32(index)) as BlockKey
}

/** A block that is stored beside its object's register: index 0 in the register's own partition. */
export function packedBlockKey(register: RegisterKey, dataId: DataId): BlockKey {
  return blockKey(partitionOfKey(register), dataId, 0)
}

export function dataIdOf(key: BlockKey): DataId {
  checkInput(key.length === BLOCK_KEY_BYTES, 'not the key of a block')
  return key.slice(2, 2 + DATA_ID_BYTES) as DataId
}

export function blockIndexOf(key: BlockKey): number {
  checkInput(key.length === BLOCK_KEY_BYTES, 'not the key of a block')
  return readU32(key, 2 + DATA_ID_BYTES)
}

/** Every block of one partition. */
export function blockPartitionRange(partition: number): KeyRange<BlockKey> {
  // Longer than any key of the last partition of 16 bits, and of 0xff only.
  const end = partition === 0xffff ? '\xff'.repeat(BLOCK_KEY_BYTES + 1) : u16(partition + 1)
  return { start: u16(partition) as BlockKey, end: end as BlockKey }
}
