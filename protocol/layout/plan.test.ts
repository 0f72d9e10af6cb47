import { describe, expect, test } from 'vitest'
import { place } from '../keyspace/placement.ts'
import type { NodeId } from '../ids.ts'
import type { Member } from './entry.ts'
import { planOf, type ChangePlan } from './plan.ts'
import { nextOf, type MemberChange } from './member-change.ts'
import { movedEntry } from './transition.ts'
import { LayoutView } from './view.ts'
import {
  TERABYTE,
  extraMember,
  fineView,
  fiveMembers,
  layoutAfter,
} from './testing/five-members.ts'

const [a, b, c] = fiveMembers as [Member, Member, Member]

function plan(
  changes: readonly MemberChange[],
  used: (nodeId: NodeId) => number | undefined = () => 0.4 * TERABYTE,
  from = fiveMembers,
): ChangePlan {
  return planOf(fineView(from), layoutAfter(changes, from), used)
}

describe('what a change would cost', () => {
  test('a join: the joiner gets its share, and about that moves', () => {
    const planned = plan([{ kind: 'join', member: extraMember }])
    expect(planned.faults).toEqual([])
    const joiner = planned.nodes.find(({ nodeId }) => nodeId === extraMember.nodeId)!
    expect(joiner).toMatchObject({ change: 'joins', usedBytes: 0, partitions: 0, lost: 0 })
    // Five nodes hold 0.4 TB each. With the sixth each holds a third of a TB.
    expect(joiner.usedBytesAfter / TERABYTE).toBeCloseTo(1 / 3, 1)
    expect(joiner.gained).toBe(joiner.partitionsAfter)
    expect(planned.movedBytes).toBeGreaterThanOrEqual(planned.leastBytes)
    expect(planned.leastBytes).toBeGreaterThanOrEqual(joiner.usedBytesAfter)
    expect(planned.ratio!).toBeGreaterThanOrEqual(1)
    expect(planned.ratio!).toBeLessThan(1.3)
    expect(planned.partitionsMoved).toBeLessThan(planned.partitions)
    expect(planned.changes).toEqual(['x joins: zone default, 931 GiB'])
  })

  test('moved bytes are those of replicas that are new, node by node', () => {
    const planned = plan([{ kind: 'drain', nodeId: a.nodeId }])
    const view = fineView(fiveMembers)
    const placed = place(layoutAfter([{ kind: 'drain', nodeId: a.nodeId }]).members, {
      ...view.genesis,
      replication: 3,
    })
    let fresh = 0
    for (let p = 0; p < 1 << 10; p++) {
      fresh += placed.replicas(p).filter((node) => !view.replicas(p).includes(node)).length
    }
    const replicaBytes = (5 * 0.4 * TERABYTE) / (3 * 1024)
    expect(planned.movedBytes).toBe(Math.round(fresh * replicaBytes))
    const leaver = planned.nodes.find(({ nodeId }) => nodeId === a.nodeId)!
    expect(leaver).toMatchObject({ change: 'leaves', partitionsAfter: 0, gained: 0 })
    expect(leaver.lost).toBe(leaver.partitions)
    expect(planned.leastBytes).toBeGreaterThanOrEqual(Math.round(leaver.partitions * replicaBytes))
  })

  test('a replacement moves what must be moved', () => {
    const planned = plan([{ kind: 'replace', old: b.nodeId, member: extraMember }])
    expect(planned.ratio).toBe(1)
    expect(planned.changes).toEqual(['x replaces b: zone default, 931 GiB'])
    expect(planned.partitionsMoved).toBe(fineView(fiveMembers).partitionsOf(b.nodeId).length)
  })

  test('a new name or address moves nothing', () => {
    const planned = plan([{ kind: 'set', nodeId: a.nodeId, name: 'n', addresses: ['/new'] }])
    expect(planned).toMatchObject({ movedBytes: 0, partitionsMoved: 0, ratio: undefined })
    expect(planned.changes).toEqual(['a: name a → n, addresses /ip4/127.0.0.1/tcp/1/a → /new'])
    expect(planned.faults).toEqual([])
  })
})

describe('a change that does not fit', () => {
  test('what does not fit is refused with figures', () => {
    const planned = plan([{ kind: 'drain', nodeId: a.nodeId }], () => 0.8 * TERABYTE)
    expect(planned.fits).toBe(false)
    expect(planned.faults).toHaveLength(1)
    expect(planned.faults[0]).toMatch(
      /does not fit: \w would hold \d+ GiB of 931 GiB \(1\d\d %; 90 % is full\).*another node join first/,
    )
    expect(plan([{ kind: 'drain', nodeId: a.nodeId }], () => 0.6 * TERABYTE).fits).toBe(true)
    const zoned = fiveMembers.map((each, i) => ({ ...each, zone: `z${Math.min(i, 2)}` }))
    const small = { ...extraMember, zone: 'z0', capacityBytes: 0.1 * TERABYTE }
    const shrunk = plan([{ kind: 'replace', old: a.nodeId, member: small }], undefined, zoned)
    expect(shrunk.faults).toEqual([expect.stringMatching(/x would hold/)])
  })

  test('at 90 % a node is full, below it is not', () => {
    // Two of three copy what the third one held: each holds everything afterwards.
    const three = fiveMembers.slice(0, 3)
    const drained = (share: number): boolean =>
      planOf(
        fineView(three),
        layoutAfter([{ kind: 'set', nodeId: a.nodeId, capacityBytes: 0.5 * TERABYTE }], three),
        () => share * TERABYTE,
      ).fits
    expect(drained(0.449)).toBe(true)
    expect(drained(0.451)).toBe(false)
  })

  test('a cluster that is too full may grow', () => {
    const planned = plan([{ kind: 'join', member: extraMember }], () => 0.99 * TERABYTE)
    expect(planned.faults).toEqual([])
    // Each node has as much as its partitions weigh.
    const view = fineView(fiveMembers)
    const weight = (node: NodeId): number => (view.partitionsOf(node).length * TERABYTE) / 640
    const heir = plan([{ kind: 'replace', old: b.nodeId, member: extraMember }], weight)
    expect(weight(b.nodeId)).toBeGreaterThan(0.9 * TERABYTE)
    expect(heir.faults).toEqual([])
  })

  test('unknown used bytes are taken to be like those of the other nodes', () => {
    const known = plan([{ kind: 'drain', nodeId: a.nodeId }])
    const planned = plan([{ kind: 'drain', nodeId: a.nodeId }], (node) =>
      node === a.nodeId ? undefined : 0.4 * TERABYTE,
    )
    expect(planned.movedBytes / known.movedBytes).toBeCloseTo(1, 1)
    expect(plan([{ kind: 'drain', nodeId: a.nodeId }], () => undefined).movedBytes).toBe(0)
  })
})

