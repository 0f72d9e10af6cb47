/**
 * Which members hold which epoch, as they said themselves. A node names an epoch only after it has flushed it, so what
 * is heard here holds across crashes.
 *
 * Once the epoch is held (`isHeld`), no request of an earlier epoch finds a majority anywhere, even one that still waits for
 * its answer (L4, L8, G5).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { majority } from '../../protocol/register/quorum.ts'

export class EpochWitness {
  readonly #self: NodeId
  readonly #view: () => LayoutView | undefined
  readonly #heard = new Map<NodeId, number>()
  /** The last epoch that was found to be held. */
  #heldEpoch = 0
  /** A node has named a later epoch since the last look. */
  #isNews = true
  #lookedEpoch = 0

  constructor(self: NodeId, view: () => LayoutView | undefined) {
    this.#self = self
    this.#view = view
  }

  /** Called when a node says that it holds this epoch. */
  hear(node: NodeId, epoch: number): void {
    const before = this.#heard.get(node) ?? 0
    if (epoch <= before) return
    this.#heard.set(node, epoch)
    this.#isNews = true
  }

  /** The highest epoch that the node has named; 0 when it has named none. */
  epochOf(node: NodeId): number {
    if (node === this.#self) return this.#view()?.epoch ?? 0
    return this.#heard.get(node) ?? 0
  }

  /** Whether in every active set of every partition a majority holds the epoch of the view. */
  isHeld(): boolean {
    const view = this.#view()
    if (view === undefined) return false
    if (this.#heldEpoch === view.epoch) return true
    if (!this.#isNews && this.#lookedEpoch === view.epoch) return false
    this.#isNews = false
    this.#lookedEpoch = view.epoch
    if (!this.#isHeldBySets(view)) return false
    this.#heldEpoch = view.epoch
    // Nodes that have left for good are dropped.
    for (const node of this.#heard.keys()) {
      if (view.knownMember(node) === undefined) this.#heard.delete(node)
    }
    return true
  }

  /**
   * Whether a majority of the other members was heard at exactly the epoch of the view. A node leaves an epoch before it
   * votes on the entry after the next one, and each majority that this node took part in includes one of the nodes that were
   * heard. So even an earlier life of this node, whose directory was put back since, got no further than the next epoch.
   */
  isLatest(): boolean {
    const view = this.#view()
    if (view === undefined) return false
    const others = view.members.filter(({ nodeId }) => nodeId !== this.#self)
    const heard = others.filter(({ nodeId }) => this.epochOf(nodeId) === view.epoch)
    return heard.length >= majority(others.length)
  }

  #isHeldBySets(view: LayoutView): boolean {
    const holders = new Set<NodeId>()
    for (const { nodeId } of view.members) {
      if (this.epochOf(nodeId) >= view.epoch) holders.add(nodeId)
    }
    if (holders.size === view.members.length) return true
    for (let p = 0; p < view.partitions; p++) {
      for (const set of view.replicaSets(p)) {
        const holding = set.filter((node) => holders.has(node)).length
        if (holding < majority(set.length)) return false
      }
    }
    return true
  }
}
