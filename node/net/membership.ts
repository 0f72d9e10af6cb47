/**
 * The members: which peers to dial, which to let in, and when to close connections.
 *
 * Both sides dial, and each opens the two streams of a link on its connection. A link that the other side opened is
 * as good. After simultaneous dials there may be one link more than needed. It is kept, because the sides would
 * have to agree on which one to close.
 */

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, Logger, PeerEvent, Random, TrafficClass } from '../env/ports.ts'
import { nodeOfPeer, parseAddress, withPeer } from './addresses.ts'
import { Dialler } from './dialler.ts'
import { messageOf } from './errors.ts'
import type { Kademlia } from './kademlia.ts'
import {
  DIAL_COURTESY_MS,
  DIAL_TIMEOUT_MS,
  DIAL_TIMEOUT_MS_FIRST,
  DIALS_BEFORE_LOOKUP,
  MEMBER_CONNECTIONS_MAX,
} from './limits.ts'
import type { Links } from './links.ts'
import type { MemberAddresses } from './member-addresses.ts'
import type { MemberGate } from './member-gate.ts'
import type { PeerLink } from './peer-link.ts'
import type { Strangers } from './strangers.ts'

const CONTROL_PROTOCOL = '/shoal/control/1'
const BULK_PROTOCOL = '/shoal/bulk/1'

export interface MembershipInit {
  readonly libp2p: Libp2p
  readonly gate: MemberGate
  /** The members without this node. Shared with all that ask for them, and changed only here. */
  readonly members: Map<NodeId, readonly string[]>
  readonly homes: MemberAddresses
  readonly links: Links
  readonly strangers: Strangers
  readonly kademlia: Kademlia
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** One for each network. It alone changes `members`. */
export class Membership {
  readonly #init: MembershipInit
  readonly #self: NodeId
  readonly #diallers = new Map<NodeId, Dialler>()
  /** Addresses that the DHT gave lately for members whose known addresses failed. */
  readonly #found = new Map<NodeId, readonly Multiaddr[]>()
  /** Members that the DHT is being asked about: one search each at a time. */
  readonly #lookups = new Set<NodeId>()
  #state: 'new' | 'started' | 'stopped' = 'new'

  constructor(init: MembershipInit) {
    this.#init = init
    this.#self = nodeOfPeer(init.libp2p.peerId)
  }

