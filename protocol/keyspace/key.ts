/**
 * Where things lie: hashes of names, and the partition that a hash falls into (docs/architecture.md).
 *
 *   object metadata   BLAKE3("meta" ‖ bucket id ‖ shard u32)
 *   block             BLAKE3("data" ‖ data id ‖ index u32)
 *   bucket, user …    BLAKE3("sys" ‖ kind ‖ name)
 *
 * The partition is the first `bits` bits of the hash. Integers are big-endian.
 *
 * System registers (the third line) lie in partitions of their own behind those of objects and blocks, where
 * the cluster was founded with such: so many depend on each that they have more replicas (placement.ts).
 */

import { assert } from '../assert.ts'
import { bytesOf, readU16, u32 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { BlockKey, BucketId, ByteString, DataId, RegisterKey } from '../ids.ts'
import { checkInput } from '../input.ts'

/**
 * Bits of a partition number in a new cluster: 32,768 partitions. The genesis record keeps the number of bits for good:
 * clusters of earlier programs have 14.
 */
export const PARTITION_BITS = 15
/** A partition number takes two bytes in every key. */
export const PARTITION_BITS_MAX = 16

/** Bits of a system partition's number in a new cluster of `bits` bits. */
export function systemBitsFor(bits: number): number | undefined {
  return bits >= PARTITION_BITS_MAX ? undefined : Math.min(8, Math.max(0, bits - 2))
}

/** What a cluster's genesis says of where things lie. */
export interface Keyspace {
  readonly partitionBits: number
  /** Absent in clusters of earlier programs: system registers lie among all others. */
  readonly systemPartitionBits?: number | undefined
}

const META = bytesOf('meta')
const DATA = bytesOf('data')
const SYS = bytesOf('sys')

/** Half-open interval of keys, in byte order. */
export interface KeyRange<Key extends ByteString> {
  readonly start: Key
  readonly end: Key
}

export function metaKeyHash(bucketId: BucketId, shard: number): Uint8Array {
  return blake3(META, bytesOf(bucketId + u32(shard)))
}

export function blockKeyHash(dataId: DataId, index: number): Uint8Array {
  return blake3(DATA, bytesOf(dataId + u32(index)))
}

export function sysKeyHash(kind: string, name: ByteString): Uint8Array {
  return blake3(SYS, bytesOf(kind + name))
}

/** The shard of its bucket that holds an object's registers. `shards` is a power of two. */
export function shardOf(bucketId: BucketId, objectKey: ByteString, shards: number): number {
  checkInput(shards >= 1 && (shards & (shards - 1)) === 0, 'shards are a power of two')
  const hash = blake3(bytesOf(bucketId + objectKey))
  return firstWord(hash) & (shards - 1)
}

/** The first `bits` bits of a hash. */
export function partitionOf(hash: Uint8Array, bits: number): number {
  assert(bits >= 0 && bits <= PARTITION_BITS_MAX, 'partition bits are 0 to 16')
  return bits === 0 ? 0 : firstWord(hash) >>> (32 - bits)
}

export function systemPartition(
  kind: string,
  name: ByteString,
  { partitionBits, systemPartitionBits }: Keyspace,
): number {
  const hash = sysKeyHash(kind, name)
  if (systemPartitionBits === undefined) return partitionOf(hash, partitionBits)
  return (1 << partitionBits) + partitionOf(hash, systemPartitionBits)
}

/** The number of partitions: those of objects and blocks, then those of system registers. */
export function partitionCount({ partitionBits, systemPartitionBits }: Keyspace): number {
  const system = systemPartitionBits === undefined ? 0 : 1 << systemPartitionBits
  return (1 << partitionBits) + system
}

export function metadataPartition(bucketId: BucketId, shard: number, bits: number): number {
  return partitionOf(metaKeyHash(bucketId, shard), bits)
}

/** The partition of a register or of a block: its key begins with it. */
export function partitionOfKey(key: RegisterKey | BlockKey): number {
  return readU16(key, 0)
}

/** The least ByteString above every string that begins with `prefix`. */
export function prefixEnd(prefix: ByteString): ByteString {
  let length = prefix.length
  while (length > 0 && prefix.charCodeAt(length - 1) === 0xff) length--
  checkInput(length > 0, 'no key is above this prefix')
  return prefix.slice(0, length - 1) + String.fromCharCode(prefix.charCodeAt(length - 1) + 1)
}

function firstWord(hash: Uint8Array): number {
  assert(hash.length === 32, 'a hash has 32 bytes')
  return ((hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!) >>> 0
}
