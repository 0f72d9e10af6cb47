import { describe, expect, test } from 'vitest'
import { place } from '../keyspace/placement.ts'
import { testMember, stable } from './testing/entries.ts'
import { jointEntry, movedEntry, planEntry, plannedJointEntry, stableEntry } from './transition.ts'
import { LayoutView } from './view.ts'

const all = Array.from({ length: 7 }, (_, i) => testMember(`n${i}`))
const old = stable(all.slice(0, 5), { epoch: 3 })
const joint = jointEntry(old, all, 'join')

describe('LayoutView', () => {
  test('STABLE has one active set, JOINT two (L3)', () => {
    const before = new LayoutView(old)
    const between = new LayoutView(joint, before)
    const p = place(old.members, old.genesis)
    const next = place(all, old.genesis)
    for (let i = 0; i < before.partitions; i++) {
      expect(before.replicaSets(i)).toEqual([p.replicas(i)])
      expect(between.replicaSets(i)).toEqual([p.replicas(i), next.replicas(i)])
      expect(between.replicas(i)).toEqual([...new Set([...p.replicas(i), ...next.replicas(i)])])
      expect(between.replicaSets(i)).toBe(between.replicaSets(i))
    }
  })

  test('knows members of both sets, and partitions by node', () => {
    const view = new LayoutView(joint)
    expect(view.members).toHaveLength(7)
    const { nodeId } = all[6]!
    expect(view.isMember(nodeId)).toBe(true)
    expect(view.isMember(testMember('stranger').nodeId)).toBe(false)
    const held = view.partitionsOf(nodeId)
    expect(held.length).toBeGreaterThan(0)
    for (const p of held) expect(view.replicas(p)).toContain(nodeId)
  })

  test('placements are handed on, not computed again', () => {
    const before = new LayoutView(old)
    const known = before.placement
    const between = new LayoutView(joint, before)
    expect(between.placement).toBe(known)
    const next = between.nextPlacement
    const forward = new LayoutView(stableEntry(joint, 'synced'), between)
    expect(forward.placement).toBe(next)
    expect(forward.nextPlacement).toBeUndefined()
    const back = new LayoutView(stableEntry(joint, 'holds-data'), between)
    expect(back.placement).toBe(before.placement)
  })
})

// n0 … n4 become n1 … n5: n5 learns, n0 leaves.
const nextMembers = all.slice(1, 6)
const from = stable(all.slice(0, 5), { epoch: 3 })
const planned = planEntry(from, { members: nextMembers, replication: 3 })
const jointly = plannedJointEntry(planned)
const moving = stableEntry(jointly, 'synced', true)
const [leaver, learner] = [all[0]!.nodeId, all[5]!.nodeId]
const inPlan = new LayoutView(planned)
const inJoint = new LayoutView(jointly, inPlan)
const after = new LayoutView(moving, inJoint)
const oldPlacement = place(from.members, from.genesis)
const next = place(nextMembers, from.genesis)
const partitions = [...Array(inPlan.partitions).keys()]
const isSame = (p: number): boolean =>
  [...oldPlacement.replicas(p)].sort().join() === [...next.replicas(p)].sort().join()

describe('a learner', () => {
  test('a learner is known, and neither votes nor counts (L1b)', () => {
    expect(inPlan.members).toEqual(from.members)
    expect(inPlan.learners.map(({ nodeId }) => nodeId)).toEqual([learner])
    expect(inPlan.known.map(({ nodeId }) => nodeId)).toContain(learner)
    expect([inPlan.isMember(learner), inPlan.member(learner)]).toEqual([false, undefined])
    expect(inPlan.role(learner)).toBe('learner')
    expect(inPlan.knownMember(learner)).toEqual(all[5])
    for (const p of partitions) {
      expect(inPlan.replicaSets(p)).toEqual([oldPlacement.replicas(p)])
      expect(inPlan.replicas(p)).not.toContain(learner)
    }
    expect(inPlan.partitionsOf(learner)).toEqual([])
    expect(inJoint.role(learner)).toBe('member')
    expect(inJoint.learners).toEqual([])
    expect(inJoint.partitionsOf(learner)).toEqual(next.partitionsOf(learner))
  })
})

describe('partitions that change', () => {
  test('what is learnt: partitions that come, to members too', () => {
    expect(inPlan.learning(learner)).toEqual(next.partitionsOf(learner))
    for (const { nodeId } of nextMembers) {
      const held = oldPlacement.partitionsOf(nodeId)
      const coming = next.partitionsOf(nodeId).filter((p) => !held.includes(p))
      expect(inPlan.learning(nodeId)).toEqual(coming)
      expect(inJoint.learning(nodeId)).toEqual([])
    }
    expect(nextMembers.some((each, i) => i < 4 && inPlan.learning(each.nodeId).length > 0)).toBe(
      true,
    )
  })

  test('what moves: partitions that other nodes will hold', () => {
    const moved = partitions.filter((p) => !isSame(p))
    expect(moved.length).toBeGreaterThan(0)
    expect(moved.length).toBeLessThan(partitions.length)
    expect(inPlan.moved()).toEqual(moved)
    expect(inJoint.moved()).toEqual(moved)
    expect(after.moved()).toEqual([])
    expect(after.sources[0]!.movedTo()).toEqual(moved)
  })
})

