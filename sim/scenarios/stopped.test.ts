/** A node that is stopped for a while and goes on where it was: what it began is fenced, and it is not given up
 * (F13). */

import { expect, test } from 'vitest'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  timed,
  untilLevel,
} from '../testing/calm-cluster.ts'

const STOPPED = 2
const OLD = bytesLike(10, 1)
const NEW = bytesLike(10, 2)

test('a node that stalls for two seconds does not delay the others, and serves at once afterwards', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', OLD)
    const epoch = nodeOf(cluster, 0).layout.current()!.epoch
    cluster.stop(STOPPED)
    const tookMs = await timed(cluster, () => put(backendOf(cluster, 0), 'key', NEW))
    expect(tookMs).toBeLessThan(1_000)
    await calmSleep(cluster, 2_000 - tookMs)
    cluster.resume(STOPPED)
    const againMs = await timed(cluster, async () => {
      expect(Buffer.compare(await get(backendOf(cluster, STOPPED), 'key'), NEW)).toBe(0)
    })
    expect(againMs).toBeLessThan(1_000)
    await untilLevel(cluster)
    expect(nodeOf(cluster, 0).layout.current()!.epoch).toBe(epoch)
  })
})

test('what a node had begun when it was stopped for 30 s does not undo what others did meanwhile', async () => {
  // The later it is stopped, the further its write has come.
  for (const afterMs of [0, 1, 2, 4, 8]) {
    await onCluster(3, async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(10))
      const begun = codeOf(put(backendOf(cluster, STOPPED), 'key', OLD))
      await calmSleep(cluster, afterMs)
      cluster.stop(STOPPED)
      await calmSleep(cluster, 15_000)
      await put(backendOf(cluster, 0), 'key', NEW)
      await calmSleep(cluster, 15_000)
      cluster.resume(STOPPED)
      expect(['ok', 'Unavailable']).toContain(await begun)
      for (const node of [0, 1, STOPPED]) {
        expect(Buffer.compare(await get(backendOf(cluster, node), 'key'), NEW)).toBe(0)
      }
      await untilLevel(cluster)
    })
  }
})

test('a node that was stopped while a setting changed obeys the new setting', async () => {
  await onCluster(3, async (cluster) => {
    // So that it knows the bucket as it was.
    await put(backendOf(cluster, STOPPED), 'key', OLD)
    cluster.stop(STOPPED)
    const change = { versioning: 'Enabled' } as const
    await backendOf(cluster, 0).changeBucket(context(), { bucket: BUCKET, change })
    await calmSleep(cluster, 30_000)
    cluster.resume(STOPPED)
    await put(backendOf(cluster, STOPPED), 'key', NEW)
    const { versions } = await backendOf(cluster, 0).listVersions(context(), {
      bucket: BUCKET,
      prefix: 'key',
      limit: 10,
    })
    expect(versions.map(({ versionId }) => versionId === 'null')).toEqual([false, true])
  })
})
