/**
 * The libp2p node as Shoal wants it; docs/protocol.md (Network) says why. Called by network.ts, once.
 *
 *   transport     TCP with a deadline of its own for connecting (impatient-tcp.ts)
 *   encryption    TLS, which proves the peer's id; the multiplexer is agreed on in its handshake
 *   multiplexer   yamux, whose frames are counted before they are worked on (frame-budget.ts)
 *   services      identify, ping, Kademlia and gossipsub; the last two meet members only (member-gate.ts)
 *
 * What libp2p would decide by itself about connections is switched off: members are dialled by membership.ts,
 * limits are those of limits.ts, and silent links are found by peer-link.ts.
 */

import { gossipsub } from '@libp2p/gossipsub'
import type { GossipSub, GossipSubComponents } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Libp2p, PrivateKey } from '@libp2p/interface'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import type { KadDHT, KadDHTComponents } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import type { Clock } from '../env/ports.ts'
import {
  DIAL_TIMEOUT_MS,
  HANDSHAKE_TIMEOUT_MS,
  MEMBER_ALLOWANCE,
  MIB,
  NEGOTIATION_TIMEOUT_MS,
} from './limits.ts'
import { impatientTcp } from './impatient-tcp.ts'
import { socketTls } from './socket-tls.ts'
import type { MemberGate } from './member-gate.ts'
import type { PortGuard } from './port-guard.ts'
import { quietLogger } from './quiet-logger.ts'

export type ShoalServices = { dht: KadDHT; pubsub: GossipSub; [name: string]: unknown }

/** What differs from node to node. */
export interface Libp2pOptions {
  readonly privateKey: PrivateKey
  /** Multiaddresses to listen on. */
  readonly listen: readonly string[]
  /** Multiaddresses that others are told. Empty: those that are listened on. */
  readonly announce: readonly string[]
  readonly gate: MemberGate
  readonly guard: PortGuard
  readonly clock: Clock
}

/** Creates the node without starting it. */
export function makeLibp2p(options: Libp2pOptions): Promise<Libp2p<ShoalServices>> {
  const { privateKey, listen, announce, gate, guard, clock } = options
  return createLibp2p({
    start: false,
    privateKey,
    logger: quietLogger,
    nodeInfo: { name: 'shoal', version: '1' },
    addresses: { listen: [...listen], announce: [...announce] },
    transports: [
      // A silent connection is judged by our own keepalive.
      guard.tcp(
        impatientTcp({ inboundSocketInactivityTimeout: 0, outboundSocketInactivityTimeout: 0 }),
      ),
    ],
    connectionEncrypters: [guard.tls(socketTls(() => clock.nowMs()))],
    streamMuxers: [
      guard.yamux(
        yamux({
          maxInboundStreams: MEMBER_ALLOWANCE.streamsOpenMax,
          // The window would grow to 16 MiB, but the read buffer ends at 4 MiB: a paused stream would be reset.
          streamOptions: { maxStreamWindowSize: 4 * MIB },
        }),
      ),
    ],
    connectionManager: {
      // handshakes.ts limits these: libp2p would refuse members when strangers have come first.
      inboundConnectionThreshold: Infinity,
      maxIncomingPendingConnections: Infinity,
      maxConnections: 65_536,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundStreamProtocolNegotiationTimeout: NEGOTIATION_TIMEOUT_MS,
      dialTimeout: DIAL_TIMEOUT_MS,
      reconnectRetries: 0,
    },
    // A stopped process would lose its connections after 15 s. Our own deadlines decide instead.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    services: {
      identify: identify(),
      ping: ping(),
      dht: (components: KadDHTComponents) =>
        kadDHT({
          protocol: '/shoal/kad/1.0.0',
          clientMode: false,
          peerInfoMapper: passthroughMapper,
          allowQueryWithZeroPeers: true,
        })(gate.components(components)),
      pubsub: (components: GossipSubComponents) =>
        gossipsub({
          allowPublishToZeroTopicPeers: true,
          fallbackToFloodsub: false,
          // Many nodes on one machine or site are not an attack.
          scoreParams: { IPColocationFactorWeight: 0 },
        })(gate.components(components)),
    },
  })
}
