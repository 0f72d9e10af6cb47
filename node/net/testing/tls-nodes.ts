/** Nodes of libp2p with one encryption, and what is between them. */

import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { AddressInfo, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { identify } from '@libp2p/identify'
import type { ConnectionEncrypter, Libp2p, MultiaddrConnection } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { generateNodeKey, libp2pKey } from '../identity.ts'
import { quietLogger } from '../quiet-logger.ts'
import { noMuxer } from './raw-peer.ts'

export type TlsNode = Libp2p<{ ping: ReturnType<ReturnType<typeof ping>>; identify: unknown }>
export type Encryption = (components: never) => ConnectionEncrypter

const running: { stop(): unknown }[] = []

export function atEnd(stop: () => unknown): void {
  running.push({ stop })
}

/** Stops all that was opened. For afterEach(). */
export async function stopAll(): Promise<void> {
  await Promise.all(running.splice(0).map(async (each) => each.stop()))
}

export async function openNode(
  encryption: Encryption,
  options: { inboundMs?: number; received?: MultiaddrConnection[] } = {},
): Promise<TlsNode> {
  const { inboundMs = 5_000, received } = options
  const node = await createLibp2p({
    privateKey: libp2pKey(generateNodeKey().privateKey),
    logger: quietLogger,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [encryption as never],
    streamMuxers: [received === undefined ? yamux() : rawMuxer(received)],
    services: { ping: ping(), identify: identify() },
    connectionManager: { inboundUpgradeTimeout: inboundMs, reconnectRetries: 0 },
    connectionMonitor: { enabled: false },
  })
  running.push(node)
  return node as unknown as TlsNode
}

/** No multiplexer: each connection itself, once it is encrypted. */
function rawMuxer(received: MultiaddrConnection[]) {
  return () => ({
    protocol: '/yamux/1.0.0',
    createStreamMuxer: (stream: unknown) => {
      received.push(stream as MultiaddrConnection)
      return noMuxer()
    },
  })
}

export function portOfNode(node: TlsNode): number {
  return Number(/\/tcp\/(\d+)/.exec(node.getMultiaddrs()[0]!.toString())![1])
}

export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(2)
}

/** Both ends of a connection, and the socket in front of the listening one. */
export interface TlsPair {
  readonly dialled: MultiaddrConnection
  readonly accepted: MultiaddrConnection
  /** The dialling node's way: closed, reset or ended, it seems to be the peer that does so. */
  readonly way: Socket
}

export async function openPair(encryption: Encryption): Promise<TlsPair> {
  const mine: MultiaddrConnection[] = []
  const theirs: MultiaddrConnection[] = []
  const a = await openNode(encryption, { received: mine })
  const b = await openNode(encryption, { received: theirs })
  const ways: Socket[] = []
  const proxy = createServer({ allowHalfOpen: true }, (way) => {
    const out = connect({ port: portOfNode(b), host: '127.0.0.1', allowHalfOpen: true })
    for (const socket of [way, out]) socket.on('error', () => {})
    way.pipe(out).pipe(way)
    way.on('close', () => out.destroy())
    out.on('close', () => way.destroy())
    ways.push(way)
    atEnd(() => way.destroy())
  }).listen(0, '127.0.0.1')
  atEnd(() => proxy.close())
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  await a.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}/p2p/${b.peerId.toString()}`))
  await until(() => theirs.length === 1)
  return { dialled: mine[0]!, accepted: theirs[0]!, way: ways[0]! }
}
