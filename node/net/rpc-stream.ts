/**
 * Requests and replies in both directions over one long-lived stream of one traffic class.
 *
 *   1. Both sides send a hello. The stream is ready when that of the other side has come. (An open stream proves
 *      nothing: the other side may refuse it after the protocol was agreed on.)
 *   2. Each side numbers its own requests; replies come in any order.
 *   3. A caller keeps a bounded number of request bytes in flight (call-table.ts). Beyond twice that number its
 *      requests are refused unserved: the disk hangs, their callers have given up on the first of them and send
 *      more. Reading goes on. An unread stream would also hold back the replies to our own calls, and with them the
 *      requests of clients (D11).
 *   4. A bounded number of requests is served at once. The next ones wait, also while too many bytes of replies are
 *      queued for this peer. Reading goes on, so that two peers never wait for each other. Only a peer that sends
 *      too much and does not read the answers is no longer read.
 *   5. A malformed frame resets the stream, and nothing else.
 */

import { EMPTY_BYTES, utf8, utf8Text } from '../../protocol/bytes.ts'
import type { Clock, NetworkMessage } from '../env/ports.ts'
import type { ByteStream } from './byte-stream.ts'
import { CallTable } from './call-table.ts'
import { FrameError, messageOf } from './errors.ts'
import { FrameWriter } from './frame-writer.ts'
import { FrameKind, FrameReader, fitsFrame, frameBytes, releasePayload } from './framing.ts'
import type { Frame } from './framing.ts'
import {
  PAYLOAD_BYTES_MAX,
  REPLY_QUEUE_BYTES_MAX,
  SERVED_BYTES_MAX,
  SERVED_BYTES_MAX_NODE,
  SERVED_REQUESTS_MAX,
} from './limits.ts'
import type { NetworkStats } from './stats.ts'

export interface RpcStreamInit {
  readonly clock: Clock
  /** Counters of the whole node. Its `bytesInService` limits what all peers together may have served. */
  readonly stats: NetworkStats
  /** Bytes of requests sent to the peer and not answered; further calls wait. */
  readonly inFlightBytesMax: number
  /** Requests of the peer that are served at the same time; further ones wait. */
  readonly servedAtOnceMax: number
  /** Answers a request. What it throws is sent as a refusal. */
  readonly serve: (message: NetworkMessage) => Promise<NetworkMessage>
  /** Called once, when the peer's hello has come. */
  readonly onReady: () => void
  /** Called once, after all calls have failed. */
  readonly onClose: (reason: string) => void
  /** Runs what it gets once, when the turn of the event loop ends. */
  readonly afterTurn: (run: () => void) => void
}

/** Refusals carry at most this much text. */
const REFUSAL_CHARS_MAX = 1024

/** One stream, from its first hello until it is closed or reset. */
export class RpcStream {
  readonly #stream: ByteStream
  readonly #init: RpcStreamInit
  readonly #reader = new FrameReader()
  readonly #writer: FrameWriter
  readonly #calls: CallTable
  #ready = false
  #closed = false
  /** Requests that wait for their turn (4). */
  readonly #delayed: Frame[] = []
  /** Requests whose handler runs. */
  #active = 0
  /** Bytes and number of the requests that have come and are not answered yet, those that wait included. */
  #servedBytes = 0
  #servedRequests = 0
  /** Nothing is read: see `#overServed`. */
  #paused = false
  #flowScheduled = false
  #lastHeardMs: number

  constructor(stream: ByteStream, init: RpcStreamInit) {
    this.#stream = stream
    this.#init = init
    this.#lastHeardMs = init.clock.monotonicMs()
    this.#writer = new FrameWriter(
      stream,
      init.stats,
      (error) => this.abort(messageOf(error)),
      () => {
        this.#serveDelayed()
        this.#checkFlow()
      },
      init.afterTurn,
    )
    this.#calls = new CallTable(this.#writer, init.clock, init.stats, init.inFlightBytesMax)
    stream.addEventListener('close', (event) => this.#onClose(event.error?.message ?? 'closed'))
    stream.addEventListener('remoteCloseWrite', () => this.abort('closed by the peer'))
    stream.addEventListener('message', (event) => this.#onMessage(event.data))
    this.#writer.push({ kind: FrameKind.hello, type: 0, id: 0, body: EMPTY_BYTES })
    if (stream.status !== 'open') this.abort(`the stream was ${stream.status}`)
  }

  get ready(): boolean {
    return this.#ready && !this.#closed
  }

  /** Monotonic time at which the peer's last bytes came. */
  get lastHeardMs(): number {
    return this.#lastHeardMs
  }

  /** Whether nothing is read for now, because the peer sends too much and reads no answers. */
  get paused(): boolean {
    return this.#paused
  }

  /** As CallTable.start. */
  call(
    message: NetworkMessage,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<NetworkMessage> {
    return this.#calls.start(message, options)
  }

  /** Asks for a sign of life. */
  ping(): void {
    this.#writer.push({ kind: FrameKind.ping, type: 0, id: 0, body: EMPTY_BYTES })
  }

  /** Resets the stream; calls without an answer fail. */
  abort(reason: string): void {
    if (this.#closed) return
    this.#onClose(reason)
    this.#stream.abort(new Error(reason))
  }

  #onClose(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    for (const request of this.#delayed.splice(0)) this.#release(request)
    this.#calls.failAll(reason)
    this.#writer.close()
    this.#init.onClose(reason)
  }

  /** Bytes of the peer. Malformed ones reset the stream (F21); any other error is a fault of this program. */
  #onMessage(data: Uint8Array | Iterable<Uint8Array>): void {
    if (this.#closed) return
    this.#lastHeardMs = this.#init.clock.monotonicMs()
    try {
      if (data instanceof Uint8Array) this.#read(data)
      else for (const chunk of data) this.#read(chunk)
    } catch (error) {
      if (!(error instanceof FrameError)) throw error
      this.#init.stats.streamsReset++
      this.abort(error.message)
    }
  }

  #read(chunk: Uint8Array): void {
    this.#init.stats.bytesReceived += chunk.length
    this.#reader.push(chunk, (frame) => {
      if (!this.#closed) this.#onFrame(frame)
    })
  }

