/**
 * Asks nodes how far they have come in a change of the layout. Only answers at exactly the epoch that was asked about
 * count. Called by the steps of ChangeDriver.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { EpochWitness } from './epoch-witness.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC } from './messages.ts'
import { progressMessage, type PartitionProgress } from './progress.ts'

export interface Polled {
  /** Answers of the nodes at the epoch that was asked about. */
  readonly at: ReadonlyMap<NodeId, PartitionProgress>
  /** All nodes that answered, at any epoch. */
  readonly answered: ReadonlySet<NodeId>
}

export class ProgressPoll {
  readonly #peers: LayoutPeers
  readonly #witness: EpochWitness

  constructor(peers: LayoutPeers, witness: EpochWitness) {
    this.#peers = peers
    this.#witness = witness
  }

  /**
   * Asks all of the nodes at once. Resolves when each has answered or failed, at the latest after
   * LAYOUT_CALL_TIMEOUT_MS, and never rejects. Each answer also tells the witness which epoch the node holds.
   */
  async ask(view: LayoutView, nodes: readonly NodeId[]): Promise<Polled> {
    const at = new Map<NodeId, PartitionProgress>()
    const answered = new Set<NodeId>()
    await this.#peers.gather(
      nodes,
      LAYOUT_RPC.progress,
      epochMessage.encode(view.epoch),
      (from, bytes) => {
        const progress = progressMessage.decode(bytes)
        answered.add(from)
        this.#witness.hear(from, progress.epoch)
        if (progress.epoch === view.epoch) at.set(from, progress)
      },
      () => answered.size === nodes.length,
    )
    return { at, answered }
  }
}
