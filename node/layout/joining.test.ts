/** Nodes that join a cluster, together and alone, again and again, and those that must not (L1, L2, L5, D1). */

import { describe, expect, test } from 'vitest'
import {
  cluster,
  failure,
  fillAtNextVote,
  FORMED,
  ids,
  JOINED,
  memberIds,
  states,
  joinTokenOf,
  three,
  viewOf,
} from './testing/clusters.ts'
import type { FakeNode } from './testing/world.ts'
import { LayoutWorld } from './testing/world.ts'

describe('joiners at the same time', () => {
  test('two joiners at once enter in one change (L2)', async () => {
    const { nodes } = await three()
    const [a, b, c] = nodes
    for (const node of [a, b, c]) {
      expect(viewOf(node).epoch).toBe(FORMED)
      expect(memberIds(node)).toEqual(ids(a, b, c))
      expect(node.secret).toEqual(a.secret)
      expect([...viewOf(node).replicas(9)].sort()).toEqual(ids(a, b, c))
    }
    expect(states(b)).toEqual(['STABLE founded', 'STABLE token', 'JOINT join', 'STABLE synced'])
  })

  test('two joiners ask two members at once: one proposal wins, both enter (F16)', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { world, nodes: members } = await three(seed)
      const [a, b, c] = members
      const [d, e] = [await world.node('d'), await world.node('e')]
      // A token's first address is that of the member who issued it.
      const [atA, atB] = [await joinTokenOf(a), await joinTokenOf(b)]
      await world.run(Promise.all([d.manager.join(atA), e.manager.join(atB)]))
      const nodes = [a, b, c, d, e]
      await world.until(() => nodes.every((n) => memberIds(n).length === 5))
      const chains = new Set(nodes.map((n) => states(n).join()))
      expect(chains.size).toBe(1)
      for (const node of nodes) expect(memberIds(node)).toEqual(ids(...nodes))
    }
  })

  test('a member that missed the change catches up', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    c.up = false
    const d = await world.node('d')
    await world.run(d.manager.join(await joinTokenOf(a)))
    expect(viewOf(c).epoch).toBe(FORMED)
    c.up = true
    await world.until(() => viewOf(c).epoch >= FORMED + JOINED)
    expect(memberIds(c)).toEqual(ids(a, b, c, d))
  })
})

describe('a joiner that dies, comes again or copies', () => {
  test('data that comes in before JOINT is noticed in JOINT, and synced (L5)', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    const d = await world.node('d')
    const token = await joinTokenOf(a)
    await world.until(() => viewOf(c).epoch === FORMED + 1)
    fillAtNextVote(c)
    for (const node of [a, b, c, d]) node.moves.isSynced = false
    const joining = world.run(d.manager.join(token))
    await world.until(() => [a, b, c, d].every((node) => viewOf(node)?.state === 'JOINT'))
    await world.pass(5_000)
    expect(viewOf(a).state).toBe('JOINT')
    for (const node of [a, b, c, d]) node.moves.isSynced = true
    await joining
    await world.until(() => [a, b, c].every((node) => memberIds(node).length === 4))
    for (const node of [a, b, c]) {
      expect(states(node).slice(FORMED + 1)).toEqual([
        'JOINT join',
        'STABLE synced',
        'STABLE moved',
      ])
    }
  })

  test('a joiner that dies in JOINT does not block the way back, and may ask again', async () => {
    const world = new LayoutWorld()
    const [a] = await cluster(world, 'a')
    const b = await world.node('b')
    const joining = failure(b.manager.join(await joinTokenOf(a!)))
    await world.until(() => viewOf(a!).state === 'JOINT')
    b.crash()
    await world.run(joining)
    await world.until(() => viewOf(a!).state === 'STABLE')
    expect(memberIds(a!)).toEqual(ids(a!))
    expect(states(a!).slice(1)).toEqual(['STABLE token', 'JOINT join', 'STABLE no-answer'])
    await world.run(b.restart())
    await world.run(b.manager.join(await joinTokenOf(a!)))
    expect(memberIds(b)).toEqual(ids(a!, b))
  })
})

describe('a joiner that is a member already', () => {
  test('a joiner that becomes a member unnoticed is one while the next change is planned', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    const [d, e] = [await world.node('d'), await world.node('e')]
    const joining = world.run(d.manager.join(await joinTokenOf(a)))
    await world.until(() => viewOf(a).state === 'JOINT')
    d.up = false
    await world.until(() => viewOf(a).state === 'STABLE' && memberIds(a).length === 4)
    for (const node of [a, b, c, d, e]) {
      node.holds = node !== e
      node.moves.isCaughtUp = false
    }
    const next = world.run(e.manager.join(await joinTokenOf(b)))
    await world.until(() => viewOf(a).state === 'PLANNED')
    d.up = true
    await joining
    expect([viewOf(d).state, d.secret]).toEqual(['PLANNED', a.secret])
    for (const node of [a, b, c, d, e]) node.moves.isCaughtUp = true
    await next
  })

  test('a member that joins again changes nothing', async () => {
    const world = new LayoutWorld()
    const [a, b] = await cluster(world, 'a', 'b')
    await world.run(b!.manager.join(await joinTokenOf(a!)))
    b!.crash()
    await world.run(b!.restart())
    await world.run(b!.manager.join(await joinTokenOf(a!)))
    expect(states(a!).slice(FORMED)).toEqual(['STABLE token', 'STABLE token'])
  })
})

describe('a joiner that does not get in', () => {
  test('a known node with another storage id is refused (D1)', async () => {
    const world = new LayoutWorld()
    const [a, b] = await cluster(world, 'a', 'b', 'c')
    b!.crash()
    b!.files.clear()
    b!.up = true
    const { storageId } = (await world.node('elsewhere')) as FakeNode
    await b!.open({ storageId })
    const error = await failure(world.run(b!.manager.join(await joinTokenOf(a!))))
    expect(error.code).toBe('replaced')
    expect(error.message).toMatch(/data directory was replaced/)
  })

  test('a directory that holds data does not join', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const b = await world.node('b')
    b.holds = true
    const error = await failure(b.manager.join(await joinTokenOf(a)))
    expect(error.code).toBe('not-empty')
  })

  test('no member answers: the join fails, and no cluster is founded (L1)', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const b = await world.node('b')
    const token = await joinTokenOf(a)
    a.crash()
    expect((await failure(world.run(b.manager.join(token, 5_000)))).code).toBe('no-answer')
    expect(b.manager.current()).toBeUndefined()
  })
})
