/** All links of a node, and which peers are up. */

import { assert } from '../../protocol/assert.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, NetworkMessage, PeerEvent } from '../env/ports.ts'
import { PeerLink } from './peer-link.ts'
import type { NetworkStats } from './stats.ts'

export interface LinksInit {
  readonly clock: Clock
  readonly stats: NetworkStats
  readonly serve: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>
  readonly onPeer: (event: PeerEvent) => void
  readonly onSilent: (connectionId: string) => void
}

export class Links {
  readonly #init: LinksInit
  /** By connection and by who opened the streams. */
  readonly #links = new Map<string, PeerLink>()
  /** Ready ones, the latest last. */
  readonly #ready = new Map<NodeId, PeerLink[]>()

  constructor(init: LinksInit) {
    this.#init = init
  }

  /** The link of this connection whose streams were opened by us or by the peer, made when new. */
  open(peer: NodeId, connectionId: string, direction: 'inbound' | 'outbound'): PeerLink {
    const key = `${connectionId} ${direction}`
    const known = this.#links.get(key)
    if (known !== undefined) return known
    const link = new PeerLink({
      peer,
      clock: this.#init.clock,
      stats: this.#init.stats,
      serve: this.#init.serve,
      onReady: (link) => this.#onReady(link),
      onClose: (link, _reason, silent) => {
        this.#links.delete(key)
        this.#onClose(link)
        if (silent) this.#init.onSilent(connectionId)
      },
    })
    this.#links.set(key, link)
    return link
  }

  /** Where to send: the link that became ready last. */
  of(peer: NodeId): PeerLink | undefined {
    return this.#ready.get(peer)?.at(-1)
  }

  has(connectionId: string): boolean {
    return this.#links.has(`${connectionId} inbound`) || this.#links.has(`${connectionId} outbound`)
  }

  closePeer(peer: NodeId, reason: string): void {
    for (const link of this.#links.values()) if (link.peer === peer) link.close(reason)
  }

  closeConnection(connectionId: string, reason: string): void {
    this.#links.get(`${connectionId} inbound`)?.close(reason)
    this.#links.get(`${connectionId} outbound`)?.close(reason)
  }

  closeAll(reason: string): void {
    for (const link of this.#links.values()) link.close(reason)
  }

  #onReady(link: PeerLink): void {
    const links = this.#ready.get(link.peer)
    if (links !== undefined) {
      links.push(link)
      return
    }
    this.#ready.set(link.peer, [link])
    this.#init.stats.peersConnected++
    this.#init.onPeer({ type: 'up', peer: link.peer })
  }

  #onClose(link: PeerLink): void {
    const links = this.#ready.get(link.peer)
    const at = links?.indexOf(link) ?? -1
    if (links === undefined || at === -1) return
    links.splice(at, 1)
    if (links.length > 0) return
    assert(this.#ready.delete(link.peer), 'a peer goes down once')
    this.#init.stats.peersConnected--
    this.#init.onPeer({ type: 'down', peer: link.peer })
  }
}
