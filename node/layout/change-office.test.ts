/** Changes of the members that an operator asks for, and those who leave. */

import { describe, expect, test } from 'vitest'
import { bytesOfHex, hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { storageId } from '../../protocol/ids.ts'
import { JOIN_PROTOCOL, joinReply, joinRequest } from './join-messages.ts'
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

async function four(): Promise<{ world: LayoutWorld; nodes: FakeNode[] }> {
  const world = new LayoutWorld()
  const nodes = await cluster(world, 'a', 'b', 'c', 'd')
  for (const node of nodes) node.holds = true
  return { world, nodes }
}

/** The layout is at rest, and the same for all of these. */
async function settled(world: LayoutWorld, nodes: FakeNode[]): Promise<void> {
  await world.until(() => {
    const views = nodes.map(viewOf)
    const atRest = views.every(({ state, sources }) => state === 'STABLE' && sources.length === 0)
    return atRest && new Set(views.map(({ epoch }) => epoch)).size === 1
  })
}

const LEFT = /has left the cluster \(epoch \d+\)/

describe('a drain', () => {
  test('the node serves as a source until all blocks have moved, then it is told once that it left', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    for (const node of nodes) node.moves.isWhole = false
    const planned = await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    expect([planned.state, planned.cause]).toEqual(['PLANNED', 'plan'])
    await world.until(() => [a, b, c, d].every((node) => viewOf(node).sources.length === 1))
    expect(d.manager.role()).toBe('source')
    expect((await failure(world.run(a.manager.changes.cancel()))).message).toBe(
      'the change has come through already: ask for the opposite one',
    )
    expect(d.manager.isMember()).toBe(false)
    expect(a.members.has(d.nodeId)).toBe(true)
    expect((await failure(world.run(d.manager.join(await joinTokenOf(a))))).code).toBe('removed')
    await world.pass(30_000)
    expect(d.warnings).toEqual([])
    for (const node of [a, b, c]) node.moves.isWhole = true
    await settled(world, [a, b, c])
    expect(memberIds(a)).toEqual(ids(a, b, c))
    expect(a.members.has(d.nodeId)).toBe(false)
    const files = new Set(d.files.keys())
    await world.until(() => d.manager.role() === undefined)
    await world.pass(60_000)
    expect(d.warnings.filter((line) => LEFT.test(line))).toHaveLength(1)
    expect(new Set(d.files.keys())).toEqual(files)
    const stable = states(a).findIndex((each, i) => i > 4 && each === 'STABLE synced') + 1
    expect(d.manager.leftIn()).toBe(stable)
    // It does not come back with what it has.
    const error = await failure(world.run(d.manager.join(await joinTokenOf(a))))
    expect(error.code).toBe('removed')
    expect(error.message).toBe(
      `this node was removed from the cluster in epoch ${stable}: empty its data directory to join again`,
    )
  })
})

describe('a removal', () => {
  test('of a node that is up is refused; of a lost one it goes through, and it learns of it when it is back', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    const change = { kind: 'remove', nodeId: d.nodeId } as const
    const refusal = await failure(world.run(a.manager.changes.apply(change)))
    expect(refusal.code).toBe('bad-change')
    expect(refusal.message).toMatch(/is up: drain it instead, or stop it before it is removed$/)
    d.crash()
    const before = d.files.get('node.json')
    await world.run(a.manager.changes.apply(change))
    await settled(world, [a, b, c])
    expect(memberIds(b)).toEqual(ids(a, b, c))
    await world.run(d.restart())
    expect(d.manager.isMember()).toBe(true)
    await world.until(() => d.manager.leftIn() !== undefined)
    await world.pass(60_000)
    expect(d.warnings.filter((line) => LEFT.test(line))).toHaveLength(1)
    expect(d.manager.isMember()).toBe(false)
    expect(d.files.get('node.json')).toEqual(before)
    expect(memberIds(a)).toEqual(ids(a, b, c))
  })

  test('a stranger is not told the layout by naming itself a former member', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    d.crash()
    await world.run(a.manager.changes.apply({ kind: 'remove', nodeId: d.nodeId }))
    await settled(world, [a, b, c])
    const e = await world.node('e')
    const ask = async (from: FakeNode, member: FakeNode, storage = member.storageId) => {
      const request = joinRequest.encode({
        kind: 'entries',
        clusterId: viewOf(a).clusterId,
        claim: { id: '0'.repeat(16), epoch: 1 },
        proof: '0'.repeat(64),
        member: {
          nodeId: member.nodeId,
          storageId: storage,
          zone: 'default',
          capacityBytes: 1,
          addresses: [],
        },
        after: 0,
        offset: 0,
      })
      const { reply } = await world.run(
        from.network.callStranger([`${a.address}/p2p/${a.nodeId}`], JOIN_PROTOCOL, request, {
          timeoutMs: 1_000,
        }),
      )
      return joinReply.decode(reply).status
    }
    expect(await ask(e, e)).toBe('busy')
    expect(await ask(e, d)).toBe('refused')
    d.up = true
    expect(await ask(d, d)).toBe('entries')
    expect(await ask(d, d, storageId('ab'.repeat(12)))).toBe('busy')
  })
})

