/** The minima of deleted buckets are dropped (T8). */

import { expect, test } from 'vitest'
import {
  awayAndBuried,
  knownAndBuried,
  minimaOf,
  openedAndBuried,
  putInto,
  sentAndBuried,
} from '../mutants/minima-scenarios.ts'
import {
  backendOf,
  context,
  nodeOf,
  onCluster,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'

const BUCKETS = 200

test('hundreds of buckets that are created and deleted leave no minima, also after restarts', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await calmSleep(cluster, 100)
      for (let i = 0; i < BUCKETS; i++) {
        const name = `gone-${i}`
        await backendOf(cluster, i % 3).createBucket(context(), request(name))
        if (i % 20 === 0) {
          expect(await putInto(cluster, (i + 1) % 3, name)).toBe('ok')
          const backend = backendOf(cluster, (i + 2) % 3)
          await backend.deleteObject(context(), { bucket: name, key: 'key' })
        }
        await backendOf(cluster, (i + 1) % 3).deleteBucket(context(), name)
      }
      const nodes = [0, 1, 2]
      expect(Math.max(...nodes.map((node) => minimaOf(cluster, node)))).toBeGreaterThan(BUCKETS)
      await calmSleep(cluster, 60_000)
      expect(nodes.map((node) => minimaOf(cluster, node))).toEqual([0, 0, 0])
      cluster.kill(1, false)
      await calmSleep(cluster, 1_000)
      await cluster.start(1)
      await calmSleep(cluster, 20_000)
      expect(nodes.map((node) => minimaOf(cluster, node))).toEqual([0, 0, 0])
      expect(nodeOf(cluster, 0).space.generations.dropped).toBeGreaterThan(0)
    },
    { space: { generationPauseMs: 5_000 } },
  )
})

test.each([
  ['is in a cache', knownAndBuried],
  ['is on a node that is away', awayAndBuried],
  ['belongs to an operation under way', openedAndBuried],
  ['belongs to a request under way', sentAndBuried],
] as const)(
  'nothing is written into a bucket that is gone whose record %s',
  async (_, scenario) => {
    for (const seed of [1, 2, 3]) expect(await scenario({ seed, adapt: undefined })).toEqual([])
  },
)
