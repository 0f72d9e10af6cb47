/** Strangers, and members that misbehave: they cost little and do not harm others (F21). */

import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, expect, test } from 'vitest'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import {
  HANDSHAKES_MAX,
  MEMBER_ALLOWANCE,
  MEMBER_CONNECTIONS_MAX,
  MIB,
  STRANGER_ALLOWANCE,
  STRANGER_CONNECTIONS_MAX_ADDRESS,
} from './limits.ts'
import { allConnected, introduce } from './testing/network.compliance.ts'
import type { Libp2pNetwork } from './network.ts'
import { openedAndReset, RawPeer, RST, SYN, yamuxFrame } from './testing/raw-peer.ts'
import type { RawConnection } from './testing/raw-peer.ts'
import { openNetwork } from './testing/open-network.ts'

const running: { stop(): Promise<void> | void }[] = []
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (each) => each.stop()))
})

async function open(): Promise<Libp2pNetwork> {
  const network = await openNetwork()
  running.push(network)
  return network
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await sleep(5)
}

async function rawPeer(options?: Parameters<typeof RawPeer.start>[0]): Promise<RawPeer> {
  const peer = await RawPeer.start(options)
  running.push(peer)
  return peer
}

function portOf(network: Libp2pNetwork): number {
  return Number(/\/tcp\/(\d+)/.exec(network.addresses()[0]!)![1])
}

/** TCP connections that say nothing but `bytes`. */
async function idleSockets(
  network: Libp2pNetwork,
  count: number,
  bytes: string | Uint8Array = '',
): Promise<Socket[]> {
  const sockets = Array.from({ length: count }, () => connect(portOf(network), '127.0.0.1'))
  running.push({ stop: () => sockets.forEach((socket) => socket.destroy()) })
  for (const socket of sockets) socket.on('error', () => {})
  await Promise.all(
    sockets.map((socket) => new Promise<void>((resolve) => socket.once('connect', resolve))),
  )
  if (bytes.length > 0) for (const socket of sockets) socket.write(bytes)
  return sockets
}

/** Silent connections, each of them made again when it is closed. */
function besiege(network: Libp2pNetwork, count: number): void {
  const sockets = new Map<number, Socket>()
  let over = false
  const open = (place: number): void => {
    if (over) return
    const socket = connect(portOf(network), '127.0.0.1')
    sockets.set(place, socket)
    socket.on('error', () => {})
    socket.once('connect', () => socket.write('\u0013/multistream/1.0.0\n'))
    socket.once('close', () => open(place))
  }
  for (let place = 0; place < count; place++) open(place)
  running.push({
    stop: () => {
      over = true
      for (const socket of sockets.values()) socket.destroy()
    },
  })
}

async function answers(from: Libp2pNetwork, to: Libp2pNetwork): Promise<boolean> {
  const message = { type: 1, body: utf8('x') }
  const reply = await from.call(to.self, 'control', message, { timeoutMs: 10_000 })
  return utf8Text(reply.body) === 'x'
}

/** Streams that this node sees open and reset at once, until it closes the connection. */
async function flood(connection: RawConnection, count: number): Promise<void> {
  connection.send(openedAndReset(count))
  await connection.closed
}

test('a stranger that opens and resets streams is cut off', async () => {
  const [a, b] = [await open(), await open()]
  introduce([a, b])
  await until(() => allConnected([a, b]))
  const stranger = await rawPeer()
  const before = a.stats().connectionsRefused
  for (let i = 0; i < 3; i++) await flood(await stranger.connect(a.addresses()), 20_000)
  expect(a.stats().connectionsRefused).toBe(before + 3)
  expect(await answers(b, a)).toBe(true)
  expect(a.connected(b.self)).toBe(true)
})

