/**
 * Frames on the long-lived streams. All integers are big-endian.
 *
 *   0        4    5    6      8        12       16
 *   +--------+----+----+------+--------+--------+------ … ------+------ … ------+
 *   | length |vers|kind| type |   id   | bodyLn |     body      |    payload    |
 *   |  u32   | u8 | u8 | u16  |  u32   |  u32   | bodyLn bytes  | what is left  |
 *   +--------+----+----+------+--------+--------+------ … ------+------ … ------+
 *            |<---------------------- length bytes --------------------------->|
 *
 * `kind`: the lower 7 bits are a FrameKind, the top bit says that there is a payload (it may be empty).
 * `type` is the RPC's number (protocol/rpc/message.ts), `id` joins a reply to its request and is
 * counted by each side on its own.
 *
 * The reader takes the stream in pieces of any size. A body or payload within one piece becomes a view of it, if it
 * fills a good part of that piece's memory. Otherwise it is copied once, so that a small message never keeps a
 * large receive buffer alive. A block is copied into a buffer of a pool, which `releasePayload` gives back. Malformed bytes, an unknown version or a size beyond the limits throw FrameError, and
 * the reader takes nothing more.
 */

import { assert } from '../../protocol/assert.ts'
import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { BufferPool } from '../tools/buffer-pool.ts'
import { FrameError } from './errors.ts'
import { BODY_BYTES_MAX, PAYLOAD_BYTES_MAX } from './limits.ts'

/** What is written into each frame. Another one ends the stream. */
export const FRAME_VERSION = 1
export const FRAME_HEADER_BYTES = 16
const LENGTH_FIELD_BYTES = 4
const PAYLOAD_FLAG = 0x80
/** A shorter payload gets memory of its own: it would waste a buffer of the pool. */
const POOLED_PAYLOAD_BYTES_MIN = PAYLOAD_BYTES_MAX / 2

/** Memory for blocks that peers send, shared by all streams of the process. */
const payloads = new BufferPool(PAYLOAD_BYTES_MAX)

/** Call it at most once, for a payload that nothing reads or writes any more. One without a call is left to the collector. */
export function releasePayload(payload: Uint8Array): void {
  payloads.give(payload)
}

export const FrameKind = {
  /** Both sides send it first. The stream is ready when that of the other side has come. */
  hello: 1,
  request: 2,
  reply: 3,
  /** The handler failed; the body is its message as UTF-8. */
  refused: 4,
  /** The handler did not run. */
  overloaded: 5,
  ping: 6,
  pong: 7,
} as const
export type FrameKind = (typeof FrameKind)[keyof typeof FrameKind]
const KIND_MAX: number = FrameKind.pong

/** One message on a stream. Hello, ping and pong have type 0, id 0 and an empty body. */
export interface Frame {
  readonly kind: FrameKind
  readonly type: number
  readonly id: number
  readonly body: Uint8Array
  readonly payload?: Uint8Array | undefined
}

/** What the frame takes on the wire, header included. */
export function frameBytes(frame: Frame): number {
  return FRAME_HEADER_BYTES + frame.body.length + (frame.payload?.length ?? 0)
}

/** Whether a message fits into a frame. */
export function fitsFrame(body: Uint8Array, payload: Uint8Array | undefined): boolean {
  return body.length <= BODY_BYTES_MAX && (payload?.length ?? 0) <= PAYLOAD_BYTES_MAX
}

/** Writes the 16 bytes of the header. Body and payload follow it on the wire. */
export function writeFrameHeader(frame: Frame, into: Uint8Array, at: number): void {
  assert(fitsFrame(frame.body, frame.payload), 'a frame within its limits')
  writeU32(into, at, frameBytes(frame) - LENGTH_FIELD_BYTES)
  into[at + 4] = FRAME_VERSION
  into[at + 5] = frame.kind | (frame.payload === undefined ? 0 : PAYLOAD_FLAG)
  into[at + 6] = (frame.type >>> 8) & 255
  into[at + 7] = frame.type & 255
  writeU32(into, at + 8, frame.id)
  writeU32(into, at + 12, frame.body.length)
}

/** The whole frame in one buffer. */
export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(frameBytes(frame))
  writeFrameHeader(frame, bytes, 0)
  bytes.set(frame.body, FRAME_HEADER_BYTES)
  if (frame.payload !== undefined) bytes.set(frame.payload, FRAME_HEADER_BYTES + frame.body.length)
  return bytes
}

/** A header whose sizes are within the limits. */
interface Header {
  readonly kind: FrameKind
  readonly type: number
  readonly id: number
  readonly bodyBytes: number
  /** -1 when there is no payload. */
  readonly payloadBytes: number
}

/** One for each stream. It keeps at most one frame that is not complete. */
export class FrameReader {
  /** The header, while it comes in pieces. */
  readonly #partialHeader = new Uint8Array(FRAME_HEADER_BYTES)
  #header: Header | undefined
  #body: Uint8Array | undefined
  /** The part that is being put together, and how many bytes of the header or of it are there. */
  #partial: Uint8Array | undefined
  #filled = 0
  #failed = false

