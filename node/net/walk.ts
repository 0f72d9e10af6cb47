/**
 * Finds the replica set of a partition without the layout: walks the DHT to a provider of the partition's slice
 * (kademlia.ts), and asks that provider on a stream of its own (exchange.ts).
 *
 * ```
 * request   partition (16)
 * reply     node ids in UTF-8, one on each line; empty when the provider names none
 * ```
 *
 * Only members are asked, and only members are answered. The answer is what that provider's layout says.
 */

import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { byteString, bytesOf, readU16, u16, utf8, utf8Text } from '../../protocol/bytes.ts'
import { nodeId } from '../../protocol/ids.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { Logger } from '../env/ports.ts'
import { nodeOfPeer, withPeer } from './addresses.ts'
import { messageOf } from './errors.ts'
import { answerExchange } from './exchange.ts'
import type { Kademlia } from './kademlia.ts'
import { KIB, STRANGER_TIMEOUT_MS } from './limits.ts'
import { exchangeOn } from './strangers.ts'

export const LOCATE_PROTOCOL = '/shoal/locate/1'
const REPLY_BYTES_MAX = 16 * KIB

/** The first answer that came. */
export interface WalkResult {
  /** In the order in which the provider names them. */
  readonly replicas: NodeId[]
  /** The member that answered. */
  readonly provider: NodeId
  /** Peers that the walk had asked until then. */
  readonly hops: number
}

export class Walker {
  readonly #libp2p: Libp2p
  readonly #kademlia: Kademlia
  readonly #isMember: (node: NodeId) => boolean
  readonly #logger: Logger
  #handler: ((partition: number) => NodeId[]) | undefined

  constructor(
    libp2p: Libp2p,
    kademlia: Kademlia,
    isMember: (node: NodeId) => boolean,
    logger: Logger,
  ) {
    this.#libp2p = libp2p
    this.#kademlia = kademlia
    this.#isMember = isMember
    this.#logger = logger
  }

  /** Sets what this node answers. Until then it refuses. */
  serve(handler: (partition: number) => NodeId[]): void {
    this.#handler = handler
  }

  /**
   * Asks providers of the slice (protocol/keyspace/slice.ts) for one of its partitions. Undefined when no member answers
   * within `timeoutMs`, and this node provides no such slice itself.
   */
  async walk(slice: number, partition: number, timeoutMs: number): Promise<WalkResult | undefined> {
    const signal = AbortSignal.timeout(timeoutMs)
    const self = nodeOfPeer(this.#libp2p.peerId)
    let hops = 0
    let own = this.#kademlia.provides(slice)
    try {
      for await (const found of this.#kademlia.providers(slice, signal)) {
        hops = found.hops
        const provider = nodeOfPeer(found.peer)
        own ||= provider === self
        if (!this.#isMember(provider)) continue
        const replicas = await this.#ask(found.peer, found.addresses, partition, signal)
        if (replicas !== undefined) return { replicas, provider, hops }
      }
    } catch {
      // The time is over, or the walk found no provider.
    }
    // Other nodes are asked first. A node that provides the slice itself can answer without them.
    if (!own || this.#handler === undefined) return undefined
    return { replicas: this.#handler(partition), provider: self, hops }
  }

  /**
   * Undefined when the provider can't be reached, refuses, or answers nonsense: the walk then goes on to the
   * next.
   */
  async #ask(
    peer: PeerId,
    addresses: readonly Multiaddr[],
    partition: number,
    signal: AbortSignal,
  ): Promise<NodeId[] | undefined> {
    try {
      const [standing] = this.#libp2p.getConnections(peer)
      const dialled = addresses.flatMap((address) => withPeer(address, peer.toString()))
      const connection =
        standing ?? (await this.#libp2p.dial(dialled.length > 0 ? dialled : peer, { signal }))
      const reply = await exchangeOn(connection, LOCATE_PROTOCOL, bytesOf(u16(partition)), {
        replyBytesMax: REPLY_BYTES_MAX,
        signal,
      })
      const text = utf8Text(reply)
      return text === '' ? [] : text.split('\n').map(nodeId)
    } catch (error) {
      this.#logger.debug({ peer: peer.toString(), error: messageOf(error) }, 'locate failed')
      return undefined
    }
  }

  /** Serves one exchange. Never rejects: a failure resets the stream. */
  async answer(stream: Stream, connection: Connection): Promise<void> {
    if (!this.#isMember(nodeOfPeer(connection.remotePeer))) {
      stream.abort(new Error('members only'))
      return
    }
    const signal = AbortSignal.timeout(STRANGER_TIMEOUT_MS)
    await answerExchange(stream, 2, signal, (request) => {
      if (request.length !== 2) return Promise.reject(new Error('a partition has two bytes'))
      if (this.#handler === undefined) return Promise.reject(new Error('no walks are served yet'))
      return Promise.resolve(utf8(this.#handler(readU16(byteString(request), 0)).join('\n')))
    })
  }
}