const KIB_OF_ZEROS = new Uint8Array(1024)
test.each<[string, (connection: RawConnection) => void]>([
  [
    'streams beyond its rate, a few in each packet',
    (connection) => {
      for (let i = 0; i <= STRANGER_ALLOWANCE.streams.burst; i++) {
        connection.send(openedAndReset(1, 1 + 2 * i))
      }
    },
  ],
  [
    'streams that stay open',
    (connection) => {
      for (let i = 0; i <= STRANGER_ALLOWANCE.streamsOpenMax; i++) {
        connection.send(yamuxFrame('window', SYN, 1 + 2 * i))
      }
    },
  ],
  ['pings', (connection) => repeat(connection, yamuxFrame('ping', SYN, 0, 0, 7))],
  ['updates of windows', (connection) => repeat(connection, yamuxFrame('window', 0, 1, 0, 1))],
  ['resets of nothing', (connection) => repeat(connection, yamuxFrame('window', RST, 999))],
  ['empty data', (connection) => repeat(connection, yamuxFrame('data', 0, 999))],
  ['good-byes', (connection) => repeat(connection, yamuxFrame('go-away', 0, 0, 0, 0))],
  [
    'a frame of 4 GiB, which yamux would gather whole',
    (connection) => connection.send(yamuxFrame('data', 0, 1, KIB_OF_ZEROS, 0xffff_ffff)),
  ],
  [
    'data on streams that do not exist',
    (connection) => repeat(connection, yamuxFrame('data', 0, 999, KIB_OF_ZEROS), 300),
  ],
  [
    'proposals of protocols without end',
    (connection) => {
      connection.send(yamuxFrame('window', SYN, 1))
      const lines = `\u0013/multistream/1.0.0\n${'\u0003ls\n'.repeat(500)}`
      connection.send(yamuxFrame('data', 0, 1, utf8(lines)))
    },
  ],
])('a stranger is cut off that sends %s', async (_name, attack) => {
  const node = await open()
  const connection = await (await rawPeer()).connect(node.addresses())
  attack(connection)
  await connection.closed
  expect(node.stats().connectionsRefused).toBe(1)
})

function repeat(connection: RawConnection, frame: Uint8Array, count = 20_000): void {
  connection.send(Buffer.concat(Array.from({ length: count }, () => frame)))
}

test('a stranger within its allowance stays', async () => {
  const node = await open()
  const connection = await (await rawPeer()).connect(node.addresses())
  connection.send(openedAndReset(STRANGER_ALLOWANCE.streamsOpenMax))
  repeat(connection, yamuxFrame('ping', SYN, 0, 0, 7), 100)
  const echoed = connection.receivedBytes
  await until(() => connection.receivedBytes >= echoed + 100 * 12)
  expect(connection.isOpen).toBe(true)
})

test('a member may send more than a stranger, but only up to its limit', async () => {
  const node = await open()
  const peer = await rawPeer()
  node.setMembers(new Map([[nodeId(peer.id), []]]))
  const connection = await peer.connect(node.addresses())
  connection.send(openedAndReset(MEMBER_ALLOWANCE.streamsOpenMax))
  repeat(connection, yamuxFrame('ping', SYN, 0, 0, 7), 1_000)
  await until(() => connection.receivedBytes >= 1_000 * 12)
  expect(connection.isOpen).toBe(true)
  await flood(connection, 20_000)

  const second = await peer.connect(node.addresses())
  second.send(yamuxFrame('data', 0, 1, KIB_OF_ZEROS, 4 * MIB + 1))
  await second.closed
  expect(node.stats().connectionsRefused).toBe(2)
})

test('a member finds a place at once among 300 silent sockets that come again', async () => {
  const [a, b] = [await open(), await open()]
  // The address counts as a member's, so that no rate hides what places do; a itself can't dial.
  a.setMembers(new Map([[b.self, ['/ip4/127.0.0.1/tcp/1']]]))
  besiege(a, HANDSHAKES_MAX + 44)
  await until(() => a.stats().connectionsRefused > 0)
  b.setMembers(new Map([[a.self, a.addresses()]]))
  await until(() => allConnected([a, b]))
  expect(await answers(b, a)).toBe(true)
  expect(a.stats().handshakes).toBeGreaterThan(HANDSHAKES_MAX / 2)
})

/** Records of TLS that begin a ClientHello of 64 KiB. */
function endlessHello(): Uint8Array {
  const records = Array.from({ length: 5 }, (_, i) => {
    const record = Buffer.alloc(5 + 16_384)
    record.set([0x16, 3, 1, 0x40, 0])
    if (i === 0) record.set([1, 0, 0xff, 0xff], 5)
    return record
  })
  return Buffer.concat([utf8('\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n'), ...records])
}

