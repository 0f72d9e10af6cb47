/**
 * Peers that are no members: they may connect, a bounded number of them and not idly for long, and have
 * finite exchanges on the protocols that are served to them (join).
 */

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { groupByPeer, nodeOf } from './addresses.ts'
import { NetworkFailure, messageOf } from './errors.ts'
import { answerExchange, exchange } from './exchange.ts'
import {
  STRANGER_CONNECTIONS_MAX,
  STRANGER_EXCHANGES_MAX,
  STRANGER_IDLE_MS,
  STRANGER_REPLY_BYTES_MAX,
  STRANGER_REQUEST_BYTES_MAX,
  STRANGER_TIMEOUT_MS,
} from './limits.ts'

export class Strangers {
  readonly #libp2p: Libp2p
  readonly #clock: Clock
  readonly #logger: Logger
  readonly #connections = new Set<string>()
  #exchanges = 0

  constructor(libp2p: Libp2p, clock: Clock, logger: Logger) {
    this.#libp2p = libp2p
    this.#clock = clock
    this.#logger = logger
  }

  onConnection(connection: Connection): void {
    if (this.#connections.size >= STRANGER_CONNECTIONS_MAX) {
      connection.abort(new Error('too many strangers'))
      return
    }
    this.#connections.add(connection.id)
    this.#watch(connection)
  }

  /** Its peer has become a member, or it is closed. */
  forget(connectionId: string): void {
    this.#connections.delete(connectionId)
  }

  #watch(connection: Connection): void {
    const cancel = this.#clock.after(STRANGER_IDLE_MS, () => {
      if (!this.#connections.has(connection.id)) return
      if (connection.streams.some(({ protocol }) => protocol.startsWith('/shoal/'))) {
        this.#watch(connection)
      } else {
        connection.close().catch(() => connection.abort(new Error('idle stranger')))
      }
    })
    connection.addEventListener('close', cancel)
  }

  /** As `Network.callStranger`: tries the addresses, node by node, until one is reached. */
  async call(
    addresses: readonly string[],
    protocol: string,
    request: Uint8Array,
    options: { timeoutMs: number },
  ): Promise<{ peer: NodeId; reply: Uint8Array }> {
    const signal = AbortSignal.timeout(options.timeoutMs)
    let failure = 'no usable address'
    for (const group of groupByPeer(addresses)) {
      try {
        const connection = await this.#libp2p.dial(group, { signal })
        const peer = nodeOf(connection.remotePeer)
        const reply = await exchangeOn(connection, protocol, request, {
          replyBytesMax: STRANGER_REPLY_BYTES_MAX,
          signal,
        })
        return { peer, reply }
      } catch (error) {
        // A request that may have been delivered is not sent to a second node.
        if (error instanceof NetworkFailure && error.maybeDelivered) throw error
        failure = messageOf(error)
      }
    }
    throw new NetworkFailure('UNREACHABLE', failure, false)
  }

  serve(
    protocol: string,
    handler: (from: NodeId, request: Uint8Array) => Promise<Uint8Array>,
  ): void {
    const answer = async (stream: Stream, connection: Connection): Promise<void> => {
      if (this.#exchanges >= STRANGER_EXCHANGES_MAX) {
        stream.abort(new Error('too many exchanges'))
        return
      }
      this.#exchanges++
      const signal = AbortSignal.timeout(STRANGER_TIMEOUT_MS)
      await answerExchange(stream, STRANGER_REQUEST_BYTES_MAX, signal, (request) =>
        handler(nodeOf(connection.remotePeer), request),
      )
      this.#exchanges--
    }
    this.#libp2p.handle(protocol, answer, { maxInboundStreams: 4 }).catch((error: unknown) => {
      this.#logger.error({ protocol, error: messageOf(error) }, 'could not serve strangers')
    })
  }
}

/** One exchange on a stream of its own. Fails with a NetworkFailure. */
export async function exchangeOn(
  connection: Connection,
  protocol: string,
  request: Uint8Array,
  options: { replyBytesMax: number; signal: AbortSignal },
): Promise<Uint8Array> {
  const { replyBytesMax, signal } = options
  let stream: Stream
  try {
    stream = await connection.newStream(protocol, { signal })
  } catch (error) {
    throw new NetworkFailure('UNREACHABLE', messageOf(error), false)
  }
  try {
    return await exchange(stream, request, replyBytesMax, signal)
  } catch (error) {
    if (error instanceof NetworkFailure) throw error
    throw new NetworkFailure(signal.aborted ? 'TIMEOUT' : 'ABORTED', messageOf(error), true)
  }
}
