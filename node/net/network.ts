/**
 * The Network port over libp2p 3.
 *
 *   - Every member is dialled until connected, from both sides (membership.ts); a link is a control and a bulk
 *     stream, long-lived, with our own framing (peer-link.ts, rpc-stream.ts, framing.ts).
 *   - A peer that is no member reaches only the protocols of `serveStrangers`, identify and ping. This is decided
 *     for each stream, not for the connection: a joiner becomes a member on an existing connection.
 *   - Kademlia finds newer addresses of members, and providers of slices for `walk` (kademlia.ts).
 *   - gossipsub carries messages that may be late.
 */

import type { Libp2p, PeerId } from '@libp2p/interface'
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
import { nodeOfPeer } from './addresses.ts'
import { NetworkFailure, messageOf } from './errors.ts'
import { fitsFrame } from './framing.ts'
import { libp2pKey } from './identity.ts'
import { Kademlia } from './kademlia.ts'
import { makeLibp2p } from './libp2p.ts'
import type { ShoalServices } from './libp2p.ts'
import { Links } from './links.ts'
import { MemberAddresses } from './member-addresses.ts'
import { MemberGate } from './member-gate.ts'
import { Membership } from './membership.ts'
import { PortGuard } from './port-guard.ts'
import { newStats } from './stats.ts'
import type { NetworkStats } from './stats.ts'
import { Strangers } from './strangers.ts'
import { LOCATE_PROTOCOL, Walker } from './walk.ts'
import type { WalkResult } from './walk.ts'

export interface NetworkOptions {
  /** libp2p's protobuf bytes of an Ed25519 key (identity.ts). */
  readonly privateKey: Uint8Array
  /** Multiaddresses, "/ip4/127.0.0.1/tcp/9002"; port 0 takes any. */
  readonly listen: readonly string[]
  /** Addresses that other nodes are told instead, behind NAT or a proxy. */
  readonly announce?: readonly string[]
  readonly clock: Clock
  readonly random: Random
  readonly logger: Logger
  /** Runs what it gets once, when the turn of the event loop ends. */
  readonly afterTurn: (run: () => void) => void
}

/** Creates a network without starting it, so that handlers can be registered first. */
export async function createNetwork(options: NetworkOptions): Promise<Libp2pNetwork> {
  const members = new Map<NodeId, readonly string[]>()
  const isMember = (peer: PeerId): boolean => members.has(peer.toString() as NodeId)
  const gate = new MemberGate(isMember)
  const homes = new MemberAddresses()
  const guard = new PortGuard({
    clock: options.clock,
    logger: options.logger,
    isMember,
    isMembersAddress: (group) => homes.has(group),
  })
  const libp2p = await makeLibp2p({
    privateKey: libp2pKey(options.privateKey),
    listen: options.listen,
    announce: options.announce ?? [],
    gate,
    guard,
    clock: options.clock,
  })
  const network = new Libp2pNetwork({ libp2p, gate, guard, homes, members }, options)
  await network.register()
  return network
}

/** What `createNetwork` has made, since each of these has to be there before the libp2p node is. */
interface NetworkParts {
  readonly libp2p: Libp2p<ShoalServices>
  readonly gate: MemberGate
  readonly guard: PortGuard
  readonly homes: MemberAddresses
  readonly members: Map<NodeId, readonly string[]>
}

/** The methods of the port are described there (node/env/ports.ts). */
export class Libp2pNetwork implements Network {
  readonly self: NodeId
  readonly #libp2p: Libp2p<ShoalServices>
  readonly #guard: PortGuard
  readonly #logger: Logger
  readonly #isMember: (node: NodeId) => boolean
  readonly #stats = newStats()
  readonly #links: Links
  readonly #membership: Membership
  readonly #kademlia: Kademlia
  readonly #walker: Walker
  readonly #strangers: Strangers
  readonly #peerListeners: ((event: PeerEvent) => void)[] = []
  /** Listeners by topic. Topics are subscribed to at the start, or when they come later. */
  readonly #topics = new Map<string, ((from: NodeId, bytes: Uint8Array) => void)[]>()
  /** Answers calls. Until it is set, calls are refused. */
  #handler: ((from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>) | undefined
  /** A network is started once, and not again after it was stopped. */
  #state: 'new' | 'started' | 'stopped' = 'new'

