/** The layout of one node: founding a cluster, changes whose driver or voters die, and the vote. */

import { describe, expect, test } from 'vitest'
import { LAYOUT_RPC } from './messages.ts'
import {
  cluster,
  failure,
  ids,
  memberIds,
  states,
  joinTokenOf,
  viewOf,
} from './testing/clusters.ts'
import { LayoutWorld } from './testing/world.ts'

const HOUR_MS = 3_600_000
/** Epoch of a new cluster of several nodes: founded, token, JOINT, STABLE. */
const FORMED = 4
/** Epochs that one more joiner takes: token, JOINT, STABLE. */
const JOINED = 3

describe('founding', () => {
  test('makes a cluster of one that survives a restart', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    expect(viewOf(a).epoch).toBe(1)
    expect(memberIds(a)).toEqual(ids(a))
    expect(viewOf(a).replicaSets(5)).toEqual([[a.nodeId]])
    expect(a.secret).toHaveLength(32)
    const { clusterId } = viewOf(a)
    a.crash()
    await world.run(a.restart())
    expect(viewOf(a).clusterId).toBe(clusterId)
    expect(a.manager.isMember()).toBe(true)
  })

  test('a node that is in a cluster cannot found another one', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    await expect(
      a.manager.found({ rootAccount: { accountId: '', accessKeyId: '', sealedSecret: '' } }),
    ).rejects.toMatchObject({
      code: 'other-cluster',
      message: expect.stringContaining('cannot found another') as string,
    })
  })

  test('a node joins with a token, unless the layout names it', async () => {
    const world = new LayoutWorld()
    const d = await world.node('d')
    expect(await failure(world.run(d.manager.join(undefined, 500)))).toMatchObject({
      code: 'bad-token',
    })
  })
})

describe('a change that its driver leaves', () => {
  test('the driver dies in JOINT: another member completes the change', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const d = await world.node('d')
    const joining = d.manager.join(await joinTokenOf(b!))
    // b admits; it dies before it asks who is ready.
    b!.filter = (_from, _to, type) => type !== LAYOUT_RPC.ready || viewOf(b!).state !== 'JOINT'
    await world.until(() => viewOf(b!).state === 'JOINT' && d.manager.current() !== undefined)
    b!.crash()
    await world.run(joining)
    await world.until(() => [a!, c!, d].every((node) => viewOf(node).epoch === FORMED + JOINED))
    for (const node of [a!, c!, d]) {
      expect(viewOf(node).state).toBe('STABLE')
      expect(memberIds(node)).toEqual(ids(a!, b!, c!, d))
    }
    await world.run(b!.restart())
    await world.until(() => viewOf(b!).epoch === FORMED + JOINED)
  })

  test('the proposer dies after one accept: another member takes the proposal up', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const d = await world.node('d')
    const token = await joinTokenOf(b!)
    await world.until(() => viewOf(c!).epoch === FORMED + 1)
    const joining = failure(d.manager.join(token, 500))
    // Only c hears b's accept, and b never hears the answer.
    b!.filter = (_from, to, type) => type !== LAYOUT_RPC.accept || to === c!.nodeId
    c!.filter = (_from, to, type) => type !== LAYOUT_RPC.accept || to !== b!.nodeId
    await world.until(() => c!.manager.status().undecided)
    b!.crash()
    expect(viewOf(c!).epoch).toBe(FORMED + 1)
    // c takes the proposal up; d is gone or not, the cluster becomes STABLE again.
    await world.until(() => viewOf(c!).state === 'STABLE' && viewOf(c!).epoch === FORMED + JOINED)
    await world.until(() => viewOf(a!).epoch === FORMED + JOINED)
    expect(states(a!)[FORMED + 1]).toBe('JOINT join')
    await world.run(joining.catch(() => undefined))
  })

  test('a minority changes nothing', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const token = await joinTokenOf(a!)
    b!.crash()
    c!.crash()
    const d = await world.node('d')
    await failure(world.run(d.manager.join(token, 20_000)))
    const late = await failure(world.run(a!.manager.tokens.issue({ ttlMs: HOUR_MS })))
    expect(late.code).toBe('no-answer')
    expect(viewOf(a!).epoch).toBe(FORMED + 1)
    await world.run(Promise.all([b!.restart(), c!.restart()]))
    await world.run(d.manager.join(await joinTokenOf(a!)))
    expect(memberIds(a!)).toEqual(ids(a!, b!, c!, d))
  })
})

