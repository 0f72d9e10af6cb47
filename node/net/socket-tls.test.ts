/** TLS on the socket, with peers that use libp2p's own TLS, and with peers that break off. */

import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { MultiaddrConnection } from '@libp2p/interface'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it } from 'vitest'
import { socketTls } from './socket-tls.ts'
import { atEnd, openNode, openPair, stopAll, until } from './testing/tls-nodes.ts'
import type { Encryption } from './testing/tls-nodes.ts'

const MIB = 1 << 20
const ours: Encryption = socketTls(() => Date.now())
const theirs = tls() as Encryption

afterEach(stopAll)

it.each([
  ['itself', ours, ours],
  ["libp2p's TLS that dials", theirs, ours],
  ["libp2p's TLS that listens", ours, theirs],
])('speaks with %s', async (_name, dialling, listening) => {
  const [a, b] = [await openNode(dialling), await openNode(listening)]
  const connection = await a.dial(b.getMultiaddrs())
  expect(connection.remotePeer.toString()).toBe(b.peerId.toString())
  expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
  expect(await b.services.ping.ping(a.peerId)).toBeGreaterThanOrEqual(0)
  const closed = once(b, 'connection:close')
  await connection.close()
  await closed
  expect(b.getConnections()).toEqual([])
})

it('refuses a peer that is not the one dialled', async () => {
  const [a, b, c] = [await openNode(ours), await openNode(ours), await openNode(ours)]
  const address = b.getMultiaddrs()[0]!.toString().replace(b.peerId.toString(), c.peerId.toString())
  await expect(a.dial(multiaddr(address))).rejects.toThrow('another peer has answered')
  expect(a.getConnections()).toEqual([])
})

it('judges certificates by the time it is given', async () => {
  const late = await openNode(socketTls(() => Date.UTC(10_000, 1)))
  const b = await openNode(ours)
  await expect(late.dial(b.getMultiaddrs())).rejects.toThrow('expired')
})

it('tells both sides when a connection is aborted', async () => {
  const [a, b] = [await openNode(ours), await openNode(ours)]
  const connection = await a.dial(b.getMultiaddrs())
  const closed = [once(a, 'connection:close'), once(b, 'connection:close')]
  connection.abort(new Error('enough'))
  await Promise.all(closed)
  expect([a.getConnections(), b.getConnections()]).toEqual([[], []])
})

it.each([
  ['closes', (socket: Socket) => socket.destroy()],
  ['resets', (socket: Socket) => socket.resetAndDestroy()],
  ['answers no TLS', (socket: Socket) => socket.write('no TLS at all')],
])('a dial fails at once when the peer %s in the handshake', async (_name, end) => {
  const { address, sockets } = await listen(end)
  const a = await openNode(ours)
  await expect(a.dial(multiaddr(address))).rejects.toThrow()
  expect(a.getConnections()).toEqual([])
  await until(() => sockets[0]!.destroyed)
})

it('a dial to a peer that never answers its hello ends with its signal', async () => {
  const { address, sockets } = await listen(() => {})
  const a = await openNode(ours)
  await expect(a.dial(multiaddr(address), { signal: AbortSignal.timeout(300) })).rejects.toThrow()
  await until(() => sockets[0]!.destroyed)
})

