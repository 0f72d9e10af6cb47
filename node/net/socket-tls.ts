/**
 * libp2p's TLS on the socket of a TCP connection. `@libp2p/tls` runs Node's TLS over a stream in JavaScript, so
 * each encrypted record passes through JavaScript twice. Here Node's TLS takes the socket itself, and the connection
 * of libp2p's TCP goes on with the TLS socket in the place of it. Peers see no difference.
 *
 * What a handshake may cost, when the peer is anyone:
 *
 *  - The hello is looked at before OpenSSL is given the socket (tls-hello.ts). What follows is bounded by OpenSSL, and the
 *    whole once more when the handshake ends (limits.ts). The caller's signal bounds its time.
 *  - Sessions are not resumed, so that each connection proves its peer with a certificate.
 *  - The peer's certificate comes alone, as the specification says. OpenSSL has checked what came with it by then.
 */

import { constants } from 'node:crypto'
import { Socket } from 'node:net'
import { connect, createSecureContext, TLSSocket } from 'node:tls'
import type { SecureContext } from 'node:tls'
import { serviceCapabilities } from '@libp2p/interface'
import type {
  ConnectionEncrypter,
  MessageStream,
  PeerId,
  PrivateKey,
  SecureConnectionOptions,
  SecuredConnection,
  StreamMuxerFactory,
  Upgrader,
} from '@libp2p/interface'
import type { Uint8ArrayList } from 'uint8arraylist'
import { makeCertificate, peerOfCertificate } from './certificate.ts'
import { HandshakeRefused, messageOf } from './errors.ts'
import { HANDSHAKE_BYTES_MAX } from './limits.ts'
import { helloOf } from './tls-hello.ts'

const PROTOCOL = '/tls/1.0.0'
/** What peers agree on that agree on no multiplexer. */
const NO_MULTIPLEXER = 'libp2p'

interface Components {
  readonly privateKey: PrivateKey
  readonly upgrader: Upgrader
}

type Muxers = ReadonlyMap<string, StreamMuxerFactory>

/** What a connection of libp2p's TCP has inside. */
interface TcpConnection extends MessageStream {
  socket: Socket
  readonly readBuffer: Uint8ArrayList
  sendData(data: Uint8ArrayList): { sentBytes: number; canSendMore: boolean }
  sendReset(error: Error): void
  onData(bytes: Uint8Array): void
  onTransportClosed(): void
  safeDispatchEvent(type: 'drain'): boolean
}

/** @param nowMs the time of day, by which certificates are judged */
export function socketTls(nowMs: () => number): (components: Components) => ConnectionEncrypter {
  return (components) => {
    let context: Promise<SecureContext> | undefined
    const secure = async (
      given: MessageStream,
      isServer: boolean,
      options: SecureConnectionOptions = {},
    ): Promise<SecuredConnection> => {
      const connection = given as TcpConnection
      const secureContext = await (context ??= makeContext(components.privateKey))
      options.signal?.throwIfAborted()
      if (isServer) await helloOf(connection, options.signal)
      const muxers: Muxers =
        options.skipStreamMuxerNegotiation === true
          ? new Map()
          : components.upgrader.getStreamMuxers()
      const raw = takeSocket(connection)
      const socket = tlsOn(raw, isServer, secureContext, muxers)
      try {
        await handshake(socket, raw, options.signal)
        const remotePeer = await peerOf(socket, nowMs())
        if (options.remotePeer?.equals(remotePeer) === false)
          throw new HandshakeRefused('another peer has answered')
        goOn(connection, raw, socket)
        const streamMuxer = muxers.get(socket.alpnProtocol || NO_MULTIPLEXER)
        return { connection, remotePeer, ...(streamMuxer && { streamMuxer }) }
      } catch (error) {
        socket.destroy()
        connection.abort(error instanceof Error ? error : new Error(messageOf(error)))
        throw error
      }
    }
    const encrypter: ConnectionEncrypter = {
      protocol: PROTOCOL,
      secureInbound: (connection, options) => secure(connection, true, options),
      secureOutbound: (connection, options) => secure(connection, false, options),
    }
    return Object.assign(encrypter, { [serviceCapabilities]: ['@libp2p/connection-encryption'] })
  }
}

async function makeContext(privateKey: PrivateKey): Promise<SecureContext> {
  return createSecureContext({
    ...(await makeCertificate(privateKey)),
    // Certificates sign themselves. Without a list, OpenSSL would be given all authorities that Node knows.
    ca: [],
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    // All connections share the context, so a ticket of one could stand for the certificate of another.
    secureOptions: constants.SSL_OP_NO_TICKET,
  })
}

