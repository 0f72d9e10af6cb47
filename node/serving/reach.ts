/**
 * Who may ask for what (L1b). A member may ask for everything. A learner copies, and a source is copied from and asks
 * whether what it has is elsewhere: both may read, and change nothing at anybody.
 */

import { LAYOUT_RPC_MAX, LAYOUT_RPC_MIN, RPC } from '../../protocol/rpc/message.ts'

/** What learners and sources may ask, besides reads of registers. */
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
/** They name their epoch: who may ask is judged at that one at least, since a member may have been a learner a
 * moment ago. */
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