  /** Use `createNetwork`. */
  constructor(parts: NetworkParts, options: NetworkOptions) {
    const { libp2p, gate, homes, members } = parts
    this.#libp2p = libp2p
    this.#guard = parts.guard
    this.#logger = options.logger
    this.self = nodeId(libp2p.peerId.toString())
    this.#kademlia = new Kademlia(libp2p.services.dht, options.clock, libp2p.peerId)
    const isMember = (node: NodeId): boolean => members.has(node)
    this.#walker = new Walker(libp2p, this.#kademlia, isMember, options.logger)
    this.#strangers = new Strangers(libp2p, options.clock, options.logger)
    this.#isMember = isMember
    this.#links = new Links({
      clock: options.clock,
      stats: this.#stats,
      afterTurn: options.afterTurn,
      serve: (from, message) => this.#serve(from, message),
      onPeer: (event) => this.#onPeer(event),
      onSilence: (peer) => this.#membership.onSilence(peer),
      onDead: (connectionId) => this.#membership.abortConnection(connectionId, 'no sign of life'),
    })
    this.#membership = new Membership({
      libp2p,
      gate,
      members,
      homes,
      links: this.#links,
      strangers: this.#strangers,
      kademlia: this.#kademlia,
      clock: options.clock,
      random: options.random,
      logger: options.logger,
    })
  }

  /** Registers our protocols; part of `createNetwork`. */
  async register(): Promise<void> {
    await this.#membership.register()
    await this.#libp2p.handle(LOCATE_PROTOCOL, (stream, connection) =>
      this.#walker.answer(stream, connection),
    )
    this.#libp2p.services.pubsub.addEventListener('message', (event) => {
      const message = event.detail
      if (message.type === 'signed') this.#onGossip(message.from, message.topic, message.data)
    })
  }

  /** Multiaddresses at which other nodes reach this one, with its id. */
  addresses(): string[] {
    return this.#libp2p.getMultiaddrs().map((address) => address.toString())
  }

  /** Live counters: read, don't write. */
  stats(): Readonly<NetworkStats> {
    this.#stats.connectionsRefused = this.#guard.closed + this.#strangers.evicted
    this.#stats.handshakes = this.#guard.handshakes.size
    this.#stats.strangers = this.#strangers.size
    return this.#stats
  }

  /** Listens, and begins to dial members. Rejects when an address can't be listened on. */
  async start(): Promise<void> {
    await this.#libp2p.start()
    this.#state = 'started'
    for (const topic of this.#topics.keys()) this.#libp2p.services.pubsub.subscribe(topic)
    this.#membership.start()
  }

  /** Calls under way fail. Resolves when all connections are closed. */
  async stop(): Promise<void> {
    this.#state = 'stopped'
    this.#membership.stop()
    this.#kademlia.stop()
    this.#links.closeAll('the node stops')
    await this.#libp2p.stop()
  }

  // Members

  setMembers(members: ReadonlyMap<NodeId, readonly string[]>): void {
    this.#membership.set(members)
  }

  connected(peer: NodeId): boolean {
    return peer === this.self || this.#links.of(peer) !== undefined
  }

  onPeer(listener: (event: PeerEvent) => void): void {
    this.#peerListeners.push(listener)
  }

  #onPeer(event: PeerEvent): void {
    this.#membership.onPeer(event)
    if (event.type === 'up') this.#kademlia.peerUp()
    this.#logger.debug({ peer: event.peer }, `peer ${event.type}`)
    for (const listener of this.#peerListeners) listener(event)
  }

  // Calls

  /**
   * Rejects with NetworkFailure. A call to this node itself is served at once, without a stream and without a
   * deadline.
   */
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

  /** Refused, as a peer's refusal would be, when the handler fails. */
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

  /** Only members are listened to. gossipsub has verified the author's signature. */
  #onGossip(author: PeerId, topic: string, bytes: Uint8Array): void {
    const from = nodeOfPeer(author)
    if (!this.#isMember(from)) return
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

  walk(
    partition: number,
    { slice, timeoutMs }: { slice: number; timeoutMs: number },
  ): Promise<WalkResult | undefined> {
    return this.#walker.walk(slice, partition, timeoutMs)
  }

  serveWalk(handler: (partition: number) => NodeId[]): void {
    this.#walker.serve(handler)
  }
}
