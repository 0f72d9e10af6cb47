/**
 * Thousands of objects that are due at once, on a cluster of three nodes. Long: npm run test:long. How many is in
 * SHOAL_TEST_DUE_OBJECTS: 100,000 take more than half an hour.
 */

import { expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { inLanes } from '../../node/tools/in-batches.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  calmUntil,
  context,
  keysOf,
  nodeOf,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'

const OBJECTS = Number(process.env['SHOAL_TEST_DUE_OBJECTS'] ?? 4_000)
const DAY_MS = 24 * 3_600_000

test('objects that are due at once are gone within a minute, and others are untouched', async () => {
  await onCluster(3, async (cluster) => {
    await backendOf(cluster, 0).changeBucket(context(), {
      bucket: BUCKET,
      change: { lifecycle: [{ id: 'all', enabled: true, prefix: 'due/', days: 1 }] },
    })
    await inLanes(Array.from({ length: OBJECTS }).keys(), 64, async (i) => {
      await put(backendOf(cluster, i % 3), `due/${i}`, bytesLike(10))
      if (i % 1_000 === 0) await put(backendOf(cluster, i % 3), `kept/${i}`, bytesLike(10))
    })
    const isIndexed = (): boolean => {
      let rows = 0
      nodeOf(cluster, 0).store.range(bytesOf('ld'), bytesOf('le'), 1e6, () => void rows++)
      return rows >= OBJECTS
    }
    await calmUntil(cluster, 'due times are indexed', isIndexed, 5_000)
    const nowMs = cluster.clock.nowMs.bind(cluster.clock)
    const aheadMs = (Math.floor(nowMs() / DAY_MS) + 2) * DAY_MS - nowMs()
    cluster.clock.nowMs = () => nowMs() + aheadMs
    await calmSleep(cluster, 60_000)
    const left = await keysOf(backendOf(cluster, 1))
    expect(left.filter((key) => key.startsWith('due/'))).toEqual([])
    expect(left).toHaveLength(OBJECTS / 1_000)
  })
}, 3_600_000)
