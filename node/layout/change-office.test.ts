/** Changes of the members that an operator asks for. */

import { describe, expect, test } from 'vitest'
import {
  atRest,
  cluster,
  four,
  failure,
  ids,
  memberIds,
  states,
  joinTokenOf,
  viewOf,
} from './testing/clusters.ts'
import type { FakeNode } from './testing/world.ts'
import { LayoutWorld } from './testing/world.ts'

describe('a replacement', () => {
  test('takes the place of a lost node by its token; refused for a node that is up', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    const e = await world.node('e')
    const token = await joinTokenOf(a)
    const join = (old: string) => world.run(e.manager.join(token, 20_000, old))
    const up = await failure(join(d.nodeId))
    expect([up.code, up.message.replace(/node \S+/, 'node D')]).toEqual([
      'bad-change',
      'node D is up: drain it instead, or stop it before it is replaced',
    ])
    expect((await failure(join('nobody'))).message).toMatch(/no member is called nobody/)
    const before = viewOf(a).placement
    d.crash()
    await join(d.nodeId.slice(-8))
    await atRest(world, [a, b, c, e])
    expect(memberIds(a)).toEqual(ids(a, b, c, e))
    // Only what the lost node had has moved.
    const now = viewOf(a).placement
    for (let p = 0; p < viewOf(a).partitions; p++) {
      const renamed = before.replicas(p).map((node) => (node === d.nodeId ? e.nodeId : node))
      expect(now.replicas(p)).toEqual(renamed)
    }
    await world.run(d.restart())
    await world.until(() => d.manager.leftIn() !== undefined)
  })

  test('the new node dies while it copies: the plan is abandoned, because too few members would be left', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = (await cluster(world, 'a', 'b', 'c')) as [FakeNode, FakeNode, FakeNode]
    for (const node of [a, b, c]) node.holds = true
    const e = await world.node('e')
    e.moves.isCaughtUp = false
    const token = await joinTokenOf(a)
    c.crash()
    e.manager.join(token, 20_000, c.nodeId).catch(() => undefined)
    await world.until(() => e.manager.role() === 'learner')
    e.crash()
    await world.until(() => viewOf(a).state === 'STABLE' && viewOf(b).state === 'STABLE')
    expect(states(a).at(-1)).toBe('STABLE abandoned')
    expect(memberIds(a)).toEqual(ids(a, b, c))
  })
})

describe('changes asked for', () => {
  test('at two members within three seconds go into one plan; later ones are refused in one line', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes
    for (const node of nodes) node.moves.isCaughtUp = false
    await world.run(
      Promise.all([
        a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }),
        b.manager.changes.apply({ kind: 'set', nodeId: a.nodeId, zone: 'north' }),
      ]),
    )
    await world.until(() => nodes.every((node) => viewOf(node).epoch === viewOf(a).epoch))
    expect(viewOf(a).entry.next!.map(({ nodeId }) => nodeId)).not.toContain(d.nodeId)
    expect(viewOf(a).entry.next!.find(({ nodeId }) => nodeId === a.nodeId)!.zone).toBe('north')
    await world.pass(5_000)
    for (const node of [a, b]) {
      const late = { kind: 'replication', replication: 2 } as const
      const error = await failure(world.run(node.manager.changes.apply(late)))
      expect(error.code).toBe('under-way')
      expect(error.message).toMatch(
        /^another change is under way: .*: wait for it \(shoal layout show --wait\), or give it up \(shoal layout cancel\)$/,
      )
      expect(error.message).not.toMatch(/\n/)
    }
  })

  test('that change nothing, or come from a node that is no member', async () => {
    const { world, nodes } = await four()
    const [a] = nodes
    const same = { kind: 'replication', replication: 3 } as const
    expect((await failure(world.run(a.manager.changes.apply(same)))).code).toBe('bad-change')
    const { nodeId } = await world.node('e')
    const drain = { kind: 'drain', nodeId } as const
    expect((await failure(world.run(a.manager.changes.apply(drain)))).code).toBe('bad-change')
    expect(states(a).at(-1)).toBe('STABLE synced')
  })

  test('as a plan tell what would move, and change nothing', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes
    const plan = await a.manager.changes.plan({ kind: 'drain', nodeId: d.nodeId }, () => 1_000)
    expect(plan.partitionsMoved).toBeGreaterThan(0)
    expect(plan.faults).toEqual([])
    await world.pass(1_000)
    expect(states(a)).toHaveLength(viewOf(a).epoch)
    expect(viewOf(a).state).toBe('STABLE')
  })

  test('for a cluster that holds nothing: a drain', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes
    for (const node of nodes) node.holds = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await atRest(world, nodes.slice(0, 3))
    expect(memberIds(a)).not.toContain(d.nodeId)
  })
})