  #onFrame(frame: Frame): void {
    this.#init.stats.framesReceived++
    if (frame.kind === FrameKind.hello) {
      if (this.#ready) throw new FrameError('a second hello')
      this.#ready = true
      this.#init.onReady()
      return
    }
    if (!this.#ready) throw new FrameError('a frame before the hello')
    switch (frame.kind) {
      case FrameKind.request:
        this.#onRequest(frame)
        break
      case FrameKind.reply:
      case FrameKind.refused:
      case FrameKind.overloaded:
        this.#calls.answer(frame.id, frame.kind, frame, () => refusalText(frame))
        break
      case FrameKind.ping:
        this.#writer.push({ kind: FrameKind.pong, type: 0, id: 0, body: EMPTY_BYTES })
        break
      case FrameKind.pong:
        break
    }
  }

  #onRequest(request: Frame): void {
    const { stats } = this.#init
    const bytes = frameBytes(request)
    const isTooMuch = stats.bytesInService + bytes > SERVED_BYTES_MAX_NODE
    if (isTooMuch || this.#isBeyondShare(request, bytes)) {
      stats.requestsRefused++
      const whose = isTooMuch ? 'the node has' : 'this peer has sent'
      this.#answer(request, FrameKind.overloaded, utf8(`${whose} too many requests`))
      this.#checkFlow()
      return
    }
    this.#servedBytes += bytes
    this.#servedRequests++
    stats.bytesInService += bytes
    stats.requestsInService++
    this.#delayed.push(request)
    this.#serveDelayed()
  }

  /** Small requests, such as votes, usually need no disk. They have room beside requests that hang. */
  #isBeyondShare({ payload }: Frame, bytes: number): boolean {
    const shares = payload === undefined ? 2 : 1
    return (
      this.#servedBytes + bytes > SERVED_BYTES_MAX * shares ||
      this.#servedRequests >= SERVED_REQUESTS_MAX
    )
  }

  /** Serves waiting requests in order, as far as they may be served now. */
  #serveDelayed(): void {
    // Most often there is one request, which does not wait.
    let next = 0
    while (next < this.#delayed.length && this.#mayServe()) {
      const request = this.#delayed[next++]
      if (request !== undefined) void this.#serve(request)
    }
    if (next > 0) this.#delayed.splice(0, next)
  }

  #mayServe(): boolean {
    return (
      this.#active < this.#init.servedAtOnceMax && this.#writer.queuedBytes <= REPLY_QUEUE_BYTES_MAX
    )
  }

  /** Never rejects. A reply is sent only while the stream is open. */
  async #serve(request: Frame): Promise<void> {
    const { stats, serve } = this.#init
    this.#active++
    try {
      const { type, body, payload } = await serve(messageOfFrame(request))
      if (!fitsFrame(body, payload)) throw new Error('the reply is larger than a frame')
      stats.requestsServed++
      if (!this.#closed) {
        this.#writer.push({ kind: FrameKind.reply, type, id: request.id, body, payload })
      }
    } catch (error) {
      stats.requestsRefused++
      const text = messageOf(error).slice(0, REFUSAL_CHARS_MAX)
      this.#answer(request, FrameKind.refused, utf8(text))
    }
    this.#active--
    this.#release(request)
    if (this.#delayed.length > 0) this.#serveDelayed()
  }

  #answer(request: Frame, kind: FrameKind, body: Uint8Array): void {
    if (this.#closed) return
    this.#writer.push({ kind, type: request.type, id: request.id, body })
  }

  /** The request is over: its bytes make room for others. */
  #release(request: Frame): void {
    const bytes = frameBytes(request)
    this.#servedBytes -= bytes
    this.#servedRequests--
    this.#init.stats.bytesInService -= bytes
    this.#init.stats.requestsInService--
    this.#checkFlow()
  }

  /**
   * Pauses or resumes reading, after the current message: `resume()` delivers what has gathered before
   * it tells yamux to go on, so a pause from within that delivery would be undone.
   */
  #checkFlow(): void {
    if (this.#overServed() === this.#paused || this.#flowScheduled) return
    this.#flowScheduled = true
    queueMicrotask(() => {
      this.#flowScheduled = false
      const pause = this.#overServed()
      if (this.#closed || pause === this.#paused || this.#stream.status !== 'open') return
      this.#paused = pause
      if (pause) this.#stream.pause()
      else this.#stream.resume()
    })
  }

  /**
   * The peer has sent as much as it may, and leaves its answers unread: only both together stop the reading.
   */
  #overServed(): boolean {
    // Resumes at half, so that reading does not stop and start all the time.
    const share = this.#paused ? 0.5 : 1
    return (
      this.#writer.queuedBytes > REPLY_QUEUE_BYTES_MAX * share &&
      (this.#servedBytes > (SERVED_BYTES_MAX - PAYLOAD_BYTES_MAX) * share ||
        this.#servedRequests >= SERVED_REQUESTS_MAX * share)
    )
  }
}

/** What the handler gets of a request. */
function messageOfFrame(request: Frame): NetworkMessage {
  const { payload } = request
  if (payload === undefined) return request
  const { type, body } = request
  return { type, body, payload, release: () => releasePayload(payload) }
}

function refusalText(frame: Frame): string {
  try {
    return utf8Text(frame.body)
  } catch {
    return 'refused'
  }
}
