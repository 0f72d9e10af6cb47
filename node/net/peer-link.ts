/**
 * One control and one bulk stream to a peer, on one connection, opened by one of the two sides. Ready
 * when the hellos of both streams have come; closed when either stream is.
 *
 * Both sides may dial at once, so that there may be two links to a peer: each side then sends on the one
 * that became ready last (it is the live one when the peer was restarted), and answers on whichever a
 * request came in.
 *
 * After a cut, TCP sends again at intervals that have doubled for as long as the cut lasted. So a silent link says
 * that it is silent (`hearing`), and is replaced by a new one (links.ts).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { Clock, NetworkMessage, TrafficClass } from '../env/ports.ts'
import type { ByteStream } from './byte-stream.ts'
import {
  DROPPED_BEATS,
  HEARTBEAT_MS,
  IN_FLIGHT_BYTES_MAX,
  LOST_BEATS,
  SERVED_AT_ONCE_MAX,
  SILENT_BEATS,
} from './limits.ts'
import { sendWindowUpdatesLate } from './late-window-updates.ts'
import { RpcStream } from './rpc-stream.ts'
import type { NetworkStats } from './stats.ts'

/** clear: bytes came lately. silent: another link should be tried. lost: the peer counts as down. */
export type Hearing = 'clear' | 'silent' | 'lost'

/** What a link needs of the node that it belongs to (links.ts). */
export interface PeerLinkInit {
  readonly peer: NodeId
  readonly clock: Clock
  readonly stats: NetworkStats
  readonly serve: (from: NodeId, message: NetworkMessage) => Promise<NetworkMessage>
  /** Called once, when both hellos have come. */
  readonly onReady: (link: PeerLink) => void
  /** Called when `hearing` has changed. */
  readonly onHearing: (link: PeerLink) => void
  /** `silent`: the peer gave no sign of life, so the connection is of no use either. */
  readonly onClose: (link: PeerLink, reason: string, silent: boolean) => void
  /** Runs what it gets once, when the turn of the event loop ends. */
  readonly afterTurn: (run: () => void) => void
}

/** Never used again once it is closed. */
export class PeerLink {
  readonly peer: NodeId
  readonly #init: PeerLinkInit
  readonly #streams = new Map<TrafficClass, RpcStream>()
  #closed = false
  #closeReason = ''
  #settle = (): void => {}
  #cancelHeartbeat = (): void => {}
  /** Heartbeats in a row in which no byte came. */
  #silentBeats = 0
  #lastBeatMs = 0

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

  get hearing(): Hearing {
    if (this.#silentBeats >= LOST_BEATS) return 'lost'
    return this.#silentBeats >= SILENT_BEATS ? 'silent' : 'clear'
  }

  /** Undefined until the stream is attached. */
  stream(traffic: TrafficClass): RpcStream | undefined {
    return this.#streams.get(traffic)
  }

  /**
   * Takes a stream of the connection. One too many is reset, and so is one that comes after the link was
   * closed.
   */
  attach(traffic: TrafficClass, stream: ByteStream): void {
    if (this.#closed || this.#streams.has(traffic)) {
      stream.abort(
        new Error(this.#closed ? 'the link is closed' : 'a link has one stream of each class'),
      )
      return
    }
    sendWindowUpdatesLate(stream)
    const { clock, stats, peer, serve, afterTurn } = this.#init
    const rpc = new RpcStream(stream, {
      clock,
      stats,
      inFlightBytesMax: IN_FLIGHT_BYTES_MAX[traffic],
      servedAtOnceMax: SERVED_AT_ONCE_MAX[traffic],
      serve: (message) => serve(peer, message),
      onReady: () => this.#onStreamReady(),
      onClose: (reason) => this.close(reason),
      afterTurn,
    })
    this.#streams.set(traffic, rpc)
    // A stream may have closed while the link was made.
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
    this.#cancelHeartbeat()
    for (const stream of this.#streams.values()) stream.abort(reason)
    this.#init.onClose(this, reason, silent)
    this.#settle()
  }

  #onStreamReady(): void {
    if (!this.ready) return
    this.#lastBeatMs = this.#init.clock.monotonicMs()
    this.#scheduleHeartbeat()
    this.#init.onReady(this)
    this.#settle()
  }

  /** Counts heartbeats, not time: after this process was stopped, only one has passed. */
  #scheduleHeartbeat(): void {
    this.#cancelHeartbeat = this.#init.clock.after(HEARTBEAT_MS, () => {
      const before = this.hearing
      this.#silentBeats = this.#heard() ? 0 : this.#silentBeats + 1
      this.#lastBeatMs = this.#init.clock.monotonicMs()
      if (this.#silentBeats >= DROPPED_BEATS) {
        this.close('no sign of life', true)
        return
      }
      if (this.#silentBeats > 0) this.#streams.get('control')?.ping()
      this.#scheduleHeartbeat()
      if (this.hearing !== before) this.#init.onHearing(this)
    })
  }

  #heard(): boolean {
    for (const stream of this.#streams.values()) {
      // A stream that this node does not read cannot give a sign of life.
      if (stream.lastHeardMs >= this.#lastBeatMs || stream.paused) return true
    }
    return false
  }
}
