import { describe, expect, test } from 'vitest'
import { utf8, utf8Text } from '../bytes.ts'
import { decodeEntry, encodeEntry, entryHash, type LayoutEntry } from './entry.ts'
import { jointEntry } from './transition.ts'
import { member, stable } from './testing.ts'

const [a, b, c] = [member('a'), member('b'), member('c')]
const text = (entry = stable([a, b])): string => utf8Text(encodeEntry(entry))
const decode = (json: string): unknown => decodeEntry(utf8(json))

describe('canonical bytes of an entry', () => {
  test('come back as the same entry', () => {
    for (const entry of [stable([a, b, c]), jointEntry(stable([a]), [a, b, c], 'join')]) {
      const bytes = encodeEntry(entry)
      expect(encodeEntry(decodeEntry(bytes))).toEqual(bytes)
      expect(entryHash(decodeEntry(bytes))).toBe(entryHash(entry))
    }
  })

  test('do not depend on the order in which members are given', () => {
    expect(text({ ...stable([]), members: [c, a, b] })).toBe(
      text({ ...stable([]), members: [b, c, a] }),
    )
  })

  test('system partitions are a word of the genesis; without it an entry reads as it always did', () => {
    expect(text()).not.toContain('systemPartitionBits')
    const entry = stable([a, b])
    const genesis = { ...entry.genesis, systemPartitionBits: 4 }
    const decoded = decode(text({ ...entry, genesis })) as LayoutEntry
    expect(decoded.genesis.systemPartitionBits).toBe(4)
    const bits = (count: number) => text({ ...entry, genesis }).replace('Bits":4', `Bits":${count}`)
    for (const count of [-1, 7, 1.5]) expect(() => decode(bits(count))).toThrow()
    const full = { ...genesis, partitionBits: 16 }
    expect(() => decode(text({ ...entry, genesis: full }))).toThrow()
  })

  test('another version is refused by name (fault 20)', () => {
    const later = text().replace('"version":1', '"version":2')
    expect(() => decode(later)).toThrow(/unknown version 2/)
  })

  test.each([
    ['white space', (s: string) => s.replace('{', '{ ')],
    ['another order of fields', (s: string) => s.replace(/("version":1),("epoch":1)/, '$2,$1')],
    ['an unknown field', (s: string) => s.replace('{', '{"extra":1,')],
    ['__proto__', (s: string) => s.replace('{', '{"__proto__":{"epoch":9},')],
    ['a missing field', (s: string) => s.replace('"epoch":1,', '')],
    ['a doubled field', (s: string) => s.replace('"epoch":1,', '"epoch":1,"epoch":1,')],
    ['a fraction', (s: string) => s.replace('"epoch":1', '"epoch":1.5')],
    ['a number as text', (s: string) => s.replace('"epoch":1', '"epoch":"1"')],
    ['an unknown state', (s: string) => s.replace('STABLE', 'SOLID')],
    ['an unknown cause', (s: string) => s.replace('founded', 'constructor')],
    ['JOINT without next', (s: string) => s.replace('STABLE', 'JOINT')],
    ['no members', (s: string) => s.replace(/"members":\[.*\],"next"/, '"members":[],"next"')],
    [
      'members as an object',
      (s: string) => s.replace(/"members":\[.*\],"next"/, '"members":{},"next"'),
    ],
    ['an odd storage id', (s: string) => s.replace(a.storageId, 'X'.repeat(24))],
    ['capacity 0', (s: string) => s.replace('1000000000000', '0')],
    ['partition bits 17', (s: string) => s.replace('"partitionBits":6', '"partitionBits":17')],
    ['cut short', (s: string) => s.slice(0, -1)],
    ['bytes behind', (s: string) => s + ' '],
  ])('%s is refused', (_what, change) => {
    const changed = change(text())
    expect(changed).not.toBe(text())
    expect(() => decode(changed)).toThrow()
  })

  test('members in another order are refused', () => {
    const joint = text(stable([a, b]))
    const parsed = JSON.parse(joint) as { members: unknown[] }
    parsed.members.reverse()
    expect(() => decode(JSON.stringify(parsed))).toThrow(/canonical/)
  })

  test('a node or a storage twice is refused (D1)', () => {
    expect(() => decode(text({ ...stable([]), members: [a, a] }))).toThrow(/twice/)
    const copy = member('b', { storageId: a.storageId })
    expect(() => decode(text({ ...stable([]), members: [a, copy] }))).toThrow(/twice/)
  })
})
