import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { place } from '../keyspace/placement.ts'
import type { NodeId } from '../ids.ts'
import { decodeEntry, encodeEntry, type Member, type Source } from './entry.ts'
import { planOf, type ChangePlan } from './plan.ts'
import { diffOf } from './layout-diff.ts'
import { nextOf, type MemberChange } from './member-change.ts'
import { findMember } from './member-names.ts'
import { testMember, stable } from './testing.ts'
import { movedEntry, planEntry, transitionFault, type NextLayout } from './transition.ts'
import { LayoutView } from './view.ts'

const TB = 1e12
const five = ['a', 'b', 'c', 'd', 'e'].map((name) => testMember(name, { name }))
const [a, b, c] = five as [Member, Member, Member]
const extra = testMember('x', { name: 'x' })

/** The layout that the changes make. */
function next(changes: readonly MemberChange[], from = five, replication = 3): NextLayout {
  const after = nextOf(from, replication, changes)
  if ('fault' in after) throw new Error(after.fault)
  return after
}

function fault(
  changes: readonly MemberChange[],
  from: readonly Member[] = five,
): string | undefined {
  const after = nextOf(from, 3, changes)
  return 'fault' in after ? after.fault : undefined
}

function viewOf(members: readonly Member[], sources: readonly Source[] = []): LayoutView {
  const entry = stable(members, { epoch: 20, sources })
  return new LayoutView({ ...entry, genesis: { ...entry.genesis, partitionBits: 10 } })
}

function plan(
  changes: readonly MemberChange[],
  used: (nodeId: NodeId) => number | undefined = () => 0.4 * TB,
  from = five,
): ChangePlan {
  return planOf(viewOf(from), next(changes, from), used)
}

const ids = (members: readonly Member[]): string[] => members.map(({ nodeId }) => nodeId).sort()

