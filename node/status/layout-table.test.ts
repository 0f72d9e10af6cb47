import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { tableOf } from './layout-table.ts'
import { REPLY } from '../testing/status-reply.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name, { name })) as [
  Member,
  Member,
  Member,
  Member,
]

function table(
  members: readonly Member[],
  changes: Partial<LayoutEntry>,
  said: Readonly<Record<string, Partial<WireStatusReply>>>,
  lines: readonly string[] = [],
) {
  const view = new LayoutView(stable(members, { epoch: 5, ...changes }))
  const replies = new Map<NodeId, WireStatusReply>()
  for (const { nodeId, name = '' } of view.known) {
    const reply = said[name]
    if (reply !== undefined) replies.set(nodeId, { ...REPLY, ...reply })
  }
  return tableOf(view, a.nodeId, replies, lines)
}

const states = (shown: ReturnType<typeof table>): Record<string, string> =>
  Object.fromEntries(shown.nodes.map(({ name, state, up }) => [name, up ? state : `${state}?`]))

describe('the layout as a table', () => {
  it('shows a cluster at rest', () => {
    const shown = table([a, b, c], {}, { a: {}, b: {} })
    expect(shown).toMatchObject({
      epoch: 5,
      state: 'STABLE',
      replication: 3,
      partitions: 64,
      sources: 0,
      underWay: 'nothing is under way',
    })
    expect(shown).not.toHaveProperty('nextReplication')
    expect(states(shown)).toEqual({ a: 'member', b: 'member', c: 'member?' })
    expect(shown.nodes.map(({ share }) => share)).toEqual([1 / 3, 1 / 3, 1 / 3])
    expect(shown.nodes[0]).toMatchObject({ self: true, partitions: 64, usedBytes: 3 })
    expect(shown.nodes[2]).not.toHaveProperty('move')
  })

  it('while blocks move takes the time left from the slowest node', () => {
    const sources = [{ epoch: 3, members: [a, b, d], replication: 3 }]
    const of = (c_: Partial<WireStatusReply>) =>
      table(
        [a, b, c],
        { sources },
        {
          a: { movePendingBytes: 100, moveBytesPerSecond: 10, moveDoneBytes: 50 },
          b: {},
          c: c_,
          d: {},
        },
      )
    const shown = of({ movePendingBytes: 3_000, moveBytesPerSecond: 10 })
    expect(states(shown)).toEqual({ a: 'member', b: 'member', c: 'member', d: 'source' })
    expect(shown.move).toEqual({
      pendingBytes: 3_100,
      doneBytes: 50,
      bytesPerSecond: 20,
      secondsLeft: 300,
    })
    expect(shown.underWay).toBe(
      'STABLE: blocks move to where the layout has them: 3.0 KiB to come at 20 B/s, 5m left',
    )
    expect(of({ movePendingBytes: 5 }).move).not.toHaveProperty('secondsLeft')
    expect(of({}).nodes[0]?.move?.secondsLeft).toBe(10)
  })

  it('shows nodes without a name by the end of their id', () => {
    const nameless = testMember('e')
    const shown = table([nameless], {}, {})
    expect(shown.nodes[0]?.name).toBe(nameless.nodeId.slice(-8))
    expect(shown.underWay).toMatch(/^this node has left the cluster/)
  })
})

describe('the layout as a table during a change', () => {
  it('in PLANNED says who learns, who leaves, and what will be', () => {
    const next = [{ ...a, zone: 'z2', capacityBytes: 2e12 }, b, d]
    const shown = table(
      [a, b, c],
      { state: 'PLANNED', cause: 'plan', next, nextReplication: 2 },
      { a: {}, b: {}, c: {}, d: { learningDone: 10 } },
      ['d joins', 'c leaves'],
    )
    expect(states(shown)).toEqual({ a: 'member', b: 'member', c: 'leaving', d: 'learner' })
    expect(shown.nextReplication).toBe(2)
    expect(shown.nodes[0]).toMatchObject({ zone: 'default', nextZone: 'z2' })
    expect(shown.nodes[0]).toMatchObject({ capacityBytes: 1e12, nextCapacityBytes: 2e12 })
    expect(shown.nodes[1]).not.toHaveProperty('nextZone')
    const { nextPartitions, learning, share } = shown.nodes[3]!
    expect({ learning, share }).toEqual({
      learning: { total: nextPartitions, done: 10 },
      share: 0,
    })
    const percent = Math.floor(1000 / nextPartitions!)
    expect(shown.underWay).toBe(`PLANNED: d joins; c leaves; learners ${percent} % caught up`)
  })

  it('names the nodes that are away', () => {
    const changes = { cause: 'plan', next: [a, b, d] } as const
    const planned = table([a, b, c], { ...changes, state: 'PLANNED' }, { a: {}, b: {} }, ['x'])
    expect(planned.underWay).toMatch(/^PLANNED: x; learners 0 % caught up; d is away$/)
    const joint = table([a, b, c], { ...changes, state: 'JOINT' }, { a: {} }, ['x'])
    expect(states(joint)).toEqual({ a: 'member', b: 'member?', c: 'leaving?', d: 'joining?' })
    expect(joint.underWay).toMatch(/^JOINT: x; .*; b, d are away; 64 partitions wait for b, c, d: /)
  })
})

describe('why a change does not move on', () => {
  it('is told as the number of partitions that wait, and for which nodes', () => {
    const next = [a, b, d]
    const joint = table([a, b, c], { state: 'JOINT', cause: 'joint', next }, { a: {}, d: {} }, [
      'x',
    ])
    expect(joint.underWay).toMatch(
      /; b is away; 64 partitions wait for b, c: too few of their holders answer; start b, c$/,
    )
    const sources = [{ epoch: 3, members: [a, c, d], replication: 3 }]
    const lacking = [{ epoch: 3, partitions: new Uint8Array([0xa0]) }]
    const moving = (b_: Partial<WireStatusReply>) =>
      table([a, b], { sources }, { a: {}, b: b_ }).underWay
    expect(moving({ lacking })).toMatch(
      /; 2 partitions wait for c, d: too few of their holders answer; start c, d; if that is impossible, `shoal layout accept-loss` lists what is lost$/,
    )
    expect(moving({})).not.toMatch(/wait/)
    const unread = [{ partitions: new Uint8Array([0xa0]), nodes: [], unreadable: 2, failing: [] }]
    expect(moving({ lacking, stuck: unread })).toMatch(
      /; 2 blocks are listed, but no node that answers can give them; start c, d; if that/,
    )
  })

  it('names nodes that are up and can’t tell what they have', () => {
    const all = new Uint8Array(8).fill(0xff)
    const next = [a, b]
    const planned = (reply: Partial<WireStatusReply>) =>
      table([a], { state: 'PLANNED', cause: 'plan', next }, { a: reply, b: {} }, ['x']).underWay
    expect(planned({ untold: all, damagedRegisters: 1 })).toMatch(
      /; 64 partitions wait for a; a has 1 damaged register: `shoal scrub` there repairs what it can, and `shoal layout accept-loss` there lists the rest$/,
    )
    expect(planned({ untold: all })).toMatch(
      /; a may have forgotten something, and must be compared with others first$/,
    )
  })
})
