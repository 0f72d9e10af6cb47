/** Asks nodes how far they have come. Only answers at exactly the epoch that was asked about count. */

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
