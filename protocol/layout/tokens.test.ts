import { describe, expect, test } from 'vitest'
import { utf8, utf8Text } from '../bytes.ts'
import { decodeEntry, encodeEntry, entryHash, type LayoutEntry } from './entry.ts'
import { testMember, stable } from './testing/entries.ts'
import { redeemed } from './tokens.ts'
import { type TokenRecord } from './token-record.ts'
import { jointEntry, stableEntry, tokensEntry, transitionFault } from './transition.ts'

const [a, b, c, d] = [testMember('a'), testMember('b'), testMember('c'), testMember('d')]
const token = (id: string, changes: Partial<TokenRecord> = {}): TokenRecord => ({
  id: id.repeat(16),
  verifier: id.repeat(64),
  expiresMs: 1_700_000_000_000,
  uses: 1,
  nodes: [],
  ...changes,
})
const [one, two] = [token('1'), token('2', { uses: 2 })]
const before = stable([a], { tokens: [one, two] })
const step = (after: readonly TokenRecord[], from: LayoutEntry = before): string | undefined =>
  transitionFault(from, tokensEntry(from, after))
const join = (nodes: (typeof a)[], after: readonly TokenRecord[], from = before) =>
  transitionFault(from, jointEntry(from, [a, ...nodes], 'join', after))

describe('tokens of an entry', () => {
  test('come back from its bytes; an entry without reads as it always did', () => {
    expect(decodeEntry(encodeEntry(before))).toEqual({ ...before, next: undefined })
    expect(utf8Text(encodeEntry(stable([a])))).not.toContain('tokens')
    expect(decodeEntry(encodeEntry(stable([a]))).tokens).toBeUndefined()
  })

  test.each([
    ['no uses', token('1', { uses: 0 })],
    ['too many uses', token('1', { uses: 257 })],
    ['more nodes than uses', token('1', { nodes: [b.nodeId, c.nodeId] })],
    ['a node twice', token('1', { uses: 2, nodes: [b.nodeId, b.nodeId] })],
    ['another id', token('1', { id: 'x' })],
  ])('%s: refused', (_what, bad) => {
    const bytes = encodeEntry(stable([a], { tokens: [bad] }))
    expect(() => decodeEntry(bytes)).toThrow()
  })

  test('one that is there twice, or 65 of them: refused', () => {
    expect(() => decodeEntry(encodeEntry(stable([a], { tokens: [one, one] })))).toThrow(/twice/)
    const many = Array.from({ length: 65 }, (_, i) =>
      token('1', { id: i.toString(16).padStart(16, '0') }),
    )
    expect(() => decodeEntry(encodeEntry(stable([a], { tokens: many })))).toThrow()
  })

  test('secrets of other programs: an unknown field is refused', () => {
    const text = utf8Text(encodeEntry(before)).replace('"uses":1', '"uses":1,"secret":"x"')
    expect(() => decodeEntry(utf8(text))).toThrow(/unknown field/)
  })
})

describe('from entry to entry', () => {
  test('tokens are issued and revoked, never changed', () => {
    expect(step([one, two, token('3')])).toBeUndefined()
    expect(step([two])).toBeUndefined()
    expect(step([])).toBeUndefined()
    expect(step([token('1', { uses: 2 }), two])).toMatch(/does not change/)
    expect(step([token('1', { expiresMs: 5 }), two])).toMatch(/does not change/)
    expect(step([token('1', { verifier: '0'.repeat(64) }), two])).toMatch(/does not change/)
    expect(step([token('1', { nodes: [b.nodeId] }), two])).toMatch(/does not change/)
    expect(step([one, two, token('3', { nodes: [b.nodeId] })])).toMatch(/admitted no node yet/)
  })

  test('members do not change with them', () => {
    const entry = tokensEntry(before, [])
    expect(transitionFault(before, { ...entry, members: [a, b] })).toMatch(/no step/)
    const joint = jointEntry(before, [a, b], 'token')
    expect(transitionFault(before, joint)).toBeDefined()
    const open = jointEntry(before, [a, b], 'join', [token('1', { nodes: [b.nodeId] }), two])
    expect(transitionFault(open, tokensEntry(open, []))).toBeDefined()
  })

  test('each joiner is entered in a token with room', () => {
    const used = token('1', { nodes: [b.nodeId] })
    expect(join([b], [used, two])).toBeUndefined()
    expect(join([b, c], [used, { ...two, nodes: [c.nodeId] }])).toBeUndefined()
    expect(join([b], [one, two])).toMatch(/has no token/)
    expect(join([b, c], [used, two])).toMatch(/has no token/)
    expect(join([b, c], [token('1', { nodes: [b.nodeId, c.nodeId] }), two])).toMatch(/used up/)
    expect(join([b], [used, { ...two, nodes: [d.nodeId] }])).toMatch(/admits only nodes that join/)
    expect(join([b], [token('1', { nodes: [b.nodeId], uses: 5 }), two])).toMatch(/not change/)
    expect(join([b], [used])).toMatch(/neither issues nor revokes/)
    expect(join([b], [used, two, token('3')])).toMatch(/neither issues nor revokes/)
    const undone = { ...jointEntry(before, [a, b], 'join'), tokens: undefined }
    expect(transitionFault(before, undone)).toBeDefined()
  })

  test('one that was used stays used, also when its change goes back', () => {
    const used = token('1', { nodes: [b.nodeId] })
    const joint = jointEntry(before, [a, b], 'join', [used, two])
    for (const cause of ['synced', 'holds-data', 'no-answer'] as const) {
      const after = stableEntry(joint, cause)
      expect(transitionFault(joint, after)).toBeUndefined()
      expect(after.tokens).toEqual([used, two])
      expect(transitionFault(joint, { ...after, tokens: [one, two] })).toMatch(/no step/)
    }
    const back = stableEntry(joint, 'no-answer')
    expect(join([b], [used, two], back)).toBeUndefined()
    expect(join([c], [used, two], back)).toMatch(/has no token/)
    expect(join([c], [token('1', { nodes: [c.nodeId] }), two], back)).toMatch(/keeps all nodes/)
  })

  test('a chain of an earlier program continues, and no tokens can be smuggled into it', () => {
    const old = stable([a])
    const joint = jointEntry(old, [a, b], 'join')
    expect(transitionFault(old, joint)).toBeUndefined()
    expect(entryHash(joint)).toBe(entryHash({ ...joint, tokens: undefined }))
    expect(join([b], [token('1', { nodes: [b.nodeId] })], old)).toMatch(/issues no token/)
    expect(step([one], old)).toBeUndefined()
  })
})

test('redeeming: once for each node, never beyond the uses', () => {
  const by = (nodeId: typeof a.nodeId, tokens: readonly TokenRecord[], of = two) =>
    redeemed(tokens, { nodeId, tokenId: of.id })
  const first = by(b.nodeId, [one, two])!
  expect(first).toEqual([one, { ...two, nodes: [b.nodeId] }])
  expect(by(b.nodeId, first)).toEqual(first)
  const second = by(c.nodeId, first)!
  expect(by(d.nodeId, second)).toBeUndefined()
  expect(by(c.nodeId, second)).toEqual(second)
  expect(by(d.nodeId, second, token('9'))).toBeUndefined()
})