describe('what changes make of the layout', () => {
  test('join', () => {
    const after = next([{ kind: 'join', member: extra }])
    expect(ids(after.members)).toEqual(ids([...five, extra]))
    expect(after.replication).toBe(3)
    expect(fault([{ kind: 'join', member: a }])).toMatch(/a is a member already/)
    const lost = testMember('a', { storageId: extra.storageId })
    expect(fault([{ kind: 'join', member: lost }])).toMatch(/empty data directory.*replace/)
    const copy = { ...extra, storageId: a.storageId }
    expect(fault([{ kind: 'join', member: copy }])).toMatch(/copy of the one of a/)
  })

  test.each(['drain', 'remove'] as const)('%s', (kind) => {
    const after = next([{ kind, nodeId: a.nodeId }])
    expect(ids(after.members)).toEqual(ids(five.slice(1)))
    expect(fault([{ kind, nodeId: extra.nodeId }])).toMatch(/is no member/)
    expect(fault([{ kind, nodeId: a.nodeId }], [a])).toMatch(/last member.*another node join first/)
  })

  test('replace: the new node holds exactly what the old one held, and nothing else moves', () => {
    const larger = { ...extra, capacityBytes: 4 * TB }
    const after = next([{ kind: 'replace', old: b.nodeId, member: larger }])
    const options = { replication: 3, partitionBits: 10, systemPartitionBits: 4 }
    const [old, placed] = [place(five, options), place(after.members, options)]
    for (let p = 0; p < old.partitions; p++) {
      const renamed = old.replicas(p).map((node) => (node === b.nodeId ? extra.nodeId : node))
      expect(placed.replicas(p)).toEqual(renamed)
    }
    const step: MemberChange = { kind: 'replace', old: b.nodeId, member: extra }
    expect(fault([{ ...step, old: extra.nodeId }])).toMatch(/no member|two changes/)
    const renewed = testMember('b', { storageId: extra.storageId })
    expect(fault([{ ...step, member: renewed }])).toMatch(/two changes|id of its own/)
  })

  test('replace by a node that is a member already: it moves to the place of the old one', () => {
    const after = next([{ kind: 'replace', old: b.nodeId, member: a }])
    expect(ids(after.members)).toEqual(ids([a, ...five.slice(2)]))
    const heir = after.members.find(({ nodeId }) => nodeId === a.nodeId)!
    expect(heir).toEqual({ ...a, place: b.nodeId })
    const before = { members: five, replication: 3 }
    expect(diffOf(before, after)).toEqual(['a replaces b'])
    const { entry } = viewOf(five)
    expect(transitionFault(entry, planEntry(entry, after))).toBeUndefined()
    // Its own place is free again, and nobody is in two.
    const back = next([{ kind: 'join', member: b }], [...after.members]).members
    expect(back.find(({ nodeId }) => nodeId === b.nodeId)!.place).toBe(a.nodeId)
    expect(fault([{ kind: 'replace', old: a.nodeId, member: a }])).toMatch(/two changes/)
  })

  test('a replacement of a replacement has the place of the first; the first may come back', () => {
    const [x, y] = [extra, testMember('y')]
    const one = next([{ kind: 'replace', old: b.nodeId, member: x }]).members
    const two = next([{ kind: 'replace', old: x.nodeId, member: y }], [...one]).members
    expect(two.find(({ nodeId }) => nodeId === y.nodeId)!.place).toBe(b.nodeId)
    const home = next([{ kind: 'replace', old: y.nodeId, member: b }], [...two]).members
    expect(home).toEqual(next([]).members)
    // Its place is taken: it gets the one that its heir left unused.
    const both = next([{ kind: 'join', member: b }], [...two]).members
    expect(both.find(({ nodeId }) => nodeId === b.nodeId)!.place).toBe(y.nodeId)
    const third = next([{ kind: 'join', member: x }], [...both]).members
    expect(third.find(({ nodeId }) => nodeId === x.nodeId)!.place).toBeUndefined()
  })

  test('set zone, capacity, addresses and name', () => {
    const settings = { zone: 'z', capacityBytes: 5, addresses: ['/new'], name: 'n' }
    const after = next([{ kind: 'set', nodeId: a.nodeId, ...settings }])
    expect(after.members.find(({ nodeId }) => nodeId === a.nodeId)).toEqual({ ...a, ...settings })
    const set = (changes: object): MemberChange => ({ kind: 'set', nodeId: a.nodeId, ...changes })
    expect(fault([set({ name: 'b' })])).toMatch(/is called b: choose another/)
    expect(fault([set({ name: 'a', zone: 'z' })])).toBeUndefined()
    expect(fault([set({ capacityBytes: 0 })])).toMatch(/above 0/)
    expect(fault([{ kind: 'set', nodeId: extra.nodeId, zone: 'z' }])).toMatch(/is no member/)
  })

  test('replication up and down, from 1 to 15', () => {
    for (const replication of [1, 2, 5, 15]) {
      expect(next([{ kind: 'replication', replication }]).replication).toBe(replication)
    }
    for (const replication of [0, -1, 16, 2.5]) {
      expect(fault([{ kind: 'replication', replication }])).toMatch(/from 1 to 15/)
    }
  })

  test('several at once, each node in one of them', () => {
    const after = next([
      { kind: 'join', member: extra },
      { kind: 'remove', nodeId: a.nodeId },
      { kind: 'set', nodeId: b.nodeId, zone: 'z' },
      { kind: 'replication', replication: 2 },
    ])
    expect(ids(after.members)).toEqual(ids([...five.slice(1), extra]))
    expect(after.members.find(({ nodeId }) => nodeId === b.nodeId)!.zone).toBe('z')
    expect(after.replication).toBe(2)
    const twice: MemberChange[] = [
      { kind: 'drain', nodeId: a.nodeId },
      { kind: 'set', nodeId: a.nodeId, zone: 'z' },
    ]
    expect(fault(twice)).toMatch(/in two changes at once/)
    const replication: MemberChange = { kind: 'replication', replication: 2 }
    expect(fault([replication, { ...replication, replication: 4 }])).toMatch(/two changes at once/)
    // The last one may go when another comes.
    const handover: MemberChange[] = [
      { kind: 'drain', nodeId: a.nodeId },
      { kind: 'join', member: extra },
    ]
    expect(ids(next(handover, [a]).members)).toEqual([extra.nodeId])
  })

  test('whatever the changes, the entry can be written and follows, or there is a fault', () => {
    const people = [...five, extra, testMember('y'), testMember('z')]
    const someone = fc.constantFrom(...people)
    const change: fc.Arbitrary<MemberChange> = fc.oneof(
      someone.map((member) => ({ kind: 'join' as const, member })),
      someone.map(({ nodeId }) => ({ kind: 'drain' as const, nodeId })),
      someone.map(({ nodeId }) => ({ kind: 'remove' as const, nodeId })),
      fc.tuple(someone, someone).map(([old, member]) => ({
        kind: 'replace' as const,
        old: old.nodeId,
        member,
      })),
      fc.tuple(someone, fc.constantFrom('z1', 'z2')).map(([{ nodeId }, zone]) => ({
        kind: 'set' as const,
        nodeId,
        zone,
      })),
      fc.integer({ min: 0, max: 16 }).map((replication) => ({
        kind: 'replication' as const,
        replication,
      })),
    )
    let [made, refused] = [0, 0]
    fc.assert(
      fc.property(fc.array(fc.array(change, { maxLength: 3 }), { maxLength: 8 }), (rounds) => {
        let entry = stable([a, b, c], { epoch: 20 })
        for (const changes of rounds) {
          const after = nextOf(entry.members, entry.replication ?? 3, changes)
          if ('fault' in after) {
            refused++
            continue
          }
          const planned = planEntry(entry, after)
          decodeEntry(encodeEntry(planned))
          if (transitionFault(entry, planned) !== undefined) {
            expect(planOf(new LayoutView(entry), after, () => 0).faults).not.toEqual([])
            continue
          }
          made++
          entry = stable(after.members, { epoch: 20, replication: after.replication })
        }
      }),
      { numRuns: 300 },
    )
    expect(made).toBeGreaterThan(100)
    expect(refused).toBeGreaterThan(100)
  })
})

