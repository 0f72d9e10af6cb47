/**
 * Calls of one stream that have no answer yet, each with its deadline, and the bound on their bytes.
 *
 * A call goes waiting → in flight → over. It is in flight from the moment its frame is queued; while
 * the stream's bound is reached, further calls wait in order. `maybeDelivered` of a failure is false
 * exactly when the frame was never handed to the stream: a queued one is taken back.
 */

import type { Clock, NetworkError, NetworkMessage } from '../env/ports.ts'
import { NetworkFailure } from './errors.ts'
import type { FrameWriter, QueuedFrame } from './frame-writer.ts'
import { FRAME_HEADER_BYTES, FrameKind } from './framing.ts'
import { WAITING_BYTES_MAX, WAITING_CALLS_MAX } from './limits.ts'
import type { NetworkStats } from './stats.ts'

/** One call, from `start` until it is resolved or rejected. */
interface Call {
  readonly message: NetworkMessage
  /** What its frame takes. */
  readonly bytes: number
  readonly resolve: (reply: NetworkMessage) => void
  readonly reject: (error: NetworkError) => void
  /** Stops the deadline and the listener of the signal. */
  stop: () => void
  /** 0 until it is in flight. Unique among the calls in flight of the stream. */
  id: number
  /** Its frame. Undefined while the call waits for room. */
  queued: QueuedFrame | undefined
  /** Resolved or rejected. */
  over: boolean
}

/** One for each stream, used by rpc-stream.ts. */
export class CallTable {
  readonly #writer: FrameWriter
  readonly #clock: Clock
  readonly #stats: NetworkStats
  readonly #inFlightBytesMax: number
  readonly #inFlight = new Map<number, Call>()
  #inFlightBytes = 0
  /** In order. */
  readonly #waiting = new Set<Call>()
  #waitingBytes = 0
  #nextId = 1

  constructor(writer: FrameWriter, clock: Clock, stats: NetworkStats, inFlightBytesMax: number) {
    this.#writer = writer
    this.#clock = clock
    this.#stats = stats
    this.#inFlightBytesMax = inFlightBytesMax
  }

  /**
   * Sends a request and resolves with its reply. Rejects with NetworkFailure: TIMEOUT, ABORTED (the signal
   * fired), REFUSED and OVERLOADED (by the peer, or because too much waits here), UNREACHABLE (the stream is
   * gone).
   */
  start(
    message: NetworkMessage,
    options: { timeoutMs: number; signal?: AbortSignal },
  ): Promise<NetworkMessage> {
    const { timeoutMs, signal } = options
    if (signal?.aborted === true) {
      return Promise.reject(new NetworkFailure('ABORTED', 'the call was aborted', false))
    }
    if (this.#waiting.size >= WAITING_CALLS_MAX || this.#waitingBytes >= WAITING_BYTES_MAX) {
      const reason = 'too many calls wait for this peer'
      return Promise.reject(new NetworkFailure('OVERLOADED', reason, false))
    }
    return new Promise((resolve, reject) => {
      const bytes = FRAME_HEADER_BYTES + message.body.length + (message.payload?.length ?? 0)
      const call: Call = {
        message,
        bytes,
        resolve,
        reject,
        stop: () => {},
        id: 0,
        queued: undefined,
        over: false,
      }
      const cancelDeadline = this.#clock.after(timeoutMs, () => {
        this.#fail(call, 'TIMEOUT', `no answer within ${timeoutMs} ms`)
      })
      if (signal === undefined) {
        call.stop = cancelDeadline
      } else {
        const onAbort = (): void => this.#fail(call, 'ABORTED', 'the call was aborted')
        signal.addEventListener('abort', onAbort, { once: true })
        call.stop = () => {
          cancelDeadline()
          signal.removeEventListener('abort', onAbort)
        }
      }
      this.#stats.callsStarted++
      this.#stats.callsInFlight++
      this.#waiting.add(call)
      this.#waitingBytes += bytes
      this.#admit()
    })
  }

  /** Resolves call `id`. An answer that comes late, twice or unasked is ignored. */
  answer(id: number, kind: FrameKind, reply: NetworkMessage, refusal: () => string): void {
    const call = this.#inFlight.get(id)
    if (call === undefined) return
    if (kind === FrameKind.reply) {
      this.#end(call)
      call.resolve(reply)
    } else {
      this.#fail(call, kind === FrameKind.overloaded ? 'OVERLOADED' : 'REFUSED', refusal())
    }
  }

  /** Fails all calls, because the stream is gone. */
  failAll(reason: string): void {
    // Waiting calls fail first, so that none takes the place of one in flight.
    for (const call of [...this.#waiting, ...this.#inFlight.values()]) {
      this.#fail(call, 'UNREACHABLE', reason)
    }
  }

  /** Sends waiting calls in order while there is room for their bytes. */
  #admit(): void {
    for (const call of this.#waiting) {
      // One call is always let through, whatever its size.
      const total = this.#inFlightBytes + call.bytes
      if (total > this.#inFlightBytesMax && this.#inFlight.size > 0) return
      this.#waiting.delete(call)
      this.#waitingBytes -= call.bytes
      this.#send(call)
    }
  }

  #send(call: Call): void {
    call.id = this.#freshId()
    this.#inFlight.set(call.id, call)
    this.#inFlightBytes += call.bytes
    const { type, body, payload } = call.message
    call.queued = this.#writer.push({ kind: FrameKind.request, type, id: call.id, body, payload })
  }

  /** Counts up and starts over behind 2^32 − 1, past the numbers that are still in use. */
  #freshId(): number {
    let id = this.#nextId
    while (this.#inFlight.has(id)) id = id === 0xffffffff ? 1 : id + 1
    this.#nextId = id === 0xffffffff ? 1 : id + 1
    return id
  }

  /** The failure says whether the request may have reached the peer: not when its frame could be taken back. */
  #fail(call: Call, code: NetworkError['code'], reason: string): void {
    if (call.over) return
    const left = call.queued !== undefined && !this.#writer.drop(call.queued)
    this.#stats.callsFailed++
    this.#end(call)
    call.reject(new NetworkFailure(code, reason, left))
  }

  /** Gives back what the call has held, and lets the next ones go. */
  #end(call: Call): void {
    call.over = true
    call.stop()
    this.#stats.callsInFlight--
    if (call.queued === undefined) {
      this.#waiting.delete(call)
      this.#waitingBytes -= call.bytes
      return
    }
    this.#inFlight.delete(call.id)
    this.#inFlightBytes -= call.bytes
    this.#admit()
  }
}
