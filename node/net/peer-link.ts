/**
 * One control and one bulk stream to a peer, on one connection, opened by one of the two sides. Ready
 * when the hellos of both streams have come; closed when either stream is.
 *
 * Both sides may dial at once, so that there may be two links to a peer: each side then sends on the one
 * that became ready last (it is the live one when the peer was restarted), and answers on whichever a
 * request came in.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, NetworkMessage, TrafficClass } from '../env/ports.ts'
import type { ByteStream } from './byte-stream.ts'
import {
  IN_FLIGHT_BYTES_MAX,
  KEEPALIVE_INTERVAL_MS,
  SERVED_AT_ONCE_MAX,
  SILENT_INTERVALS_MAX,
} from './limits.ts'
import { RpcStream } from './rpc-stream.ts'
import type { NetworkStats } from './stats.ts'

export interface PeerLinkInit {
  readonly peer: NodeId
  readonly clock: Clock
  readonly stats: NetworkStats
  readonly serve: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>
  readonly onReady: (link: PeerLink) => void
  /** `silent`: the peer gave no sign of life, so the connection is of no use either. */
  readonly onClose: (link: PeerLink, reason: string, silent: boolean) => void
}

export class PeerLink {
  readonly peer: NodeId
  readonly #init: PeerLinkInit
  readonly #streams = new Map<TrafficClass, RpcStream>()
  #closed = false
  #closeReason = ''
  #settle = (): void => {}
  #cancelKeepalive = (): void => {}
  #silentIntervals = 0
  #lastTickMs = 0

  constructor(init: PeerLinkInit) {
    this.peer = init.peer
    this.#init = init
  }

  get closed(): boolean {
    return this.#closed
  }

  get ready(): boolean {
    return (
      !this.#closed &&
      this.#streams.get('control')?.ready === true &&
      this.#streams.get('bulk')?.ready === true
    )
  }

  stream(traffic: TrafficClass): RpcStream | undefined {
    return this.#streams.get(traffic)
  }

  attach(traffic: TrafficClass, stream: ByteStream): void {
    if (this.#closed || this.#streams.has(traffic)) {
      stream.abort(new Error(this.#closed ? 'the link is closed' : 'one stream of a class'))
      return
    }
    const { clock, stats, peer, serve } = this.#init
    const rpc = new RpcStream(stream, {
      clock,
      stats,
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX[traffic],
      servedAtOnceMax: SERVED_AT_ONCE_MAX[traffic],
      serve: (message) => serve(peer, message),
      onReady: () => this.#onStreamReady(),
      onClose: (reason) => this.close(reason),
    })
    this.#streams.set(traffic, rpc)
    // It may have closed while it was made.
    if (this.#closed) rpc.abort('the link is closed')
  }

  /** Resolves when ready; rejects when the link closes or `signal` fires before. */
  whenReady(signal: AbortSignal): Promise<void> {
    if (this.ready) return Promise.resolve()
    if (this.#closed) return Promise.reject(new Error(this.#closeReason))
    return new Promise((resolve, reject) => {
      const onAbort = (): void => this.close('not ready in time')
      signal.addEventListener('abort', onAbort, { once: true })
      this.#settle = () => {
        signal.removeEventListener('abort', onAbort)
        if (this.#closed) reject(new Error(this.#closeReason))
        else resolve()
      }
    })
  }

  /** Resets both streams. The connection stays: it may carry the exchange that makes us members. */
  close(reason: string, silent = false): void {
    if (this.#closed) return
    this.#closed = true
    this.#closeReason = reason
    this.#cancelKeepalive()
    for (const stream of this.#streams.values()) stream.abort(reason)
    this.#init.onClose(this, reason, silent)
    this.#settle()
  }

  #onStreamReady(): void {
    if (!this.ready) return
    this.#lastTickMs = this.#init.clock.monotonicMs()
    this.#scheduleKeepalive()
    this.#init.onReady(this)
    this.#settle()
  }

  /** Counts intervals, not time: after our own process was stopped only one has passed. */
  #scheduleKeepalive(): void {
    this.#cancelKeepalive = this.#init.clock.after(KEEPALIVE_INTERVAL_MS, () => {
      const control = this.#streams.get('control')
      const bulk = this.#streams.get('bulk')
      const heardMs = Math.max(control?.lastHeardMs ?? 0, bulk?.lastHeardMs ?? 0)
      this.#silentIntervals = heardMs >= this.#lastTickMs ? 0 : this.#silentIntervals + 1
      this.#lastTickMs = this.#init.clock.monotonicMs()
      if (this.#silentIntervals >= SILENT_INTERVALS_MAX) {
        this.close('no sign of life', true)
        return
      }
      control?.ping()
      this.#scheduleKeepalive()
    })
  }
}