  /** Accepts the streams of links, and watches connections. */
  async register(): Promise<void> {
    const { libp2p } = this.#init
    const limits = { maxInboundStreams: 2, maxOutboundStreams: 2 }
    const accept = (traffic: TrafficClass) => (stream: Stream, connection: Connection) =>
      this.#acceptStream(traffic, stream, connection)
    await libp2p.handle(CONTROL_PROTOCOL, accept('control'), limits)
    await libp2p.handle(BULK_PROTOCOL, accept('bulk'), limits)
    libp2p.addEventListener('connection:open', (event) => this.#onConnection(event.detail))
    libp2p.addEventListener('connection:close', (event) => this.#onDisconnect(event.detail))
  }

  /** Begins to dial. Members that were set before are dialled now. */
  start(): void {
    this.#state = 'started'
    for (const dialler of this.#diallers.values()) dialler.kick()
  }

  /** Ends dialling. Connections are closed by network.ts. */
  stop(): void {
    this.#state = 'stopped'
    for (const dialler of this.#diallers.values()) dialler.stop()
    this.#diallers.clear()
  }

  /**
   * The members from now on, with the multiaddresses of each; this node may be among them. New ones are
   * dialled. Those that are gone lose their links and connections.
   */
  set(wanted: ReadonlyMap<NodeId, readonly string[]>): void {
    const { members, libp2p, strangers } = this.#init
    const before = new Map(members)
    members.clear()
    for (const [peer, addresses] of wanted) {
      if (peer !== this.#self) members.set(peer, addresses)
    }
    this.#init.homes.set(members)
    for (const peer of before.keys()) if (!members.has(peer)) this.#dismiss(peer)
    for (const [peer, addresses] of members) {
      const known = before.get(peer)
      if (known !== undefined) {
        if (addresses.some((address) => !known.includes(address))) this.#kick(peer)
        continue
      }
      this.#diallers.set(peer, this.#dialler(peer))
      for (const connection of libp2p.getConnections(peerIdFromString(peer))) {
        strangers.forget(connection.id)
        this.#introduce(connection)
      }
      this.#kick(peer)
    }
  }

  onPeer(event: PeerEvent): void {
    const dialler = this.#diallers.get(event.peer)
    if (event.type === 'up') dialler?.up()
    else dialler?.down()
  }

  /** Called when all links to a member are silent. */
  onSilence(peer: NodeId): void {
    this.#kick(peer)
  }

  /** No-op when the connection is gone. */
  abortConnection(connectionId: string, reason: string): void {
    const all = this.#init.libp2p.getConnections()
    all.find(({ id }) => id === connectionId)?.abort(new Error(reason))
  }

  /** Has the member dialled soon, after `courtesyMs` at the earliest, unless a link to it is heard. */
  #kick(peer: NodeId, courtesyMs?: number): void {
    if (this.#state === 'started') this.#diallers.get(peer)?.kick(courtesyMs)
  }

  #dismiss(peer: NodeId): void {
    this.#diallers.get(peer)?.stop()
    this.#diallers.delete(peer)
    this.#found.delete(peer)
    this.#init.links.closePeer(peer, 'no longer a member')
    for (const connection of this.#init.libp2p.getConnections(peerIdFromString(peer))) {
      connection.abort(new Error('no longer a member'))
    }
  }

  /** Of two nodes that dial each other, the one with the higher id waits a little for the other. */
  #dialler(peer: NodeId): Dialler {
    return new Dialler({
      clock: this.#init.clock,
      random: this.#init.random,
      courtesyMs: this.#self < peer ? 0 : DIAL_COURTESY_MS,
      connected: () => this.#init.links.hears(peer),
      dial: (failed) => this.#dialMember(peer, failed),
      onFailure: (error, attempts) => {
        this.#init.logger.debug({ peer, attempts, error: messageOf(error) }, 'dial failed')
      },
    })
  }

  /**
   * One attempt: connects, opens both streams of a link and waits for its hellos. `failed`: attempts before
   * this one that failed in a row.
   */
  async #dialMember(peer: NodeId, failed: number): Promise<void> {
    const { libp2p, links, members } = this.#init
    const known = (members.get(peer) ?? []).flatMap((text) => parseAddress(text, peer))
    if (known.length === 0) await this.#lookUp(peer)
    // The search runs beside the attempt, because it takes seconds in a network that is cut.
    else if (failed > 0 && failed % DIALS_BEFORE_LOOKUP === 0)
      void this.#lookUp(peer).catch(() => {})
    const found = (this.#found.get(peer) ?? []).flatMap((address) => withPeer(address, peer))
    const addresses = [...known, ...found]
    if (addresses.length === 0) throw new Error('no address is known')
    const signal = AbortSignal.timeout(failed === 0 ? DIAL_TIMEOUT_MS_FIRST : DIAL_TIMEOUT_MS)
    // A connection that exists already is silent, or carries no link yet.
    const force = links.hasAny(peer)
    const connection = await libp2p.dial(addresses, { signal, force })
    if (force && links.has(connection.id)) throw new Error('no other connection could be made')
    const link = this.#init.links.open(peer, connection.id, 'outbound')
    try {
      await Promise.all([
        this.#openStream(connection, link, 'control', CONTROL_PROTOCOL, signal),
        this.#openStream(connection, link, 'bulk', BULK_PROTOCOL, signal),
      ])
      await link.whenReady(signal)
    } catch (error) {
      link.close(messageOf(error))
      // No answer at all: a connection of a peer that is gone. One that merely refuses us is kept, since it
      // may carry the very exchange by which the peer learns that we are members.
      if (signal.aborted) this.abortConnection(connection.id, 'no answer')
      throw error
    }
  }

  /** Asks the DHT for the member's addresses. What it found before stays until then. */
  async #lookUp(peer: NodeId): Promise<void> {
    if (this.#lookups.has(peer)) return
    this.#lookups.add(peer)
    try {
      this.#found.set(peer, await this.#init.kademlia.findAddresses(peerIdFromString(peer)))
    } finally {
      this.#lookups.delete(peer)
    }
  }

  async #openStream(
    connection: Connection,
    link: PeerLink,
    traffic: TrafficClass,
    protocol: string,
    signal: AbortSignal,
  ): Promise<void> {
    link.attach(traffic, await connection.newStream(protocol, { signal, maxOutboundStreams: 2 }))
  }

  /** A stream of a link that the other side opened. */
  #acceptStream(traffic: TrafficClass, stream: Stream, connection: Connection): void {
    const peer = nodeOfPeer(connection.remotePeer)
    if (!this.#init.members.has(peer) || this.#state === 'stopped') {
      stream.abort(new Error('members only'))
      return
    }
    this.#init.links.open(peer, connection.id, 'inbound').attach(traffic, stream)
  }

  #onConnection(connection: Connection): void {
    const peer = nodeOfPeer(connection.remotePeer)
    if (this.#init.members.has(peer)) {
      if (connection.direction === 'inbound') this.#onMembersConnection(peer, connection)
      // The member is back. If it does not open its streams, this node does.
      if (!this.#init.links.hears(peer)) this.#kick(peer, DIAL_COURTESY_MS)
      return
    }
    this.#init.strangers.onConnection(connection)
  }

  #onMembersConnection(peer: NodeId, connection: Connection): void {
    const { homes, libp2p } = this.#init
    homes.saw(peer, connection.remoteAddr)
    const inbound = libp2p
      .getConnections(connection.remotePeer)
      .filter((one) => one.direction === 'inbound' && one !== connection && one.status === 'open')
    // The oldest ones are closed: the member dials because they are of no use to it.
    if (inbound.length >= MEMBER_CONNECTIONS_MAX) {
      inbound[0]?.abort(new Error('too many connections of one member'))
    }
  }

  #onDisconnect(connection: Connection): void {
    this.#init.strangers.forget(connection.id)
    this.#init.links.closeConnection(connection.id, 'the connection closed')
    const { libp2p, members } = this.#init
    const peer = connection.remotePeer
    const [left] = libp2p.getConnections(peer).filter(({ id }) => id !== connection.id)
    // gossipsub had its stream on one of the connections and opens no other by itself.
    if (left !== undefined) this.#introduce(left)
    // Otherwise libp2p would keep for hours what strangers say of themselves.
    else if (!members.has(nodeOfPeer(peer))) libp2p.peerStore.delete(peer).catch(() => {})
  }

  /** Tells Kademlia and gossipsub of a member's connection: they were not told when its peer was a stranger. */
  #introduce(connection: Connection): void {
    const peer = connection.remotePeer
    if (this.#state !== 'started' || !this.#init.members.has(nodeOfPeer(peer))) return
    this.#init.libp2p.peerStore
      .get(peer)
      .then(({ protocols }) => this.#init.gate.admit(peer, connection, protocols))
      .catch(() => {
        // Not identified yet: libp2p introduces it when it is.
      })
  }
}
