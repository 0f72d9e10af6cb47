import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameError } from './errors.ts'
import {
  FRAME_HEADER_BYTES,
  FrameKind,
  FrameReader,
  encodeFrame,
  fitsFrame,
  frameBytes,
  releasePayload,
} from './framing.ts'
import type { Frame } from './framing.ts'
import { BODY_BYTES_MAX, PAYLOAD_BYTES_MAX } from './limits.ts'

const frames = fc.array(
  fc.record<Frame>({
    kind: fc.constantFrom(...Object.values(FrameKind)),
    type: fc.nat(0xffff),
    id: fc.nat(0xffffffff),
    body: fc.uint8Array({ maxLength: 60 }),
    payload: fc.option(fc.uint8Array({ maxLength: 200 }), { nil: undefined }),
  }),
  { maxLength: 12 },
)

function concat(parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function readAll(chunks: readonly Uint8Array[]): Frame[] {
  const reader = new FrameReader()
  const read: Frame[] = []
  for (const chunk of chunks) reader.push(chunk, (frame) => read.push(frame))
  return read
}

/** Cuts `bytes` at the positions `cuts`, modulo its length. */
function split(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const at = [...new Set(cuts.map((cut) => cut % (bytes.length + 1)))].sort((a, b) => a - b)
  const ends = [...at, bytes.length]
  return ends.map((end, i) => bytes.subarray(i === 0 ? 0 : ends[i - 1], end))
}

test('frames come back whole, however the stream is cut', () => {
  fc.assert(
    fc.property(frames, fc.array(fc.nat(10_000), { maxLength: 40 }), (sent, cuts) => {
      const wire = concat(sent.map(encodeFrame))
      expect(readAll(split(wire, cuts))).toEqual(sent)
    }),
    { numRuns: 500 },
  )
})

test('frames come back whole when the stream comes one byte at a time', () => {
  const frame: Frame = {
    kind: FrameKind.request,
    type: 0x1234,
    id: 0xfedcba98,
    body: new Uint8Array([1, 2, 3]),
    payload: new Uint8Array(0),
  }
  const wire = encodeFrame(frame)
  expect(wire.length).toBe(frameBytes(frame))
  expect(readAll([...wire].map((byte) => new Uint8Array([byte])))).toEqual([frame])
})

test('garbage throws FrameError and nothing else, and ends the reading', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 64 }), { maxLength: 8 }),
      frames,
      fc.nat(1000),
      fc.integer({ min: 1, max: 255 }),
      (noise, sent, where, flip) => {
        const wire = concat([...sent.map(encodeFrame), ...noise])
        if (wire.length > 0) wire[where % wire.length]! ^= flip
        try {
          for (const frame of readAll([wire]))
            expect(fitsFrame(frame.body, frame.payload)).toBe(true)
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError)
        }
      },
    ),
    { numRuns: 2000 },
  )
  const reader = new FrameReader()
  expect(() => reader.push(new Uint8Array(16), () => {})).toThrow(FrameError)
  const good = encodeFrame({ kind: FrameKind.ping, type: 0, id: 0, body: new Uint8Array(0) })
  expect(() => reader.push(good, () => {})).toThrow(FrameError)
})

test.each([
  ['version', 4, 2],
  ['kind', 5, 0],
  ['kind beyond the last', 5, 0x7f],
  ['payload that the flag denies', 5, FrameKind.request],
  ['body longer than its frame', 15, 200],
  ['body beyond the limit', 12, 1],
  ['length beyond the limit', 0, 1],
])('refused: %s', (_name, at, value) => {
  const wire = encodeFrame({
    kind: FrameKind.request,
    type: 1,
    id: 1,
    body: new Uint8Array(3),
    payload: new Uint8Array(5),
  })
  wire[at] = value
  expect(() => readAll([wire.subarray(0, FRAME_HEADER_BYTES)])).toThrow(FrameError)
})

test('the largest frame passes, one byte more does not', () => {
  const largest: Frame = {
    kind: FrameKind.reply,
    type: 9,
    id: 7,
    body: new Uint8Array(BODY_BYTES_MAX).fill(1),
    payload: new Uint8Array(PAYLOAD_BYTES_MAX).fill(2),
  }
  const wire = encodeFrame(largest)
  const read = readAll(split(wire, [100, 65_000, 1_500_000]))
  expect(read).toHaveLength(1)
  expect(Buffer.compare(read[0]!.body, largest.body)).toBe(0)
  expect(Buffer.compare(read[0]!.payload!, largest.payload!)).toBe(0)
  expect(() =>
    encodeFrame({ ...largest, payload: new Uint8Array(PAYLOAD_BYTES_MAX + 1) }),
  ).toThrow()
})

test('a small body does not keep the receive buffer alive, a large payload is a view of it', () => {
  const small = encodeFrame({ kind: FrameKind.reply, type: 0, id: 0, body: new Uint8Array(10) })
  const received = new Uint8Array(65_536)
  received.set(small)
  const read = readAll([received.subarray(0, small.length)])
  expect(read[0]!.body.buffer.byteLength).toBe(10)

  const large = encodeFrame({
    kind: FrameKind.reply,
    type: 0,
    id: 0,
    body: new Uint8Array(0),
    payload: new Uint8Array(60_000),
  })
  const view = readAll([Buffer.from(large.buffer)])[0]!.payload!
  expect(view.buffer === large.buffer).toBe(true)
  expect(Buffer.isBuffer(view)).toBe(false)
})

test('a block that comes in pieces is received into memory that was released before', () => {
  const block = (fill: number): Frame => ({
    kind: FrameKind.request,
    type: 3,
    id: fill,
    body: new Uint8Array([fill]),
    payload: new Uint8Array(1 << 20).fill(fill),
  })
  const receive = (fill: number): Uint8Array => {
    const [frame] = readAll(split(encodeFrame(block(fill)), [10, 300_000, 900_000]))
    return frame!.payload!
  }
  const first = receive(1)
  const second = receive(2)
  expect(second.buffer === first.buffer).toBe(false)
  releasePayload(first)
  const third = receive(3)
  expect(third.buffer === first.buffer).toBe(true)
  expect(Buffer.compare(third, block(3).payload!)).toBe(0)
  expect(Buffer.compare(second, block(2).payload!)).toBe(0)
})
