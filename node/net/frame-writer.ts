/**
 * The sending half of a long-lived stream: a queue of frames, written in batches.
 *
 * All frames that are queued in one turn of the event loop leave in one write at its end, because each write costs a
 * TLS record and a system call, and the peer as much again. When `send()` says that the stream is full, the rest waits
 * here for the 'drain' event. `onDrain()` of libp2p 3 resolves at once after its first use, and sending without waiting
 * makes the stream's own queue grow without bound.
 */

import type { ByteStream } from './byte-stream.ts'
import { FRAME_HEADER_BYTES, frameBytes, writeFrameHeader } from './framing.ts'
import type { Frame } from './framing.ts'
import { BATCH_BYTES, COPIED_PAYLOAD_BYTES_MAX } from './limits.ts'
import type { NetworkStats } from './stats.ts'

/** An entry of the queue, by which the caller may take the frame back. */
export interface QueuedFrame {
  /** Removed once sent or dropped, so that later entries do not keep a payload alive. */
  frame: Frame | undefined
  /** True once the frame was handed to the stream. A frame that is dropped before never leaves. */
  state: 'queued' | 'sent' | 'dropped'
}

/** One for each stream. Frames leave in the order of `push`. */
export class FrameWriter {
  readonly #stream: ByteStream
  readonly #stats: NetworkStats
  readonly #onError: (error: unknown) => void
  readonly #onRoom: () => void
  readonly #afterTurn: (run: () => void) => void
  #queue: QueuedFrame[] = []
  /** The first entry that has not left. */
  #head = 0
  /** Entries of the queue whose frame was dropped. */
  #dropped = 0
  /** Bytes of the frames in the queue. */
  #queuedBytes = 0
  /** A flush will run in this turn. */
  #scheduled = false
  #closed = false

  /**
   * @param onError the stream refused the bytes
   * @param onRoom called after each write: fewer bytes are queued than before
   * @param afterTurn runs what it gets once, when the turn of the event loop ends
   */
  constructor(
    stream: ByteStream,
    stats: NetworkStats,
    onError: (error: unknown) => void,
    onRoom: () => void,
    afterTurn: (run: () => void) => void,
  ) {
    this.#stream = stream
    this.#stats = stats
    this.#onError = onError
    this.#onRoom = onRoom
    this.#afterTurn = afterTurn
    stream.addEventListener('drain', () => this.#schedule())
  }

  /** Bytes not yet handed to the stream. */
  get queuedBytes(): number {
    return this.#queuedBytes
  }

  /** Queues a frame. Don't change its bytes before it has left. */
  push(frame: Frame): QueuedFrame {
    const queued: QueuedFrame = { frame, state: 'queued' }
    this.#queue.push(queued)
    this.#queuedBytes += frameBytes(frame)
    this.#schedule()
    return queued
  }

  /** Takes a frame back. Returns false when it has left already. */
  drop(queued: QueuedFrame): boolean {
    const { frame } = queued
    if (queued.state !== 'queued' || frame === undefined) return queued.state === 'dropped'
    queued.state = 'dropped'
    queued.frame = undefined
    this.#queuedBytes -= frameBytes(frame)
    // All calls to a stopped peer end here, so dropped entries must not gather.
    if (++this.#dropped > 1024 && this.#dropped * 2 > this.#queue.length - this.#head) {
      this.#queue = this.#queue.slice(this.#head).filter(({ state }) => state === 'queued')
      this.#head = 0
      this.#dropped = 0
    }
    return true
  }

  /** Drops the queue. Nothing is written after this. */
  close(): void {
    this.#closed = true
    this.#queue = []
    this.#head = 0
    this.#queuedBytes = 0
  }

  #schedule(): void {
    if (this.#scheduled || this.#head === this.#queue.length) return
    this.#scheduled = true
    this.#afterTurn(() => {
      this.#scheduled = false
      try {
        this.#flush()
      } catch (error) {
        this.#onError(error)
      }
    })
  }

  /** Writes batch after batch until the queue is empty or the stream is full. */
  #flush(): void {
    let wrote = false
    while (!this.#closed && this.#head < this.#queue.length && !this.#stream.writableNeedsDrain) {
      const batch = this.#takeBatch()
      for (const bytes of joinSmall(batch)) {
        this.#stats.bytesSent += bytes.length
        this.#stream.send(bytes)
      }
      wrote = true
    }
    if (wrote && !this.#closed) this.#onRoom()
  }

  /** The next frames, of about BATCH_BYTES together. They count as sent from here on. */
  #takeBatch(): Frame[] {
    const batch: Frame[] = []
    let bytes = 0
    while (this.#head < this.#queue.length && bytes < BATCH_BYTES) {
      const queued = this.#queue[this.#head++]
      const frame = queued?.frame
      if (queued === undefined || frame === undefined) {
        this.#dropped--
        continue
      }
      queued.state = 'sent'
      queued.frame = undefined
      bytes += frameBytes(frame)
      batch.push(frame)
    }
    if (this.#head === this.#queue.length) {
      this.#queue = []
      this.#head = 0
    } else if (this.#head > 1024 && this.#head * 2 > this.#queue.length) {
      this.#queue = this.#queue.slice(this.#head)
      this.#head = 0
    }
    this.#queuedBytes -= bytes
    this.#stats.framesSent += batch.length
    return batch
  }
}

/** Joins frames into few buffers: small parts are copied together, large payloads stay as they are. */
function joinSmall(frames: readonly Frame[]): Uint8Array[] {
  const buffers: Uint8Array[] = []
  let first = 0
  let bytes = 0
  for (const [i, frame] of frames.entries()) {
    bytes += FRAME_HEADER_BYTES + frame.body.length
    const { payload } = frame
    if (payload === undefined) continue
    if (payload.length <= COPIED_PAYLOAD_BYTES_MAX) {
      bytes += payload.length
      continue
    }
    buffers.push(joinRun(frames, first, i + 1, bytes), payload)
    first = i + 1
    bytes = 0
  }
  if (bytes > 0) buffers.push(joinRun(frames, first, frames.length, bytes))
  return buffers
}

/**
 * The frames from `from` to before `to` in one buffer of `bytes`, without payloads that are sent as they are.
 */
function joinRun(frames: readonly Frame[], from: number, to: number, bytes: number): Uint8Array {
  const run = new Uint8Array(bytes)
  let at = 0
  for (let i = from; i < to; i++) {
    const frame = frames[i]
    if (frame === undefined) continue
    writeFrameHeader(frame, run, at)
    run.set(frame.body, at + FRAME_HEADER_BYTES)
    at += FRAME_HEADER_BYTES + frame.body.length
    const { payload } = frame
    if (payload === undefined || payload.length > COPIED_PAYLOAD_BYTES_MAX) continue
    run.set(payload, at)
    at += payload.length
  }
  return run
}
