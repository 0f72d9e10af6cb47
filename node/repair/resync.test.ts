/** When a node compares with its peers, what it then pulls, and how it hands over hints (P7). */

import { beforeEach, describe, expect, test } from 'vitest'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { stable, testMember } from '../../protocol/layout/testing/entries.ts'
import { jointEntry } from '../../protocol/layout/transition.ts'
import { LayoutView } from '../../protocol/layout/view.ts'
import type { Resync } from './resync.ts'
import { B, C, ResyncWorld } from './testing/resync-world.ts'

let world: ResyncWorld

beforeEach(() => {
  world = new ResyncWorld()
})

describe('a node that starts', () => {
  test('compares with every member, pulls what differs, and counts as level only then', async () => {
    world.lacking.get(B)!.add(5).add(9)
    let finish = (): void => {}
    world.onPull = () => new Promise((resolve) => (finish = resolve))
    const resync = world.started()
    await world.pass(100)
    expect(resync.isLevel).toBe(false)
    expect(hasBit(resync.lagging(), 9)).toBe(true)
    world.onPull = () => Promise.resolve()
    finish()
    await world.pass(100)
    expect(world.compared).toEqual([B, C])
    expect(world.pulled).toEqual([
      [B, 5],
      [B, 9],
    ])
    expect(resync.isLevel).toBe(true)
    expect(resync.pendingCount).toBe(0)
  })

  test('pulls partitions of damaged registers although the digests are equal', async () => {
    world.damaged = [17]
    world.started()
    await world.pass(100)
    expect(world.pulled).toEqual([[B, 17]])
  })

  test('does not compare with a peer that is away, until it comes up', async () => {
    world.up.delete(C)
    const resync = world.started()
    await world.pass(3_000)
    expect(world.compared).toEqual([B])
    expect(resync.isLevel).toBe(false)
    world.up.add(C)
    world.lacking.get(C)!.add(3)
    resync.peerUp(C)
    await world.pass(100)
    expect(world.pulled).toEqual([[C, 3]])
    expect(resync.isLevel).toBe(true)
  })
})

describe('a comparison', () => {
  test('comes again without a reason, so that no gap lasts', async () => {
    world.started()
    await world.pass(1_000)
    world.lacking.get(C)!.add(40)
    await world.pass(26_000)
    expect(world.pulled).toEqual([[C, 40]])
  })

  test('proves nothing when the epoch changes in it: it is made again', async () => {
    world.lacking.get(B)!.add(5)
    const members = ['a', 'b', 'c'].map((name) => testMember(name))
    world.onCompare = () => {
      world.view = new LayoutView(stable(members, { epoch: 2 }))
      world.onCompare = () => {}
    }
    const resync = world.started()
    await world.pass(500)
    expect(world.pulled).toEqual([])
    expect(resync.isLevel).toBe(false)
    await world.pass(3_000)
    expect(world.pulled).toEqual([[B, 5]])
    expect(resync.isLevel).toBe(true)
  })

  test('leaves out partitions that move, while the layout is JOINT', async () => {
    const before = stable(['a', 'b', 'c'].map((name) => testMember(name)))
    const members = ['a', 'b', 'c', 'd'].map((name) => testMember(name))
    world.view = new LayoutView(jointEntry(before, members, 'join'))
    const moved = world.view.moved()[0]!
    const unmoved = world.view.partitionsOf(B).find((one) => !world.view.moved().includes(one))!
    world.lacking.get(B)!.add(moved).add(unmoved)
    world.started()
    await world.pass(1_000)
    expect(world.pulled).toEqual([[B, unmoved]])
  })

  test('is made again for a pull that failed', async () => {
    world.lacking.get(B)!.add(5)
    let failures = 1
    world.onPull = () => (failures-- > 0 ? Promise.reject(new Error('lost')) : Promise.resolve())
    const resync = world.started()
    await world.pass(500)
    expect(resync.pendingCount).toBe(1)
    await world.pass(2_000)
    expect(world.pulled).toEqual([[B, 5]])
    expect(resync.isLevel).toBe(true)
  })
})

