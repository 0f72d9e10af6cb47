import { describe, expect, test } from 'vitest'
import {
  decodeBatchHeader,
  decodeHints,
  decodeSegmentHeader,
  encodeBatchHeader,
  encodeSegmentHeader,
  HintTable,
  isBefore,
  pageEnd,
  segmentOfName,
  segmentPath,
  type BatchHeader,
  type Hint,
} from './segment.ts'

const logId = Uint8Array.from({ length: 16 }, (_, i) => i)

const batch: BatchHeader = {
  kind: 'records',
  segment: 3,
  offset: 8_192,
  firstSequence: 2 ** 40,
  lengthBytes: 5_000,
  count: 12,
  flushed: { segment: 2, offset: 4_096 },
}

function flipped(bytes: Uint8Array, bit: number): Uint8Array {
  const copy = bytes.slice()
  copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7))
  return copy
}

describe('segment formats', () => {
  test('names go both ways, other names are none', () => {
    expect(segmentPath(7)).toBe('log/0000000007.seg')
    expect(segmentOfName('0000000007.seg')).toBe(7)
    for (const name of ['id', '7.seg', '0000000007.seg.tmp']) {
      expect(segmentOfName(name)).toBeUndefined()
    }
  })

  test('a segment header reads back; each flipped bit shows', () => {
    const bytes = encodeSegmentHeader(9, 1_234, logId)
    expect(decodeSegmentHeader(bytes)).toEqual({ segment: 9, firstSequence: 1_234, logId })
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      expect(decodeSegmentHeader(flipped(bytes, bit))).toBe('INVALID')
    }
    expect(decodeSegmentHeader(bytes.subarray(0, 63))).toBe('INVALID')
  })

  test('a batch header reads back only in its place and its log; each flipped bit shows', () => {
    const bytes = new Uint8Array(64)
    encodeBatchHeader(bytes, batch, logId)
    expect(decodeBatchHeader(bytes, 0, batch, logId)).toEqual(batch)
    expect(decodeBatchHeader(bytes, 0, { ...batch, offset: 4_096 }, logId)).toBeUndefined()
    expect(decodeBatchHeader(bytes, 0, { ...batch, segment: 4 }, logId)).toBeUndefined()
    expect(decodeBatchHeader(bytes, 0, batch, new Uint8Array(16))).toBeUndefined()
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      expect(decodeBatchHeader(flipped(bytes, bit), 0, batch, logId)).toBeUndefined()
    }
  })

  test('a footer gives back its hints, or none when they are damaged', () => {
    const table = new HintTable()
    const hints: Hint[] = Array.from({ length: 200 }, (_, i) => ({
      offset: 4_160 + 128 * i,
      lengthBytes: 128,
      metaBytes: 112,
      partition: i * 80,
      type: 1 + (i % 255),
    }))
    for (const hint of hints) table.push(hint)
    const at = { segment: 3, offset: 32_768 }
    const footer = table.encodeFooter(at, 200, logId)
    const header = decodeBatchHeader(footer, 0, at, logId) as BatchHeader
    expect(header).toMatchObject({ kind: 'footer', count: 200, flushed: at })
    expect(decodeHints(footer, header)).toEqual(hints)
    expect(decodeHints(flipped(footer, 8 * 100), header)).toBeUndefined()
    expect(decodeHints(footer.subarray(0, footer.length - 1), header)).toBeUndefined()
  })

  test('ends order by segment, then offset; batches begin on pages', () => {
    expect(isBefore({ segment: 1, offset: 9 }, { segment: 2, offset: 0 })).toBe(true)
    expect(isBefore({ segment: 2, offset: 0 }, { segment: 2, offset: 0 })).toBe(false)
    expect([0, 1, 4_096, 4_097].map(pageEnd)).toEqual([0, 4_096, 4_096, 8_192])
  })
})
