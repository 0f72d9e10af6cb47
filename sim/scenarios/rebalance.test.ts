/** What the nodes do while the layout changes under data: learning, sync, entering (L5, L9). */

import { expect, test } from 'vitest'
import { bucketId, operationId, proposerId, type ByteString } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { tokensEntry } from '../../protocol/layout/transition.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import { MoveFile } from '../../node/rebalance/move-file.ts'
import { Patches } from '../mutants/patches.ts'
import { withNetwork } from '../testing/changed-ports.ts'
import { backendOf, bytesLike, get, nodeOf, put } from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'

/** From here on only these are members. No node holds any object yet. */
async function shrinkTo(hand: HandLayout, numbers: readonly number[]): Promise<void> {
  await hand.plan(numbers)
  await hand.joint()
  await hand.untilSynced(...numbers)
  await hand.synced()
}

test('a cluster of one grows to two and three with its data', async () => {
  await withHandLayout(3, async (hand) => {
    const { cluster } = hand
    await shrinkTo(hand, [0])
    for (let i = 0; i < 60; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(30, i))
    for (const grown of [
      [0, 1],
      [0, 1, 2],
    ]) {
      await hand.plan(grown)
      await hand.untilCaughtUp(...grown)
      await put(backendOf(cluster, 0), 'late', bytesLike(31))
      await hand.joint()
      await put(backendOf(cluster, 0), 'joint', bytesLike(32))
      await hand.untilSynced(...grown)
      await hand.synced(true)
      for (let i = 0; i < 60; i++) {
        expect(await get(backendOf(cluster, grown.at(-1)!), `key ${i}`)).toEqual(bytesLike(30, i))
      }
      expect(await get(backendOf(cluster, 1), 'late')).toEqual(bytesLike(31))
      expect(await get(backendOf(cluster, 1), 'joint')).toEqual(bytesLike(32))
      await hand.moved()
    }
    for (let p = 0; p < hand.view.partitions; p++) expect(hand.isSame(p, 0, 2)).toBe(true)
    cluster.kill(0, false)
    expect(await get(backendOf(cluster, 2), 'key 7')).toEqual(bytesLike(30, 7))
    expect(nodeOf(cluster, 2).layout.isMember()).toBe(true)
  })
})

test('a node that is in P′ only begins nothing: a JOINT that is abandoned leaves no attempt of it (G5)', async () => {
  await withHandLayout(2, async (hand) => {
    const { cluster } = hand
    await shrinkTo(hand, [0])
    const upload = () => put(backendOf(cluster, 1), 'by the joiner', bytesLike(70_000))
    for (const end of ['abandoned', 'synced'] as const) {
      await hand.plan([0, 1])
      await hand.untilCaughtUp(1)
      await expect(upload()).rejects.toThrow()
      await hand.joint()
      await hand.untilSynced(0, 1)
      await expect(upload()).rejects.toThrow(/no member/)
      await (end === 'synced' ? hand.synced(true) : hand.abandoned())
    }
    await upload()
    const there = new Uint8Array(await get(backendOf(cluster, 0), 'by the joiner'))
    expect(there).toEqual(bytesLike(70_000))
  })
})

test('the status of a node and the layout say why a change does not move on', async () => {
  await withHandLayout(3, async (hand) => {
    const { admin } = nodeOf(hand.cluster, 0)
    await hand.plan([0, 1])
    await hand.joint()
    const line = /^\d+ partitions wait for .*, .*: too few of their holders answer; start .*/
    expect((await admin.status()).warnings.filter((warning) => line.test(warning))).toEqual([])
    hand.cluster.kill(1, false)
    hand.cluster.kill(2, false)
    expect((await admin.status()).warnings).toContainEqual(expect.stringMatching(line))
    expect((await admin.layoutTable()).underWay).toMatch(
      /too few of their holders answer; start .*/,
    )
  })
})

test('a learner that starts again within a plan goes on with what it has', async () => {
  let states = 0
  await withHandLayout(
    4,
    async (hand) => {
      const { cluster } = hand
      for (let i = 0; i < 60; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(30, i))
      // What node 3 held is learnt by the others, which are members.
      await hand.plan([0, 1, 2])
      await hand.untilCaughtUp(0, 1, 2)
      expect(states).toBeGreaterThan(0)
      cluster.kill(1, true)
      states = 0
      await cluster.start(1)
      await hand.untilCaughtUp(1)
      expect(states).toBe(0)
      await hand.joint()
      await hand.untilSynced(0, 1, 2)
      await hand.synced()
      for (let p = 0; p < hand.view.partitions; p++) expect(hand.isSame(p, 0, 1)).toBe(true)
    },
    {
      adapt: (environment, node) =>
        withNetwork(environment, {
          call: (peer, traffic, message, options) => {
            if (node === 1 && message.type === RPC.states) states++
            return environment.network.call(peer, traffic, message, options)
          },
        }),
    },
  )
})

test('a start looks only at the latest entries of a long layout', async () => {
  const patches = new Patches()
  let looks = 0
  try {
    patches.method(
      MoveFile.prototype,
      'follow',
      (original) =>
        function (this: MoveFile, ...entry) {
          looks++
          original.call(this, ...entry)
        },
    )
    await withHandLayout(2, async (hand) => {
      for (let i = 0; i < 150; i++) await hand.decide(tokensEntry(hand.last, []))
      hand.cluster.kill(1, true)
      looks = 0
      await hand.cluster.start(1)
      expect(nodeOf(hand.cluster, 1).layout.current()!.epoch).toBe(hand.last.epoch)
      expect(looks).toBeGreaterThan(0)
      expect(looks).toBeLessThan(70)
    })
  } finally {
    patches.undo()
  }
})

test('a partition with thousands of registers comes over page by page', async () => {
  const keys = Array.from({ length: 2_400 }, (_, i) =>
    objectRegister(
      bucketId('c'.repeat(16)),
      0,
      `${i}`.padStart(6, '0').padEnd(i % 3 === 0 ? 1_000 : 10, 'k') as ByteString,
      6,
    ),
  )
  await withHandLayout(2, async (hand) => {
    const { host, layout } = nodeOf(hand.cluster, 0)
    await shrinkTo(hand, [0])
    const value = {
      operation: operationId('o'.repeat(16)),
      tombstone: false,
      body: new Uint8Array(500),
      blocks: [],
    }
    const ballot = { counter: 5, proposer: proposerId('p'.repeat(16)) }
    await Promise.all(keys.map((key) => host.learn(key, { ballot, value })))
    await hand.plan([0, 1])
    await hand.untilCaughtUp(1)
    const there = nodeOf(hand.cluster, 1).host
    expect(keys.filter((key) => there.peek(key) === undefined)).toEqual([])
    await hand.joint()
    await hand.untilSynced(0, 1)
    expect(layout.current()!.state).toBe('JOINT')
    for (let p = 0; p < hand.view.partitions; p++) expect(hand.isSame(p, 0, 1)).toBe(true)
  })
})