describe('a change that was accepted or interrupted', () => {
  test('an accepted entry binds every later proposer, however late its certificate comes (L1)', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const [d, e] = [await world.node('d'), await world.node('e')]
    const [atA, atB] = [await joinTokenOf(a!), await joinTokenOf(b!)]
    await world.until(() => viewOf(c!).epoch === FORMED + 2)
    // b and c accept that d enters; b learns of it a second later, and of nothing else meanwhile.
    b!.filter = (_from, to, type) => to !== a!.nodeId || type === LAYOUT_RPC.ready
    a!.filter = (_from, to, type) => to !== b!.nodeId || type === LAYOUT_RPC.ready
    c!.filter = (_from, to, type) => {
      if (to !== b!.nodeId) return true
      if (type === LAYOUT_RPC.accept) return 1_000
      return type === LAYOUT_RPC.prepare || type === LAYOUT_RPC.ready
    }
    const joining = [d.manager.join(atB)]
    await world.until(() => c!.manager.status().undecided)
    joining.push(e.manager.join(atA))
    await world.pass(1_500)
    for (const node of [a!, b!, c!]) node.filter = () => true
    await world.run(Promise.all(joining))
    const nodes = [a!, b!, c!, d, e]
    await world.until(() => nodes.every((node) => memberIds(node).length === 5))
    expect(new Set(nodes.map((node) => states(node).join())).size).toBe(1)
    expect(b!.manager.current()!.entry).toEqual(a!.manager.current()!.entry)
  })

  test('all members die at every moment of a change: after restarts it ends, with the same layout for all (F14)', async () => {
    for (let step = 1; step <= 60; step++) {
      const world = new LayoutWorld(step)
      const [a, b, c] = await cluster(world, 'a', 'b', 'c')
      const d = await world.node('d')
      d.manager.join(await joinTokenOf(b!)).catch(() => undefined)
      const nodes = [a!, b!, c!, d]
      await world.pass(step * 2)
      for (const node of nodes) node.crash()
      for (const node of nodes) await world.run(node.restart())
      const old = [a!, b!, c!]
      await world.until(
        () =>
          old.every((n) => viewOf(n).state === 'STABLE' && viewOf(n).epoch === viewOf(a!).epoch) &&
          old.every((n) => !n.manager.status().undecided),
      )
      expect(new Set(old.map((n) => states(n).join())).size).toBe(1)
      // Whatever it was, the joiner enters when it asks again.
      await world.run(d.manager.join(await joinTokenOf(a!)))
      expect(memberIds(d)).toEqual(ids(...nodes))
    }
  })
})

describe('the vote', () => {
  test('is durable before the answer leaves (A1)', async () => {
    const world = new LayoutWorld()
    const [, b] = await cluster(world, 'a', 'b')
    // b did not vote on its own admission; on the next one it does.
    expect(Buffer.from(b!.files.get('layout-vote.json')!).toString()).toMatch(/"abstains":0/)
    const c = await world.node('c')
    const order: string[] = []
    b!.filter = (_from, _to, type) => {
      if (type === LAYOUT_RPC.accept || type === LAYOUT_RPC.prepare) {
        order.push(`${type} after ${b!.writes.filter((w) => w === 'layout-vote.json').length}`)
      }
      return true
    }
    const a = [...world.nodes.values()][0]!
    await world.run(c.manager.join(await joinTokenOf(a)))
    expect(order.slice(0, 2)).toEqual(['200 after 2', '201 after 3'])
  })

  test('a damaged file without a second copy is an error, not an empty layout (A4)', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    a.crash()
    const bytes = a.files.get('layout.json')!
    bytes[bytes.indexOf('"signature":"'.charCodeAt(0)) + 60]! ^= 1
    a.files.delete('layout-checked.json')
    expect((await failure(world.run(a.restart()))).code).toBe('damaged')
  })
})