describe('a change that is warned of', () => {
  test('zones, members and replication that leave less than before are warned of', () => {
    const zoned = fiveMembers.map((each, i) => ({ ...each, zone: `z${i % 3}` }))
    const fewer: MemberChange[] = [{ kind: 'set', nodeId: zoned[2]!.nodeId, zone: 'z0' }]
    expect(plan(fewer, undefined, zoned).warnings).toEqual([
      expect.stringMatching(/2 zones for 3 replicas/),
    ])
    expect(plan(fewer, undefined, zoned).faults).toEqual([])
    expect(plan(fewer, undefined, zoned).scarce).toEqual([
      '2 zones instead of 3 for 3 replicas, so that a zone would hold more than one replica of something: ' +
        'let a node join in another zone first',
    ])
    const drain = (nodeId: NodeId): MemberChange => ({ kind: 'drain', nodeId })
    const two = plan([drain(c.nodeId)], () => 0.1 * TERABYTE, fiveMembers.slice(0, 3))
    expect(two.warnings).toEqual([
      expect.stringMatching(/2 replicas of everything instead of 3/),
      expect.stringMatching(/losing either one/),
    ])
    expect(plan([{ kind: 'replication', replication: 1 }]).warnings[0]).toMatch(/3 → 1/)
    expect(plan([{ kind: 'join', member: extraMember }]).warnings).toEqual([])
    expect(two.scarce).toEqual([
      '2 members for 3 replicas: let 1 more join first, ' +
        'or say that fewer replicas are enough (shoal layout replication 2)',
    ])
    expect(plan([{ kind: 'replication', replication: 7 }]).scarce).toEqual([
      '5 members for 7 replicas: let 2 more join first',
    ])
    // A change that grows the cluster, or leaves as few as before, is not refused.
    const scarceOf = (change: MemberChange, members = fiveMembers): readonly string[] =>
      plan([change], undefined, members).scarce
    expect(scarceOf({ kind: 'join', member: extraMember }, fiveMembers.slice(0, 1))).toEqual([])
    expect(
      scarceOf({ kind: 'set', nodeId: a.nodeId, zone: 'other' }, fiveMembers.slice(0, 2)),
    ).toEqual([])
    expect(scarceOf({ kind: 'replication', replication: 2 }, fiveMembers.slice(0, 1))).toEqual([])
    expect(scarceOf(drain(c.nodeId))).toEqual([])
    const tight = plan(fewer, () => 0.99 * TERABYTE, zoned).warnings
    expect(tight).toContainEqual(expect.stringMatching(/needs .* while blocks move/))
  })
})

describe('a change that is refused', () => {
  test('nothing more while blocks of three earlier changes move', () => {
    const sources = [3, 4, 5].map((epoch) => ({
      epoch,
      members: fiveMembers.slice(1),
      replication: 3,
    }))
    const after = layoutAfter([{ kind: 'join', member: extraMember }])
    const view = fineView(fiveMembers, sources)
    expect(planOf(view, after, () => 0).faults[0]).toMatch(
      /3 earlier changes are still being moved/,
    )
    const fewer = new LayoutView(movedEntry(view.entry, 3))
    expect(planOf(fewer, after, () => 0).faults).toEqual([])
  })

  test('a change to what is so already says what is so', () => {
    const same = (change: MemberChange): unknown => nextOf(fiveMembers, 3, [change])
    const { nodeId, zone, capacityBytes, name } = a
    expect(same({ kind: 'set', nodeId, zone })).toEqual({
      fault: `a already has zone ${zone}: nothing to change`,
    })
    expect(same({ kind: 'set', nodeId, zone, capacityBytes })).toEqual({
      fault: `a already has zone ${zone} and capacity 931 GiB: nothing to change`,
    })
    expect(same({ kind: 'set', nodeId, name })).toEqual({
      fault: 'a already has name a: nothing to change',
    })
    expect(same({ kind: 'set', nodeId, zone, name: 'other' })).not.toHaveProperty('fault')
    expect(same({ kind: 'replication', replication: 3 })).toEqual({
      fault: 'replication is 3 already: nothing to change',
    })
  })
})
