/** Logs one line when a member, or the majority of the members, is lost or comes back. */

import type { NodeId } from '../../protocol/ids.ts'
import type { Environment, Logger, PeerEvent } from '../env/ports.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'

export interface PeerWatchOptions {
  readonly logger: Logger
  readonly self: NodeId
  /** Members of the last layout known, with this node if it is one. */
  readonly members: () => readonly NodeId[]
  readonly connected: (peer: NodeId) => boolean
}

/** Remembers what was logged last, so that each loss and each return is one line. */
export class PeerWatch {
  readonly #options: PeerWatchOptions
  /** Members that have been up since the start. */
  readonly #seen = new Set<NodeId>()
  /** As it was logged last. A start begins without: the first line says that there is one. */
  #hasMajority = false

  constructor(options: PeerWatchOptions) {
    this.#options = options
  }

  /** Called when a member comes or goes, and when the layout changes. */
  look(): void {
    const { logger } = this.#options
    const members = this.#members()
    // This node is a learner or has left the cluster, so it serves no clients.
    if (members.length === 0) return
    const up = this.#up(members)
    const hasMajority = up * 2 > members.length
    if (hasMajority === this.#hasMajority) return
    this.#hasMajority = hasMajority
    const fields = { up, members: members.length }
    if (hasMajority) logger.info(fields, 'a majority of the members is up')
    else logger.warn(fields, 'the majority of the members is lost: most requests get 503')
  }

  /** A connection to another node was made or lost. Nodes that are not members are ignored. */
  note({ type, peer }: PeerEvent): void {
    const members = this.#members()
    if (members.includes(peer)) {
      const fields = { peer, up: this.#up(members), members: members.length }
      const isBack = this.#seen.has(peer)
      if (type === 'down') this.#options.logger.warn(fields, 'a member is lost')
      else this.#options.logger.info(fields, isBack ? 'a member is back' : 'a member is up')
      this.#seen.add(peer)
    }
    this.look()
  }

  /** Empty while this node is not a member: members close connections to a node that has left, so it can't tell who is up. */
  #members(): readonly NodeId[] {
    const members = this.#options.members()
    return members.includes(this.#options.self) ? members : []
  }

  /** How many of them are connected, this node included. */
  #up(members: readonly NodeId[]): number {
    return members.filter((member) => this.#options.connected(member)).length
  }
}

/** Watches for as long as the node runs. */
export function watchPeers(
  { logger, network }: Pick<Environment, 'logger' | 'network'>,
  layout: LayoutManager,
  stopped: () => boolean,
): void {
  const watch = new PeerWatch({
    logger,
    self: network.self,
    members: () => layout.current()?.members.map(({ nodeId }) => nodeId) ?? [],
    connected: (peer) => network.connected(peer),
  })
  network.onPeer((event) => {
    if (!stopped()) watch.note(event)
  })
  layout.onChange(() => {
    if (!stopped()) watch.look()
  })
}
