import type { NodeId } from '../../protocol/ids.ts'

/** Why a partition is not whole although all blocks that any node gives now are here. */
export interface Stuck {
  /**
   * Nodes of its sets that did not answer, where too few others did. This node itself is named when all blocks are here and
   * it can't vouch for that: it may have forgotten something that no other node can compare with it (D8).
   */
  readonly unheard: readonly NodeId[]
  /** How many blocks some node has named and no node gives. A node that does not answer may have them. */
  readonly unreadable: number
  /** Nodes that named such blocks and did not answer when they were asked for them. */
  readonly failing: readonly NodeId[]
}
