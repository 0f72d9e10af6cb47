/**
 * Digest of what one node holds of one partition: equal digests mean equal contents. It is kept up to
 * date by exclusive or, so that its cost does not depend on how much the partition holds.
 *
 * ```
 * 0            4                16               20           32
 * registers    xor of (12)      blocks           xor of (12)
 * ```
 * of hash(key ‖ ballot) for registers, hash(key) for blocks. The hash has 96 bits, well mixed, and is
 * not cryptographic, because every write computes it. A collision would only hide a gap from a comparison, and a client
 * could provoke one only in its own data.
 */

import { assert } from '../assert.ts'
import { bytesOf, u32 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { BlockKey, ByteString, RegisterKey } from '../ids.ts'
import type { Ballot } from '../register/ballot.ts'

export const DIGEST_BYTES = 32
/** The first bytes: of registers only. */
export const REGISTER_DIGEST_BYTES = 16
const BLOCKS_AT = REGISTER_DIGEST_BYTES

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
  else toggle(next, 4, registerText(key, before))
  toggle(next, 4, registerText(key, after))
  return next
}

/** Takes a register away that was at `before`: its state is damaged here. */
export function dropRegister(digest: Uint8Array, key: RegisterKey, before: Ballot): Uint8Array {
  const next = new Uint8Array(digest)
  count(next, 0, -1)
  toggle(next, 4, registerText(key, before))
  return next
}

/** Adds (+1) or takes away (−1) a block. */
export function toggleBlock(digest: Uint8Array, key: BlockKey, by: 1 | -1): Uint8Array {
  const next = new Uint8Array(digest)
  count(next, BLOCKS_AT, by)
  toggle(next, BLOCKS_AT + 4, key)
  return next
}

/** The number of blocks that the digest counts. `at`: where the part about blocks begins, 0 when there is no other. */
export function blockCount(digest: Uint8Array, at = BLOCKS_AT): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(at)
}

/** One digest for a group of partitions. */
export function combineDigests(
  digests: Iterable<{ partition: number; digest: Uint8Array }>,
): Uint8Array {
  const parts: Uint8Array[] = []
  for (const { partition, digest } of digests) parts.push(bytesOf(u32(partition)), digest)
  return parts.length === 0 ? EMPTY_DIGEST : blake3(...parts)
}

/** The number of registers that the digest counts. */
export function registersIn(digest: Uint8Array): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(0)
}

/** The number of blocks that a digest of both kinds counts. */
export function blocksIn(digest: Uint8Array): number {
  return new DataView(digest.buffer, digest.byteOffset).getUint32(BLOCKS_AT)
}

/** The bytes that are hashed for a register: key, counter (8 bytes, big-endian), proposer. */
function registerText(key: RegisterKey, ballot: Ballot): string {
  const high = Math.floor(ballot.counter / 0x100000000)
  return key + u32(high) + u32(ballot.counter >>> 0) + ballot.proposer
}

/** Three lanes of FNV-1a with multipliers of their own, each finished as MurmurHash3 does. */
function toggle(digest: Uint8Array, at: number, text: ByteString): void {
  let a = 0x811c9dc5
  let b = 0x9747b28c
  let c = 0x3c6ef372
  for (let i = 0; i < text.length; i++) {
    const byte = text.charCodeAt(i)
    a = Math.imul(a ^ byte, 0x01000193)
    b = Math.imul(b ^ byte, 0x5bd1e995) ^ (b >>> 15)
    c = Math.imul(c ^ byte ^ (a >>> 24), 0x9e3779b1)
  }
  xorWord(digest, at, finish(a ^ text.length))
  xorWord(digest, at + 4, finish(b ^ a))
  xorWord(digest, at + 8, finish(c ^ Math.imul(b, 0x27d4eb2f)))
}

function finish(word: number): number {
  let mixed = Math.imul(word ^ (word >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return mixed ^ (mixed >>> 16)
}

function xorWord(digest: Uint8Array, at: number, word: number): void {
  digest[at]! ^= word >>> 24
  digest[at + 1]! ^= (word >>> 16) & 255
  digest[at + 2]! ^= (word >>> 8) & 255
  digest[at + 3]! ^= word & 255
}

function count(digest: Uint8Array, at: number, by: number): void {
  assert(at + 16 <= digest.length, 'a count and its hashes are in the digest')
  const view = new DataView(digest.buffer)
  view.setUint32(at, view.getUint32(at) + by)
}
