import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { utf8, utf8Text } from '../bytes.ts'
import {
  decodeEntry,
  encodeEntry,
  entryHash,
  STATES,
  type LayoutEntry,
  type Member,
  type Source,
} from './entry.ts'
import { jointEntry, planEntry, secretEntry, stableEntry, tokensEntry } from './transition.ts'
import { testMember, stable } from './testing/entries.ts'

const [a, b, c] = [testMember('a'), testMember('b'), testMember('c')]
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

  test('the placement function is a word of the genesis; without it an entry reads as it always did', () => {
    expect(text()).not.toContain('placement')
    const entry = stable([a, b])
    const genesis = { ...entry.genesis, placement: 2 as const }
    for (const placement of [2, 3] as const) {
      const read = decode(text({ ...entry, genesis: { ...genesis, placement } })) as LayoutEntry
      expect(read.genesis.placement).toBe(placement)
    }
    for (const other of ['1', '4', 'null', '"2"']) {
      const changed = text({ ...entry, genesis }).replace('"placement":2', `"placement":${other}`)
      expect(() => decode(changed)).toThrow()
    }
  })
})

describe('canonical bytes of another version or order', () => {
  test('another version is refused by name (F20)', () => {
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
    ['PLANNED without next', (s: string) => s.replace('STABLE', 'PLANNED')],
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
    const copy = testMember('b', { storageId: a.storageId })
    expect(() => decode(text({ ...stable([]), members: [a, copy] }))).toThrow(/twice/)
  })
})

test('entries without the later fields have the bytes that they always had (F20)', () => {
  const token = {
    id: '1'.repeat(16),
    verifier: '1'.repeat(64),
    expiresMs: 1_700_000_000_000,
    uses: 1,
    nodes: [],
  }
  const secret = {
    generation: 2,
    id: '1'.repeat(32),
    previousId: '2'.repeat(32),
    sinceMs: 5,
    overlapMs: 0,
    rootSealed: 'x',
  }
  const first = stable([a], { tokens: [] })
  const issued = tokensEntry(first, [token])
  const joint = jointEntry(issued, [a, b, c], 'join', [{ ...token, nodes: [b.nodeId] }])
  const synced = stableEntry(joint, 'synced')
  const back = stableEntry(joint, 'no-answer')
  const entries = [stable([a, b]), first, issued, joint, synced, back, secretEntry(synced, secret)]
  // Hashes by the program before those fields came.
  expect(entries.map(entryHash)).toEqual([
    '50d0dfcc6921b708fd901b7ec1eb4cadcd0b524b80b9d5bc9aed0ded8753e91e',
    '5c96494ab189aae553467d2a1fc71a8bf9be3e03ce325571a945d0e92629d5da',
    'f88f67af510c670b42038265ea51057c4aaf1d376de72f15229f2d443003f045',
    'c461351a42d0678c7f6deb24810f73dad8c6fe33f12a48b56344d894c479b4df',
    '9eecb86f40778cb2ffe9b87ba696fac3a7320fc6922f3dd570c2e3b14aa03a0a',
    '175c50e5fda0a3b007bb8d3b5d6806d577767ec2d87a1f6498412d7f0ffd9c2f',
    '297d26b5ef626ac6cc3420bba2e21cf7544537fe6331fe0303e0640a91e055fd',
  ])
})

const source = (epoch: number, members: readonly Member[] = [a, b]): Source => ({
  epoch,
  members,
  replication: 3,
})
const withSources = (sources: readonly Source[]): LayoutEntry =>
  stable([a, b], { epoch: 9, sources })

const arbitraryMembers = fc
  .uniqueArray(fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f'), { minLength: 1 })
  .chain((names) =>
    fc.tuple(
      ...names.map((name) =>
        fc
          .record({
            zone: fc.constantFrom('z1', 'z2', 'ü "\\'),
            capacityBytes: fc.integer({ min: 1, max: 1e15 }),
            name: fc.option(fc.string({ minLength: 1, maxLength: 64 }), { nil: undefined }),
            place: fc.constantFrom(
              undefined,
              testMember(name).nodeId,
              testMember(`${name}2`).nodeId,
            ),
          })
          .map((changes) => testMember(name, changes)),
      ),
    ),
  )
const replication = fc.integer({ min: 1, max: 15 })
const arbitraryEntry: fc.Arbitrary<LayoutEntry> = fc
  .record({
    state: fc.constantFrom(...STATES),
    members: arbitraryMembers,
    next: arbitraryMembers,
    replication: fc.option(replication, { nil: undefined }),
    nextReplication: fc.option(replication, { nil: undefined }),
    sources: fc.array(fc.record({ members: arbitraryMembers, replication }), { maxLength: 3 }),
  })
  .map(({ next, sources, ...fields }) => ({
    ...stable(fields.members),
    ...fields,
    epoch: 9,
    next: fields.state === 'STABLE' ? undefined : next,
    sources: sources.map((each, i) => ({ ...each, epoch: 2 + 3 * i })),
  }))

describe('replication, sources, names and places', () => {
  test('come back from canonical bytes, whatever is in them', () => {
    fc.assert(
      fc.property(arbitraryEntry, (entry) => {
        const bytes = encodeEntry(entry)
        const decoded = decodeEntry(bytes)
        expect(encodeEntry(decoded)).toEqual(bytes)
        expect(entryHash(decoded)).toBe(entryHash(entry))
        expect(decoded.sources ?? []).toHaveLength(entry.sources!.length)
      }),
    )
  })

  test('what says the same as its default is left out, and refused where it is not', () => {
    const planned = planEntry(stable([a]), { members: [a, b], replication: 3 })
    const said: LayoutEntry = {
      ...planned,
      replication: 3,
      nextReplication: 3,
      sources: [],
      members: [{ ...a, place: a.nodeId }],
    }
    expect(text(said)).toBe(text(planned))
    expect(text(said)).not.toMatch(/sources|place|nextRepl|"name"|}],"replication/)
    for (const more of ['"replication":3', '"nextReplication":3', '"sources":[]']) {
      expect(() => decode(text(planned).replace(/}$/, `,${more}}`))).toThrow(/canonical/)
    }
    const placed = text(planned).replace(/("addresses":\[[^\]]*\])/, `$1,"place":"${a.nodeId}"`)
    expect(() => decode(placed)).toThrow(/canonical/)
    expect(() => decode(text(stable([a])).replace(/}$/, ',"nextReplication":2}'))).toThrow()
  })

  test.each([
    ['replication 0', stable([a], { replication: 0 })],
    ['replication 16', stable([a], { replication: 16 })],
    ['an empty name', stable([testMember('a', { name: '' })])],
    ['a name of 65', stable([testMember('a', { name: 'n'.repeat(65) })])],
    ['a place that is no node', stable([testMember('a', { place: 'x' as Member['nodeId'] })])],
    ["another member's place", stable([a, testMember('b', { place: a.nodeId })])],
    ['one place twice', stable([a, b].map((each) => ({ ...each, place: c.nodeId })))],
    ['four sources', withSources([2, 3, 4, 5].map((epoch) => source(epoch)))],
    ['sources out of order', withSources([source(3), source(2)])],
    ['a source twice', withSources([source(3), source(3)])],
    ['a source of a later epoch', withSources([source(10)])],
    ['a source without members', withSources([source(3, [])])],
    ['PLANNED of nothing', { ...stable([a]), state: 'PLANNED' as const }],
    ['STABLE with next', { ...stable([a]), next: [a] }],
  ])('%s: refused', (_what, entry) => {
    expect(() => decodeEntry(encodeEntry(entry))).toThrow()
  })
})
