/** Clusters whose members or joiners run an earlier program (F20). */

import { describe, expect, test } from 'vitest'
import { joinRequest } from './join-messages.ts'
import {
  atRest,
  cluster,
  failure,
  ids,
  memberIds,
  joinTokenOf,
  viewOf,
} from './testing/clusters.ts'
import type { FakeNode } from './testing/world.ts'
import { LayoutWorld } from './testing/world.ts'

/** Makes the node ask as an earlier program asks. */
function asksLikeEarlier(node: FakeNode): void {
  const { network } = node
  const call = network.callStranger.bind(network)
  network.callStranger = (addresses, protocol, request, options) => {
    const { features: _f, replace: _r, ...rest } = joinRequest.decode(request)
    return call(addresses, protocol, joinRequest.encode(rest), options)
  }
}

/** Answers the node's requests as earlier programs do: they drop requests that they do not know. */
function asksEarlierMembers({ network }: FakeNode): string[] {
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

describe('earlier programs', () => {
  test('a node refuses to join, with one line, when the members run an earlier program', async () => {
    const world = new LayoutWorld()
    const [a] = await cluster(world, 'a')
    const token = await joinTokenOf(a!)
    const { epoch } = viewOf(a!)
    const b = await world.node('b')
    const answered = asksEarlierMembers(b)
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

  test('join while the layout has nothing that they cannot read, and are refused with a reason after that', async () => {
    const world = new LayoutWorld()
    const nodes = await cluster(world, 'a', 'b', 'c')
    const [d, e, f] = [await world.node('d'), await world.node('e'), await world.node('f')]
    asksLikeEarlier(d)
    await world.run(d.manager.join(await joinTokenOf(nodes[0]!)))
    expect(memberIds(d)).toHaveLength(4)
    // Data is there: it would have to follow a plan.
    for (const node of [...nodes, d]) node.holds = true
    asksLikeEarlier(e)
    const token = await joinTokenOf(nodes[0]!)
    const { epoch } = viewOf(nodes[0]!)
    const error = await failure(world.run(e.manager.join(token)))
    expect([viewOf(nodes[0]!).epoch, memberIds(nodes[0]!)]).toEqual([epoch, memberIds(d)])
    expect([error.code, error.message]).toEqual([
      'holds-data',
      'this cluster needs a newer version of the program than that of this node: install it, then join again',
    ])
    await world.run(f.manager.join(await joinTokenOf(nodes[0]!)))
    await atRest(world, [...nodes, d, f])
    for (const node of [...nodes, d, f]) node.holds = false
    expect((await failure(world.run(e.manager.join(await joinTokenOf(nodes[0]!))))).code).toBe(
      'holds-data',
    )
  })
})
