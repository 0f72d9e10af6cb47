import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOf, byteString, hex } from '../bytes.ts'
import { blake3 } from '../hash.ts'
import {
  decodeRecordBody,
  decodeRecordHeader,
  encodeRecordMeta,
  headerRecordBytes,
  isRecordFault,
  RECORD_HEADER_BYTES,
  recordMetaBytes,
  type RecordFields,
  type RecordHeader,
} from './record.ts'

const logId = new Uint8Array(16).fill(9)

function encoded(fields: RecordFields): Uint8Array {
  const bytes = new Uint8Array(recordMetaBytes(fields.key.length, fields.body.length)).fill(0xee)
  expect(encodeRecordMeta(bytes, 0, fields, logId)).toBe(bytes.length)
  return bytes
}

const specimen: RecordFields = {
  type: 3,
  partition: 0x1234,
  sequence: 0x0102_0304_0506,
  segment: 7,
  offset: 4160,
  key: 'key',
  body: bytesOf('body!'),
  payloadBytes: 5,
  payloadHash: blake3(bytesOf('hello')),
  more: false,
}

function soundHeader(result: ReturnType<typeof decodeRecordHeader>): RecordHeader {
  if (isRecordFault(result)) throw new Error(result)
  return result
}

describe('record header', () => {
  test('reads back what was written', () => {
    const bytesGenerator = fc.uint8Array({ maxLength: 300 })
    fc.assert(
      fc.property(
        fc.record({
          type: fc.integer({ min: 1, max: 255 }),
          partition: fc.integer({ min: 0, max: 0xffff }),
          sequence: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
          segment: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
          offset: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
          key: bytesGenerator.map(byteString),
          body: bytesGenerator,
          payload: bytesGenerator,
          more: fc.boolean(),
        }),
        ({ payload, ...fields }) => {
          const payloadHash = payload.length === 0 ? undefined : blake3(payload)
          const bytes = encoded({ ...fields, payloadBytes: payload.length, payloadHash })
          const header = soundHeader(decodeRecordHeader(bytes, 0, logId, fields))
          expect(header).toMatchObject({
            type: fields.type,
            partition: fields.partition,
            sequence: fields.sequence,
            segment: fields.segment,
            offset: fields.offset,
            key: fields.key,
            bodyBytes: fields.body.length,
            payloadBytes: payload.length,
            more: fields.more,
          })
          expect(hex(header.payloadHash)).toBe(hex(payloadHash ?? new Uint8Array(32)))
          expect(decodeRecordBody(bytes, 0, header)).toEqual(fields.body)
          expect(headerRecordBytes(header) % 8).toBe(0)
        },
      ),
    )
  })
})

describe('a record header that is damaged', () => {
  test('every flipped bit shows, in the header, key or body', () => {
    const bytes = encoded(specimen)
    const covered = RECORD_HEADER_BYTES + specimen.key.length + specimen.body.length
    for (let bit = 0; bit < covered * 8; bit++) {
      const damaged = bytes.slice()
      damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
      const header = decodeRecordHeader(damaged, 0, logId)
      if (isRecordFault(header)) continue
      expect(bit >> 3).toBeGreaterThanOrEqual(RECORD_HEADER_BYTES + specimen.key.length)
      expect(decodeRecordBody(damaged, 0, header)).toBe('CHECKSUM_MISMATCH')
    }
  })

  test('another place, another log and another version are refused', () => {
    const bytes = encoded(specimen)
    expect(decodeRecordHeader(bytes, 0, logId, { segment: 7, offset: 8192 })).toBe('MISDIRECTED')
    expect(decodeRecordHeader(bytes, 0, logId, { segment: 8, offset: 4160 })).toBe('MISDIRECTED')
    expect(decodeRecordHeader(bytes, 0, new Uint8Array(16))).toBe('CHECKSUM_MISMATCH')
    const newer = bytes.slice()
    newer[4] = 2
    expect(decodeRecordHeader(newer, 0, logId)).toBe('UNKNOWN_VERSION')
    expect(decodeRecordHeader(new Uint8Array(200), 0, logId)).toBe('NOT_A_RECORD')
  })

  test('a record cut anywhere is never read', () => {
    const bytes = encoded(specimen)
    for (let length = 0; length < RECORD_HEADER_BYTES + specimen.key.length; length++) {
      expect(decodeRecordHeader(bytes.subarray(0, length), 0, logId)).toBe('TRUNCATED')
    }
    const header = soundHeader(decodeRecordHeader(bytes, 0, logId))
    expect(decodeRecordBody(bytes.subarray(0, 100), 0, header)).toBe('TRUNCATED')
  })
})

describe('the bytes of a record header', () => {
  test('the bytes of version 1 never change', () => {
    expect(hex(blake3(encoded(specimen))).slice(0, 16)).toMatchInlineSnapshot(`"2fff21e8f844121a"`)
  })
})
