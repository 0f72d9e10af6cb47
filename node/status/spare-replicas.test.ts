import { describe, expect, it } from 'vitest'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { testMember, stable } from '../../protocol/layout/testing/entries.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import { addBit } from '../../protocol/keyspace/bitmap.ts'
import { awayLines, spareOf, type SpareReply } from './spare-replicas.ts'

const [a, b, c, d] = ['a', 'b', 'c', 'd'].map((name) => testMember(name, { name })) as [
  Member,
  Member,
  Member,
  Member,
]

function viewOf(members: readonly Member[], changes: Partial<LayoutEntry> = {}): LayoutView {
  return new LayoutView(stable(members, { epoch: 5, ...changes }))
}

/** Replies of nodes that are level, except for `changes`. */
function replies(
  view: LayoutView,
  up: readonly Member[],
  changes: Readonly<Record<string, Partial<SpareReply>>> = {},
): Map<NodeId, SpareReply> {
  return new Map(
    up.map(({ nodeId, name = '' }) => [
      nodeId,
      {
        epoch: view.epoch,
        behind: new Uint8Array(view.partitions / 8),
        unproven: false,
        lacking: [],
        ...changes[name],
      },
    ]),
  )
}

function bits(view: LayoutView, ...partitions: number[]): Uint8Array<ArrayBuffer> {
  const set = new Uint8Array(view.partitions / 8)
  for (const partition of partitions) addBit(set, partition)
  return set
}

const three = viewOf([a, b, c])

describe('whether any one node may fail now', () => {
  it('is yes with all three replicas of everything', () => {
    expect(spareOf(three, replies(three, [a, b, c]))).toEqual({
      canLoseANode: true,
      why: 'every partition keeps a majority of its replicas',
    })
  })

  it('is no with fewer than three replicas', () => {
    const two = viewOf([a, b])
    expect(spareOf(two, replies(two, [a, b]))).toEqual({
      canLoseANode: false,
      why: 'there are 2 replicas of a partition, and more than half of them must answer',
    })
    const one = viewOf([a])
    expect(spareOf(one, replies(one, [a])).why).toBe('there is one replica of each partition')
    const few = viewOf([a, b, c], { replication: 2 })
    expect(spareOf(few, replies(few, [a, b, c])).canLoseANode).toBe(false)
  })

  it('is no while a node is away, does not vote, or is in another epoch', () => {
    expect(spareOf(three, replies(three, [a, b]))).toEqual({
      canLoseANode: false,
      why: 'c is away',
    })
    const unproven = replies(three, [a, b, c], { b: { unproven: true } })
    expect(spareOf(three, unproven).why).toBe('b does not vote yet')
    const early = replies(three, [a, b, c], { b: { epoch: 4 }, c: { epoch: 4 } })
    expect(spareOf(three, early).why).toBe('b, c do not vote yet')
  })

  it('is no while a replica is lagging', () => {
    const behind = replies(three, [a, b, c], { a: { behind: bits(three, 1, 9) } })
    expect(spareOf(three, behind).why).toBe('2 partitions have a replica that is not level yet')
  })

  it('is yes with one of four or one of five replicas missing', () => {
    const members = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name, { name }))
    const five = viewOf(members, { replication: 5 })
    expect(spareOf(five, replies(five, members.slice(1))).canLoseANode).toBe(true)
    expect(spareOf(five, replies(five, members.slice(2))).canLoseANode).toBe(false)
    const four = viewOf(members.slice(1), { replication: 4 })
    expect(spareOf(four, replies(four, members.slice(2))).canLoseANode).toBe(false)
  })
})

describe('whether any one node may fail during a change of the layout', () => {
  it('in JOINT needs a majority of each set (L3)', () => {
    const joint = viewOf([a, b, c], { state: 'JOINT', cause: 'join', next: [a, b, d] })
    expect(spareOf(joint, replies(joint, [a, b, c, d])).canLoseANode).toBe(true)
    expect(spareOf(joint, replies(joint, [a, b, c]))).toMatchObject({ why: 'd is away' })
    const planned = viewOf([a, b, c], { state: 'PLANNED', cause: 'plan', next: [a, b, d] })
    expect(spareOf(planned, replies(planned, [a, b, c])).canLoseANode).toBe(true)
  })

  it('is no while only one node has some blocks', () => {
    const sources = [{ epoch: 3, members: [a, b, d], replication: 3 }]
    const moving = viewOf([a, b, c], { sources })
    const all = bits(moving, ...Array.from({ length: moving.partitions }, (_, each) => each))
    const lacking = { lacking: [{ epoch: 3, partitions: all }] }
    // c is new and takes the place of d, which is gone.
    const of = (lacks: Readonly<Record<string, Partial<SpareReply>>>) =>
      spareOf(moving, replies(moving, [a, b, c], lacks))
    expect(of({ c: lacking }).canLoseANode).toBe(true)
    // b is a node of the source: it has what was written in that epoch, even though it lacks blocks of others.
    expect(of({ b: lacking, c: lacking }).canLoseANode).toBe(true)
    const other = [{ epoch: 3, members: [a, d], replication: 3 }]
    const scarce = viewOf([a, b, c], { sources: other })
    expect(spareOf(scarce, replies(scarce, [a, b, c], { b: lacking, c: lacking }))).toEqual({
      canLoseANode: false,
      why: `only one node has some blocks of ${scarce.partitions} partitions until they have moved`,
    })
    const withD = replies(scarce, [a, b, c, d], { b: lacking, c: lacking })
    expect(spareOf(scarce, withD).canLoseANode).toBe(true)
    expect(spareOf(scarce, replies(scarce, [a, b, c], { b: lacking })).canLoseANode).toBe(true)
  })
})

describe('what to do about members that are away', () => {
  const isAway = (...away: readonly Member[]) => {
    const ids = new Set(away.map(({ nodeId }) => nodeId))
    return (node: NodeId): boolean => ids.has(node)
  }

  it('is told for the first few, with the commands', () => {
    const view = viewOf([a, b, c, d])
    expect(awayLines(view, isAway())).toEqual([])
    expect(awayLines(view, isAway(b))).toEqual([
      'b is away: start it again. If its disk is lost, start an empty node in its place ' +
        '(shoal start --join-file FILE --replace b), or remove it (shoal layout remove b)',
    ])
    const all = awayLines(view, isAway(a, b, c, d))
    expect(all).toHaveLength(4)
    expect(all.at(-1)).toBe('1 more of the members are away')
  })

  it('is nothing when the change under way removes the node', () => {
    const planned = viewOf([a, b, c, d], { state: 'PLANNED', cause: 'plan', next: [a, b, c] })
    expect(awayLines(planned, isAway(d))).toEqual([])
    expect(awayLines(planned, isAway(c, d))).toHaveLength(1)
  })
})
