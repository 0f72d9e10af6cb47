/** Handshakes of peers that do not keep to the protocol: they end soon, cost little, and prove nobody (F21). */

import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as tlsConnect, TLSSocket } from 'node:tls'
import type { ConnectionOptions } from 'node:tls'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, it } from 'vitest'
import { makeCertificate } from './certificate.ts'
import { generateNodeKey, libp2pKey } from './identity.ts'
import type { Libp2pNetwork } from './network.ts'
import { socketTls } from './socket-tls.ts'
import { certificateWith, extensionOf, otherExtension } from './testing/certificates.ts'
import { openNetwork } from './testing/open-network.ts'
import { atEnd, openNode, portOfNode, stopAll, until } from './testing/tls-nodes.ts'

const MIB = 1 << 20
const LINES = '\u0013/multistream/1.0.0\n\u000b/tls/1.0.0\n'
const MUXERS = ['/yamux/1.0.0', 'libp2p']
const newKey = () => libp2pKey(generateNodeKey().privateKey)

afterEach(stopAll)

async function open(): Promise<Libp2pNetwork> {
  const network = await openNetwork()
  atEnd(() => network.stop())
  return network
}

function portOfNetwork(network: Libp2pNetwork): number {
  return Number(/\/tcp\/(\d+)/.exec(network.addresses()[0]!)![1])
}

/** A socket whose peer has agreed on TLS and waits for a hello. */
async function agreed(port: number): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  atEnd(() => socket.destroy())
  socket.on('error', () => {})
  socket.write(LINES)
  for (let heard = ''; heard.length < LINES.length;) {
    const [bytes] = (await once(socket, 'data')) as [Buffer]
    heard += bytes.toString('latin1')
  }
  return socket
}

async function closed(socket: Socket): Promise<void> {
  socket.resume()
  if (!socket.destroyed) await new Promise<void>((resolve) => socket.once('close', () => resolve()))
}

/** Records of this type and these contents, or of as many bytes. */
function record(type: number, contents: Uint8Array | number): Buffer {
  const body = typeof contents === 'number' ? new Uint8Array(contents) : contents
  return Buffer.concat([Uint8Array.of(type, 3, 1, body.length >> 8, body.length & 0xff), body])
}

/** The beginning of a hello that says it has this many bytes. */
function helloOfBytes(bytes: number): Uint8Array {
  return Uint8Array.of(1, bytes >> 16, (bytes >> 8) & 0xff, bytes & 0xff)
}

const oneMiB = Buffer.concat(Array.from({ length: 64 }, () => record(23, 16_384)))
it.each<[string, Uint8Array]>([
  ['data instead of a hello', record(23, 100)],
  ['an alert instead of a hello', record(21, 2)],
  ['another message instead of a hello', record(22, Uint8Array.of(2, 0, 0, 0, 0))],
  ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n')],
  ['a hello beyond its record', record(22, Uint8Array.of(...helloOfBytes(100), 3, 3))],
  ['a hello of 16 MiB', record(22, helloOfBytes(0xffffff))],
  ['the first byte of a hello in a record of its own', record(22, Uint8Array.of(1))],
  ['a hello of nothing', record(22, helloOfBytes(0))],
  ['a hello of zeros', record(22, Buffer.concat([helloOfBytes(600), new Uint8Array(600)]))],
])('a stranger is cut off that sends %s', async (_name, bytes) => {
  const node = await open()
  const socket = await agreed(portOfNetwork(node))
  socket.write(bytes)
  await closed(socket)
  expect(node.stats()).toMatchObject({ connectionsRefused: 1, strangers: 0 })
  await until(() => node.stats().handshakes === 0)
})

it('a stranger is cut off that sends megabytes as its handshake', async () => {
  const node = await open()
  for (const first of [Buffer.from(await realHello()), record(22, helloOfBytes(64 * 1024))]) {
    const socket = await agreed(portOfNetwork(node))
    socket.write(first)
    let sent = 0
    const over = closed(socket)
    while (!socket.destroyed && sent < 64) {
      sent++
      if (!socket.write(oneMiB)) await Promise.race([over, once(socket, 'drain').catch(() => {})])
    }
    await over
    expect(sent).toBeLessThan(64)
  }
  expect(node.stats()).toMatchObject({ connectionsRefused: 2, strangers: 0 })
})

