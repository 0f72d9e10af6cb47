import { describe, expect, test } from 'vitest'
import { place } from '../keyspace/placement.ts'
import { member, stable } from './testing.ts'
import { jointEntry, stableEntry } from './transition.ts'
import { LayoutView } from './view.ts'

const all = Array.from({ length: 7 }, (_, i) => member(`n${i}`))
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
    expect(view.isMember(member('stranger').nodeId)).toBe(false)
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
