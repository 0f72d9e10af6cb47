/**
 * Ring tokens: the points of the keyspace that belong to a node, BLAKE3(node id ‖ i u32). Only their
 * first 52 bits are kept: they order a million tokens without a tie in practice, and a tie is broken
 * by node id.
 */

import { assert } from '../assert.ts'
import { utf8 } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import type { NodeId } from '../ids.ts'

/** Tokens of a node of mean capacity. */
export const TOKENS_MEAN = 128
/** A node far above the mean has no more than this: one node can't make the table huge. */
export const RING_TOKENS_MAX = 1 << 16

/** Bits of a token value that are kept. */
export const TOKEN_BITS = 52

/** Tokens in proportion to capacity, at least one. */
export function tokenCount(capacityBytes: number, meanCapacityBytes: number): number {
  const count = Math.round((TOKENS_MEAN * capacityBytes) / meanCapacityBytes)
  return Math.min(Math.max(count, 1), RING_TOKENS_MAX)
}

/** The first 52 bits of the node's tokens 0 … count − 1, in that order. */
export function tokensOf(nodeId: NodeId, count: number): Float64Array {
  assert(count >= 1 && count <= RING_TOKENS_MAX, 'a node has a token, and not too many')
  const tokens = new Float64Array(count)
  const name = utf8(nodeId)
  const input = new Uint8Array(name.length + 4)
  input.set(name)
  const counter = new DataView(input.buffer, name.length)
  for (let i = 0; i < count; i++) {
    counter.setUint32(0, i)
    const hash = blake3(input)
    const high = ((hash[0]! << 24) | (hash[1]! << 16) | (hash[2]! << 8) | hash[3]!) >>> 0
    const low = (hash[4]! << 12) | (hash[5]! << 4) | (hash[6]! >>> 4)
    tokens[i] = high * 0x10_0000 + low
  }
  return tokens
}
