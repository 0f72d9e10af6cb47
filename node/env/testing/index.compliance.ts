/** What every Index must do. The same suite runs on the real and on the simulated one. */

import { expect, test } from 'vitest'
import { bytesOf, byteString } from '../../../protocol/bytes.ts'
import type { Index, IndexWrite } from '../ports.ts'

const put = (key: string, value: string): IndexWrite => ({
  key: bytesOf(key),
  value: bytesOf(value),
})

function get(index: Index, key: string): string | undefined {
  const value = index.get(bytesOf(key))
  return value === undefined ? undefined : byteString(value)
}

function rows(index: Index, start: string, end: string, limit = 1_000): string[] {
  const found: string[] = []
  index.range(bytesOf(start), bytesOf(end), limit, (key, value) => {
    found.push(`${byteString(key)}=${byteString(value)}`)
  })
  return found
}

/** `fresh` gives an empty index; `reopen` closes it and opens what it left. */
export function indexCompliance(
  fresh: () => Promise<Index>,
  reopen: (index: Index) => Promise<Index>,
): void {
  batchesCompliance(fresh)
  rangesCompliance(fresh)
  reopenCompliance(fresh, reopen)
}

function batchesCompliance(fresh: () => Promise<Index>): void {
  test('a batch is visible once write resolves', async () => {
    const index = await fresh()
    expect(get(index, 'a')).toBeUndefined()
    await index.write([put('a', '1'), put('b', '2'), { key: bytesOf('c') }])
    expect([get(index, 'a'), get(index, 'b'), get(index, 'c')]).toEqual(['1', '2', undefined])
    await index.write([put('a', '3'), { key: bytesOf('b') }])
    expect([get(index, 'a'), get(index, 'b')]).toEqual(['3', undefined])
    await index.write([])
    await index.close()
  })

  test('of several writes to a key in one batch the last counts', async () => {
    const index = await fresh()
    await index.write([put('a', '1'), { key: bytesOf('a') }, put('a', '2')])
    await index.write([put('b', '1'), { key: bytesOf('b') }])
    expect(rows(index, 'a', 'z')).toEqual(['a=2'])
    await index.close()
  })

  test('batches given without waiting commit in their order', async () => {
    const index = await fresh()
    const writes = Array.from({ length: 20 }, (_, i) => index.write([put('k', String(i))]))
    await Promise.all(writes)
    expect(get(index, 'k')).toBe('19')
    await index.close()
  })
}

function rangesCompliance(fresh: () => Promise<Index>): void {
  test('ranges are half open, in byte order, bounded, and stop when told', async () => {
    const index = await fresh()
    const keys = ['a', 'a\0', 'a\u00ff', 'b', 'b\u007f', 'b\u0080', '\u00ff', '\0']
    await index.write(keys.map((key) => put(key, 'v')))
    const sorted = [...keys].sort().map((key) => `${key}=v`)
    expect(rows(index, '\0', '\u00ff\u00ff')).toEqual(sorted)
    expect(rows(index, 'a', 'b')).toEqual(['a=v', 'a\0=v', 'a\u00ff=v'])
    expect(rows(index, 'a\0', 'b\u0080', 2)).toEqual(['a\0=v', 'a\u00ff=v'])
    expect(rows(index, 'b', 'a')).toEqual([])
    expect(rows(index, 'a', 'z', 0)).toEqual([])
    let count = 0
    index.range(bytesOf('a'), bytesOf('z'), 10, () => ++count < 2)
    expect(count).toBe(2)
    await index.close()
  })

  test('a scan gives the rows of a range, and may be left at any row, also by an error', async () => {
    const index = await fresh()
    const large = 'v'.repeat(100_000)
    const values = ['1', '', large, '4', 'x'.repeat(300)]
    await index.write(values.map((value, i) => put(`a${i}`, value)))
    const found: string[] = []
    const scan = (limit: number, visited: () => boolean | void): void =>
      index.scan(bytesOf('a'), bytesOf('b'), limit, (key, keyBytes, value, valueBytes) => {
        const [name, text] = [key.slice(0, keyBytes), value.slice(0, valueBytes)].map(byteString)
        found.push(`${name}=${text}`)
        return visited()
      })
    scan(10, () => {})
    expect(found).toEqual(values.map((value, i) => `a${i}=${value}`))
    expect(found.splice(0)).toEqual(rows(index, 'a', 'b'))
    scan(2, () => {})
    scan(10, () => false)
    expect(() => {
      scan(10, () => {
        throw new Error('enough')
      })
    }).toThrow('enough')
    expect(found).toEqual(['a0=1', 'a1=', 'a0=1', 'a0=1'])
    // One row of a range may ask for others.
    index.range(bytesOf('a'), bytesOf('b'), 10, (key, value) => {
      expect(get(index, 'a2')).toBe(large)
      expect(byteString(value)).toBe(values[Number(byteString(key).slice(1))])
    })
    await index.close()
  })

  test('keys of 1,900 bytes and values of 100,000 fit, empty values too', async () => {
    const index = await fresh()
    const long = 'k'.repeat(1_900)
    await index.write([put(long, 'v'.repeat(100_000)), put('empty', '')])
    expect(get(index, long)).toHaveLength(100_000)
    expect(get(index, 'empty')).toBe('')
    await index.close()
  })

  test('a key starting with any byte is a key of its own', async () => {
    const index = await fresh()
    const writes: IndexWrite[] = []
    for (let byte = 0; byte < 256; byte++) writes.push(put(String.fromCharCode(byte, 0), `${byte}`))
    await index.write(writes)
    for (let byte = 0; byte < 256; byte++) {
      expect(get(index, String.fromCharCode(byte, 0))).toBe(`${byte}`)
    }
    expect(rows(index, '\0', '\u00ff\u00ff')).toHaveLength(256)
    await index.close()
  })
}

function reopenCompliance(
  fresh: () => Promise<Index>,
  reopen: (index: Index) => Promise<Index>,
): void {
  test('rows survive a close; clear removes them all', async () => {
    let index = await fresh()
    await index.write([put('a', '1'), put('b', '2')])
    index = await reopen(index)
    expect(rows(index, 'a', 'z')).toEqual(['a=1', 'b=2'])
    await index.clear()
    expect(rows(index, 'a', 'z')).toEqual([])
    await index.write([put('c', '3')])
    index = await reopen(index)
    expect(rows(index, 'a', 'z')).toEqual(['c=3'])
    await index.close()
  })
}