describe('a former member', () => {
  test('can make nobody a member by what the layout says of tokens that were issued since', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    d.crash()
    await world.run(a.manager.changes.apply({ kind: 'remove', nodeId: d.nodeId }))
    await settled(world, [a, b, c])
    await joinTokenOf(a)
    const token = viewOf(a).entry.tokens!.at(-1)!
    const e = await world.node('e')
    const ask = async (proof: string): Promise<string> => {
      const request = joinRequest.encode({
        kind: 'join',
        clusterId: viewOf(a).clusterId,
        claim: { id: token.id, epoch: viewOf(a).epoch },
        proof,
        member: {
          nodeId: e.nodeId,
          storageId: e.storageId,
          zone: 'default',
          capacityBytes: 1,
          addresses: [],
        },
        after: 0,
        offset: 0,
        features: 2,
      })
      const address = `${a.address}/p2p/${a.nodeId}`
      const { reply } = await world.run(
        e.network.callStranger([address], JOIN_PROTOCOL, request, { timeoutMs: 1_000 }),
      )
      return joinReply.decode(reply).status
    }
    const keyed = [utf8('shoal join proof'), bytesOfHex(token.verifier), utf8(`${e.nodeId}\0`)]
    expect(await ask(token.verifier)).toBe('refused')
    expect(await ask(hex(blake3(...keyed, utf8(e.storageId))))).toBe('refused')
  })
})

