/** Members that leave: drained, removed at the operator’s word, or removed because they are away (L8). */

import { describe, expect, test } from 'vitest'
import { bytesOfHex, hex, utf8 } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import { storageId } from '../../protocol/ids.ts'
import { JOIN_PROTOCOL, joinReply, joinRequest } from './join-messages.ts'
import {
  addressOf,
  atRest,
  failure,
  four,
  ids,
  memberIds,
  states,
  sorted,
  joinTokenOf,
  viewOf,
} from './testing/clusters.ts'
import type { FakeNode } from './testing/world.ts'

const LEFT = /has left the cluster \(epoch \d+\)/

describe('a drain', () => {
  test('the node serves as a source until all blocks have moved, and then logs once that it has left', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
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
    await atRest(world, [a, b, c])
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
  test('of a node that is up is refused; of a lost node it succeeds, and the node learns of it when it is back', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    const change = { kind: 'remove', nodeId: d.nodeId } as const
    const refusal = await failure(world.run(a.manager.changes.apply(change)))
    expect(refusal.code).toBe('bad-change')
    expect(refusal.message).toMatch(/is up: drain it instead, or stop it before it is removed$/)
    d.crash()
    const before = d.files.get('node.json')
    await world.run(a.manager.changes.apply(change))
    await atRest(world, [a, b, c])
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
})

describe('a former member', () => {
  test('a stranger that names itself a former member is not told the layout', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    d.crash()
    await world.run(a.manager.changes.apply({ kind: 'remove', nodeId: d.nodeId }))
    await atRest(world, [a, b, c])
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
        from.network.callStranger([addressOf(a)], JOIN_PROTOCOL, request, {
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

describe('a former member that knows the layout', () => {
  test('can make no node a member with what the layout says of tokens that were issued since', async () => {
    const { world, nodes } = await four()
    const [a, b, c, d] = nodes
    d.crash()
    await world.run(a.manager.changes.apply({ kind: 'remove', nodeId: d.nodeId }))
    await atRest(world, [a, b, c])
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
      const { reply } = await world.run(
        e.network.callStranger([addressOf(a)], JOIN_PROTOCOL, request, { timeoutMs: 1_000 }),
      )
      return joinReply.decode(reply).status
    }
    const keyed = [utf8('shoal join proof'), bytesOfHex(token.verifier), utf8(`${e.nodeId}\0`)]
    expect(await ask(token.verifier)).toBe('refused')
    expect(await ask(hex(blake3(...keyed, utf8(e.storageId))))).toBe('refused')
  })
})

describe('a member that is away', () => {
  test('is removed after removeAfter, when a majority has not heard it for that long', async () => {
    const { world, nodes } = await four()
    for (const node of nodes) {
      node.crash()
      node.up = true
      await world.run(node.open({ removeAfterMs: 60_000 }))
    }
    const [first, second, third, last] = sorted(nodes)
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

  test('is kept while the others have no room, with one line in the log, and is removed when they have room', async () => {
    const { world, nodes } = await four()
    for (const node of nodes) {
      node.crash()
      node.up = true
      await world.run(node.open({ removeAfterMs: 60_000 }))
    }
    const [first, second, third, last] = sorted(nodes)
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
