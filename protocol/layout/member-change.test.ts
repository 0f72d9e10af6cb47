/** What changes make of the members. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { place } from '../keyspace/placement.ts'
import { decodeEntry, encodeEntry, type Member } from './entry.ts'
import { planOf } from './plan.ts'
import { diffOf } from './layout-diff.ts'
import { nextOf, type MemberChange } from './member-change.ts'
import { testMember, stable } from './testing/entries.ts'
import { planEntry, transitionFault } from './transition.ts'
import { LayoutView } from './view.ts'
import {
  TERABYTE,
  changeFault,
  extraMember,
  fineView,
  fiveMembers,
  layoutAfter,
} from './testing/five-members.ts'

const [a, b, c] = fiveMembers as [Member, Member, Member]

const ids = (members: readonly Member[]): string[] => members.map(({ nodeId }) => nodeId).sort()

describe('what changes make of the layout', () => {
  test('join', () => {
    const after = layoutAfter([{ kind: 'join', member: extraMember }])
    expect(ids(after.members)).toEqual(ids([...fiveMembers, extraMember]))
    expect(after.replication).toBe(3)
    expect(changeFault([{ kind: 'join', member: a }])).toMatch(/a is a member already/)
    const lost = testMember('a', { storageId: extraMember.storageId })
    expect(changeFault([{ kind: 'join', member: lost }])).toMatch(/empty data directory.*replace/)
    const copy = { ...extraMember, storageId: a.storageId }
    expect(changeFault([{ kind: 'join', member: copy }])).toMatch(/copy of the one of a/)
  })

  test.each(['drain', 'remove'] as const)('%s', (kind) => {
    const after = layoutAfter([{ kind, nodeId: a.nodeId }])
    expect(ids(after.members)).toEqual(ids(fiveMembers.slice(1)))
    expect(changeFault([{ kind, nodeId: extraMember.nodeId }])).toMatch(/is no member/)
    expect(changeFault([{ kind, nodeId: a.nodeId }], [a])).toMatch(
      /last member.*another node join first/,
    )
  })

  test('replace: the new node holds exactly what the old one held, and nothing else moves', () => {
    const larger = { ...extraMember, capacityBytes: 4 * TERABYTE }
    const after = layoutAfter([{ kind: 'replace', old: b.nodeId, member: larger }])
    const options = { replication: 3, partitionBits: 10, systemPartitionBits: 4 }
    const [old, placed] = [place(fiveMembers, options), place(after.members, options)]
    for (let p = 0; p < old.partitions; p++) {
      const renamed = old.replicas(p).map((node) => (node === b.nodeId ? extraMember.nodeId : node))
      expect(placed.replicas(p)).toEqual(renamed)
    }
    const step: MemberChange = { kind: 'replace', old: b.nodeId, member: extraMember }
    expect(changeFault([{ ...step, old: extraMember.nodeId }])).toMatch(/no member|two changes/)
    const renewed = testMember('b', { storageId: extraMember.storageId })
    expect(changeFault([{ ...step, member: renewed }])).toMatch(/two changes|id of its own/)
  })

  test('replace by a node that is a member already: it moves to the place of the old one', () => {
    const after = layoutAfter([{ kind: 'replace', old: b.nodeId, member: a }])
    expect(ids(after.members)).toEqual(ids([a, ...fiveMembers.slice(2)]))
    const heir = after.members.find(({ nodeId }) => nodeId === a.nodeId)!
    expect(heir).toEqual({ ...a, place: b.nodeId })
    const before = { members: fiveMembers, replication: 3 }
    expect(diffOf(before, after)).toEqual(['a replaces b'])
    const { entry } = fineView(fiveMembers)
    expect(transitionFault(entry, planEntry(entry, after))).toBeUndefined()
    // Its own place is free again, and no node has two.
    const back = layoutAfter([{ kind: 'join', member: b }], [...after.members]).members
    expect(back.find(({ nodeId }) => nodeId === b.nodeId)!.place).toBe(a.nodeId)
    expect(changeFault([{ kind: 'replace', old: a.nodeId, member: a }])).toMatch(/two changes/)
  })

  test('a replacement of a replacement has the place of the first; the first may come back', () => {
    const [x, y] = [extraMember, testMember('y')]
    const one = layoutAfter([{ kind: 'replace', old: b.nodeId, member: x }]).members
    const two = layoutAfter([{ kind: 'replace', old: x.nodeId, member: y }], [...one]).members
    expect(two.find(({ nodeId }) => nodeId === y.nodeId)!.place).toBe(b.nodeId)
    const home = layoutAfter([{ kind: 'replace', old: y.nodeId, member: b }], [...two]).members
    expect(home).toEqual(layoutAfter([]).members)
    // Its place is taken: it gets the one that its heir left unused.
    const both = layoutAfter([{ kind: 'join', member: b }], [...two]).members
    expect(both.find(({ nodeId }) => nodeId === b.nodeId)!.place).toBe(y.nodeId)
    const third = layoutAfter([{ kind: 'join', member: x }], [...both]).members
    expect(third.find(({ nodeId }) => nodeId === x.nodeId)!.place).toBeUndefined()
  })
})

describe('settings and the replication', () => {
  test('set zone, capacity, addresses and name', () => {
    const settings = { zone: 'z', capacityBytes: 5, addresses: ['/new'], name: 'n' }
    const after = layoutAfter([{ kind: 'set', nodeId: a.nodeId, ...settings }])
    expect(after.members.find(({ nodeId }) => nodeId === a.nodeId)).toEqual({ ...a, ...settings })
    const set = (changes: object): MemberChange => ({ kind: 'set', nodeId: a.nodeId, ...changes })
    expect(changeFault([set({ name: 'b' })])).toMatch(/is called b: choose another/)
    expect(changeFault([set({ name: 'a', zone: 'z' })])).toBeUndefined()
    expect(changeFault([set({ capacityBytes: 0 })])).toMatch(/above 0/)
    expect(changeFault([{ kind: 'set', nodeId: extraMember.nodeId, zone: 'z' }])).toMatch(
      /is no member/,
    )
  })

  test('replication up and down, from 1 to 15', () => {
    for (const replication of [1, 2, 5, 15]) {
      expect(layoutAfter([{ kind: 'replication', replication }]).replication).toBe(replication)
    }
    for (const replication of [0, -1, 16, 2.5]) {
      expect(changeFault([{ kind: 'replication', replication }])).toMatch(/from 1 to 15/)
    }
  })
})

describe('several changes of the layout', () => {
  test('several at once, each node in one of them', () => {
    const after = layoutAfter([
      { kind: 'join', member: extraMember },
      { kind: 'remove', nodeId: a.nodeId },
      { kind: 'set', nodeId: b.nodeId, zone: 'z' },
      { kind: 'replication', replication: 2 },
    ])
    expect(ids(after.members)).toEqual(ids([...fiveMembers.slice(1), extraMember]))
    expect(after.members.find(({ nodeId }) => nodeId === b.nodeId)!.zone).toBe('z')
    expect(after.replication).toBe(2)
    const twice: MemberChange[] = [
      { kind: 'drain', nodeId: a.nodeId },
      { kind: 'set', nodeId: a.nodeId, zone: 'z' },
    ]
    expect(changeFault(twice)).toMatch(/in two changes at once/)
    const replication: MemberChange = { kind: 'replication', replication: 2 }
    expect(changeFault([replication, { ...replication, replication: 4 }])).toMatch(
      /two changes at once/,
    )
    // The last one may go when another comes.
    const handover: MemberChange[] = [
      { kind: 'drain', nodeId: a.nodeId },
      { kind: 'join', member: extraMember },
    ]
    expect(ids(layoutAfter(handover, [a]).members)).toEqual([extraMember.nodeId])
  })
})

describe('any changes of the layout', () => {
  test('whatever the changes, the entry can be written and follows, or there is a fault', () => {
    const people = [...fiveMembers, extraMember, testMember('y'), testMember('z')]
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