describe('a replacement', () => {
  test('takes the place of a lost node by its token; of one that is up it is refused', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
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
    await settled(world, [a, b, c, e])
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

  test('the heir dies while it copies: the plan is given up, since there would be too few members', async () => {
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

describe('changes', () => {
  test('asked for at two members within three seconds go into one plan; later ones are refused in one line', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
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

  test('one that changes nothing, and one of a node that is none', async () => {
    const { world, nodes } = await four()
    const [a] = nodes as [FakeNode]
    const same = { kind: 'replication', replication: 3 } as const
    expect((await failure(world.run(a.manager.changes.apply(same)))).code).toBe('bad-change')
    const { nodeId } = await world.node('e')
    const drain = { kind: 'drain', nodeId } as const
    expect((await failure(world.run(a.manager.changes.apply(drain)))).code).toBe('bad-change')
    expect(states(a).at(-1)).toBe('STABLE synced')
  })

  test('a plan tells what would move, and changes nothing', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    const plan = await a.manager.changes.plan({ kind: 'drain', nodeId: d.nodeId }, () => 1_000)
    expect(plan.partitionsMoved).toBeGreaterThan(0)
    expect(plan.faults).toEqual([])
    await world.pass(1_000)
    expect(states(a)).toHaveLength(viewOf(a).epoch)
    expect(viewOf(a).state).toBe('STABLE')
  })

  test('names and addresses change without moving anything', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    for (const node of nodes) Object.assign(node.moves, { isSynced: false, isWhole: false })
    const { nodeId } = d
    await world.run(a.manager.changes.apply({ kind: 'set', nodeId, name: 'delta' }))
    await settled(world, nodes)
    expect(viewOf(d).member(nodeId)!.name).toBe('delta')
    expect(states(a).slice(-3)).toEqual(['PLANNED plan', 'JOINT joint', 'STABLE synced'])
  })

  test('names change also while blocks of three earlier changes move; nothing else does', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
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

  test('goes on at the operator’s word however far its learners are, and goes back by itself (L8)', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
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
    // Nobody syncs, so the change goes back. It is asked for once more.
    await settled(world, nodes)
    expect(memberIds(a)).toEqual(ids(...nodes))
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await world.run(a.manager.changes.proceed())
    for (const node of nodes) Object.assign(node.moves, { isSynced: true, isWhole: true })
    await settled(world, [a, b, c])
    expect(memberIds(a)).toEqual(ids(a, b, c))
  })

  test('does not go on while too few of the new holders are up', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    for (const node of nodes) node.moves.isCaughtUp = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    for (const node of [b, c]) node.crash()
    const { code, message } = await failure(world.run(a.manager.changes.proceed()))
    expect(code).toBe('bad-change')
    expect(message).toMatch(/^start .*, .* first: too few of the new holders/)
    expect(viewOf(a).state).toBe('PLANNED')
  })

  test('cancelled: in PLANNED and in JOINT the layout is as it was (L8)', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
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
      await settled(world, nodes)
      expect(memberIds(a)).toEqual(ids(...nodes))
    }
  })

  test('tokens are issued while a change is planned', async () => {
    const { world, nodes } = await four()
    const [a, b, , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    for (const node of nodes) node.moves.isCaughtUp = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await joinTokenOf(b)
    expect(viewOf(b).state).toBe('PLANNED')
    expect(viewOf(b).entry.cause).toBe('token')
  })

  test('a drain of a cluster that holds nothing', async () => {
    const { world, nodes } = await four()
    const [a, , , d] = nodes as [FakeNode, FakeNode, FakeNode, FakeNode]
    for (const node of nodes) node.holds = false
    await world.run(a.manager.changes.apply({ kind: 'drain', nodeId: d.nodeId }))
    await settled(world, nodes.slice(0, 3))
    expect(memberIds(a)).not.toContain(d.nodeId)
  })
})

describe('members that are away', () => {
  test('are removed after removeAfter, when a majority has not heard them for so long', async () => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, 'a', 'b', 'c', 'd')
    for (const node of nodes) {
      node.holds = true
      node.crash()
      node.up = true
      await world.run(node.open({ removeAfterMs: 60_000 }))
    }
    const sorted = nodes.toSorted((x, y) => (x.nodeId < y.nodeId ? -1 : 1))
    const [first, second, third, last] = sorted as [FakeNode, FakeNode, FakeNode, FakeNode]
    // One member does not reach it: the others do.
    first.cut.add(last.nodeId)
    await world.pass(200_000)
    expect(memberIds(second)).toHaveLength(4)
    last.crash()
    await world.until(() => memberIds(second).length === 3)
    expect(second.warnings.join()).not.toMatch(/is kept/)
    // Never below the number of replicas.
    third.crash()
    await world.pass(300_000)
    expect(memberIds(second)).toEqual(ids(first, second, third))
  })
})

describe('a member that is away and must be kept', () => {
  test('is kept while the others have no room, with one line in the log, and removed when they have', async () => {
    const { world, nodes } = await four()
    for (const node of nodes) {
      node.crash()
      node.up = true
      await world.run(node.open({ removeAfterMs: 60_000 }))
    }
    const sorted = nodes.toSorted((x, y) => (x.nodeId < y.nodeId ? -1 : 1))
    const [first, second, third, last] = sorted as [FakeNode, FakeNode, FakeNode, FakeNode]
    let why: string | undefined = 'it does not fit'
    for (const node of [first, second, third]) {
      node.manager.judgeRemovals((asked) => {
        expect(asked).toBe(last.nodeId)
        return Promise.resolve(why)
      })
    }
    last.crash()
    await world.pass(400_000)
    expect(memberIds(first)).toHaveLength(4)
    const kept = [first, second, third].flatMap(({ warnings }) =>
      warnings.filter((line) => line.includes('but it is kept')),
    )
    expect(kept).toHaveLength(1)
    why = undefined
    await world.until(() => memberIds(first).length === 3)
    expect(memberIds(first)).toEqual(ids(first, second, third))
  })
})

