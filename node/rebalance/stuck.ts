import type { NodeId } from '../../protocol/ids.ts'

/** Why a partition is not whole although all blocks that any node gives now are here. */
export interface Stuck {
  /** Nodes of its sets that did not say what they have; without them too few did. It names this node itself when all
   * blocks are here and this node can't vouch for that: it may have forgotten something that no other node can compare
   * with it (D8). */
  readonly unheard: readonly NodeId[]
  /** How many blocks some node has named and no node gives: a node that is waited for may have them. */
  readonly unreadable: number
  /** Nodes that named such blocks, and did not answer when they were asked for them. */
  readonly failing: readonly NodeId[]
}
