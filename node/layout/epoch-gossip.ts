/**
 * Tells other members this node's epoch, and learns theirs. Each entry reaches every member in several ways:
 *
 *   - a node that adopts it publishes its epoch (EPOCH_TOPIC), and calls up to NOTIFY_MAX nodes that it knows
 *   - each heartbeat publishes the epoch once more, and calls one member at random
 *   - a peer that comes up is called
 *
 * A notice only says who has a later entry. The entry is fetched from that node and obeyed only with its certificate
 * (L1), so a false notice costs one call.
 */

import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Network, Random } from '../env/ports.ts'
import type { EpochWitness } from './epoch-witness.ts'
import type { LayoutLog } from './layout-log.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC } from './messages.ts'

export const EPOCH_TOPIC = 'shoal/epoch'
/** Peers told of a new epoch by each node that adopts it, besides gossip. */
const NOTIFY_MAX = 16

export interface EpochGossipParts {
  readonly log: LayoutLog
  readonly peers: LayoutPeers
  readonly network: Pick<Network, 'publish'>
  readonly random: Random
  readonly witness: EpochWitness
  readonly isMember: () => boolean
  readonly catchUp: (epoch: number, from: NodeId) => Promise<void>
}

export class EpochGossip {
  readonly #parts: EpochGossipParts

  constructor(parts: EpochGossipParts) {
    this.#parts = parts
  }

  /** Spreads a new entry. A few peers are enough, because each of them tells others in turn. */
  spread(known: NodeId[]): void {
    this.publish()
    this.notify(this.#some(known, NOTIFY_MAX))
  }

  /** Makes sure that a member that hears no gossip still learns of later epochs. */
  beat(): void {
    this.publish()
    const peers = this.#parts.log.view?.members.map((member) => member.nodeId) ?? []
    this.notify(
      this.#some(
        peers.filter((peer) => peer !== this.#parts.peers.self),
        1,
      ),
    )
  }

  /** Publishes {clusterId, epoch} as JSON. A node that is no member says nothing, because others may not know it. */
  publish(): void {
    const view = this.#parts.log.view
    if (view === undefined || !this.#parts.isMember()) return
    const notice = JSON.stringify({ clusterId: view.clusterId, epoch: view.epoch })
    this.#parts.network.publish(EPOCH_TOPIC, utf8(notice))
  }

  /** Tells peers of this node's epoch, and learns of theirs. */
  notify(peers: readonly NodeId[]): void {
    const { log, witness, catchUp } = this.#parts
    for (const peer of peers) {
      const { epoch } = log
      this.#parts.peers
        .call(peer, LAYOUT_RPC.notice, epochMessage.encode(epoch))
        .then((answer) => {
          const theirs = epochMessage.decode(answer)
          witness.hear(peer, theirs)
          return catchUp(theirs, peer)
        })
        .catch(() => undefined)
    }
  }

  /** Listener of EPOCH_TOPIC. A notice that is no JSON, or of another cluster, is ignored. */
  heard(from: NodeId, bytes: Uint8Array): void {
    const { log, witness, catchUp } = this.#parts
    let notice: unknown
    try {
      notice = JSON.parse(utf8Text(bytes))
    } catch {
      return
    }
    if (typeof notice !== 'object' || notice === null) return
    const { clusterId, epoch } = notice as { clusterId?: unknown; epoch?: unknown }
    if (clusterId !== log.view?.clusterId || typeof epoch !== 'number') return
    witness.hear(from, epoch)
    void catchUp(epoch, from).catch(() => undefined)
  }

  /** Up to `count` of the nodes, at random. */
  #some(peers: NodeId[], count: number): NodeId[] {
    const { random } = this.#parts
    for (let i = 0; i < Math.min(count, peers.length); i++) {
      const j = i + Math.floor(random.float() * (peers.length - i))
      const picked = peers[j]!
      peers[j] = peers[i]!
      peers[i] = picked
    }
    return peers.slice(0, count)
  }
}