describe('a source', () => {
  test('a source is known and holds what it held, until it is dropped', () => {
    expect(after.members).toEqual(moving.members)
    expect(after.role(leaver)).toBe('source')
    expect([after.isMember(leaver), after.isSource(leaver)]).toEqual([false, true])
    expect(after.isSource(all[1]!.nodeId)).toBe(false)
    expect(after.known.map(({ nodeId }) => nodeId)).toContain(leaver)
    expect(after.sources.map(({ epoch }) => epoch)).toEqual([moving.epoch])
    for (const p of partitions) {
      expect(after.sources[0]!.replicas(p)).toEqual(oldPlacement.replicas(p))
      const gone = oldPlacement.replicas(p).filter((node) => !next.replicas(p).includes(node))
      expect(after.sourceReplicas(p)).toEqual(gone)
      expect(after.sourceReplicas(p)).toBe(after.sourceReplicas(p))
      expect(after.replicaSets(p)).toEqual([next.replicas(p)])
    }
    for (const { nodeId } of nextMembers) {
      expect(after.waiting(nodeId)).toEqual(next.partitionsOf(nodeId).filter((p) => !isSame(p)))
    }
    expect(after.waiting(leaver)).toEqual([])
    const end = new LayoutView(movedEntry(moving, moving.epoch), after)
    expect(end.role(leaver)).toBeUndefined()
    expect([end.sources, end.sourceReplicas(0), end.waiting(learner)]).toEqual([[], [], []])
  })

  test('of several sources the newest is asked first, and one that is active again is none', () => {
    // n0 comes back while its blocks move: then the first source lists it, and it is a member.
    const back = stableEntry(
      plannedJointEntry(planEntry(moving, { members: all.slice(0, 6), replication: 3 })),
      'synced',
      true,
    )
    const view = new LayoutView(back, after)
    expect(view.sources.map(({ epoch }) => epoch)).toEqual([moving.epoch, back.epoch])
    expect(view.role(leaver)).toBe('member')
    for (const p of partitions) {
      const active = view.replicas(p)
      const wanted = [...new Set([...next.replicas(p), ...oldPlacement.replicas(p)])]
      expect(view.sourceReplicas(p)).toEqual(wanted.filter((node) => !active.includes(node)))
    }
    const learning = new LayoutView(planEntry(moving, { members: all.slice(0, 6), replication: 3 }))
    expect([learning.role(leaver), learning.isSource(leaver)]).toEqual(['learner', true])
  })

  test('nodes of the newest source come first', () => {
    const [early, late] = [all.slice(0, 3), all.slice(3, 6)]
    const sources = [early, late].map((of, i) => ({ epoch: 4 + i, members: of, replication: 3 }))
    const view = new LayoutView(stable(all.slice(6), { epoch: 9, sources }))
    for (const p of partitions) {
      const asked = view.sourceReplicas(p)
      expect(new Set(asked.slice(0, 3))).toEqual(new Set(late.map(({ nodeId }) => nodeId)))
      expect(new Set(asked.slice(3))).toEqual(new Set(early.map(({ nodeId }) => nodeId)))
    }
  })
})

describe('placements of a view', () => {
  test('another place of a member is another placement', () => {
    const before = new LayoutView(from)
    const known = before.placement
    const placed = from.members.map((each, i) => (i === 0 ? { ...each, place: learner } : each))
    const view = new LayoutView(planEntry(from, { members: placed, replication: 3 }), before)
    expect(view.placement).toBe(known)
    expect(view.nextPlacement).not.toBe(known)
    expect(view.moved().length).toBeGreaterThan(0)
  })

  test('of several records of a node the newest is known', () => {
    const renamed = nextMembers.map((each) => ({ ...each, addresses: [`/new/${each.nodeId}`] }))
    const view = new LayoutView(planEntry(moving, { members: renamed, replication: 3 }))
    expect(view.knownMember(all[1]!.nodeId)!.addresses[0]).toMatch(/new/)
    expect(view.member(all[1]!.nodeId)!.addresses[0]).not.toMatch(/new/)
    expect(view.knownMember(leaver)).toEqual(all[0])
    expect(view.moved()).toEqual([])
  })

  test('replication is of the entry, of each placement its own', () => {
    const fewer = plannedJointEntry(planEntry(from, { members: from.members, replication: 2 }))
    const view = new LayoutView(fewer)
    for (const p of partitions) {
      expect(view.replicaSets(p).map((set) => set.length)).toEqual([3, 2])
    }
    const two = new LayoutView(stableEntry(fewer, 'synced', true), view)
    expect(two.replication).toBe(2)
    expect(two.replicas(0)).toHaveLength(2)
    expect(two.sources[0]!.replicas(0)).toHaveLength(3)
    expect(two.sourceReplicas(0)).toHaveLength(1)
  })

  test('placements are handed on through all steps', () => {
    const start = new LayoutView(from)
    const first = start.placement
    const plan = new LayoutView(planned, start)
    const planNext = plan.nextPlacement
    const joint = new LayoutView(jointly, plan)
    const end = new LayoutView(moving, joint)
    expect([plan.placement, joint.placement]).toEqual([first, first])
    expect(joint.nextPlacement).toBe(planNext)
    expect(end.placement).toBe(planNext)
    expect(end.sources[0]!.replicas(0)).toBe(first.replicas(0))
  })
})
