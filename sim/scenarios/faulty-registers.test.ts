/** Registers whose removal is damaged: no digest tells of them, and no scrub of the log met them (A4, D3, D7). */

import { expect, test } from 'vitest'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { flipBits, placesOf } from '../world/places.ts'
import { tombstonesOf } from '../checkers/space-checker.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
  SPACE_SOON,
} from '../testing/calm-cluster.ts'

/** A key that was deleted and is forgotten everywhere. Node 2, which is down then, has its removal damaged, and an
 * index that `shoal index rebuild` has made of what is left. */
async function damagedRemoval(cluster: SimulatedCluster): Promise<RegisterKey> {
  await put(backendOf(cluster, 0), 'key', bytesLike(10))
  await untilLevel(cluster)
  await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key: 'key' })
  await calmSleep(cluster, 100)
  const [key] = tombstonesOf(cluster)
  for (let tries = 0; tombstonesOf(cluster).length > 0; tries++) {
    if (tries === 600) throw new Error('the tombstone was not collected')
    await calmSleep(cluster, 100)
  }
  // The last record of a log would look like a torn tail (D4).
  for (const other of ['one', 'two']) await put(backendOf(cluster, 0), other, bytesLike(10))
  await untilLevel(cluster)
  await nodeOf(cluster, 2).store.commitIndex()
  cluster.kill(2, false)
  const disk = cluster.diskOf(2)
  const removals = placesOf(disk).filter(
    ({ kind, type, record }) =>
      kind === 'record-body' && type === 'registerGone' && record?.key === key,
  )
  expect(removals).toHaveLength(1)
  flipBits(disk, removals[0]!, 8, 1)
  expect((await cluster.rebuildIndex(2)).damaged).toBe(1)
  return key as RegisterKey
}

test('a register that an earlier look at the log found damaged is mended by the next start', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const key = await damagedRemoval(cluster)
      await cluster.start(2)
      const node = nodeOf(cluster, 2)
      expect(node.host.isFaulty(key)).toBe(true)
      await calmSleep(cluster, 30_000)
      expect(node.host.isFaulty(key)).toBe(false)
      expect(node.recall.forgotten()).toEqual([])
      expect(tombstonesOf(cluster)).toEqual([])
      await untilLevel(cluster)
    },
    { space: SPACE_SOON },
  )
})

test('while no node can repair it, status and scrub say so', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const key = await damagedRemoval(cluster)
      await cluster.start(2)
      const node = nodeOf(cluster, 2)
      for (const other of [0, 1]) cluster.kill(other, false)
      await calmSleep(cluster, 5_000)
      expect(node.host.isFaulty(key)).toBe(true)
      const { warnings } = await node.admin.status()
      expect(warnings.join()).toMatch(/1 damaged registers do not vote/)
      await cluster.scrub(2)
      expect(node.upkeep.scrubStatus()).toMatchObject({ bad: 1, left: 1 })
      for (const other of [0, 1]) await cluster.start(other)
      await calmSleep(cluster, 30_000)
      await cluster.scrub(2)
      expect(node.host.isFaulty(key)).toBe(false)
      expect(node.upkeep.scrubStatus()).toMatchObject({ left: 0 })
    },
    { space: SPACE_SOON },
  )
})
