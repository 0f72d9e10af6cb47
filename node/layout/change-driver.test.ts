/** A cluster that holds data changes its members step by step (L2, L5, L7, L8). */

import { describe, expect, test } from 'vitest'
import type { FakeNode } from './testing/world.ts'
import { EPOCH_TOPIC } from './epoch-gossip.ts'
import { cluster, ids, memberIds, states, joinTokenOf, viewOf } from './testing/clusters.ts'
import { LayoutWorld } from './testing/world.ts'

/** Entries of the chain before the change. */
const FORMED = 4
const PLANNED = ['STABLE token', 'PLANNED plan']
const DONE = [...PLANNED, 'JOINT joint', 'STABLE synced', 'STABLE moved']

/** Three members that hold data, and a node that may join. */
async function grown(
  seed = 1,
): Promise<{ world: LayoutWorld; nodes: FakeNode[]; joiner: FakeNode }> {
  const world = new LayoutWorld(seed)
  const nodes = await cluster(world, 'a', 'b', 'c')
  for (const node of nodes) node.holds = true
  return { world, nodes, joiner: await world.node('d') }
}

async function joining(nodes: FakeNode[], joiner: FakeNode): Promise<{ done: Promise<void> }> {
  const token = await joinTokenOf(nodes[0]!)
  const done = joiner.manager.join(token)
  done.catch(() => undefined)
  return { done }
}

const changes = (node: FakeNode): string[] => states(node).slice(FORMED)
const all = (nodes: FakeNode[], holds: (node: FakeNode) => boolean): boolean => nodes.every(holds)

describe('a join with data', () => {
  test('copies without a vote, syncs in JOINT, and frees the source when all blocks have moved', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of [...nodes, joiner])
      Object.assign(node.moves, { isSynced: false, isWhole: false })
    joiner.moves.isCaughtUp = false
    const { done } = await joining(nodes, joiner)
    await world.until(() => joiner.manager.role() === 'learner')
    await world.pass(120_000)
    // L1b: it waits without a vote for as long as it takes, beyond any time-out of joining.
    expect(changes(nodes[0]!)).toEqual(PLANNED)
    expect(joiner.manager.isMember()).toBe(false)
    expect(viewOf(joiner).replicas(3)).not.toContain(joiner.nodeId)
    expect(joiner.secret).toBeUndefined()

    joiner.moves.isCaughtUp = true
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'JOINT'))
    await world.pass(5_000)
    expect(viewOf(nodes[0]!).state).toBe('JOINT')
    // L7: a majority of each P′ set is enough.
    for (const node of nodes) node.moves.isSynced = true
    await world.run(done)
    expect(joiner.secret).toEqual(nodes[0]!.secret)
    await world.until(() => all(nodes, (node) => viewOf(node).sources.length === 1))
    expect(memberIds(nodes[1]!)).toEqual(ids(...nodes, joiner))

    // L5: every holder says so, not a majority of them.
    for (const node of nodes) node.moves.isWhole = true
    await world.pass(60_000)
    expect(viewOf(nodes[0]!).sources).toHaveLength(1)
    joiner.moves.isWhole = true
    await world.until(() => all([...nodes, joiner], (node) => viewOf(node).sources.length === 0))
    expect(changes(nodes[2]!)).toEqual(DONE)
  })

  test('joiners within three seconds go into one plan; a later one waits', async () => {
    const { world, nodes, joiner } = await grown()
    joiner.moves.isCaughtUp = false
    const [e, f] = [await world.node('e'), await world.node('f')]
    const token = await joinTokenOf(nodes[0]!, 3)
    const first = joiner.manager.join(token)
    await world.until(() => joiner.manager.role() === 'learner')
    await world.pass(1_000)
    const second = e.manager.join(token)
    await world.until(() => e.manager.role() === 'learner')
    await world.pass(5_000)
    const third = f.manager.join(token)
    await world.pass(10_000)
    expect(f.manager.current()).toBeUndefined()
    expect(changes(nodes[0]!)).toEqual([...PLANNED, 'PLANNED replan'])
    joiner.moves.isCaughtUp = true
    await world.run(Promise.all([first, second, third]))
    await world.until(() => all(nodes, (node) => memberIds(node).length === 6))
    expect(nodes[0]!.warnings).toEqual([])
  })

  test('no member holds data: the join goes straight to JOINT', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of nodes) node.holds = false
    await world.run((await joining(nodes, joiner)).done)
    await world.until(() => all(nodes, (node) => memberIds(node).length === 4))
    expect(changes(nodes[0]!)).toEqual(['STABLE token', 'JOINT join', 'STABLE synced'])
    expect(viewOf(nodes[0]!).sources).toEqual([])
  })
})

