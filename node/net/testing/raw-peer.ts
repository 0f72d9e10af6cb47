/** A peer that speaks TLS as libp2p does, and then sends its own bytes instead of yamux. */

import type { MessageStream, PrivateKey, StreamMuxer } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { quietLogger } from '../quiet-logger.ts'
import { generateNodeKey, libp2pKey } from '../identity.ts'

export const SYN = 1
export const FIN = 4
export const RST = 8

/** A frame of yamux. Data frames carry `data`, and announce `length` bytes if that is given. */
export function yamuxFrame(
  type: 'data' | 'window' | 'ping' | 'go-away',
  flags: number,
  stream: number,
  data: Uint8Array | number = 0,
  length = typeof data === 'number' ? data : data.length,
): Uint8Array {
  const header = new Uint8Array(12)
  const view = new DataView(header.buffer)
  header[1] = { data: 0, window: 1, ping: 2, 'go-away': 3 }[type]
  view.setUint16(2, flags)
  view.setUint32(4, stream)
  view.setUint32(8, length)
  return typeof data === 'number' ? header : Buffer.concat([header, data])
}

/** Frames that open and reset a number of streams, from this stream number on. */
export function openedAndReset(count: number, firstStream = 1): Uint8Array {
  const frames: Uint8Array[] = []
  for (let i = 0; i < count; i++) {
    const stream = firstStream + 2 * i
    frames.push(yamuxFrame('window', SYN, stream), yamuxFrame('window', RST, stream))
  }
  return Buffer.concat(frames)
}

export interface RawPeerOptions {
  readonly privateKey?: PrivateKey
  /** The peer offers no multiplexer inside TLS, and its bytes follow the handshake at once. */
  readonly bare?: boolean
}

export class RawPeer {
  readonly #libp2p: Awaited<ReturnType<typeof createLibp2p>>
  /** Connections that are ready for bytes, in order. */
  readonly #streams: MessageStream[]

  private constructor(libp2p: Awaited<ReturnType<typeof createLibp2p>>, streams: MessageStream[]) {
    this.#libp2p = libp2p
    this.#streams = streams
  }

  static async start(options: RawPeerOptions = {}): Promise<RawPeer> {
    const { privateKey = libp2pKey(generateNodeKey().privateKey), bare = false } = options
    const streams: MessageStream[] = []
    const makeTls = tls()
    const libp2p = await createLibp2p({
      privateKey,
      logger: quietLogger,
      transports: [tcp()],
      connectionEncrypters: [
        (components) => {
          const encrypter = makeTls(components)
          if (!bare) return encrypter
          const secureOutbound = encrypter.secureOutbound.bind(encrypter)
          encrypter.secureOutbound = async (connection, given) => {
            streams.push((await secureOutbound(connection, given)).connection)
            return new Promise(() => {})
          }
          return encrypter
        },
      ],
      streamMuxers: [
        () => ({
          protocol: bare ? '/none/1' : '/yamux/1.0.0',
          createStreamMuxer: (stream) => {
            streams.push(stream)
            return noMuxer()
          },
        }),
      ],
      connectionManager: { reconnectRetries: 0 },
      connectionMonitor: { enabled: false },
    })
    return new RawPeer(libp2p, streams)
  }

  get id(): string {
    return this.#libp2p.peerId.toString()
  }

  /** A new connection. Rejects when the handshake fails. */
  async connect(addresses: readonly string[]): Promise<RawConnection> {
    const before = this.#streams.length
    const isNew = (): boolean => this.#streams.length > before
    let failure: unknown
    const dial = (): void => {
      const where = addresses.map((address) => multiaddr(address))
      this.#libp2p.dial(where, { force: true }).then(
        () => {
          // When a dial to the same peer is under way, libp2p returns its connection.
          if (!isNew()) setImmediate(dial)
        },
        (error: unknown) => (failure = error),
      )
    }
    dial()
    // A bare connection never counts as dialled, so wait for the stream.
    while (!isNew()) {
      if (failure !== undefined) throw failure
      await new Promise((resolve) => setImmediate(resolve))
    }
    return new RawConnection(this.#streams[before]!)
  }

  async stop(): Promise<void> {
    await this.#libp2p.stop()
  }
}

export class RawConnection {
  readonly #stream: MessageStream
  readonly closed: Promise<void>
  receivedBytes = 0

  constructor(stream: MessageStream) {
    this.#stream = stream
    this.closed = new Promise((resolve) => {
      if (stream.status !== 'open') resolve()
      stream.addEventListener('close', () => resolve())
    })
    stream.addEventListener('message', ({ data }) => {
      this.receivedBytes += data.byteLength
    })
  }

  get isOpen(): boolean {
    return this.#stream.status === 'open'
  }

  /** Returns false when the caller must wait for `drained`. */
  send(bytes: Uint8Array): boolean {
    return this.isOpen && this.#stream.send(bytes)
  }

  abort(): void {
    this.#stream.abort(new Error('over'))
  }
}

export function noMuxer(): StreamMuxer {
  const target = new EventTarget()
  return Object.assign(target, {
    protocol: '/yamux/1.0.0',
    status: 'open',
    streams: [],
    createStream: () => Promise.reject(new Error('raw')),
    close: () => Promise.resolve(),
    abort() {},
    safeDispatchEvent: () => false,
    listenerCount: () => 0,
  }) as unknown as StreamMuxer
}
