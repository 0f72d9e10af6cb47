/** One call to a peer or to this node itself, with its deadline, and with what the health of peers is told about it. */

import type { NodeId } from '../../protocol/ids.ts'
import type { RpcCall } from '../../protocol/rpc/calls.ts'
import { decodeMessage, MessageError } from '../../protocol/rpc/message.ts'
import type { Clock, Network, NetworkError, NetworkMessage, TrafficClass } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import { PeerHealth, type CallKind } from './peer-health.ts'

/** What limits a call. `signal` ends it early. */
export interface CallOptions {
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export class PeerCaller {
  /** Told of each call that begins and how it ends. */
  readonly health: PeerHealth
  readonly #network: Network
  readonly #clock: Clock

  constructor(network: Network, clock: Clock, disk: Pick<DiskWatch, 'readsSilentMs'>) {
    this.#network = network
    this.#clock = clock
    this.health = new PeerHealth(clock, {
      node: network.self,
      diskSilentMs: () => disk.readsSilentMs(),
    })
  }

  /**
   * Runs `run`, which this node answers itself. It has a deadline as well: the disk may hang (D11). After the deadline
   * this rejects like a peer's time-out, and the result of `run` is ignored: then `onLate` is called.
   */
  own<T>(
    kind: CallKind,
    { timeoutMs }: CallOptions,
    run: () => Promise<T>,
    onLate?: () => void,
  ): Promise<T> {
    const ended = this.health.began(this.#network.self, kind)
    return new Promise((resolve, reject) => {
      let over = false
      const cancel = this.#clock.after(timeoutMs, () => {
        over = true
        ended('silent')
        onLate?.()
        reject(new OwnDeadline(`this node itself gave no answer within ${timeoutMs} ms`))
      })
      const end = (): void => {
        if (over) return
        cancel()
        ended('answered')
      }
      run().then(
        (value) => {
          end()
          resolve(value)
        },
        (error: unknown) => {
          end()
          reject(error as Error)
        },
      )
    })
  }

  /**
   * Encodes a request, calls the peer and decodes its answer. Throws NetworkError, and MessageError for an answer that
   * does not decode.
   * @param kind for the health of the peer; 'other' when left out
   */
  async ask<Request, Reply>(
    { type, traffic, request, reply }: RpcCall<Request, Reply>,
    to: NodeId,
    message: Partial<Request>,
    options: CallOptions,
    kind?: CallKind,
    payload?: Uint8Array,
  ): Promise<Reply> {
    const sent = { type, body: request.encode(message), payload }
    return decodeMessage(reply, (await this.call(to, traffic, sent, options, kind)).body)
  }

  /** One call with bytes in and bytes out. Throws NetworkError, and MessageError for an answer of another type. */
  async call(
    to: NodeId,
    traffic: TrafficClass,
    message: NetworkMessage,
    { timeoutMs, signal }: CallOptions,
    kind: CallKind = 'other',
  ): Promise<NetworkMessage> {
    const ended = this.health.began(to, kind)
    try {
      const answer = await this.#network.call(
        to,
        traffic,
        message,
        signal === undefined ? { timeoutMs } : { timeoutMs, signal },
      )
      ended('answered')
      const { type } = message
      if (answer.type !== type)
        throw new MessageError(`answer of type ${answer.type} to a call of type ${type}`)
      return answer
    } catch (error) {
      const { code } = error as { code?: NetworkError['code'] }
      if (code !== undefined) ended(howEnded(code))
      throw error
    }
  }
}

/** What a failed call says about its peer. `none`: nothing, for example because it was cancelled. */
function howEnded(code: NetworkError['code']): 'answered' | 'silent' | 'none' {
  // A peer that refuses calls unserved has too many calls without an answer already.
  if (code === 'TIMEOUT' || code === 'OVERLOADED') return 'silent'
  return code === 'REFUSED' ? 'answered' : 'none'
}

/** Looks like a peer's time-out. The request may still be carried out. */
class OwnDeadline extends Error implements NetworkError {
  override readonly name = 'OwnDeadline'
  readonly code = 'TIMEOUT'
  readonly maybeDelivered = true
}
