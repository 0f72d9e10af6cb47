/** Fetches, verifies and adopts entries that another member has (L4). */

import type { NodeId } from '../../protocol/ids.ts'
import { fetchEntries } from './entry-transfer.ts'
import { MembershipError } from './errors.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { chunkMessage, entriesMessage, LAYOUT_RPC } from './messages.ts'

export class CatchUp {
  readonly #log: LayoutLog
  readonly #peers: LayoutPeers
  /** The fetch that is under way from each node. */
  readonly #fetching = new Map<NodeId, Promise<void>>()

  constructor(log: LayoutLog, peers: LayoutPeers) {
    this.#log = log
    this.#peers = peers
  }

  /**
   * Adopts entries of the node `from` until this node has the epoch. There is one fetch from a node at a time, which all
   * callers share. The node may have got entries since an earlier caller's fetch began, so only a fetch that began after
   * the call makes it fail.
   */
  async to(epoch: number, from: NodeId): Promise<void> {
    // A stranger to the cluster gets its first entries only by joining.
    if (this.#log.view === undefined) {
      throw new MembershipError('no-answer', 'this node is in no cluster yet')
    }
    while (this.#log.epoch < epoch) {
      const before = this.#log.epoch
      let fetching = this.#fetching.get(from)
      if (fetching !== undefined) {
        await fetching.catch(() => {})
        if (this.#log.epoch > before) continue
        fetching = this.#fetching.get(from)
      }
      if (fetching === undefined) {
        fetching = this.#fetch(from).finally(() => this.#fetching.delete(from))
        this.#fetching.set(from, fetching)
      }
      await fetching
      if (this.#log.epoch === before) {
        throw new MembershipError('no-answer', `${from} does not have epoch ${before + 1}`)
      }
    }
  }

  /** Adopts the next few dozen entries at most. Rejects with the error of the call, or with 'bad-layout'. */
  async #fetch(from: NodeId): Promise<void> {
    const entries = await fetchEntries(this.#log.epoch, async (after, offset) =>
      chunkMessage.decode(
        await this.#peers.call(from, LAYOUT_RPC.entries, entriesMessage.encode(after, offset)),
      ),
    )
    await this.#log.adopt(entries)
  }
}
