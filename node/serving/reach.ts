/**
 * Says which peers may send which messages (L1b). A member may send all. A learner copies data; a source is copied from, and
 * asks whether other nodes have its data. Both may read, and change nothing at other nodes. Used by Service.
 */

import { LAYOUT_RPC_MAX, LAYOUT_RPC_MIN, RPC } from '../../protocol/rpc/message.ts'

/** Messages that learners and sources may send, besides reads of registers. */
const READS: ReadonlySet<number> = new Set([
  RPC.getBlock,
  RPC.digests,
  RPC.enumerate,
  RPC.holds,
  RPC.summary,
  RPC.pairs,
  RPC.states,
  RPC.hello,
  RPC.status,
  RPC.attempts,
])
/**
 * Messages that name their epoch. The sender must be a member at that epoch or a later one, because a member may have been a
 * learner a moment ago.
 */
const NAMES_EPOCH: ReadonlySet<number> = new Set([
  RPC.register,
  RPC.putBlock,
  RPC.list,
  RPC.raise,
  RPC.bury,
  RPC.collect,
  RPC.recall,
])

/** When it must be known that the sender is a member. */
export function checkOf(type: number): 'never' | 'at-its-epoch' | 'at-once' {
  if (type >= LAYOUT_RPC_MIN && type <= LAYOUT_RPC_MAX) return 'never'
  if (READS.has(type)) return 'never'
  return NAMES_EPOCH.has(type) ? 'at-its-epoch' : 'at-once'
}