function tlsOn(
  raw: Socket,
  isServer: boolean,
  secureContext: SecureContext,
  muxers: Muxers,
): TLSSocket {
  // Certificates are judged by peerOf().
  const options = { secureContext, rejectUnauthorized: false }
  if (!isServer) {
    return connect({ ...options, socket: raw, ALPNProtocols: [...muxers.keys(), NO_MULTIPLEXER] })
  }
  return new TLSSocket(raw, {
    ...options,
    isServer,
    requestCert: true,
    ALPNCallback: ({ protocols }) =>
      protocols.find((protocol) => muxers.has(protocol)) ??
      protocols.find((protocol) => protocol === NO_MULTIPLEXER),
  })
}

/** Who has proved to be at the other end. Throws HandshakeRefused. */
async function peerOf(socket: TLSSocket, nowMs: number): Promise<PeerId> {
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) throw new HandshakeRefused('the peer has shown no certificate')
  if (certificate.issuerCertificate !== undefined)
    throw new HandshakeRefused('the peer has shown more than one certificate')
  try {
    return await peerOfCertificate(certificate, nowMs)
  } catch (error) {
    throw new HandshakeRefused(messageOf(error), { cause: error })
  }
}

/** The connection's socket, with what it has received and nobody has read. The connection hears no data from it. */
function takeSocket(connection: TcpConnection): Socket {
  const { socket, readBuffer } = connection
  if (!(socket instanceof Socket)) throw new TypeError('TLS needs a connection of TCP')
  if (socket.destroyed || connection.status !== 'open') throw new Error('the connection has closed')
  socket.pause()
  socket.removeAllListeners('data')
  socket.removeAllListeners('drain')
  if (readBuffer.byteLength > 0) {
    socket.unshift(readBuffer.slice())
    readBuffer.consume(readBuffer.byteLength)
  }
  return socket
}

/** Resolves when TLS is established and the peer has sent no more for it than it may. */
function handshake(socket: TLSSocket, raw: Socket, signal: AbortSignal | undefined): Promise<void> {
  // Someone must always listen. An error destroys the socket, and goOn() sees that.
  socket.on('error', () => {})
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      fail(isFromOpenSsl(error) ? new HandshakeRefused(error.message, { cause: error }) : error)
    const aborted = (): void => fail(new Error('the handshake took too long'))
    const closed = (): void => fail(new Error('the peer has closed the connection'))
    const secured = (): void => {
      if (raw.bytesRead <= HANDSHAKE_BYTES_MAX) end(resolve)
      else fail(new HandshakeRefused('a handshake is too long'))
    }
    const fail = (error: Error): void => end(() => reject(error))
    const end = (then: () => void): void => {
      socket.off('error', failed).off('close', closed).off('secure', secured)
      signal?.removeEventListener('abort', aborted)
      then()
    }
    socket.on('error', failed).on('close', closed).on('secure', secured)
    signal?.addEventListener('abort', aborted)
    if (signal?.aborted === true) aborted()
  })
}

/** Whether OpenSSL has refused what a peer sent. */
function isFromOpenSsl(error: Error): boolean {
  const code: unknown = Reflect.get(error, 'code')
  return typeof code === 'string' && code.startsWith('ERR_SSL_')
}

/** Lets the connection send and receive on the TLS socket, from here on. */
function goOn(connection: TcpConnection, raw: Socket, socket: TLSSocket): void {
  if (socket.destroyed || connection.status !== 'open') throw new Error('the connection has closed')
  connection.socket = socket
  // `onData` is looked up each time: port-guard.ts replaces it.
  socket.on('data', (bytes) => connection.onData(bytes))
  socket.on('drain', () => connection.safeDispatchEvent('drain'))
  socket.once('end', () => {
    connection.onTransportClosed()
    // Nobody waits for the rest, and a peer that only half closed could keep it here for ever.
    socket.destroy()
  })
  socket.on('error', (error) => connection.abort(error))
  // A TLS socket can't reset its connection, and a socket that has begun to end can't be reset.
  connection.sendReset = () => {
    if (raw.writableEnded || socket.writableEnded) socket.destroy()
    else raw.resetAndDestroy()
  }
  const sendData = connection.sendData.bind(connection)
  connection.sendData = (data) => {
    // One record, and one system call, for a frame's header and its data.
    socket.cork()
    try {
      return sendData(data)
    } finally {
      socket.uncork()
    }
  }
}
