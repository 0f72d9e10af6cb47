import { describe, expect, test } from 'vitest'
import { FieldReader, FieldWriter } from './wire.ts'

const FIELD_1 = 8
const FIELD_1_WITH_LENGTH = 8 + 2

/** A field whose varint has so many bytes that announce another one, and then an end. */
function reader(tag: number, announcing: number): FieldReader {
  const bytes = new Uint8Array(announcing + 2).fill(0x80)
  bytes[0] = tag
  bytes[announcing + 1] = 0
  return new FieldReader(bytes, 0, bytes.length)
}

describe('a varint', () => {
  test('has at most 10 bytes, as a number and as a length', () => {
    for (const tag of [FIELD_1, FIELD_1_WITH_LENGTH]) {
      expect(reader(tag, 9).next()).toBe(true)
      for (const announcing of [10, 150, 1_000]) {
        expect(() => reader(tag, announcing).next()).toThrow(RangeError)
      }
    }
  })

  test('carries every number that a record may have', () => {
    for (const value of [1, 127, 128, 2 ** 32, Number.MAX_SAFE_INTEGER]) {
      const writer = new FieldWriter()
      writer.number(1, value)
      const bytes = writer.finish(0)
      const read = new FieldReader(bytes, 0, bytes.length)
      expect([read.next(), read.value, read.next()]).toEqual([true, value, false])
    }
  })
})