describe('names and addresses', () => {
  test('change without moving anything', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes
    for (const node of nodes) Object.assign(node.moves, { isSynced: false, isWhole: false })
    const { nodeId } = d
    await world.run(a.manager.changes.apply({ kind: 'set', nodeId, name: 'delta' }))
    await atRest(world, nodes)
    expect(viewOf(d).member(nodeId)!.name).toBe('delta')
    expect(states(a).slice(-3)).toEqual(['PLANNED plan', 'JOINT joint', 'STABLE synced'])
  })

  test('change also while blocks of three earlier changes move; nothing else may change then', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes
    for (const node of nodes) node.moves.isWhole = false
    const { nodeId } = d
    // Each differs from the others, so that no source is over at once.
    for (const [i, replication] of [2, 1, 4].entries()) {
      await world.run(a.manager.changes.apply({ kind: 'replication', replication }))
      await world.until(() =>
        nodes.every(
          (node) => viewOf(node).state === 'STABLE' && viewOf(node).sources.length === i + 1,
        ),
      )
    }
    const refused = await failure(
      world.run(a.manager.changes.apply({ kind: 'set', nodeId, capacityBytes: 2e12 })),
    )
    expect(refused.message).toMatch(/3 earlier changes are still being moved/)
    const renamed = {
      kind: 'set',
      nodeId,
      name: 'delta',
      addresses: ['/ip4/10.0.0.9/tcp/1'],
    } as const
    await world.run(a.manager.changes.apply(renamed))
    await world.until(() => nodes.every((node) => viewOf(node).member(nodeId)?.name === 'delta'))
    await world.until(() => viewOf(a).state === 'STABLE')
    expect(viewOf(a).sources).toHaveLength(3)
  })
})

describe('a planned change', () => {
  test('goes on at the operator’s word however far its learners are, and goes back by itself (L8)', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    const nothing = /^no change of the layout is planned/
    expect((await failure(world.run(a.manager.changes.proceed()))).message).toMatch(nothing)
    for (const node of nodes) Object.assign(node.moves, { isCaughtUp: false, isSynced: false })
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await world.pass(60_000)
    expect(viewOf(a).state).toBe('PLANNED')
    const joint = await world.run(b.manager.changes.proceed())
    expect([joint.state, joint.cause]).toEqual(['JOINT', 'joint'])
    await world.until(() => viewOf(a).state === 'JOINT')
    expect((await failure(world.run(a.manager.changes.proceed()))).message).toMatch(nothing)
    // No node syncs, so the change goes back. It is asked for once more.
    await atRest(world, nodes)
    expect(memberIds(a)).toEqual(ids(...nodes))
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await world.run(a.manager.changes.proceed())
    for (const node of nodes) Object.assign(node.moves, { isSynced: true, isWhole: true })
    await atRest(world, [a, b, c])
    expect(memberIds(a)).toEqual(ids(a, b, c))
  })

  test('does not go on while too few of the new holders are up', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    for (const node of nodes) node.moves.isCaughtUp = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    for (const node of [b, c]) node.crash()
    const { code, message } = await failure(world.run(a.manager.changes.proceed()))
    expect(code).toBe('bad-change')
    expect(message).toMatch(/^start .*, .* first: too few of the new holders/)
    expect(viewOf(a).state).toBe('PLANNED')
  })

  test('can be cancelled in PLANNED and in JOINT: the layout is as before (L8)', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes
    expect((await failure(world.run(a.manager.changes.cancel()))).message).toBe(
      'no change of the layout is under way',
    )
    for (const state of ['PLANNED', 'JOINT'] as const) {
      for (const node of nodes) {
        Object.assign(node.moves, { isCaughtUp: state === 'JOINT', isSynced: false })
      }
      await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
      await world.until(() => nodes.every((node) => viewOf(node).state === state))
      const ended = await world.run(b.manager.changes.cancel())
      expect(ended.cause).toBe('abandoned')
      await atRest(world, nodes)
      expect(memberIds(a)).toEqual(ids(...nodes))
    }
  })

  test('does not hinder new tokens', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes
    for (const node of nodes) node.moves.isCaughtUp = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await joinTokenOf(b)
    expect(viewOf(b).state).toBe('PLANNED')
    expect(viewOf(b).entry.cause).toBe('token')
  })
})
