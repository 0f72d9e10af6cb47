import { expect, test } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { lossReportOf, type ReportedLosses, type LossReply } from './loss-report.ts'

const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name, { name })) as [
  Member,
  Member,
  Member,
  Member,
  Member,
]
const FIRST = new Uint8Array([0xc0])
const SOURCES = [{ epoch: 3, members: [a, d, e], replication: 3 }]
const STUCK = [{ partitions: FIRST, nodes: [d.nodeId, e.nodeId], unreadable: 0, failing: [] }]
const LACKING = [{ epoch: 3, partitions: FIRST }]
const REPLY: LossReply = { epoch: 5, unproven: false, lacking: [], stuck: [] }

/** The report when members a, b and c have taken over from a, d and e. */
function report(
  replies: Partial<Record<'a' | 'b' | 'c' | 'd' | 'e', Partial<LossReply>>>,
  changes: Partial<LayoutEntry> = {},
  more: Partial<ReportedLosses> = {},
) {
  const of = { a, b, c, d, e }
  return lossReportOf({
    view: new LayoutView(stable([a, b, c], { epoch: 5, sources: SOURCES, ...changes })),
    replies: new Map(
      Object.entries(replies).map(([name, reply]): [NodeId, LossReply] => [
        of[name as keyof typeof of].nodeId,
        { ...REPLY, ...reply },
      ]),
    ),
    silentMs: () => 600_000,
    registers: [],
    registersRefusal: undefined,
    ...more,
  })
}

const waits = { lacking: LACKING, stuck: STUCK }

test('lists what present holders wait for in vain, and the nodes that may have it', () => {
  const found = report({ a: {}, b: waits, c: waits })
  expect(found.refusal).toBeUndefined()
  expect(found.sources).toEqual([
    { epoch: 3, partitions: [0, 1], waitsFor: ['d', 'e'], awaySeconds: [600, 600], unreadable: 0 },
  ])
  expect(found.id).toMatch(/^[0-9a-f]{16}$/)
  expect(report({ a: {}, b: waits, c: waits }).id).toBe(found.id)
  expect(report({ a: {}, b: waits, c: waits }, { epoch: 6 }).id).not.toBe(found.id)
})

test('blocks that no node gives may be with any node that is away', () => {
  const stuck = [{ partitions: FIRST, nodes: [], unreadable: 4, failing: [] }]
  const unread = { lacking: LACKING, stuck }
  expect(report({ a: {}, b: unread, c: {}, d: {} }).sources).toMatchObject([
    { waitsFor: ['e'], unreadable: 4 },
  ])
  // All nodes have answered, so the mover finds out by itself that the blocks are lost.
  const all = report({ a: {}, b: unread, c: {}, d: {}, e: {} })
  expect([all.sources, all.refusal]).toEqual([
    [],
    expect.stringMatching(/^blocks of 2 partitions are still being fetched/),
  ])
})

test.each<[string, ReturnType<typeof report>, RegExp]>([
  ['a holder fetches', report({ a: {}, b: waits, c: { lacking: LACKING } }), /^blocks of 2 part/],
  ['too few holders are up', report({ a: {} }), /^start b, c first/],
  ['a holder does not vote yet', report({ a: {}, b: { unproven: true } }), /^start b, c first/],
  ['at another epoch', report({ a: {}, b: { epoch: 4 } }), /^start b, c first/],
  ['one is back', report({ a: {}, b: waits, c: waits, e: {} }), /^e answers again/],
  [
    'one has just left',
    report({ a: {}, b: waits, c: waits }, {}, { silentMs: () => 59_000 }),
    /^d, e has been away for less than a minute/,
  ],
  ['all is there', report({ a: {}, b: {}, c: {} }), /^no change waits in vain/],
  [
    'another change',
    report({ a: {}, b: waits, c: waits }, { state: 'PLANNED', cause: 'plan', next: [a, b] }),
    /^another change of the layout is under way/,
  ],
])('nothing may be given up: %s', (_what, { refusal }, expected) => {
  expect(refusal).toMatch(expected)
})

test('a holder that cannot vouch for what it has holds up nothing', () => {
  const SECOND = new Uint8Array([0x20])
  const forgetful = {
    lacking: [{ epoch: 3, partitions: new Uint8Array([0xe0]) }],
    stuck: [...STUCK, { partitions: SECOND, nodes: [b.nodeId], unreadable: 0, failing: [] }],
  }
  const { sources, refusal } = report({ a: {}, b: forgetful, c: waits })
  expect(refusal).toBeUndefined()
  expect(sources).toMatchObject([
    { partitions: [0, 1, 2], waitsFor: ['b', 'd', 'e'], awaySeconds: [0, 600, 600] },
  ])
  // When it is another holder, that one answers again.
  expect(report({ a: {}, b: waits, c: forgetful }).refusal).toMatch(/^b answers again/)
})

test('a node that answers and does not give its blocks is named, before and after it is stopped', () => {
  const stuck = [{ partitions: FIRST, nodes: [], unreadable: 4, failing: [d.nodeId] }]
  const unread = { lacking: LACKING, stuck }
  const asked = report({ a: {}, b: unread, c: {}, d: {}, e: {} })
  expect(asked.sources).toMatchObject([{ partitions: [0, 1], waitsFor: ['d'], unreadable: 4 }])
  expect(asked.refusal).toMatch(/^d answers, but does not give blocks/)
  // The same holds when another node is away.
  expect(report({ a: {}, b: unread, c: {}, d: {} }).refusal).toMatch(/^d answers, but does not/)
  const stopped = report({ a: {}, b: unread, c: {}, e: {} })
  expect(stopped.refusal).toBeUndefined()
  expect(stopped.sources).toMatchObject([{ waitsFor: ['d'], awaySeconds: [600] }])
  const justNow = report({ a: {}, b: unread, c: {}, e: {} }, {}, { silentMs: () => 1 })
  expect(justNow.refusal).toMatch(/^d has been away for less than a minute/)
})

test('registers are given up alone while blocks of sources move', () => {
  const registers = [{ partition: 3, kind: 'object', name: 'b/k' }]
  const moving = report({ a: {}, b: waits, c: { lacking: LACKING } }, {}, { registers })
  expect(moving).toMatchObject({ sources: [], registers })
  expect(moving.refusal).toBeUndefined()
  expect(moving.sourcesRefusal).toMatch(/^blocks of 2 partitions are still being fetched/)
  const both = report({ a: {}, b: waits, c: waits }, {}, { registers })
  expect(both).toMatchObject({ sources: [{ partitions: [0, 1] }], registers })
  expect([both.refusal, both.sourcesRefusal]).toEqual([undefined, undefined])
  expect(moving.id).not.toBe(both.id)
})

test('damaged registers may be given up once a scrub has tried to mend them', () => {
  const registers = [{ partition: 3, kind: 'object', name: 'b/k' }]
  const planned = { sources: undefined, state: 'PLANNED', cause: 'plan', next: [a, b] } as const
  const tried = report({ a: {} }, planned, { registers })
  expect([tried.registers, tried.refusal]).toEqual([registers, undefined])
  const untried = report({ a: {} }, planned, { registers, registersRefusal: 'scrub first' })
  expect(untried.refusal).toBe('scrub first')
})
