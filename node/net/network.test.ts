import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { EMPTY_BYTES, utf8, utf8Text } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import type { Network, NetworkMessage, PeerEvent } from '../env/ports.ts'
import { SystemClock } from '../env/system.ts'
import { FrameKind, FrameReader, encodeFrame } from './framing.ts'
import { generateNodeKey, libp2pKey } from './identity.ts'
import type { NodeKey } from './identity.ts'
import { makeLibp2p } from './libp2p.ts'
import { SERVED_BYTES_MAX } from './limits.ts'
import { MemberGate } from './member-gate.ts'
import { allConnected, introduce, networkCompliance } from './testing/network.compliance.ts'
import type { Libp2pNetwork } from './network.ts'
import { PortGuard } from './port-guard.ts'
import { openNetwork, silent } from './testing/open-network.ts'

const running: { stop(): Promise<void> | void }[] = []
const timeoutMs = 25_000

async function open(key?: NodeKey, listen?: string): Promise<Libp2pNetwork> {
  const network = await openNetwork(key, listen)
  running.push(network)
  return network
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setTimeout(resolve, 5))
}

async function pair(): Promise<[Libp2pNetwork, Libp2pNetwork]> {
  const [a, b] = await Promise.all([open(), open()])
  introduce([a, b])
  await until(() => allConnected([a, b]))
  return [a, b]
}

/** A libp2p node with the same protocols that no node counts as a member. */
async function openStranger(): ReturnType<typeof makeLibp2p> {
  const stranger = await makeLibp2p({
    privateKey: libp2pKey(generateNodeKey().privateKey),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    announce: [],
    clock: new SystemClock(),
    gate: new MemberGate(() => true),
    guard: new PortGuard({
      clock: new SystemClock(),
      logger: silent,
      isMember: () => true,
      isMembersAddress: () => true,
    }),
  })
  await stranger.start()
  running.push(stranger)
  return stranger
}

afterEach(async () => {
  await Promise.all(running.splice(0).map(async (node) => node.stop()))
})

networkCompliance('libp2p', async (count) => {
  const networks = await Promise.all(Array.from({ length: count }, () => open()))
  return {
    networks,
    run: (promise) => promise,
    until,
    close: () => Promise.resolve(),
  }
})

test('10,000 small calls at once, both ways, with blocks among them', async () => {
  const [a, b] = await pair()
  const block = new Uint8Array(1024 * 1024).fill(7)
  const call = (from: Network, to: Network, i: number): Promise<NetworkMessage> =>
    from.call(to.self, 'control', { type: i & 0xffff, body: utf8(`${i}`) }, { timeoutMs })
  const [small, blocks] = await Promise.all([
    Promise.all(
      Array.from({ length: 10_000 }, (_, i) => (i % 2 === 0 ? call(a, b, i) : call(b, a, i))),
    ),
    Promise.all(
      Array.from({ length: 48 }, () =>
        a.call(b.self, 'bulk', { type: 1, body: EMPTY_BYTES, payload: block }, { timeoutMs }),
      ),
    ),
  ])
  for (const [i, { body }] of small.entries()) expect(utf8Text(body)).toBe(`${i}`)
  for (const { payload } of blocks) expect(Buffer.compare(payload!, block)).toBe(0)
  expect(a.stats()).toMatchObject({ callsInFlight: 0, requestsInService: 0, bytesInService: 0 })
  expect(b.stats()).toMatchObject({ callsInFlight: 0, requestsInService: 0, streamsReset: 0 })
})

test('a restarted peer is found again, at its old address and at a new one', async () => {
  const key = generateNodeKey()
  // A port that the system does not give to another process meanwhile.
  const address = `/ip4/127.0.0.1/tcp/${20_000 + Math.floor(Math.random() * 10_000)}`
  const [a, b, c] = [await open(), await open(key, address), await open()]
  introduce([a, b, c])
  await until(() => allConnected([a, b, c]))
  const events: PeerEvent[] = []
  a.onPeer((event) => events.push(event))
  await b.stop()
  await until(() => !a.connected(b.self))

  const again = await open(key, address)
  again.setMembers(new Map([a, c].map((network) => [network.self, []])))
  await until(() => a.connected(again.self))
  // A second link, of simultaneous dials, may come and go while b stops.
  expect(events.at(0)?.type).toBe('down')
  expect(events.at(-1)?.type).toBe('up')
  const reply = await a.call(again.self, 'bulk', { type: 1, body: utf8('x') }, { timeoutMs })
  expect(utf8Text(reply.body)).toBe('x')

  // At the new address: b knows only c's address and a knows only b's old one. They find each other through c by Kademlia.
  await again.stop()
  await until(() => !a.connected(b.self))
  const moved = await open(key)
  moved.setMembers(
    new Map([
      [c.self, c.addresses()],
      [a.self, []],
    ]),
  )
  await until(() => a.connected(moved.self))
})

test('both dial at the same instant and stay connected', async () => {
  const networks = await Promise.all([open(), open(), open(), open()])
  introduce(networks)
  await until(() => allConnected(networks))
  const calls = networks.flatMap((from) =>
    networks.map((to) =>
      from.call(to.self, 'control', { type: 1, body: utf8('x') }, { timeoutMs }),
    ),
  )
  expect(await Promise.all(calls)).toHaveLength(16)
})