/** The hello of a usual client. */
async function realHello(): Promise<Buffer> {
  const server = createServer().listen(0, '127.0.0.1')
  atEnd(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = tlsConnect({
    port,
    host: '127.0.0.1',
    minVersion: 'TLSv1.3',
    ALPNProtocols: MUXERS,
  })
  client.on('error', () => {})
  atEnd(() => client.destroy())
  const [socket] = (await once(server, 'connection')) as [Socket]
  const [hello] = (await once(socket, 'data')) as [Buffer]
  return hello
}

it.each<[string, () => Uint8Array | Promise<Uint8Array>]>([
  ['nothing', () => new Uint8Array(0)],
  ['half of a header', () => record(22, helloOfBytes(600)).subarray(0, 6)],
  ['a header alone', () => record(22, helloOfBytes(500)).fill(2, 3, 5)],
  ['a hello and nothing else', realHello],
])('a stranger is cut off in time that sends %s', async (_name, bytes) => {
  const node = await openNode(
    socketTls(() => Date.now()),
    { inboundMs: 400 },
  )
  const socket = await agreed(portOfNode(node))
  socket.write(await bytes())
  const beginMs = performance.now()
  await closed(socket)
  expect(performance.now() - beginMs).toBeLessThan(5_000)
})

it('a hello may come byte by byte', async () => {
  const node = await openNode(socketTls(() => Date.now()))
  const proxy = createServer((way) => {
    const out = connect(portOfNode(node), '127.0.0.1').setNoDelay()
    for (const socket of [way, out]) socket.on('error', () => {})
    out.pipe(way)
    atEnd(() => way.destroy())
    way.on('close', () => out.destroy())
    let last = Promise.resolve<unknown>(undefined)
    way.on('data', (bytes) => {
      for (const byte of bytes) {
        last = last.then(() => {
          out.write(Uint8Array.of(byte))
          return new Promise((resolve) => setImmediate(resolve))
        })
      }
    })
  }).listen(0, '127.0.0.1')
  atEnd(() => proxy.close())
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  const peer = await openNode(socketTls(() => Date.now()))
  const connection = await peer.dial(multiaddr(`/ip4/127.0.0.1/tcp/${port}`))
  expect(connection.remotePeer.toString()).toBe(node.peerId.toString())
})

/** TLS as a client of its own speaks it. Resolves when the handshake is over for the client. */
async function speak(port: number, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = tlsConnect({
    socket: await agreed(port),
    rejectUnauthorized: false,
    ALPNProtocols: MUXERS,
    ...options,
  })
  socket.on('error', () => {})
  atEnd(() => socket.destroy())
  await Promise.race([once(socket, 'secureConnect'), closed(socket)]).catch(() => {})
  return socket
}

const credentials = async (changes?: Parameters<typeof certificateWith>[1]) => {
  const { cert, key } = await certificateWith(newKey(), changes)
  return { cert, key }
}
const withExtension = (bytes: number) =>
  credentials({ extensions: (proof) => [extensionOf(proof), otherExtension(bytes)] })

it.each<[string, () => ConnectionOptions | Promise<ConnectionOptions>]>([
  ['shows no certificate', () => ({})],
  ['shows an expired certificate', () => credentials({ to: '20251231235959Z' })],
  ['shows a certificate of tomorrow', () => credentials({ from: '20990101000000Z' })],
  ['shows a certificate without a proof', () => credentials({ extensions: () => [] })],
  [
    'shows a proof for another certificate',
    () => {
      const other = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      return credentials({ provedSpki: other.publicKey.export({ type: 'spki', format: 'der' }) })
    },
  ],
  [
    'shows two certificates',
    async () => {
      const [own, other] = [await credentials(), await credentials()]
      return { ...own, cert: own.cert + other.cert }
    },
  ],
  ['shows a certificate beyond our bound', () => withExtension(65_000)],
  ['shows a certificate that OpenSSL takes for too long', () => chainOf(120 * 1024)],
  ['speaks TLS 1.2', async () => ({ ...(await credentials()), maxVersion: 'TLSv1.2' })],
  [
    'knows none of our protocols',
    async () => ({ ...(await credentials()), ALPNProtocols: ['h2'] }),
  ],
])('a stranger is refused that %s', async (_name, options) => {
  const node = await open()
  const socket = await speak(portOfNetwork(node), await options())
  await closed(socket)
  await until(() => node.stats().handshakes === 0)
  expect(node.stats()).toMatchObject({ connectionsRefused: 1, strangers: 0 })
})

/** A certificate, and others behind it that make this many bytes. */
async function chainOf(bytes: number): Promise<ConnectionOptions> {
  const [own, other] = [await credentials(), await withExtension(20_000)]
  return { ...own, cert: own.cert + other.cert.repeat(Math.ceil(bytes / 20_000)) }
}

it('a stranger is let in with a usual certificate, made by us or not', async () => {
  const node = await open()
  for (const options of [
    await makeCertificate(newKey()),
    await credentials(),
    await withExtension(9),
  ]) {
    const socket = await speak(portOfNetwork(node), options)
    expect(socket.alpnProtocol).toBe(MUXERS[0])
    expect(socket.getProtocol()).toBe('TLSv1.3')
  }
  await until(() => node.stats().strangers === 3)
  expect(node.stats()).toMatchObject({ connectionsRefused: 0 })
})

it('a session of an earlier connection lets nobody in', async () => {
  const node = await open()
  let session: Buffer | undefined
  const first = await speak(portOfNetwork(node), await credentials())
  first.on('session', (given) => (session = given))
  await until(() => node.stats().strangers === 1 && session !== undefined)
  const again = await speak(portOfNetwork(node), { session: session! })
  expect(again.isSessionReused()).toBe(false)
  await closed(again)
  await sleep(20)
  expect(node.stats()).toMatchObject({ connectionsRefused: 1, strangers: 1 })
})

it('a certificate of megabytes is not even read', async () => {
  const node = await open()
  const socket = await speak(portOfNetwork(node), await chainOf(8 * MIB))
  await closed(socket)
  expect(node.stats()).toMatchObject({ connectionsRefused: 1, strangers: 0 })
})
