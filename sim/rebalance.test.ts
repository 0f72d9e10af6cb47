/** What the nodes do while the layout changes under data: learning, sync, entering (L5, L9). */

import { expect, test } from 'vitest'
import { backendOf, bytesLike, get, nodeOf, put } from './testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from './testing/hand-layout.ts'

/** Members are these only, from here on; nobody holds anything of objects yet. */
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
