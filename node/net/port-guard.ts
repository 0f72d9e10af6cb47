/**
 * Puts limits around the parts of libp2p's port: the TCP listener (handshakes.ts), TLS, which proves the id of a
 * connection's peer, and yamux (frame-budget.ts).
 *
 * TCP connections and multiplexers of libp2p are given bytes by a call of their `onData`; replacing it on
 * the instance is the one way to see bytes before they are worked on.
 *
 *  1. A TCP connection takes a place among the handshakes, or is refused. Its first bytes must ask for TLS, and are
 *     counted until OpenSSL has the socket (socket-tls.ts).
 *  2. Handshakes of strangers begin one after the other, with pauses between them.
 *  3. Once TLS has told the peer's id, and a multiplexer is agreed on, the place is given back.
 *  4. From then on each frame of yamux is counted against what the peer may send. Too much closes the connection.
 *
 * libp2p.ts wraps its parts with `tcp`, `tls` and `yamux`.
 */

import type {
  ConnectionEncrypter,
  Listener,
  MultiaddrConnection,
  PeerId,
  StreamMuxer,
  StreamMuxerFactory,
  Transport,
  Upgrader,
} from '@libp2p/interface'
import type { Clock, Logger } from '../env/ports.ts'
import { groupOfAddress } from './address-group.ts'
import { HandshakeRefused, messageOf } from './errors.ts'
import { FrameBudget } from './frame-budget.ts'
import { Handshakes, Opening } from './handshakes.ts'
import { STRANGER_STREAMS } from './limits.ts'
import { TokenBucket } from './token-bucket.ts'

export interface PortGuardInit {
  readonly clock: Clock
  readonly logger: Logger
  readonly isMember: (peer: PeerId) => boolean
  /** Whether a member is known to live at an address (address-group.ts). */
  readonly isMembersAddress: (group: string) => boolean
}

type Bytes = Uint8Array | Iterable<Uint8Array>
/** What TCP connections and multiplexers of libp2p have in common. */
interface Receiver {
  onData(bytes: Bytes): void
}

/** One for each network. */
export class PortGuard {
  /** The connections whose peer is not known yet. */
  readonly handshakes: Handshakes
  readonly #init: PortGuardInit
  /** By encrypted connection. */
  readonly #peers = new WeakMap<object, PeerId>()
  /** By inbound connection that is not encrypted yet. */
  readonly #groups = new WeakMap<object, string>()
  /** Streams that all strangers together may open. */
  readonly #strangersStreams: TokenBucket
  /** Connections that were refused, dropped or closed because of what their peers sent. */
  closed = 0

  constructor(init: PortGuardInit) {
    this.#init = init
    this.handshakes = new Handshakes(init.clock, init.isMembersAddress)
    this.#strangersStreams = new TokenBucket(init.clock, STRANGER_STREAMS)
  }

  /** Limits the connections that a listener accepts. Dialling is not limited. */
  tcp<C>(make: (components: C) => Transport): (components: C) => Transport {
    return (components) => {
      const transport = make(components)
      const createListener = transport.createListener.bind(transport)
      transport.createListener = (options): Listener =>
        createListener({ ...options, upgrader: this.#boundedUpgrader(options.upgrader) })
      return transport
    }
  }

  /** The part of it that a listener uses. */
  #boundedUpgrader(upgrader: Upgrader): Upgrader {
    const upgradeInbound = async (
      connection: MultiaddrConnection,
      options: Parameters<Upgrader['upgradeInbound']>[1],
    ): Promise<void> => {
      const { remoteAddr } = connection
      const group = groupOfAddress(remoteAddr) ?? ''
      const opening = new Opening()
      const end = this.handshakes.begin({
        group,
        busy: () => opening.isTls,
        evict: (reason) => this.#close(connection, `dropped in its handshake: ${reason}`),
      })
      if (end === undefined) {
        this.#close(connection, 'too many connections from this address')
        throw new Error('too many connections from this address')
      }
      connection.addEventListener('close', end)
      this.#groups.set(connection, group)
      const stopLooking = intercept(connection, (bytes) => {
        try {
          opening.take(bytes)
          return true
        } catch (error) {
          this.#close(connection, messageOf(error))
          return false
        }
      })
      try {
        await upgrader.upgradeInbound(connection, options as never)
      } finally {
        stopLooking()
        end()
      }
    }
    return new Proxy(upgrader, {
      get: (target, key) => {
        if (key === 'upgradeInbound') return upgradeInbound
        const value: unknown = Reflect.get(target, key)
        return typeof value === 'function' ? value.bind(target) : value
      },
    })
  }

  /** Paces handshakes of strangers, and notes whose connection it is. */
  tls<C>(make: (components: C) => ConnectionEncrypter): (components: C) => ConnectionEncrypter {
    return (components) => {
      const encrypter = make(components)
      const secureInbound = encrypter.secureInbound.bind(encrypter)
      const secureOutbound = encrypter.secureOutbound.bind(encrypter)
      encrypter.secureInbound = async (connection, options) => {
        await this.handshakes.turn(this.#groups.get(connection) ?? '')
        const secured = await secureInbound(connection, options).catch((error: unknown) => {
          if (error instanceof HandshakeRefused)
            this.#close(connection as MultiaddrConnection, error.message)
          throw error
        })
        // Every node agrees on it inside TLS. multistream-select would answer any number of lines.
        if (secured.streamMuxer === undefined) {
          const error = new Error('no multiplexer was agreed on in the handshake')
          secured.connection.abort(error)
          throw error
        }
        this.#peers.set(secured.connection, secured.remotePeer)
        return secured
      }
      encrypter.secureOutbound = async (connection, options) => {
        const secured = await secureOutbound(connection, options)
        this.#peers.set(secured.connection, secured.remotePeer)
        return secured
      }
      return encrypter
    }
  }

  /** Counts the frames of each connection. */
  yamux(make: () => StreamMuxerFactory): () => StreamMuxerFactory {
    return () => {
      const factory = make()
      return {
        protocol: factory.protocol,
        createStreamMuxer: (connection) => {
          const muxer: StreamMuxer = factory.createStreamMuxer(connection)
          const peer = this.#peers.get(connection)
          const budget = new FrameBudget({
            clock: this.#init.clock,
            isMember: () => peer !== undefined && this.#init.isMember(peer),
            dialled: connection.direction === 'outbound',
            streams: () => muxer.streams,
            strangersStreams: this.#strangersStreams,
          })
          intercept(muxer, (bytes) => {
            try {
              budget.take(bytes)
              return true
            } catch (error) {
              this.closed++
              const reason = messageOf(error)
              this.#init.logger.debug({ peer: peer?.toString(), reason }, 'closed a connection')
              // yamux resets its streams and closes the connection.
              throw error
            }
          })
          return muxer
        },
      }
    }
  }

  #close(connection: MultiaddrConnection, reason: string): void {
    this.closed++
    const address = connection.remoteAddr.toString()
    this.#init.logger.debug({ address, reason }, 'closed a connection')
    connection.abort(new Error(reason))
  }
}

/** Shows all bytes to `look` first, and passes on those that it accepts. The returned function ends that. */
function intercept(target: object, look: (bytes: Bytes) => boolean): () => void {
  const receiver = target as Receiver
  const onData = receiver.onData.bind(receiver)
  const mine = (bytes: Bytes): void => {
    if (look(bytes)) onData(bytes)
  }
  receiver.onData = mine
  return () => {
    if (receiver.onData === mine) receiver.onData = onData
  }
}
