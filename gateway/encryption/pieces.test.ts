import { randomFillSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  PIECE_BYTES,
  PIECE_PLAIN_BYTES,
  plainSizeOf,
  TAG_BYTES,
} from '../../protocol/object/pieces.ts'
import type { ObjectReader } from '../port/objects.ts'
import { decryptedReader } from './decrypting.ts'
import { encryptedBody } from './encrypting.ts'

const dataKey = new Uint8Array(32).fill(1)

async function* inChunks(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const chunk of chunks) all.push(Uint8Array.from(chunk))
  return Buffer.concat(all)
}

async function stored(bytes: Uint8Array, chunk: number, salt: Uint8Array): Promise<Buffer> {
  const body = encryptedBody(
    { chunks: inChunks(bytes, chunk), finish: () => ({ etag: '', checksums: {} }) },
    { dataKey, salt, hidesEtag: false },
  )
  return 'bytes' in body ? Buffer.from(body.bytes) : gathered(body.chunks)
}

function readerOf(
  parts: readonly { data: Buffer; salt: Uint8Array }[],
  chunk = 40_000,
): ObjectReader {
  const all = Buffer.concat(parts.map(({ data }) => data))
  const bodies = parts.map(({ data, salt }) => ({ salt, storedBytes: data.length }))
  const sizeBytes = bodies.reduce((sum, { storedBytes }) => sum + plainSizeOf(storedBytes), 0)
  const info = { sizeBytes, encryption: { record: '', bodies } } as unknown as ObjectReader['info']
  const reader: ObjectReader = {
    info,
    versioned: false,
    read: (start, end) => inChunks(all.subarray(start, end), chunk),
  }
  return decryptedReader(reader, dataKey)
}

const SIZES = [
  1,
  100,
  PIECE_PLAIN_BYTES - 1,
  PIECE_PLAIN_BYTES,
  PIECE_PLAIN_BYTES + 1,
  2 * PIECE_PLAIN_BYTES,
  300_000,
]
const random = (size: number): Buffer => randomFillSync(Buffer.alloc(size))
const salt = new Uint8Array(16).fill(5)
const other = new Uint8Array(16).fill(6)

describe('what was encrypted in pieces', () => {
  test.each(SIZES)('is read back, whole and in ranges: %s bytes', async (size) => {
    const plain = random(size)
    const data = await stored(plain, 7_777, salt)
    const pieces = Math.floor(size / PIECE_PLAIN_BYTES) + 1
    expect([data.length, plainSizeOf(data.length)]).toEqual([size + pieces * TAG_BYTES, size])
    const reader = readerOf([{ data, salt }])
    expect(Buffer.compare(await gathered(reader.read(0, size)), plain)).toBe(0)
    for (const edge of [0, 1, PIECE_PLAIN_BYTES - 1, PIECE_PLAIN_BYTES, PIECE_PLAIN_BYTES + 1]) {
      const start = Math.min(edge, size - 1)
      for (const end of [start + 1, Math.min(size, start + PIECE_PLAIN_BYTES), size]) {
        const got = await gathered(reader.read(start, end))
        expect(Buffer.compare(got, plain.subarray(start, end))).toBe(0)
      }
    }
  })

  test('is read over the border of two parts', async () => {
    const plain = [random(100_001), random(70_000)]
    const [first, second] = await Promise.all([
      stored(plain[0]!, 999, salt),
      stored(plain[1]!, 65_536, other),
    ])
    const reader = readerOf([
      { data: first!, salt },
      { data: second!, salt: other },
    ])
    const got = await gathered(reader.read(99_990, 100_030))
    expect(Buffer.compare(got, Buffer.concat(plain).subarray(99_990, 100_030))).toBe(0)
  })

  test('does not pass when it was changed, moved, cut or belongs to another body', async () => {
    const plain = random(200_000)
    const data = await stored(plain, 50_000, salt)
    const size = plain.length
    const fails = async (changed: Buffer, by = salt): Promise<void> => {
      const reader = readerOf([{ data: changed, salt: by }])
      const end = Math.min(size, plainSizeOf(changed.length))
      await expect(gathered(reader.read(0, end))).rejects.toThrow('Encrypted data')
    }
    const flipped = Buffer.from(data)
    flipped[70_000]! ^= 1
    await fails(flipped)
    const swapped = Buffer.concat([
      data.subarray(PIECE_BYTES, 2 * PIECE_BYTES),
      data.subarray(0, PIECE_BYTES),
      data.subarray(2 * PIECE_BYTES),
    ])
    await fails(swapped)
    await fails(data.subarray(0, data.length - 1))
    await fails(data.subarray(0, PIECE_BYTES))
    await fails(data.subarray(0, PIECE_BYTES + TAG_BYTES))
    await fails(data.subarray(0, PIECE_BYTES + 100))
    await fails(data, other)
  })
})