describe('a node that dies in a join with data', () => {
  test('a learner that dies is dropped, and is planned again when it is back', async () => {
    const { world, nodes, joiner } = await grown()
    joiner.moves.isCaughtUp = false
    await joining(nodes, joiner)
    await world.until(() => joiner.manager.role() === 'learner')
    joiner.crash()
    await world.pass(20_000)
    expect(changes(nodes[0]!)).toEqual(PLANNED)
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'STABLE'))
    expect(changes(nodes[0]!)).toEqual([...PLANNED, 'STABLE abandoned'])
    expect(memberIds(nodes[0]!)).toEqual(ids(...nodes))
    joiner.moves.isCaughtUp = true
    await world.run(joiner.restart())
    await world.run((await joining(nodes, joiner)).done)
    expect(memberIds(joiner)).toEqual(ids(...nodes, joiner))
  })

  test('one of two learners dies: the plan goes on with the other one', async () => {
    const { world, nodes, joiner } = await grown()
    joiner.moves.isCaughtUp = false
    const e = await world.node('e')
    const token = await joinTokenOf(nodes[0]!, 2)
    const joins = [joiner, e].map((node) => node.manager.join(token))
    joins[1]!.catch(() => undefined)
    await world.until(() => all([joiner, e], (node) => node.manager.role() === 'learner'))
    e.crash()
    await world.until(() => viewOf(nodes[0]!).learners.length === 1)
    joiner.moves.isCaughtUp = true
    await world.run(joins[0]!)
    expect(memberIds(joiner)).toEqual(ids(...nodes, joiner))
  })

  test('a joiner that dies in JOINT does not hold up the change, and is a member when it is back', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of nodes) node.moves.isSynced = false
    joiner.moves.isWhole = false
    await joining(nodes, joiner)
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'JOINT'))
    joiner.crash()
    for (const node of nodes) node.moves.isSynced = true
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'STABLE'))
    expect(memberIds(nodes[0]!)).toEqual(ids(...nodes, joiner))
    // It has no block yet: the source stays for it.
    await world.pass(10_000)
    expect(viewOf(nodes[0]!).sources).toHaveLength(1)
    await world.run(joiner.restart())
    await world.run((await joining(nodes, joiner)).done)
    await world.pass(60_000)
    expect(viewOf(nodes[0]!).sources).toHaveLength(1)
    joiner.moves.isWhole = true
    await world.until(() => all([...nodes, joiner], (node) => viewOf(node).sources.length === 0))
    expect(joiner.secret).toEqual(nodes[0]!.secret)
  })
})

describe('progress in JOINT', () => {
  test('without progress the layout goes back to P; with progress JOINT may take long (L8)', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of [...nodes, joiner]) node.moves.isSynced = false
    const { done } = await joining(nodes, joiner)
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'JOINT'))
    for (let i = 0; i < 12; i++) {
      joiner.moves.doneBytes += 1_000
      await world.pass(5_000)
    }
    expect(viewOf(nodes[0]!).state).toBe('JOINT')
    await world.until(() => viewOf(nodes[0]!).state === 'STABLE')
    expect(changes(nodes[0]!)).toEqual([...PLANNED, 'JOINT joint', 'STABLE abandoned'])
    expect(memberIds(nodes[0]!)).toEqual(ids(...nodes))
    // It asks again by itself.
    for (const node of [...nodes, joiner]) node.moves.isSynced = true
    await world.run(done)
    expect(memberIds(joiner)).toEqual(ids(...nodes, joiner))
  })

  test('copied registers count as progress, also after the node has restarted', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of [...nodes, joiner]) node.moves.isSynced = false
    const { done } = await joining(nodes, joiner)
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'JOINT'))
    for (let i = 0; i < 24; i++) {
      if (i === 12) joiner.moves.copied = 0
      joiner.moves.copied += 100
      await world.pass(5_000)
    }
    expect(viewOf(nodes[0]!).state).toBe('JOINT')
    for (const node of [...nodes, joiner]) node.moves.isSynced = true
    await world.run(done)
    expect(changes(nodes[0]!)).toEqual(DONE)
  })

  test('a node that restarts again and again does not count as progress', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of [...nodes, joiner]) node.moves.isSynced = false
    const { done } = await joining(nodes, joiner)
    await world.until(() => all(nodes, (node) => viewOf(node).state === 'JOINT'))
    for (let i = 0; i < 40; i++) {
      joiner.moves.copied = i % 2 === 0 ? 100 : 10
      await world.pass(5_000)
    }
    expect(changes(nodes[0]!)).toContain('STABLE abandoned')
    for (const node of [...nodes, joiner]) node.moves.isSynced = true
    await world.run(done)
    expect(memberIds(joiner)).toEqual(ids(...nodes, joiner))
  })
})