describe('what it would cost', () => {
  test('a join: the joiner gets its share, and about that moves', () => {
    const planned = plan([{ kind: 'join', member: extra }])
    expect(planned.faults).toEqual([])
    const joiner = planned.nodes.find(({ nodeId }) => nodeId === extra.nodeId)!
    expect(joiner).toMatchObject({ change: 'joins', usedBytes: 0, partitions: 0, lost: 0 })
    // Five of 0.4 TB become six of a third.
    expect(joiner.usedBytesAfter / TB).toBeCloseTo(1 / 3, 1)
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
    const view = viewOf(five)
    const placed = place(next([{ kind: 'drain', nodeId: a.nodeId }]).members, {
      ...view.genesis,
      replication: 3,
    })
    let fresh = 0
    for (let p = 0; p < 1 << 10; p++) {
      fresh += placed.replicas(p).filter((node) => !view.replicas(p).includes(node)).length
    }
    const replicaBytes = (5 * 0.4 * TB) / (3 * 1024)
    expect(planned.movedBytes).toBe(Math.round(fresh * replicaBytes))
    const leaver = planned.nodes.find(({ nodeId }) => nodeId === a.nodeId)!
    expect(leaver).toMatchObject({ change: 'leaves', partitionsAfter: 0, gained: 0 })
    expect(leaver.lost).toBe(leaver.partitions)
    expect(planned.leastBytes).toBeGreaterThanOrEqual(Math.round(leaver.partitions * replicaBytes))
  })

  test('a replacement moves what must be moved', () => {
    const planned = plan([{ kind: 'replace', old: b.nodeId, member: extra }])
    expect(planned.ratio).toBe(1)
    expect(planned.changes).toEqual(['x replaces b: zone default, 931 GiB'])
    expect(planned.partitionsMoved).toBe(viewOf(five).partitionsOf(b.nodeId).length)
  })

  test('a new name or address moves nothing', () => {
    const planned = plan([{ kind: 'set', nodeId: a.nodeId, name: 'n', addresses: ['/new'] }])
    expect(planned).toMatchObject({ movedBytes: 0, partitionsMoved: 0, ratio: undefined })
    expect(planned.changes).toEqual(['a: name a → n, addresses /ip4/127.0.0.1/tcp/1/a → /new'])
    expect(planned.faults).toEqual([])
  })

  test('what does not fit is refused with figures', () => {
    const planned = plan([{ kind: 'drain', nodeId: a.nodeId }], () => 0.8 * TB)
    expect(planned.fits).toBe(false)
    expect(planned.faults).toHaveLength(1)
    expect(planned.faults[0]).toMatch(
      /does not fit: \w would hold \d+ GiB of 931 GiB \(1\d\d %; 90 % is full\).*another node join first/,
    )
    expect(plan([{ kind: 'drain', nodeId: a.nodeId }], () => 0.6 * TB).fits).toBe(true)
    const zoned = five.map((each, i) => ({ ...each, zone: `z${Math.min(i, 2)}` }))
    const small = { ...extra, zone: 'z0', capacityBytes: 0.1 * TB }
    const shrunk = plan([{ kind: 'replace', old: a.nodeId, member: small }], undefined, zoned)
    expect(shrunk.faults).toEqual([expect.stringMatching(/x would hold/)])
  })

  test('at 90 % a node is full, below it is not', () => {
    // Two of three copy what the third one held: each holds everything afterwards.
    const three = five.slice(0, 3)
    const drained = (share: number): boolean =>
      planOf(
        viewOf(three),
        next([{ kind: 'set', nodeId: a.nodeId, capacityBytes: 0.5 * TB }], three),
        () => share * TB,
      ).fits
    expect(drained(0.449)).toBe(true)
    expect(drained(0.451)).toBe(false)
  })

  test('a cluster that is too full may grow', () => {
    const planned = plan([{ kind: 'join', member: extra }], () => 0.99 * TB)
    expect(planned.faults).toEqual([])
    // Each node has as much as its partitions weigh.
    const view = viewOf(five)
    const weight = (node: NodeId): number => (view.partitionsOf(node).length * TB) / 640
    const heir = plan([{ kind: 'replace', old: b.nodeId, member: extra }], weight)
    expect(weight(b.nodeId)).toBeGreaterThan(0.9 * TB)
    expect(heir.faults).toEqual([])
  })

  test('used bytes that nobody knows are taken to be like those of the others', () => {
    const known = plan([{ kind: 'drain', nodeId: a.nodeId }])
    const planned = plan([{ kind: 'drain', nodeId: a.nodeId }], (node) =>
      node === a.nodeId ? undefined : 0.4 * TB,
    )
    expect(planned.movedBytes / known.movedBytes).toBeCloseTo(1, 1)
    expect(plan([{ kind: 'drain', nodeId: a.nodeId }], () => undefined).movedBytes).toBe(0)
  })

  test('zones, members and replication that leave less than before are warned of', () => {
    const zoned = five.map((each, i) => ({ ...each, zone: `z${i % 3}` }))
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
    const two = plan([drain(c.nodeId)], () => 0.1 * TB, five.slice(0, 3))
    expect(two.warnings).toEqual([
      expect.stringMatching(/2 replicas of everything instead of 3/),
      expect.stringMatching(/losing either one/),
    ])
    expect(plan([{ kind: 'replication', replication: 1 }]).warnings[0]).toMatch(/3 → 1/)
    expect(plan([{ kind: 'join', member: extra }]).warnings).toEqual([])
    expect(two.scarce).toEqual([
      '2 members for 3 replicas: let 1 more join first, ' +
        'or say that fewer replicas are enough (shoal layout replication 2)',
    ])
    expect(plan([{ kind: 'replication', replication: 7 }]).scarce).toEqual([
      '5 members for 7 replicas: let 2 more join first',
    ])
    // A change that grows the cluster, or leaves as few as before, is not refused.
    const scarceOf = (change: MemberChange, members = five): readonly string[] =>
      plan([change], undefined, members).scarce
    expect(scarceOf({ kind: 'join', member: extra }, five.slice(0, 1))).toEqual([])
    expect(scarceOf({ kind: 'set', nodeId: a.nodeId, zone: 'other' }, five.slice(0, 2))).toEqual([])
    expect(scarceOf({ kind: 'replication', replication: 2 }, five.slice(0, 1))).toEqual([])
    expect(scarceOf(drain(c.nodeId))).toEqual([])
    const tight = plan(fewer, () => 0.99 * TB, zoned).warnings
    expect(tight).toContainEqual(expect.stringMatching(/needs .* while blocks move/))
  })

  test('nothing more while blocks of three earlier changes move', () => {
    const sources = [3, 4, 5].map((epoch) => ({ epoch, members: five.slice(1), replication: 3 }))
    const after = next([{ kind: 'join', member: extra }])
    const view = viewOf(five, sources)
    expect(planOf(view, after, () => 0).faults[0]).toMatch(
      /3 earlier changes are still being moved/,
    )
    const fewer = new LayoutView(movedEntry(view.entry, 3))
    expect(planOf(fewer, after, () => 0).faults).toEqual([])
  })

  test('a change to what is so already says what is so', () => {
    const same = (change: MemberChange): unknown => nextOf(five, 3, [change])
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

describe('a node by its name, or by the end of its id', () => {
  const found = (text: string, from = five): unknown => {
    const member = findMember(from, text)
    return 'fault' in member ? member.fault : member.name
  }
  test('finds one', () => {
    expect(found('b')).toBe('b')
    expect(found(b.nodeId)).toBe('b')
    expect(found(b.nodeId.slice(-6))).toBe('b')
    expect(found(`…${b.nodeId.slice(-8)}`)).toBe('b')
    // A name comes before the end of another one's id.
    const odd = [a, { ...b, name: a.nodeId.slice(-4) }]
    expect(found(a.nodeId.slice(-4), odd)).toBe(a.nodeId.slice(-4))
    expect(findMember(odd, a.nodeId.slice(-4))).toEqual(odd[1])
  })

  test('says when there is none, or several', () => {
    expect(found('nobody')).toMatch(/no member is called nobody: the members are a, b, c, d, e/)
    expect(found('')).toMatch(/no member/)
    expect(found('…')).toMatch(/no member/)
    const twins = [a, { ...b, name: 'a' }]
    expect(found('a', twins)).toMatch(/a may be any of .*, .*say more of the id/)
  })
})

test('what is different, for people', () => {
  const after = next([
    { kind: 'join', member: { ...extra, name: undefined } },
    { kind: 'drain', nodeId: a.nodeId },
    { kind: 'replication', replication: 5 },
    { kind: 'set', nodeId: b.nodeId, zone: 'z', capacityBytes: 2 ** 40 },
  ])
  const lines = diffOf({ members: five, replication: 3 }, after)
  expect([...lines].sort()).toEqual(
    [
      `${extra.nodeId.slice(-8)} joins: zone default, 931 GiB`,
      'a leaves',
      'b: zone default → z, capacity 931 GiB → 1 TiB',
      'replication 3 → 5',
    ].sort(),
  )
  expect(diffOf({ members: five, replication: 3 }, { members: five, replication: 3 })).toEqual([])
})
