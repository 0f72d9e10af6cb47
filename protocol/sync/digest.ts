/**
 * Digest of what one node holds of one partition: equal digests, equal contents. Kept up to date by
 * exclusive or, so that its cost does not depend on how much the partition holds.
 *
 * ```
 * 0            4                16               20           32
 * registers    xor of (12)      blocks           xor of (12)
 * ```
 * of BLAKE3(key ‖ ballot) for registers, BLAKE3(key) for blocks.
 */

import { bytesOf, u32 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { BlockKey, RegisterKey } from '../ids.ts'
import type { Ballot } from '../register/ballot.ts'

export const DIGEST_BYTES = 32
const XOR_BYTES = 12
const BLOCKS_AT = 16

export const EMPTY_DIGEST: Uint8Array = new Uint8Array(DIGEST_BYTES)

/** Puts the register at `after` in place of what it was at `before` (absent: it is new). */
export function toggleRegister(
  digest: Uint8Array,
  key: RegisterKey,
  before: Ballot | undefined,
  after: Ballot,
): Uint8Array {
  const next = new Uint8Array(digest)
  if (before === undefined) count(next, 0, 1)
  else xor(next, 4, registerHash(key, before))
  xor(next, 4, registerHash(key, after))
  return next
}

/** Adds (+1) or takes away (−1) a block. */
export function toggleBlock(digest: Uint8Array, key: BlockKey, by: 1 | -1): Uint8Array {
  const next = new Uint8Array(digest)
  count(next, BLOCKS_AT, by)
  xor(next, BLOCKS_AT + 4, blake3(bytesOf(key)))
  return next
}

/** Of a group of partitions. */
export function combineDigests(
  digests: Iterable<{ partition: number; digest: Uint8Array }>,
): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { partition, digest } of digests) parts.push(bytesOf(u32(partition)), digest)
  return parts.length === 0 ? EMPTY_DIGEST : blake3(...parts)
}

export function registersIn(digest: Uint8Array): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

export function blocksIn(digest: Uint8Array): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(BLOCKS_AT)
}

function registerHash(key: RegisterKey, ballot: Ballot): Uint8Array {
  const high = Math.floor(ballot.counter / 0x100000000)
  return blake3(bytesOf(key + u32(high) + u32(ballot.counter >>> 0) + ballot.proposer))
}

function xor(digest: Uint8Array, at: number, hash: Uint8Array): void {
  for (let i = 0; i < XOR_BYTES; i++) digest[at + i]! ^= hash[i]!
}

function count(digest: Uint8Array, at: number, by: number): void {
  const view = new DataView(digest.buffer)
  view.setUint32(at, view.getUint32(at) + by)
}