test.each([
  '/shoal/control/1',
  '/shoal/bulk/1',
  '/shoal/kad/1.0.0',
  '/meshsub/1.2.0',
  '/shoal/locate/1',
])('a stranger is refused on %s, the node goes on', async (protocol) => {
  const [a, b] = await pair()
  const stranger = await openStranger()
  const connection = await stranger.dial(a.addresses().map((address) => multiaddr(address)))
  const closed = Promise.withResolvers<void>()
  try {
    const stream = await connection.newStream(protocol)
    stream.addEventListener('close', () => closed.resolve())
    if (stream.status !== 'open') closed.resolve()
    await closed.promise
    expect(stream.status).toBe('reset')
  } catch (error) {
    // Refused already while the protocol was being agreed on.
    expect(String(error)).toMatch(/reset|closed/i)
  }
  const reply = await b.call(a.self, 'control', { type: 1, body: utf8('x') }, { timeoutMs })
  expect(utf8Text(reply.body)).toBe('x')
  expect(a.connected(b.self)).toBe(true)
})

test('a stranger enters neither routing table nor mesh, a member does', async () => {
  const [a, b] = [await open(), await open()]
  a.subscribe('load', () => {})
  const connection = await a
    .callStranger(b.addresses(), '/none/1', EMPTY_BYTES, { timeoutMs })
    .catch((error: unknown) => error)
  expect(connection).toMatchObject({ code: 'UNREACHABLE' })
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(a.stats().peersConnected).toBe(0)
  const heard: string[] = []
  b.subscribe('load', (_from, bytes) => heard.push(utf8Text(bytes)))
  // They were identified as strangers: becoming members must introduce them all the same.
  introduce([a, b])
  await until(() => {
    a.publish('load', utf8('now'))
    return heard.length > 0
  })
})

/** A member that speaks libp2p itself, with a control or bulk stream to `network`. */
async function rawMember(
  network: Libp2pNetwork,
  protocol: string,
): Promise<{
  stream: Stream
  connection: Connection
}> {
  const member = await openStranger()
  const self = nodeId(member.peerId.toString())
  network.setMembers(new Map([[self, member.getMultiaddrs().map(String)]]))
  const connection = await member.dial(network.addresses().map((address) => multiaddr(address)))
  return { stream: await connection.newStream(protocol), connection }
}

test('garbage from a member resets its stream, and nothing else', async () => {
  const [a, b] = [await open(), await open()]
  const { stream, connection } = await rawMember(a, '/shoal/control/1')
  const closed = new Promise<void>((resolve) => stream.addEventListener('close', () => resolve()))
  stream.send(new Uint8Array(1000).fill(0xff))
  await closed
  expect(a.stats().streamsReset).toBe(1)
  expect(connection.status).toBe('open')
  introduce([a, b])
  await until(() => allConnected([a, b]))
})

test('garbage on the bare port harms no one', async () => {
  const [a, b] = await pair()
  const port = Number(/tcp\/(\d+)/.exec(a.addresses()[0]!)![1])
  for (const bytes of ['GET / HTTP/1.1\r\n\r\n', '\u0013/multistream/1.0.0\n', '']) {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    await new Promise<void>((resolve) => socket.once('connect', () => resolve()))
    socket.write(bytes)
    socket.write(Buffer.alloc(5_000, 0xab), () => socket.resetAndDestroy())
    await new Promise<void>((resolve) => socket.once('close', () => resolve()))
  }
  const reply = await b.call(a.self, 'control', { type: 1, body: utf8('x') }, { timeoutMs })
  expect(utf8Text(reply.body)).toBe('x')
})

test('requests of a member beyond its share are refused, and other members are served', async () => {
  const a = await open()
  a.serve(async (_from, { type }) => {
    // Nothing is answered before the bound is met.
    await until(() => a.stats().requestsRefused > 0)
    return { type, body: EMPTY_BYTES }
  })
  const { stream } = await rawMember(a, '/shoal/bulk/1')
  const reader = new FrameReader()
  let replies = 0
  let refusals = 0
  stream.addEventListener('message', ({ data }) => {
    for (const chunk of data instanceof Uint8Array ? [data] : data) {
      reader.push(chunk, ({ kind }) => {
        if (kind === FrameKind.reply) replies++
        if (kind === FrameKind.overloaded) refusals++
      })
    }
  })
  stream.send(encodeFrame({ kind: FrameKind.hello, type: 0, id: 0, body: EMPTY_BYTES }))
  const payload = new Uint8Array(1024 * 1024)
  for (let id = 1; id <= 80; id++) {
    stream.send(encodeFrame({ kind: FrameKind.request, type: 1, id, body: EMPTY_BYTES, payload }))
  }
  await until(() => replies + refusals === 80)
  expect(replies).toBeGreaterThanOrEqual(SERVED_BYTES_MAX / payload.length - 1)
  expect(refusals).toBeGreaterThan(0)
  expect(stream.status).toBe('open')
})
