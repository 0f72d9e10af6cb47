/**
 * The Network port over libp2p 3.
 *
 *   - Every member is dialled until connected, from both sides (dialler.ts); a link is a control and a bulk
 *     stream, long-lived, with our own framing (peer-link.ts, rpc-stream.ts, framing.ts).
 *   - Whoever is no member reaches the protocols of `serveStrangers`, identify and ping only. That is
 *     decided for each stream, not for the connection: a joiner becomes a member on a connection that stands.
 *   - Kademlia finds newer addresses of members, and providers of slices for `walk` (kademlia.ts).
 *   - gossipsub carries what may be late.
 */

import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { assert } from '../../protocol/assert.ts'
import { nodeId } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type {
  Clock,
  Logger,
  Network,
  NetworkMessage,
  PeerEvent,
  Random,
  TrafficClass,
} from '../env/ports.ts'
import { nodeOf, parseAddress, withPeer } from './addresses.ts'
import { Dialler } from './dialler.ts'
import { NetworkFailure, messageOf } from './errors.ts'
import { fitsFrame } from './framing.ts'
import { libp2pKey } from './identity.ts'
import { Kademlia } from './kademlia.ts'
import { makeLibp2p } from './libp2p.ts'
import type { ShoalServices } from './libp2p.ts'
import { DIAL_COURTESY_MS, DIAL_TIMEOUT_MS } from './limits.ts'
import { Links } from './links.ts'
import { MemberGate } from './member-gate.ts'
import type { PeerLink } from './peer-link.ts'
import { newStats } from './stats.ts'
import type { NetworkStats } from './stats.ts'
import { Strangers } from './strangers.ts'
import { LOCATE_PROTOCOL, Walker } from './walk.ts'
import type { WalkResult } from './walk.ts'

const CONTROL_PROTOCOL = '/shoal/control/1'
const BULK_PROTOCOL = '/shoal/bulk/1'

export interface NetworkOptions {
  /** libp2p's protobuf bytes of an Ed25519 key (identity.ts). */
  readonly privateKey: Uint8Array
  /** Multiaddresses, "/ip4/127.0.0.1/tcp/9002"; port 0 takes any. */
  readonly listen: readonly string[]
  /** What others are told instead, behind NAT or a proxy. */
  readonly announce?: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
}

/** Not started: register handlers first. */
export async function createNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  const members = new Map<NodeId, readonly string[]>()
  const gate = new MemberGate((peer) => members.has(peer.toString() as NodeId))
  const libp2p = await makeLibp2p({
    privateKey: libp2pKey(options.privateKey),
    listen: options.listen,
    announce: options.announce ?? [],
    gate,
  })
  const network = new Libp2pNetwork(libp2p, gate, members, options)
  await network.register()
  return network
}

export class Libp2pNetwork implements Network {
  readonly self: NodeId
  readonly #libp2p: Libp2p<ShoalServices>
  readonly #gate: MemberGate
  readonly #members: Map<NodeId, readonly string[]>
  readonly #clock: Clock
  readonly #random: Random
  readonly #logger: Logger
  readonly #stats = newStats()
  readonly #links: Links
  readonly #diallers = new Map<NodeId, Dialler>()
  readonly #kademlia: Kademlia
  readonly #walker: Walker
  readonly #strangers: Strangers
  readonly #peerListeners: ((event: PeerEvent) => void)[] = []
  readonly #topics = new Map<string, ((from: NodeId, bytes: Uint8Array) => void)[]>()
  #handler: ((from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>) | undefined
  #state: 'new' | 'started' | 'stopped' = 'new'