describe('programs of before', () => {
  /** As an earlier joiner asks. */
  function ofBefore(node: FakeNode): void {
    const { network } = node
    const call = network.callStranger.bind(network)
    network.callStranger = (addresses, protocol, request, options) => {
      const { features: _f, replace: _r, ...rest } = joinRequest.decode(request)
      return call(addresses, protocol, joinRequest.encode(rest), options)
    }
  }

  /** The node's requests are answered as earlier programs do: they drop requests that they do not know. */
  function asksThoseOfBefore({ network }: FakeNode): string[] {
    const answered: string[] = []
    const call = network.callStranger.bind(network)
    network.callStranger = (addresses, protocol, request, options) => {
      const { features, replace, member, kind } = joinRequest.decode(request)
      if (features !== undefined || replace !== undefined || member.name !== undefined) {
        return Promise.reject(new Error('unknown fields'))
      }
      answered.push(kind)
      return call(addresses, protocol, request, options)
    }
    return answered
  }

  test('refuses to join, with one line, when the members run an earlier program', async () => {
    const world = new LayoutWorld()
    const [a] = await cluster(world, 'a')
    const token = await joinTokenOf(a!)
    const { epoch } = viewOf(a!)
    const b = await world.node('b')
    const answered = asksThoseOfBefore(b)
    const error = await failure(world.run(b.manager.join(token)))
    expect([error.code, error.message]).toEqual([
      'old-members',
      'the members run an earlier version of the program, which cannot take in this one: install this version on ' +
        'them first, or start this node with theirs',
    ])
    expect(new Set(answered)).toEqual(new Set(['entries']))
    expect([viewOf(a!).epoch, memberIds(a!)]).toEqual([epoch, ids(a!)])
    expect(b.manager.current()).toBeUndefined()
  })

  test('a member that drops requests now and then does not count as an earlier program', async () => {
    const world = new LayoutWorld()
    const [a] = await cluster(world, 'a')
    const b = await world.node('b')
    const { network } = b
    const call = network.callStranger.bind(network)
    let calls = 0
    network.callStranger = (addresses, protocol, request, options) => {
      const isDropped = joinRequest.decode(request).kind === 'join' && calls++ % 3 < 2
      if (isDropped) return Promise.reject(new Error('dropped'))
      return call(addresses, protocol, request, options)
    }
    await world.run(b.manager.join(await joinTokenOf(a!)))
    expect(memberIds(b)).toEqual(ids(a!, b))
  })

  test('join while the layout has nothing that they can not read, and are told so after that', async () => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, 'a', 'b', 'c')
    const [d, e, f] = [await world.node('d'), await world.node('e'), await world.node('f')]
    ofBefore(d)
    await world.run(d.manager.join(await joinTokenOf(nodes[0]!)))
    expect(memberIds(d)).toHaveLength(4)
    // Data is there: it would have to follow a plan.
    for (const node of [...nodes, d]) node.holds = true
    ofBefore(e)
    const token = await joinTokenOf(nodes[0]!)
    const { epoch } = viewOf(nodes[0]!)
    const error = await failure(world.run(e.manager.join(token)))
    expect([viewOf(nodes[0]!).epoch, memberIds(nodes[0]!)]).toEqual([epoch, memberIds(d)])
    expect([error.code, error.message]).toEqual([
      'holds-data',
      'this cluster needs a newer version of the program than that of this node: install it, then join again',
    ])
    await world.run(f.manager.join(await joinTokenOf(nodes[0]!)))
    await settled(world, [...nodes, d, f])
    for (const node of [...nodes, d, f]) node.holds = false
    expect((await failure(world.run(e.manager.join(await joinTokenOf(nodes[0]!))))).code).toBe(
      'holds-data',
    )
  })
})