test.each<[string, string | Uint8Array]>([
  ['an endless negotiation before TLS', `\u0013/multistream/1.0.0\n${'\u0003ls\n'.repeat(100)}`],
  ['an endless handshake', endlessHello()],
])('%s is cut off', async (_name, bytes) => {
  const node = await open()
  const [socket] = await idleSockets(node, 1, bytes)
  socket!.resume()
  await new Promise<void>((resolve) => socket!.once('close', () => resolve()))
  await until(() => node.stats().handshakes === 0)
  // The refusal ended it, not the deadline.
  expect(node.stats().connectionsRefused).toBe(1)
})

test('a peer that has begun with TLS keeps its place before silent ones', async () => {
  const [node, member] = [await open(), await open()]
  node.setMembers(new Map([[member.self, ['/ip4/127.0.0.1/tcp/1']]]))
  const [first] = await idleSockets(node, 1, '\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n')
  await new Promise<void>((resolve) => first!.once('data', () => resolve()))
  const idle = await idleSockets(node, HANDSHAKES_MAX)
  const evicted = Promise.any(
    idle.map((socket) => new Promise<void>((resolve) => socket.once('close', () => resolve()))),
  )
  for (const socket of [first!, ...idle]) socket.resume()
  await evicted
  expect(first!.destroyed).toBe(false)
})

test('a multiplexer is agreed on inside TLS, or not at all', async () => {
  const node = await open()
  const connection = await (await rawPeer({ bare: true })).connect(node.addresses())
  connection.send(utf8(`\u0013/multistream/1.0.0\n${'\u0003ls\n'.repeat(100)}`))
  await connection.closed
  // The peer has not even been answered.
  expect(connection.receivedBytes).toBe(0)
  expect(node.stats().strangers).toBe(0)
})

test('connections from an address where no member lives are limited', async () => {
  const node = await open()
  await idleSockets(node, 100)
  await until(() => node.stats().handshakes + node.stats().connectionsRefused >= 100)
  expect(node.stats().handshakes).toBeLessThan(40)
})

test('strangers have places of their own: the oldest makes room, members keep theirs', async () => {
  const [a, b] = [await open(), await open()]
  introduce([a, b])
  await until(() => allConnected([a, b]))
  const stranger = await rawPeer()
  const connections: RawConnection[] = []
  for (let i = 0; i <= STRANGER_CONNECTIONS_MAX_ADDRESS; i++) {
    connections.push(await stranger.connect(a.addresses()))
  }
  await connections[0]!.closed
  expect(connections.at(-1)!.isOpen).toBe(true)
  expect(a.stats().strangers).toBe(STRANGER_CONNECTIONS_MAX_ADDRESS)
  expect(a.connected(b.self)).toBe(true)
  expect(await answers(b, a)).toBe(true)
})

test('the oldest connections of a member make room for its new ones', async () => {
  const node = await open()
  const peer = await rawPeer()
  node.setMembers(new Map([[nodeId(peer.id), []]]))
  const connections: RawConnection[] = []
  for (let i = 0; i <= MEMBER_CONNECTIONS_MAX; i++) {
    connections.push(await peer.connect(node.addresses()))
  }
  await connections[0]!.closed
  expect(connections.at(-1)!.isOpen).toBe(true)
})

test('strangers that send their requests slowly keep no one from joining', async () => {
  const node = await open()
  node.serveStrangers('/shoal/test/1', (_from, request) => Promise.resolve(request))
  const slow = await rawPeer()
  // Each has opened the protocol and announced a request that never comes.
  for (let i = 0; i < 10; i++) {
    const connection = await slow.connect(node.addresses())
    for (let stream = 1; stream < 8; stream += 2) {
      connection.send(yamuxFrame('window', SYN, stream))
      const lines = utf8('\u0013/multistream/1.0.0\n\u000e/shoal/test/1\n')
      connection.send(yamuxFrame('data', 0, stream, lines))
      connection.send(yamuxFrame('data', 0, stream, new Uint8Array([0, 0, 0, 9])))
    }
  }
  const joiner = await open()
  const { reply } = await joiner.callStranger(node.addresses(), '/shoal/test/1', utf8('hello'), {
    timeoutMs: 10_000,
  })
  expect(utf8Text(reply)).toBe('hello')
})
