/**
 * All links of a node, and which peers are up.
 *
 * A peer is up while one of its links is not lost. Calls use the link that became ready last among those that are
 * not silent. A link that becomes ready replaces silent ones. These are dropped, so that calls that wait on them
 * fail now and are made again.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, NetworkMessage, PeerEvent } from '../env/ports.ts'
import { PeerLink } from './peer-link.ts'
import type { NetworkStats } from './stats.ts'

export interface LinksInit {
  readonly clock: Clock
  readonly stats: NetworkStats
  readonly serve: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>
  readonly onPeer: (event: PeerEvent) => void
  /** Called when all links to the peer are silent: another one should be dialled beside them. */
  readonly onSilence: (peer: NodeId) => void
  /** Called when the connection is of no use any more. */
  readonly onDead: (connectionId: string) => void
  /** Runs what it gets once, when the turn of the event loop ends. */
  readonly afterTurn: (run: () => void) => void
}

/** One for each network. */
export class Links {
  readonly #init: LinksInit
  /** By connection and by who opened the streams. */
  readonly #links = new Map<string, PeerLink>()
  /** Ready links, the latest last. */
  readonly #ready = new Map<NodeId, readonly PeerLink[]>()
  readonly #up = new Set<NodeId>()

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
      afterTurn: this.#init.afterTurn,
      serve: this.#init.serve,
      onReady: (link) => this.#onReady(link),
      onHearing: (link) => this.#onHearing(link),
      onClose: (link, _reason, silent) => {
        this.#links.delete(key)
        this.#onClose(link)
        if (silent) this.#init.onDead(connectionId)
      },
    })
    this.#links.set(key, link)
    return link
  }

  /** The link to send on: the one that became ready last, among those that are not silent. */
  of(peer: NodeId): PeerLink | undefined {
    const links = this.#ready.get(peer) ?? []
    return (
      links.findLast(({ hearing }) => hearing === 'clear') ??
      links.findLast(({ hearing }) => hearing === 'silent')
    )
  }

  /** Whether any link to the peer is heard. */
  hears(peer: NodeId): boolean {
    return this.#ready.get(peer)?.some(({ hearing }) => hearing === 'clear') ?? false
  }

  /** Whether there is a link to the peer, even a silent one. */
  hasAny(peer: NodeId): boolean {
    return this.#ready.has(peer)
  }

  has(connectionId: string): boolean {
    return this.#links.has(`${connectionId} inbound`) || this.#links.has(`${connectionId} outbound`)
  }

  /** The peer is no member any more. */
  closePeer(peer: NodeId, reason: string): void {
    for (const link of this.#links.values()) if (link.peer === peer) link.close(reason)
  }

  /** Both links of the connection, if there are any. */
  closeConnection(connectionId: string, reason: string): void {
    this.#links.get(`${connectionId} inbound`)?.close(reason)
    this.#links.get(`${connectionId} outbound`)?.close(reason)
  }

  closeAll(reason: string): void {
    for (const link of this.#links.values()) link.close(reason)
  }

  #onReady(link: PeerLink): void {
    const { peer } = link
    const links = this.#ready.get(peer) ?? []
    this.#ready.set(peer, [...links, link])
    for (const other of links) {
      if (other.hearing !== 'clear') other.close('replaced, as it was silent', true)
    }
    this.#tell(peer)
  }

  #onHearing({ peer, hearing }: PeerLink): void {
    this.#tell(peer)
    if (hearing === 'silent' && !this.hears(peer)) this.#init.onSilence(peer)
  }

  #onClose(link: PeerLink): void {
    const links = this.#ready.get(link.peer)
    if (links?.includes(link) !== true) return
    const left = links.filter((other) => other !== link)
    if (left.length > 0) this.#ready.set(link.peer, left)
    else this.#ready.delete(link.peer)
    this.#tell(link.peer)
  }

  /** Reports a peer that came up or went down since the last time. */
  #tell(peer: NodeId): void {
    const isUp = this.of(peer) !== undefined
    if (isUp === this.#up.has(peer)) return
    if (isUp) this.#up.add(peer)
    else this.#up.delete(peer)
    this.#init.stats.peersConnected = this.#up.size
    this.#init.onPeer({ type: isUp ? 'up' : 'down', peer })
  }
}