  /** Use `createNetwork`. */
  constructor(
    libp2p: Libp2p<ShoalServices>,
    gate: MemberGate,
    members: Map<NodeId, readonly string[]>,
    options: NetworkOptions,
  ) {
    this.#libp2p = libp2p
    this.#gate = gate
    this.#members = members
    this.#clock = options.clock
    this.#random = options.random
    this.#logger = options.logger
    this.self = nodeId(libp2p.peerId.toString())
    this.#kademlia = new Kademlia(libp2p.services.dht, options.clock)
    const isMember = (node: NodeId): boolean => members.has(node)
    this.#walker = new Walker(libp2p, this.#kademlia, isMember, options.logger)
    this.#strangers = new Strangers(libp2p, options.clock, options.logger)
    this.#links = new Links({
      clock: options.clock,
      stats: this.#stats,
      serve: (from, message) => this.#serve(from, message),
      onPeer: (event) => this.#onPeer(event),
      onSilent: (connectionId) => this.#abortConnection(connectionId, 'no sign of life'),
    })
  }

  /** Registers our protocols; part of `createNetwork`. */
  async register(): Promise<void> {
    const limits = { maxInboundStreams: 2, maxOutboundStreams: 2 }
    const accept = (traffic: TrafficClass) => (stream: Stream, connection: Connection) =>
      this.#acceptStream(traffic, stream, connection)
    await this.#libp2p.handle(CONTROL_PROTOCOL, accept('control'), limits)
    await this.#libp2p.handle(BULK_PROTOCOL, accept('bulk'), limits)
    await this.#libp2p.handle(LOCATE_PROTOCOL, (stream, connection) =>
      this.#walker.answer(stream, connection),
    )
    this.#libp2p.addEventListener('connection:open', (event) => this.#onConnection(event.detail))
    this.#libp2p.addEventListener('connection:close', (event) => this.#onDisconnect(event.detail))
    this.#libp2p.services.pubsub.addEventListener('message', (event) => {
      const message = event.detail
      if (message.type === 'signed') this.#onGossip(message.from, message.topic, message.data)
    })
  }

  addresses(): string[] {
    return this.#libp2p.getMultiaddrs().map((address) => address.toString())
  }

  /** Live counters: read, don't write. */
  stats(): Readonly<NetworkStats> {
    return this.#stats
  }

  async start(): Promise<void> {
    await this.#libp2p.start()
    this.#state = 'started'
    for (const topic of this.#topics.keys()) this.#libp2p.services.pubsub.subscribe(topic)
    for (const dialler of this.#diallers.values()) dialler.kick()
  }

  async stop(): Promise<void> {
    this.#state = 'stopped'
    for (const dialler of this.#diallers.values()) dialler.stop()
    this.#diallers.clear()
    this.#kademlia.stop()
    this.#links.closeAll('the node stops')
    await this.#libp2p.stop()
  }

  // Members

  setMembers(members: ReadonlyMap<NodeId, readonly string[]>): void {
    const before = new Map(this.#members)
    this.#members.clear()
    for (const [peer, addresses] of members) {
      if (peer !== this.self) this.#members.set(peer, addresses)
    }
    for (const peer of before.keys()) if (!this.#members.has(peer)) this.#dismiss(peer)
    for (const [peer, addresses] of this.#members) {
      const known = before.get(peer)
      if (known !== undefined) {
        if (addresses.some((address) => !known.includes(address))) this.#diallers.get(peer)?.kick()
        continue
      }
      this.#diallers.set(peer, this.#dialler(peer))
      for (const connection of this.#libp2p.getConnections(peerIdFromString(peer))) {
        this.#strangers.forget(connection.id)
        this.#introduce(connection)
      }
      if (this.#state === 'started') this.#diallers.get(peer)?.kick()
    }
  }

  connected(peer: NodeId): boolean {
    return peer === this.self || this.#links.of(peer) !== undefined
  }

  onPeer(listener: (event: PeerEvent) => void): void {
    this.#peerListeners.push(listener)
  }

  #dismiss(peer: NodeId): void {
    this.#diallers.get(peer)?.stop()
    this.#diallers.delete(peer)
    this.#links.closePeer(peer, 'no longer a member')
    for (const connection of this.#libp2p.getConnections(peerIdFromString(peer))) {
      connection.abort(new Error('no longer a member'))
    }
  }

  #dialler(peer: NodeId): Dialler {
    return new Dialler({
      clock: this.#clock,
      random: this.#random,
      courtesyMs: this.self < peer ? 0 : DIAL_COURTESY_MS,
      connected: () => this.connected(peer),
      dial: (lookup) => this.#dialMember(peer, lookup),
      onFailure: (error, attempts) => {
        this.#logger.debug({ peer, attempts, error: messageOf(error) }, 'dial failed')
      },
    })
  }

  async #dialMember(peer: NodeId, lookup: boolean): Promise<void> {
    const id = peerIdFromString(peer)
    const known = (this.#members.get(peer) ?? []).flatMap((text) => parseAddress(text, peer))
    const found = lookup || known.length === 0 ? await this.#kademlia.findAddresses(id) : []
    const addresses = [...known, ...found.flatMap((address) => withPeer(address, peer))]
    if (addresses.length === 0) throw new Error('no address is known')
    const signal = AbortSignal.timeout(DIAL_TIMEOUT_MS)
    const connection = await this.#libp2p.dial(addresses, { signal })
    const link = this.#links.open(peer, connection.id, 'outbound')
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
      if (signal.aborted) this.#abortConnection(connection.id, 'no answer')
      throw error
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

  #acceptStream(traffic: TrafficClass, stream: Stream, connection: Connection): void {
    const peer = nodeOf(connection.remotePeer)
    if (!this.#members.has(peer) || this.#state === 'stopped') {
      stream.abort(new Error('members only'))
      return
    }
    this.#links.open(peer, connection.id, 'inbound').attach(traffic, stream)
  }

  #onPeer(event: PeerEvent): void {
    if (event.type === 'up') this.#kademlia.peerUp()
    else this.#diallers.get(event.peer)?.kick()
    this.#logger.debug({ peer: event.peer }, `peer ${event.type}`)
    for (const listener of this.#peerListeners) listener(event)
  }

  // Connections

  #onConnection(connection: Connection): void {
    const peer = nodeOf(connection.remotePeer)
    if (this.#members.has(peer)) {
      // It is back: should it not open its streams, we do.
      if (!this.connected(peer)) this.#diallers.get(peer)?.kick(DIAL_COURTESY_MS)
      return
    }
    this.#strangers.onConnection(connection)
  }

  #onDisconnect(connection: Connection): void {
    this.#strangers.forget(connection.id)
    this.#links.closeConnection(connection.id, 'the connection closed')
    // gossipsub had its stream on one of the connections and opens no other by itself.
    const [left] = this.#libp2p.getConnections(connection.remotePeer)
    if (left !== undefined) this.#introduce(left)
  }

  #introduce(connection: Connection): void {
    const peer = connection.remotePeer
    if (this.#state !== 'started' || !this.#members.has(nodeOf(peer))) return
    this.#libp2p.peerStore
      .get(peer)
      .then(({ protocols }) => this.#gate.admit(peer, connection, protocols))
      .catch(() => {
        // Not identified yet: libp2p introduces it when it is.
      })
  }

  #abortConnection(connectionId: string, reason: string): void {
    const all = this.#libp2p.getConnections()
    all.find(({ id }) => id === connectionId)?.abort(new Error(reason))
  }

  // Calls

  call(
    peer: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<NetworkMessage> {
    assert(message.type >= 0 && message.type <= 0xffff, 'a message type has 16 bits')
    if (!fitsFrame(message.body, message.payload)) {
      return Promise.reject(new NetworkFailure('REFUSED', 'larger than a frame', false))
    }
    if (peer === this.self) return this.#callSelf(message)
    const stream = this.#links.of(peer)?.stream(traffic)
    if (stream === undefined) {
      return Promise.reject(new NetworkFailure('UNREACHABLE', `${peer} is not connected`, false))
    }
    return stream.call(message, options)
  }

  serve(handler: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>): void {
    this.#handler = handler
  }

  async #callSelf(message: NetworkMessage): Promise<NetworkMessage> {
    try {
      return await this.#serve(this.self, message)
    } catch (error) {
      throw new NetworkFailure('REFUSED', messageOf(error), true)
    }
  }

  async #serve(from: NodeId, message: NetworkMessage): Promise<NetworkMessage> {
    if (this.#handler === undefined) throw new Error('the node does not serve yet')
    return this.#handler(from, message)
  }

  // Gossip

  publish(topic: string, bytes: Uint8Array): void {
    if (this.#state !== 'started') return
    this.#libp2p.services.pubsub.publish(topic, bytes).catch((error: unknown) => {
      this.#logger.debug({ topic, error: messageOf(error) }, 'gossip was not published')
    })
  }

  subscribe(topic: string, listener: (from: NodeId, bytes: Uint8Array) => void): void {
    const listeners = this.#topics.get(topic)
    if (listeners !== undefined) {
      listeners.push(listener)
      return
    }
    this.#topics.set(topic, [listener])
    if (this.#state === 'started') this.#libp2p.services.pubsub.subscribe(topic)
  }

  #onGossip(author: PeerId, topic: string, bytes: Uint8Array): void {
    const from = nodeOf(author)
    if (!this.#members.has(from)) return
    for (const listener of this.#topics.get(topic) ?? []) listener(from, bytes)
  }

  // Strangers and walks

  callStranger(
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: { timeoutMs: number },
  ): Promise<{ peer: NodeId; reply: Uint8Array }> {
    return this.#strangers.call(addresses, protocol, request, options)
  }

  serveStrangers(
    protocol: string,
    handler: (from: NodeId, request: Uint8Array) => Promise<Uint8Array>,
  ): void {
    this.#strangers.serve(protocol, handler)
  }

  provideSlices(slices: readonly number[]): Promise<void> {
    return this.#kademlia.provideSlices(slices)
  }

  walk(partition: number, options: { timeoutMs: number }): Promise<WalkResult | undefined> {
    return this.#walker.walk(partition, options.timeoutMs)
  }

  serveWalk(handler: (partition: number) => NodeId[]): void {
    this.#walker.serve(handler)
  }
}