  /** Calls `visit` for each frame that `chunk` completes, in order. */
  push(chunk: Uint8Array, visit: (frame: Frame) => void): void {
    if (this.#failed) throw new FrameError('the stream was malformed before')
    let at = 0
    for (;;) {
      if (this.#header === undefined) {
        at = this.#readHeader(chunk, at)
        if (this.#header === undefined) return
      }
      const header = this.#header
      if (this.#body === undefined) {
        const end = this.#wanted(header.bodyBytes, chunk, at)
        this.#body = this.#part(header.bodyBytes, chunk, at)
        at = end
        if (this.#body === undefined) return
      }
      let payload: Uint8Array | undefined
      if (header.payloadBytes >= 0) {
        const end = this.#wanted(header.payloadBytes, chunk, at)
        payload = this.#part(header.payloadBytes, chunk, at, allocatePayload)
        at = end
        if (payload === undefined) return
      }
      const { kind, type, id } = header
      const frame: Frame = { kind, type, id, body: this.#body, payload }
      this.#header = undefined
      this.#body = undefined
      visit(frame)
    }
  }

  #readHeader(chunk: Uint8Array, at: number): number {
    if (this.#filled === 0 && chunk.length - at >= FRAME_HEADER_BYTES) {
      this.#header = this.#parseHeader(chunk, at)
      return at + FRAME_HEADER_BYTES
    }
    const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#filled)
    this.#partialHeader.set(chunk.subarray(at, end), this.#filled)
    this.#filled += end - at
    if (this.#filled === FRAME_HEADER_BYTES) {
      this.#filled = 0
      this.#header = this.#parseHeader(this.#partialHeader, 0)
    }
    return end
  }

  /** Checks everything that a header says before memory is taken for what it announces (F21). */
  #parseHeader(bytes: Uint8Array, at: number): Header {
    const length = readU32(bytes, at)
    const version = bytes[at + 4]
    const kindByte = bytes[at + 5] ?? 0
    const kind = kindByte & ~PAYLOAD_FLAG
    const bodyBytes = readU32(bytes, at + 12)
    const payloadBytes = length - (FRAME_HEADER_BYTES - LENGTH_FIELD_BYTES) - bodyBytes
    const hasPayload = (kindByte & PAYLOAD_FLAG) !== 0
    if (version !== FRAME_VERSION) this.#fail(`frame version ${version} is unknown`)
    if (kind < 1 || kind > KIND_MAX) this.#fail(`frame kind ${kind} is unknown`)
    if (bodyBytes > BODY_BYTES_MAX) this.#fail(`a body of ${bodyBytes} bytes is too large`)
    if (payloadBytes < 0) this.#fail('the body is longer than its frame')
    if (payloadBytes > PAYLOAD_BYTES_MAX)
      this.#fail(`a payload of ${payloadBytes} bytes is too large`)
    if (payloadBytes > 0 && !hasPayload)
      this.#fail('bytes after the body of a frame without payload')
    return {
      kind: kind as FrameKind,
      type: ((bytes[at + 6] ?? 0) << 8) | (bytes[at + 7] ?? 0),
      id: readU32(bytes, at + 8),
      bodyBytes,
      payloadBytes: hasPayload ? payloadBytes : -1,
    }
  }

  /** Where a part of `size` bytes, of which some may have come already, ends in `chunk`. */
  #wanted(size: number, chunk: Uint8Array, at: number): number {
    return Math.min(chunk.length, at + size - this.#filled)
  }

  /** The whole part once its last byte has come, undefined before. */
  #part(
    size: number,
    chunk: Uint8Array,
    at: number,
    memory: (size: number) => Uint8Array = allocate,
  ): Uint8Array | undefined {
    if (size === 0) return EMPTY_BYTES
    const end = this.#wanted(size, chunk, at)
    if (this.#partial === undefined) {
      if (end - at === size) return viewOrCopy(chunk, at, end)
      this.#partial = memory(size)
    }
    this.#partial.set(chunk.subarray(at, end), this.#filled)
    this.#filled += end - at
    if (this.#filled < size) return undefined
    const part = this.#partial
    this.#partial = undefined
    this.#filled = 0
    return part
  }

  /** What follows a malformed frame can't be told apart from frames: nothing more is read. */
  #fail(reason: string): never {
    this.#failed = true
    throw new FrameError(reason)
  }
}

/**
 * A view of the chunk, or a copy: a view keeps the chunk's whole memory alive, so it must be a good part of it. Never a
 * Buffer, whose `slice` would not copy.
 */
function viewOrCopy(chunk: Uint8Array, at: number, end: number): Uint8Array {
  if ((end - at) * 2 >= chunk.buffer.byteLength) {
    return new Uint8Array(chunk.buffer, chunk.byteOffset + at, end - at)
  }
  const copy = allocate(end - at)
  copy.set(chunk.subarray(at, end))
  return copy
}

/** Large parts are not zeroed first: all their bytes are about to be written. */
function allocate(size: number): Uint8Array {
  return size < 4096 ? new Uint8Array(size) : new Uint8Array(Buffer.allocUnsafeSlow(size).buffer)
}

/** For a payload that comes in several pieces. */
function allocatePayload(size: number): Uint8Array {
  return size < POOLED_PAYLOAD_BYTES_MIN ? allocate(size) : payloads.take().subarray(0, size)
}

function writeU32(into: Uint8Array, at: number, value: number): void {
  into[at] = value >>> 24
  into[at + 1] = (value >>> 16) & 255
  into[at + 2] = (value >>> 8) & 255
  into[at + 3] = value & 255
}

function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] ?? 0) * 0x1000000 +
    (((bytes[at + 1] ?? 0) << 16) | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0))
  )
}
