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
  readonly #fetching = new Map<NodeId, Promise<void>>()

  constructor(log: LayoutLog, peers: LayoutPeers) {
    this.#log = log
    this.#peers = peers
  }

  /** One fetch from a peer at a time, shared by all who ask meanwhile. What the peer did not have when an
   * earlier caller's fetch began, it may have by now: only a fetch that began after the call ends it. */
  async to(epoch: number, from: NodeId): Promise<void> {
    // A stranger to the cluster gets its first entries by joining only.
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

  async #fetch(from: NodeId): Promise<void> {
    const entries = await fetchEntries(this.#log.epoch, async (after, offset) =>
      chunkMessage.decode(
        await this.#peers.call(from, LAYOUT_RPC.entries, entriesMessage.encode(after, offset)),
      ),
    )
    await this.#log.adopt(entries)
  }
}
