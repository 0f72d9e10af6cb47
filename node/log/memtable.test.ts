import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bytesOf, byteString } from '../../protocol/bytes.ts'
import { compareBytes, Memtable } from './memtable.ts'

const put = (key: string, value?: string) =>
  value === undefined ? { key: bytesOf(key) } : { key: bytesOf(key), value: bytesOf(value) }

function text(table: Memtable, key: string): string | undefined {
  const row = table.get(bytesOf(key))
  return row?.value && byteString(row.value)
}

describe('memtable', () => {
  test('rows stay visible from put to committed, newer ones first', () => {
    const table = new Memtable()
    table.put(put('a', '1'))
    expect(table.take()).toHaveLength(1)
    expect(text(table, 'a')).toBe('1')
    table.put(put('a', '2'))
    expect(text(table, 'a')).toBe('2')
    table.committed()
    expect(text(table, 'a')).toBe('2')
    expect(table.rows).toBe(1)
    table.take()
    table.committed()
    expect(table.get(bytesOf('a'))).toBeUndefined()
    expect([table.rows, table.bytes]).toEqual([0, 0])
  })

  test('rows of a failed commit wait again, behind newer ones', () => {
    const table = new Memtable()
    table.put(put('a', '1'))
    table.put(put('b', '1'))
    table.take()
    table.put(put('b', '2'))
    table.putBack()
    expect([text(table, 'a'), text(table, 'b')]).toEqual(['1', '2'])
    expect(table.take()).toHaveLength(2)
    table.committed()
    expect(table.bytes).toBe(0)
  })

  test('a removal is a row without a value', () => {
    const table = new Memtable()
    table.put(put('a'))
    expect(table.get(bytesOf('a'))).toEqual({ key: bytesOf('a') })
  })

  test('ranges are those of a sorted map', () => {
    const key = fc.uint8Array({ minLength: 1, maxLength: 3 }).map(byteString)
    fc.assert(
      fc.property(fc.array(key), fc.array(key), key, key, (older, newer, start, end) => {
        const table = new Memtable()
        for (const one of older) table.put(put(one, 'old'))
        table.take()
        for (const one of newer) table.put(put(one, 'new'))
        const expected = [...new Set([...older, ...newer])]
          .filter((one) => one >= start && one < end)
          .sort()
          .map((one) => [one, newer.includes(one) ? 'new' : 'old'])
        const found = [...table.range(bytesOf(start), bytesOf(end))].map((row) => [
          byteString(row.key),
          byteString(row.value as Uint8Array),
        ])
        expect(found).toEqual(expected)
      }),
    )
  })

  test('bytes compare as their ByteStrings do', () => {
    const bytes = fc.uint8Array({ maxLength: 4 })
    fc.assert(
      fc.property(bytes, bytes, (a, b) => {
        const order = byteString(a) < byteString(b) ? -1 : byteString(a) > byteString(b) ? 1 : 0
        expect(Math.sign(compareBytes(a, b))).toBe(order)
      }),
    )
  })
})
