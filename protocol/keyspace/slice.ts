/**
 * Slices of the keyspace: what a node announces in the DHT is not each of its partitions but the slices in which it has
 * any (docs/architecture.md). A node that announces and a node that walks must
 * compute the same slice, so both call this.
 */

import { checkInput } from '../input.ts'

/** Slices of the keyspace, whatever the number of its partitions. */
export const SLICES = 256
const SLICE_BITS = 8

/**
 * The slice, 0 to 255, of a data partition: its first 8 bits of `partitionBits`. A keyspace of fewer bits has a slice
 * for each partition. Throws InputError when there is no such data partition.
 */
export function sliceOf(partition: number, partitionBits: number): number {
  checkInput(
    Number.isInteger(partition) && partition >= 0 && partition < 2 ** partitionBits,
    'no such data partition',
  )
  return partition >>> Math.max(partitionBits - SLICE_BITS, 0)
}
