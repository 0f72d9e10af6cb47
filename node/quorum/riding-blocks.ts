/** Blocks that are sent with an accept (A5). */

import type { BlockKey } from '../../protocol/ids.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { RegisterRequest } from '../../protocol/register/types.ts'
import type { OwnedBlock } from '../replica/blocks.ts'

/** Blocks that the proposer has in its hands, by key. */
export type AtHand = ReadonlyMap<BlockKey, OwnedBlock>

export const NOTHING_AT_HAND: AtHand = new Map()
export const NOTHING_RIDING: readonly OwnedBlock[] = []

/**
 * The blocks at hand that the value names, as far as they fit into one message. An acceptor asks for those that were
 * left out.
 */
export function ridingWith(request: RegisterRequest, atHand: AtHand): readonly OwnedBlock[] {
  if (request.type !== 'accept' || atHand.size === 0) return NOTHING_RIDING
  const riding: OwnedBlock[] = []
  let sizeBytes = 0
  for (const key of request.value.blocks) {
    const block = atHand.get(key)
    if (block === undefined || sizeBytes + block.bytes.length > BLOCK_BYTES) continue
    riding.push(block)
    sizeBytes += block.bytes.length
  }
  return riding
}