describe('the member that leads a change', () => {
  const STEPS = [
    ['PLANNED', (node: FakeNode) => viewOf(node).state === 'PLANNED'],
    ['JOINT', (node: FakeNode) => viewOf(node).state === 'JOINT'],
    ['STABLE with sources', (node: FakeNode) => viewOf(node).sources.length > 0],
  ] as const

  test.each(STEPS)('dies in %s: another member goes on', async (step, isThere) => {
    for (let seed = 1; seed <= 5; seed++) {
      const { world, nodes, joiner } = await grown(seed)
      // The member with the first id leads.
      const [first, second, third] = nodes.toSorted((a, b) => (a.nodeId < b.nodeId ? -1 : 1))
      const left = [second!, third!, joiner]
      const be = (done: boolean): void => {
        for (const { moves } of left) {
          moves.isCaughtUp = done || step !== 'PLANNED'
          moves.isSynced = done || step !== 'JOINT'
          moves.isWhole = done
        }
      }
      be(false)
      await joining([second!], joiner)
      await world.until(() => isThere(second!))
      first!.crash()
      be(true)
      await world.until(() => all(left, (node) => memberIds(node).length === 4))
      await world.run(first!.restart())
      await world.until(() => all([...nodes, joiner], (node) => viewOf(node).sources.length === 0))
      await world.until(() => new Set([...nodes, joiner].map((n) => changes(n).join())).size === 1)
      expect(changes(second!).at(-1)).toBe('STABLE moved')
    }
  })

  test('all members lead at once: each step is decided once', async () => {
    const { world, nodes, joiner } = await grown()
    await joining(nodes, joiner)
    // Nodes hear of epochs only by asking, so each voter leads by itself.
    for (const node of nodes) {
      node.filter = (_from, _to, type) => type !== EPOCH_TOPIC && type !== 202
    }
    await world.until(() => all(nodes, (node) => memberIds(node).length === 4))
    await world.until(() => all(nodes, (node) => viewOf(node).sources.length === 0))
    expect(changes(nodes[0]!)).toEqual(DONE)
    expect(new Set(nodes.map((node) => changes(node).join())).size).toBe(1)
  })

  test('all members die at every moment of the change: after restarts it ends, with the same layout for all (F14)', async () => {
    for (let step = 1; step <= 16; step++) {
      const { world, nodes, joiner } = await grown(step)
      await joining(nodes, joiner)
      await world.pass(step * 250)
      for (const node of [...nodes, joiner]) node.crash()
      for (const node of [...nodes, joiner]) await world.run(node.restart())
      await world.run((await joining(nodes, joiner)).done)
      const everyone = [...nodes, joiner]
      await world.until(() =>
        all(
          everyone,
          (node) => viewOf(node).state === 'STABLE' && viewOf(node).sources.length === 0,
        ),
      )
      await world.until(() => new Set(everyone.map((node) => changes(node).join())).size === 1)
      expect(memberIds(nodes[1]!)).toEqual(ids(...everyone))
    }
  }, 30_000)
})

describe('a node that is gone', () => {
  test('holds up no source, as long as a majority of each set has all blocks', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of [...nodes, joiner]) node.moves.isWhole = false
    await world.run((await joining(nodes, joiner)).done)
    await world.until(() => all(nodes, (node) => viewOf(node).sources.length === 1))
    const [a, b, c] = nodes as [FakeNode, FakeNode, FakeNode]
    c.crash()
    a.moves.isWhole = true
    b.moves.isWhole = true
    await world.pass(120_000)
    // The joiner is alive, and waited for; and in some sets it is needed for a majority.
    expect(viewOf(a).sources).toHaveLength(1)
    joiner.moves.isWhole = true
    await world.until(() => all([a, b, joiner], (node) => viewOf(node).sources.length === 0))
  })

  test('a node that is away only for a moment is waited for', async () => {
    const { world, nodes, joiner } = await grown()
    joiner.moves.isWhole = false
    await world.run((await joining(nodes, joiner)).done)
    await world.until(() => all(nodes, (node) => viewOf(node).sources.length === 1))
    await world.pass(10_000)
    joiner.up = false
    await world.pass(20_000)
    joiner.up = true
    await world.pass(20_000)
    expect(viewOf(nodes[0]!).sources).toHaveLength(1)
  })

  test('may hold data that no other node has heard of, so the cluster counts as one with data', async () => {
    const { world, nodes, joiner } = await grown()
    for (const node of nodes) node.holds = false
    nodes[2]!.crash()
    for (const node of [...nodes, joiner]) node.moves.isSynced = false
    const { done } = await joining(nodes, joiner)
    await world.until(() => viewOf(nodes[0]!).state === 'JOINT')
    await world.pass(8_000)
    expect(viewOf(nodes[0]!).state).toBe('JOINT')
    for (const node of [...nodes, joiner]) node.moves.isSynced = true
    await world.run(done)
    await world.until(() => changes(nodes[0]!).includes('STABLE synced'))
  })
})
