/**
 * Peers that are no members. A bounded number of them may connect, for a bounded time, in places of their own, and
 * use the protocols that are served to strangers (join). frame-budget.ts limits what they may send on a connection.
 *
 *  1. An inbound connection takes a place (places.ts). When none is free, an idle one of the address with the most
 *     loses its.
 *  2. It is closed at a look every STRANGER_IDLE_MS that finds no exchange on it, and at the first one after
 *     STRANGER_LIFETIME_MS.
 *  3. A request is read first, within a time limit, and counts among those that are worked on only then.
 *  4. When the peer becomes a member, the connection is the member's: its place is given back.
 */

import type { Connection, Libp2p, Stream } from '@libp2p/interface'
import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { groupOfAddress } from './address-group.ts'
import { groupByPeer, nodeOfPeer } from './addresses.ts'
import { NetworkFailure, messageOf } from './errors.ts'
import { answerExchange, exchange } from './exchange.ts'
import {
  STRANGER_CONNECTIONS_MAX,
  STRANGER_CONNECTIONS_MAX_ADDRESS,
  STRANGER_EXCHANGES_MAX,
  STRANGER_IDLE_MS,
  STRANGER_LIFETIME_MS,
  STRANGER_REPLY_BYTES_MAX,
  STRANGER_REQUEST_BYTES_MAX,
  STRANGER_TIMEOUT_MS,
} from './limits.ts'
import { Places } from './places.ts'

export class Strangers {
  readonly #libp2p: Libp2p
  readonly #clock: Clock
  readonly #logger: Logger
  /** By connection, the function that gives back its place and ends its time limit. */
  readonly #connections = new Map<string, () => void>()
  readonly #places = new Places({
    max: STRANGER_CONNECTIONS_MAX,
    groupMax: STRANGER_CONNECTIONS_MAX_ADDRESS,
    favours: () => false,
  })
  /** Requests that are being worked on. */
  #exchanges = 0
  /** Connections that had to make room for newer ones. */
  evicted = 0

  constructor(libp2p: Libp2p, clock: Clock, logger: Logger) {
    this.#libp2p = libp2p
    this.#clock = clock
    this.#logger = logger
  }

  /** Inbound connections. */
  get size(): number {
    return this.#places.size
  }

  /** Called for each new connection of a peer that is no member. */
  onConnection(connection: Connection): void {
    const untilMs = this.#clock.monotonicMs() + STRANGER_LIFETIME_MS
    const release = this.#takePlace(connection)
    let cancel = (): void => {}
    this.#connections.set(connection.id, () => {
      release()
      cancel()
    })
    const watch = (): void => {
      cancel = this.#clock.after(STRANGER_IDLE_MS, () => {
        if (isBusy(connection) && this.#clock.monotonicMs() < untilMs) watch()
        else connection.close().catch(() => connection.abort(new Error('idle stranger')))
      })
    }
    watch()
  }

  /** Called when the peer of a connection has become a member, or the connection is closed. */
  forget(connectionId: string): void {
    this.#connections.get(connectionId)?.()
    this.#connections.delete(connectionId)
  }

  /** Called for a new connection. Connections that this node dialled need no place. */
  #takePlace(connection: Connection): () => void {
    if (connection.direction === 'outbound') return () => {}
    return this.#places.take({
      group: groupOfAddress(connection.remoteAddr) ?? '',
      busy: () => isBusy(connection),
      evict: (reason) => {
        this.evicted++
        connection.abort(new Error(reason))
      },
    })
  }

  /**
   * As `Network.callStranger`: tries the addresses, node by node, until one is reached. Rejects with NetworkFailure:
   * UNREACHABLE, or what the exchange failed with once the request may have been delivered.
   */
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
        const peer = nodeOfPeer(connection.remotePeer)
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

  /**
   * Answers requests of anyone. The handler gets at most STRANGER_REQUEST_BYTES_MAX, and what it throws is the
   * refusal.
   */
  serve(
    protocol: string,
    handler: (from: NodeId, request: Uint8Array) => Promise<Uint8Array>,
  ): void {
    const answer = async (stream: Stream, connection: Connection): Promise<void> => {
      const signal = AbortSignal.timeout(STRANGER_TIMEOUT_MS)
      await answerExchange(stream, STRANGER_REQUEST_BYTES_MAX, signal, async (request) => {
        // Counted only from here, so that peers that send slowly, or nothing, keep no other peer out.
        if (this.#exchanges >= STRANGER_EXCHANGES_MAX) throw new Error('too many exchanges')
        this.#exchanges++
        try {
          return await handler(nodeOfPeer(connection.remotePeer), request)
        } finally {
          this.#exchanges--
        }
      })
    }
    this.#libp2p.handle(protocol, answer, { maxInboundStreams: 4 }).catch((error: unknown) => {
      this.#logger.error({ protocol, error: messageOf(error) }, 'could not serve strangers')
    })
  }
}

/** An exchange of ours is under way. Streams of identify and ping don't count. */
function isBusy({ streams }: Connection): boolean {
  return streams.some(({ protocol }) => protocol.startsWith('/shoal/'))
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
