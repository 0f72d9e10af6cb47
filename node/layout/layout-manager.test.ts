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
import type { FakeNode } from './testing/world.ts'
import { LayoutWorld } from './testing/world.ts'

const HOUR_MS = 3_600_000
/** Of a cluster of several: founded, token, JOINT, STABLE. */
const FORMED = 4
/** That one more joiner takes: token, JOINT, STABLE. */
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

  test('a node of a cluster founds no other', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    await expect(
      a.manager.found({ rootAccount: { accountId: '', accessKeyId: '', sealedSecret: '' } }),
    ).rejects.toThrow(/founds no other/)
  })
})

describe('joining', () => {
  test('two joiners at once enter in one change (L2)', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    for (const node of [a!, b!, c!]) {
      expect(viewOf(node).epoch).toBe(FORMED)
      expect(memberIds(node)).toEqual(ids(a!, b!, c!))
      expect(node.secret).toEqual(a!.secret)
      expect([...viewOf(node).replicas(9)].sort()).toEqual(ids(a!, b!, c!))
    }
    expect(states(b!)).toEqual(['STABLE founded', 'STABLE token', 'JOINT join', 'STABLE synced'])
  })

  test('joiners at two members at once: one proposal wins, both enter (F16)', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const world = new LayoutWorld(seed)
      const [a, b, c] = await cluster(world, 'a', 'b', 'c')
      const [d, e] = [await world.node('d'), await world.node('e')]
      // A token's first address is that of the member who issued it.
      const [atA, atB] = [await joinTokenOf(a!), await joinTokenOf(b!)]
      await world.run(Promise.all([d.manager.join(atA), e.manager.join(atB)]))
      const nodes = [a!, b!, c!, d, e]
      await world.until(() => nodes.every((n) => memberIds(n).length === 5))
      const chains = new Set(nodes.map((n) => states(n).join()))
      expect(chains.size).toBe(1)
      for (const node of nodes) expect(memberIds(node)).toEqual(ids(...nodes))
    }
  })

  test('a member that missed the change catches up', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    c!.up = false
    const d = await world.node('d')
    await world.run(d.manager.join(await joinTokenOf(a!)))
    expect(viewOf(c!).epoch).toBe(FORMED)
    c!.up = true
    await world.until(() => viewOf(c!).epoch >= FORMED + JOINED)
    expect(memberIds(c!)).toEqual(ids(a!, b!, c!, d))
  })

  test('a token that is not one, of another cluster, changed or expired', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const other = await world.found('other')
    const b = await world.node('b')
    const token = await world.run(a.manager.tokens.issue({ ttlMs: 1_000 }))
    const parts = JSON.parse(Buffer.from(token, 'base64url').toString()) as Record<string, unknown>
    const forged = (changes: object): string =>
      Buffer.from(JSON.stringify({ ...parts, ...changes })).toString('base64url')

    expect((await failure(b.manager.join('hello'))).code).toBe('bad-token')
    const stranger = forged({ cluster: viewOf(other).clusterId })
    expect((await failure(world.run(b.manager.join(stranger)))).code).toBe('other-cluster')
    const secret = forged({ secret: 'ab'.repeat(32) })
    expect((await failure(world.run(b.manager.join(secret)))).code).toBe('bad-token')
    await world.pass(2_000)
    expect((await failure(world.run(b.manager.join(token)))).code).toBe('expired-token')
    const longer = forged({ expiresMs: Number.MAX_SAFE_INTEGER })
    expect((await failure(world.run(b.manager.join(longer)))).code).toBe('expired-token')
    const unknown = forged({ id: 'ff'.repeat(8) })
    expect((await failure(world.run(b.manager.join(unknown)))).code).toBe('bad-token')

    // L1: none of this made a cluster, and the founder is as it was.
    expect(b.manager.current()).toBeUndefined()
    expect(b.secret).toBeUndefined()
    expect(states(a)).toEqual(['STABLE founded', 'STABLE token'])
  })

  test('a token lets one node in, and the same one as often as it asks', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a!)
    await world.run(d.manager.join(token))
    const again = await failure(world.run(e.manager.join(token)))
    expect([again.code, again.message]).toEqual([
      'used-token',
      'the join token was used already; ask for a new one: shoal token',
    ])
    expect(e.secret).toBeUndefined()
    // It was admitted, and lost its disk's last write: the layout is there, the secret is not.
    d.secret = undefined
    await world.run(d.manager.join(token))
    expect(d.secret).toEqual(a!.secret)
    expect(memberIds(c!)).toEqual(ids(a!, b!, c!, d))
    expect(a!.manager.tokens.list().map(({ nodes }) => nodes)).toContainEqual([d.nodeId])
  })

  test('shown at two members at once, one joiner wins, and the other never gets the secret', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new LayoutWorld(seed)
      const [a, b, c] = await cluster(world, 'a', 'b', 'c')
      const [d, e] = [await world.node('d'), await world.node('e')]
      const token = await joinTokenOf(a!)
      // Each asks a member of its own, so that only the decision between the members tells who was first.
      a!.filter = () => 1 + (seed % 5)
      const parts = JSON.parse(Buffer.from(token, 'base64url').toString()) as object
      const first = (member: FakeNode): string =>
        Buffer.from(
          JSON.stringify({ ...parts, addresses: [`${member.address}/p2p/${member.nodeId}`] }),
        ).toString('base64url')
      const outcomes = await world.run(
        Promise.allSettled([d.manager.join(first(a!)), e.manager.join(first(b!))]),
      )
      const winners = [d, e].filter((_, i) => outcomes[i]!.status === 'fulfilled')
      expect(winners).toHaveLength(1)
      const [winner] = winners
      const loser = winner === d ? e : d
      const reason = outcomes.find(({ status }) => status === 'rejected')
      expect((reason as PromiseRejectedResult).reason).toMatchObject({ code: 'used-token' })
      expect([winner!.secret, loser.secret]).toEqual([a!.secret, undefined])
      const nodes = [a!, b!, c!, winner!]
      await world.until(() => nodes.every((node) => memberIds(node).length === 4))
      for (const node of nodes) expect(memberIds(node)).toEqual(ids(...nodes))
    }
  })

  test('several uses: as many as were given, in one change or in several', async () => {
    const world = new LayoutWorld()
    const [a] = await cluster(world, 'a')
    const joiners = await Promise.all(['b', 'c', 'd', 'e'].map((name) => world.node(name)))
    const token = await joinTokenOf(a!, 3)
    const outcomes = await world.run(
      Promise.allSettled(joiners.map((joiner) => joiner.manager.join(token))),
    )
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(3)
    expect(memberIds(a!)).toHaveLength(4)
  })

  test('a joiner of a change that went back has no secret, and its token is good for it alone', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a!)
    await world.until(() => viewOf(c!).epoch === FORMED + 1)
    c!.filter = (_from, _to, type) => {
      if (type === LAYOUT_RPC.prepare || type === LAYOUT_RPC.accept) c!.holds = true
      return true
    }
    for (const node of [a!, b!, c!, d]) node.moves.isSynced = false
    const joining = d.manager.join(token)
    await world.until(() => states(a!).at(-1) === 'STABLE abandoned')
    expect(d.secret).toBeUndefined()
    await world.until(() => [a!, b!, c!].every((node) => viewOf(node).state === 'STABLE'))
    expect((await failure(world.run(e.manager.join(token)))).code).toBe('used-token')
    for (const node of [a!, b!, c!, d]) node.moves.isSynced = true
    await world.run(joining)
    expect(d.secret).toEqual(a!.secret)
  })

  test('revoked: admits nobody from then on, at whichever member; who is in stays', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a!, 2)
    await world.run(d.manager.join(token))
    const id = b!.manager.tokens
      .list()
      .find(({ uses, nodes }) => uses === 2 && nodes.includes(d.nodeId))!.id
    await world.run(b!.manager.tokens.revoke(id))
    await world.until(() => [a!, c!].every((node) => viewOf(node).epoch === viewOf(b!).epoch))
    expect((await failure(world.run(e.manager.join(token)))).code).toBe('bad-token')
    expect(memberIds(a!)).toEqual(ids(a!, b!, c!, d))
    expect((await failure(world.run(c!.manager.tokens.revoke(id)))).code).toBe('no-such-token')
  })

  test('a member that does not know the token yet says so, and does not refuse it', async () => {
    const world = new LayoutWorld()
    const [a, , c] = await cluster(world, 'a', 'b', 'c')
    const d = await world.node('d')
    c!.up = false
    const token = await joinTokenOf(a!)
    const parts = JSON.parse(Buffer.from(token, 'base64url').toString()) as object
    const addresses = [`${c!.address}/p2p/${c!.nodeId}`]
    const atC = Buffer.from(JSON.stringify({ ...parts, addresses })).toString('base64url')
    c!.up = true
    expect(viewOf(c!).epoch).toBe(FORMED)
    await world.run(d.manager.join(atC))
    expect(d.secret).toEqual(a!.secret)
  })

  test('what expired makes room; there is no room without end', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    for (let i = 0; i < 64; i++) await world.run(a.manager.tokens.issue({ ttlMs: 300_000 }))
    expect((await failure(joinTokenOf(a))).code).toBe('too-many-tokens')
    await world.pass(300_000)
    await joinTokenOf(a)
    expect(a.manager.tokens.list()).toHaveLength(1)
    expect(viewOf(a).entry.tokens).toHaveLength(1)
  })

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

  test('data that comes in before JOINT is found there, and synced (L5)', async () => {
    const world = new LayoutWorld()
    const [a, b, c] = await cluster(world, 'a', 'b', 'c')
    const d = await world.node('d')
    const token = await joinTokenOf(a!)
    await world.until(() => viewOf(c!).epoch === FORMED + 1)
    // After the look beforehand, before the change is decided.
    c!.filter = (_from, _to, type) => {
      if (type === LAYOUT_RPC.prepare || type === LAYOUT_RPC.accept) c!.holds = true
      return true
    }
    for (const node of [a!, b!, c!, d]) node.moves.isSynced = false
    const joining = world.run(d.manager.join(token))
    await world.until(() => [a!, b!, c!, d].every((node) => viewOf(node)?.state === 'JOINT'))
    await world.pass(5_000)
    expect(viewOf(a!).state).toBe('JOINT')
    for (const node of [a!, b!, c!, d]) node.moves.isSynced = true
    await joining
    await world.until(() => [a!, b!, c!].every((node) => memberIds(node).length === 4))
    for (const node of [a!, b!, c!]) {
      expect(states(node).slice(FORMED + 1)).toEqual([
        'JOINT join',
        'STABLE synced',
        'STABLE moved',
      ])
    }
  })

  test('a joiner that dies in JOINT does not block the way back, and may come again', async () => {
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

  test('joining again is no change', async () => {
    const world = new LayoutWorld()
    const [a, b] = await cluster(world, 'a', 'b')
    await world.run(b!.manager.join(await joinTokenOf(a!)))
    b!.crash()
    await world.run(b!.restart())
    await world.run(b!.manager.join(await joinTokenOf(a!)))
    expect(states(a!).slice(FORMED)).toEqual(['STABLE token', 'STABLE token'])
  })

  test('a directory that holds data does not join', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const b = await world.node('b')
    b.holds = true
    const error = await failure(b.manager.join(await joinTokenOf(a)))
    expect(error.code).toBe('not-empty')
  })

  test('nobody answers: an error, and no cluster (L1)', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const b = await world.node('b')
    const token = await joinTokenOf(a)
    a.crash()
    expect((await failure(world.run(b.manager.join(token, 5_000)))).code).toBe('no-answer')
    expect(b.manager.current()).toBeUndefined()
  })
})

describe('changes that their driver leaves', () => {
  test('driver dies in JOINT: another completes the change', async () => {
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

  test('proposer dies after one accept: another takes the proposal up', async () => {
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

  test('an accepted entry binds whoever proposes next, however late its certificate (L1)', async () => {
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

  test('all die at every moment of a change: after restarts it ends, the same for all (F14)', async () => {
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
  test('is durable before it is told (A1)', async () => {
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

  test('a damaged file of which there is no copy is an error, not an empty layout (A4)', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    a.crash()
    const bytes = a.files.get('layout.json')!
    bytes[bytes.indexOf('"signature":"'.charCodeAt(0)) + 60]! ^= 1
    a.files.delete('layout-checked.json')
    expect((await failure(world.run(a.restart()))).code).toBe('damaged')
  })
})
