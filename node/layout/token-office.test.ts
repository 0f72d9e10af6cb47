/** What a join token lets in, how often, and for how long. */

import { describe, expect, test } from 'vitest'
import {
  addressOf,
  cluster,
  failure,
  fillAtNextVote,
  FORMED,
  ids,
  memberIds,
  states,
  joinTokenOf,
  three,
  tokenWith,
  viewOf,
} from './testing/clusters.ts'
import type { FakeNode } from './testing/world.ts'
import { LayoutWorld } from './testing/world.ts'

describe('a join token', () => {
  test('malformed, changed, expired or of another cluster: refused', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    const other = await world.found('other')
    const b = await world.node('b')
    const token = await world.run(a.manager.tokens.issue({ ttlMs: 1_000 }))
    const forged = (changes: object): string => tokenWith(token, changes)

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

  test('lets one node in, and the same node as often as it asks', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a)
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
    expect(d.secret).toEqual(a.secret)
    expect(memberIds(c)).toEqual(ids(a, b, c, d))
    expect(a.manager.tokens.list().map(({ nodes }) => nodes)).toContainEqual([d.nodeId])
  })

  test('for several nodes: lets in as many as were given, in one change or in several', async () => {
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
})

describe('a token for one node', () => {
  test('shown to two members at once: one joiner wins, and the other never gets the secret', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const { world, nodes: members } = await three(seed)
      const [a, b, c] = members
      const [d, e] = [await world.node('d'), await world.node('e')]
      const token = await joinTokenOf(a)
      // Each asks a member of its own, so that only the decision between the members tells who was first.
      a.filter = () => 1 + (seed % 5)
      const first = (member: FakeNode): string =>
        tokenWith(token, { addresses: [addressOf(member)] })
      const outcomes = await world.run(
        Promise.allSettled([d.manager.join(first(a)), e.manager.join(first(b))]),
      )
      const winners = [d, e].filter((_, i) => outcomes[i]!.status === 'fulfilled')
      expect(winners).toHaveLength(1)
      const [winner] = winners
      const loser = winner === d ? e : d
      const reason = outcomes.find(({ status }) => status === 'rejected')
      expect((reason as PromiseRejectedResult).reason).toMatchObject({ code: 'used-token' })
      expect([winner!.secret, loser.secret]).toEqual([a.secret, undefined])
      const nodes = [a, b, c, winner!]
      await world.until(() => nodes.every((node) => memberIds(node).length === 4))
      for (const node of nodes) expect(memberIds(node)).toEqual(ids(...nodes))
    }
  })

  test('of a change that was abandoned: the joiner has no secret, and the token is good for it alone', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a)
    await world.until(() => viewOf(c).epoch === FORMED + 1)
    fillAtNextVote(c)
    for (const node of [a, b, c, d]) node.moves.isSynced = false
    const joining = d.manager.join(token)
    await world.until(() => states(a).at(-1) === 'STABLE abandoned')
    expect(d.secret).toBeUndefined()
    await world.until(() => [a, b, c].every((node) => viewOf(node).state === 'STABLE'))
    expect((await failure(world.run(e.manager.join(token)))).code).toBe('used-token')
    for (const node of [a, b, c, d]) node.moves.isSynced = true
    await world.run(joining)
    expect(d.secret).toEqual(a.secret)
  })
})

describe('tokens that end', () => {
  test('a revoked token admits no node from then on, at any member; nodes that are in stay', async () => {
    const { world, nodes } = await three()
    const [a, b, c] = nodes
    const [d, e] = [await world.node('d'), await world.node('e')]
    const token = await joinTokenOf(a, 2)
    await world.run(d.manager.join(token))
    const id = b.manager.tokens
      .list()
      .find(({ uses, nodes }) => uses === 2 && nodes.includes(d.nodeId))!.id
    await world.run(b.manager.tokens.revoke(id))
    await world.until(() => [a, c].every((node) => viewOf(node).epoch === viewOf(b).epoch))
    expect((await failure(world.run(e.manager.join(token)))).code).toBe('bad-token')
    expect(memberIds(a)).toEqual(ids(a, b, c, d))
    expect((await failure(world.run(c.manager.tokens.revoke(id)))).code).toBe('no-such-token')
  })

  test('a member that does not know a token yet says so, and does not refuse it', async () => {
    const world = new LayoutWorld()
    const [a, , c] = await cluster(world, 'a', 'b', 'c')
    const d = await world.node('d')
    c!.up = false
    const token = await joinTokenOf(a!)
    const atC = tokenWith(token, { addresses: [addressOf(c!)] })
    c!.up = true
    expect(viewOf(c!).epoch).toBe(FORMED)
    await world.run(d.manager.join(atC))
    expect(d.secret).toEqual(a!.secret)
  })

  test('expired tokens make room; the number of tokens has a limit', async () => {
    const world = new LayoutWorld()
    const a = await world.found('a')
    for (let i = 0; i < 64; i++) await world.run(a.manager.tokens.issue({ ttlMs: 300_000 }))
    expect((await failure(joinTokenOf(a))).code).toBe('too-many-tokens')
    await world.pass(300_000)
    await joinTokenOf(a)
    expect(a.manager.tokens.list()).toHaveLength(1)
    expect(viewOf(a).entry.tokens).toHaveLength(1)
  })
})
