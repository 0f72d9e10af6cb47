/** Readers are counted, not timed: an object that is read slowly is delivered whole, even when it is deleted
 * meanwhile. */

import { expect, test } from 'vitest'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { blocksOf } from '../checkers/space-checker.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  nodeOf,
  onCluster,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'

const SPACE = { reclaimDelayMs: 2_000, scanPauseMs: 30_000, tombstoneDelayMs: 3_000 }
const BYTES = bytesLike(9 * BLOCK_BYTES + 77)
const SLOW_MS = 1_200_000

/** A client that takes a chunk every twenty minutes. */
async function readSlowly(
  cluster: SimulatedCluster,
  node: number,
  pauseMs: number,
  onFirst: () => Promise<unknown>,
): Promise<Uint8Array> {
  const reader = await backendOf(cluster, node).getObject(context(), {
    bucket: BUCKET,
    key: 'key',
    withData: true,
  })
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.read(0, BYTES.length)) {
    chunks.push(chunk.slice())
    if (chunks.length === 1) await onFirst()
    await calmSleep(cluster, pauseMs)
  }
  return Buffer.concat(chunks)
}

const remove = (cluster: SimulatedCluster, node: number): Promise<unknown> =>
  backendOf(cluster, node).deleteObject(context(), { bucket: BUCKET, key: 'key' })

async function untilEmpty(cluster: SimulatedCluster, blocks: number): Promise<void> {
  for (let waited = 0; waited < 120_000; waited += 1_000) {
    if ([0, 1, 2].every((node) => blocksOf(nodeOf(cluster, node)).length === blocks)) return
    await calmSleep(cluster, 1_000)
  }
  expect([0, 1, 2].map((node) => blocksOf(nodeOf(cluster, node)).length)).toEqual(
    [0, 1, 2].map(() => blocks),
  )
}

test('an object that is deleted while it is read for hours is delivered whole', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', BYTES)
      const read = await readSlowly(cluster, 1, SLOW_MS, () => remove(cluster, 0))
      expect(Buffer.compare(read, BYTES)).toBe(0)
      await untilEmpty(cluster, 0)
    },
    { space: SPACE },
  )
})

test('nodes that hold blocks know of readers on a node that lacks them', async () => {
  await onCluster(
    5,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', BYTES)
      const read = await readSlowly(cluster, 1, 30_000, () => remove(cluster, 3))
      expect(Buffer.compare(read, BYTES)).toBe(0)
      await untilEmpty(cluster, 0)
    },
    { space: SPACE },
  )
})

test('an object that is overwritten through another node, too', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', BYTES)
      const read = await readSlowly(cluster, 2, 40_000, () =>
        put(backendOf(cluster, 0), 'key', bytesLike(3)),
      )
      expect(Buffer.compare(read, BYTES)).toBe(0)
      await untilEmpty(cluster, 1)
    },
    { space: SPACE },
  )
})

test('a reader whose node is restarted holds nothing any more', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', BYTES)
      readSlowly(cluster, 1, SLOW_MS, () => remove(cluster, 0)).catch(() => {})
      await calmSleep(cluster, 60_000)
      expect(blocksOf(nodeOf(cluster, 0)).length).toBe(10)
      cluster.kill(1, false)
      await calmSleep(cluster, 60_000)
      // The outcome of its read does not matter.
      expect(blocksOf(nodeOf(cluster, 0)).length).toBe(10)
      await cluster.start(1)
      await untilEmpty(cluster, 0)
    },
    { space: SPACE },
  )
})

test('a reader whose node stays away holds its blocks for minutes, not for good', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', BYTES)
      readSlowly(cluster, 1, SLOW_MS, () => remove(cluster, 0)).catch(() => {})
      await calmSleep(cluster, 60_000)
      cluster.kill(1, false)
      await calmSleep(cluster, 120_000)
      expect(blocksOf(nodeOf(cluster, 2)).length).toBe(10)
      await calmSleep(cluster, 400_000)
      expect(blocksOf(nodeOf(cluster, 2)).length).toBe(0)
    },
    { space: SPACE },
  )
})