/** A server that agrees on TLS, and goes on with `then` when the hello has come. */
async function listen(
  then: (socket: Socket) => void,
): Promise<{ address: string; sockets: Socket[] }> {
  const sockets: Socket[] = []
  const server = createServer((socket) => {
    sockets.push(socket)
    socket.on('error', () => {})
    socket.write('\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n')
    // The second packet is the hello of TLS.
    let heard = ''
    socket.on('data', (bytes: Buffer) => {
      heard += bytes.toString('latin1')
      if (heard.includes('libp2p')) then(socket)
    })
  }).listen(0, '127.0.0.1')
  atEnd(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return { address: `/ip4/127.0.0.1/tcp/${port}`, sockets }
}

it('carries bytes both ways at once, whatever their sizes', async () => {
  const { dialled, accepted } = await openPair(ours)
  const chunks = [1, 16_384, 16_385, 100, 3 * MIB, 7, 65_536, MIB, 5].map((size) =>
    randomBytes(size),
  )
  const sent = Array.from({ length: 4 }, () => chunks).flat()
  const whole = createHash('sha256').update(Buffer.concat(sent)).digest('hex')
  const heard = [dialled, accepted].map((connection) => hashOf(connection))
  await Promise.all([dialled, accepted].map((connection) => sendAll(connection, sent)))
  const bytes = sent.reduce((sum, { length }) => sum + length, 0)
  await until(() => heard.every((each) => each.bytes === bytes))
  expect(heard.map((each) => each.hash.digest('hex'))).toEqual([whole, whole])
})

function hashOf(connection: MultiaddrConnection) {
  const heard = { bytes: 0, hash: createHash('sha256') }
  connection.addEventListener('message', ({ data }) => {
    heard.bytes += data.byteLength
    for (const chunk of data instanceof Uint8Array ? [data] : data) heard.hash.update(chunk)
  })
  return heard
}

async function sendAll(
  connection: MultiaddrConnection,
  chunks: readonly Uint8Array[],
): Promise<void> {
  for (const chunk of chunks) if (!connection.send(chunk)) await drained(connection)
}

async function drained(connection: MultiaddrConnection): Promise<void> {
  await new Promise<void>((resolve) =>
    connection.addEventListener('drain', () => resolve(), { once: true }),
  )
}

it('a peer that does not read stops the one that sends, and neither gathers what is on its way', async () => {
  const { dialled, accepted } = await openPair(ours)
  accepted.pause()
  const heard = hashOf(accepted)
  const sent = await fill(dialled)
  // The kernel's buffers, and those of the proxy in between, take some MiB.
  expect(sent).toBeLessThan(64 * MIB)
  expect(dialled.writeBufferLength).toBeLessThanOrEqual(CHUNK.length)
  expect(heldBy(dialled).writableLength).toBeLessThan(MIB)
  expect(heldBy(accepted).readableLength + accepted.readBufferLength).toBeLessThan(MIB)
  expect(heard.bytes).toBeLessThan(MIB)
  accepted.resume()
  await until(() => heard.bytes === sent)
})

const CHUNK = new Uint8Array(64 * 1024).fill(7)

/** Sends until nothing has moved for a while. Returns how many bytes that were. */
async function fill(connection: MultiaddrConnection): Promise<number> {
  let sent = 0
  for (let stopped = false; !stopped && sent < 256 * MIB;) {
    while (connection.send(CHUNK)) sent += CHUNK.length
    sent += CHUNK.length
    stopped = await Promise.race([drained(connection).then(() => false), sleep(300, true)])
  }
  return sent
}

/** The TLS socket inside a connection. */
function heldBy(connection: MultiaddrConnection): Socket {
  return Reflect.get(connection, 'socket') as Socket
}

it.each<[string, (pair: Awaited<ReturnType<typeof openPair>>) => void]>([
  ['its peer resets the connection', ({ way }) => way.resetAndDestroy()],
  ['its peer closes the connection', ({ way }) => way.destroy()],
  ['its peer ends the connection and reads no more', ({ way }) => way.unpipe().pause().end()],
  ['it aborts', ({ dialled }) => dialled.abort(new Error('over'))],
  ['its own socket is destroyed', ({ dialled }) => heldBy(dialled).destroy()],
])('nothing is left of a connection when in the middle of a write %s', async (_name, end) => {
  for (let round = 0; round < 3; round++) {
    const pair = await openPair(ours)
    const { dialled, accepted, way } = pair
    const socket = heldBy(dialled)
    const raw = Reflect.get(socket, '_parent') as Socket
    let closings = 0
    dialled.addEventListener('close', () => closings++)
    accepted.pause()
    if (round > 0) await fill(dialled)
    while (dialled.send(CHUNK));
    end(pair)
    await until(() => dialled.status !== 'open' && socket.destroyed && raw.destroyed)
    expect(closings).toBe(1)
    expect(() => dialled.send(new Uint8Array(1))).toThrow()
    accepted.resume()
    way.destroy()
    await until(() => accepted.status !== 'open')
    await stopAll()
  }
})

it('a close waits for what was sent before it', async () => {
  const { dialled, accepted } = await openPair(ours)
  const heard = hashOf(accepted)
  // All that the peer sends at the end of its handshake comes before this byte. The kernel would reset a connection that is
  // closed with bytes unread, and the proxy loses what it holds then.
  const first = once(dialled, 'message')
  accepted.send(new Uint8Array(1))
  await first
  dialled.send(new Uint8Array(4 * MIB))
  await dialled.close()
  await until(() => accepted.status !== 'open')
  expect(heard.bytes).toBe(4 * MIB)
})