describe('a request that arrives while a comparison is under way', () => {
  /** Calls `during` after B was asked for its digests, in a comparison that finds no difference. */
  async function whileComparing(during: (resync: Resync) => void): Promise<Resync> {
    world.up.delete(B)
    const resync = world.started()
    await world.pass(100)
    world.onCompare = () => {
      world.onCompare = () => {}
      during(resync)
    }
    world.up.add(B)
    resync.peerUp(B)
    await world.pass(1_000)
    return resync
  }

  test('a peer that came up once more is compared with once more', async () => {
    const resync = await whileComparing((each) => {
      world.lacking.get(B)!.add(30)
      each.peerUp(B)
    })
    expect(world.pulled).toEqual([[B, 30]])
    expect(resync.isLevel).toBe(true)
  })

  test('a partition that was hinted at is pulled although the digests were equal', async () => {
    const resync = await whileComparing((each) => {
      world.lacking.get(B)!.add(30)
      each.hinted([30])
    })
    expect(world.pulled).toContainEqual([B, 30])
    expect(resync.isLevel).toBe(true)
  })

  test('a damaged register is pulled, also when everything has to be compared again first', async () => {
    await whileComparing((each) => {
      each.foundDamage(17)
      each.peerUp(B)
    })
    expect(world.pulled).toContainEqual([B, 17])
  })

  test('what a comparison without a reason has found is pulled beside what was hinted at', async () => {
    const resync = world.started()
    await world.pass(1_000)
    world.lacking.get(C)!.add(40)
    world.onCompare = () => {
      if (world.compared.at(-1) !== C) return
      world.onCompare = () => {}
      resync.hinted([12])
    }
    await world.pass(26_000)
    expect(world.pulled).toContainEqual([C, 12])
    expect(world.pulled).toContainEqual([C, 40])
  })
})

describe('a damaged register', () => {
  test('is pulled after a pull that failed, also when everything is compared again first', async () => {
    world.damaged = [17]
    world.up.delete(C)
    world.onPull = () => Promise.reject(new Error('lost'))
    const resync = world.started()
    await world.pass(100)
    world.onPull = () => Promise.resolve()
    resync.peerUp(B)
    await world.pass(3_000)
    expect(world.pulled).toEqual([[B, 17]])
  })
})

describe('a hint', () => {
  test('from a peer: the partition is pulled from every other replica', async () => {
    const resync = world.started()
    await world.pass(100)
    resync.hinted([12])
    await world.pass(100)
    expect(new Map(world.pulled)).toEqual(
      new Map([
        [B, 12],
        [C, 12],
      ]),
    )
  })

  test('to a peer is durable until the peer was told, also across a restart (P7)', async () => {
    world.up.delete(C)
    const resync = world.started()
    resync.gap(C, 12)
    await world.pass(3_000)
    expect(world.hints).toEqual([])
    expect(world.stored.size).toBe(1)
    resync.stop()

    world.up.add(C)
    world.onHint = () => Promise.reject(new Error('lost'))
    const second = world.started()
    expect(second.pendingCount).toBeGreaterThan(0)
    await world.pass(500)
    expect(world.hints).toEqual([{ peer: C, partitions: [12] }])
    expect(world.stored.size).toBe(1)

    world.onHint = () => Promise.resolve()
    await world.pass(3_000)
    expect(world.hints).toHaveLength(2)
    expect(world.stored.size).toBe(0)
    expect(second.pendingCount).toBe(0)
  })

  test('of a gap that shows while an earlier hint is on its way is given, too', async () => {
    const resync = world.started()
    world.onHint = () => {
      world.onHint = () => Promise.resolve()
      resync.gap(C, 12)
      return Promise.resolve()
    }
    resync.gap(C, 12)
    await world.pass(3_000)
    expect(world.hints).toHaveLength(2)
    expect(world.stored.size).toBe(0)
  })

  test('to a node that is no member any more is dropped', async () => {
    world.up.delete(C)
    const resync = world.started()
    resync.gap(C, 12)
    world.view = new LayoutView(
      stable(
        ['a', 'b'].map((name) => testMember(name)),
        { epoch: 2 },
      ),
    )
    resync.membersChanged()
    await world.pass(3_000)
    expect(resync.pendingCount).toBe(0)
    expect(world.hints).toEqual([])
  })
})
