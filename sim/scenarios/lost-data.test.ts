/** A block that all replicas have lost is reported as lost and does not block anything else (A5, R4). */

import { expect, test } from 'vitest'
import type { BlockKey } from '../../protocol/ids.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { blockGone } from '../../node/replica/removal-records.ts'
import { blockRow } from '../../node/replica/index-rows.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { blocksOf } from '../checkers/space-checker.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'
import { Wiretap } from '../testing/wiretap.ts'

const ALL = [0, 1, 2]

/** Removes the blocks from the disks of these nodes, like damage that cannot be repaired. */
async function lose(
  cluster: SimulatedCluster,
  keys: readonly BlockKey[],
  nodes: readonly number[] = ALL,
): Promise<void> {
  for (const node of nodes) await nodeOf(cluster, node).store.append(keys.map(blockGone))
}

async function lostOf(cluster: SimulatedCluster, node: number): Promise<string[]> {
  const { objects } = await nodeOf(cluster, node).admin.lost()
  return objects.map(({ bucket, key }) => `${bucket}/${key}`)
}

async function scrub(cluster: SimulatedCluster, node: number): Promise<void> {
  const { admin } = nodeOf(cluster, node)
  admin.startScrub()
  while (admin.scrubStatus().running) await calmSleep(cluster, 200)
}

test.each(['packed', 'blocks'])(
  'an object whose %s are gone everywhere is lost: 500, counted, listed',
  async (kind) => {
    await onCluster(3, async (cluster) => {
      await put(backendOf(cluster, 0), 'kept', bytesLike(100))
      await untilLevel(cluster)
      const before = new Set(blocksOf(nodeOf(cluster, 0)))
      const bytes = bytesLike(kind === 'packed' ? 1_000 : 2 * BLOCK_BYTES + 9)
      await put(backendOf(cluster, 0), 'lost', bytes)
      await untilLevel(cluster)
      const keys = blocksOf(nodeOf(cluster, 0)).filter((key) => !before.has(key))
      await lose(cluster, keys)
      for (const node of ALL) {
        expect(await codeOf(get(backendOf(cluster, node), 'lost'))).toBe('DataLost')
        expect(await codeOf(get(backendOf(cluster, node), 'kept'))).toBe('ok')
      }
      expect(await lostOf(cluster, 1)).toEqual([`${BUCKET}/lost`])
      expect((await nodeOf(cluster, 0).admin.status()).lost).toBe(1)
      const gauge = nodeOf(cluster, 0)
        .admin.gauges()
        .find(({ name }) => name === 'shoal_lost_objects')
      expect(gauge?.value).toBe(1)
      // Once it is overwritten, nothing is lost any more.
      await put(backendOf(cluster, 1), 'lost', bytesLike(50))
      expect(await codeOf(get(backendOf(cluster, 2), 'lost'))).toBe('ok')
      await calmSleep(cluster, 120_000)
      expect(await lostOf(cluster, 0)).toEqual([])
    })
  },
)

test('a block that can’t be reached now is not lost', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', bytesLike(2 * BLOCK_BYTES))
    await untilLevel(cluster)
    const keys = blocksOf(nodeOf(cluster, 0))
    cluster.kill(2, false)
    await lose(cluster, keys, [0, 1])
    expect(await codeOf(get(backendOf(cluster, 0), 'key'))).toBe('Unavailable')
    await scrub(cluster, 0)
    expect(await lostOf(cluster, 0)).toEqual([])
    await cluster.start(2)
    await untilLevel(cluster)
    expect(await codeOf(get(backendOf(cluster, 0), 'key'))).toBe('ok')
  })
})

test('scrub finds what a register names and no replica has, and has fetched what one has', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'here', bytesLike(2 * BLOCK_BYTES, 1))
    await put(backendOf(cluster, 0), 'small', bytesLike(10, 2))
    await untilLevel(cluster)
    const before = blocksOf(nodeOf(cluster, 0))
    await put(backendOf(cluster, 0), 'lost', bytesLike(2 * BLOCK_BYTES, 3))
    await put(backendOf(cluster, 0), 'lost small', bytesLike(10, 4))
    await untilLevel(cluster)
    const gone = blocksOf(nodeOf(cluster, 0)).filter((key) => !before.includes(key))
    await lose(cluster, gone)
    await lose(cluster, before, [1])
    await scrub(cluster, 1)
    expect(await lostOf(cluster, 1)).toEqual([`${BUCKET}/lost`, `${BUCKET}/lost small`])
    expect(blocksOf(nodeOf(cluster, 1)).toSorted()).toEqual(before.toSorted())
    // It is still known after a restart.
    await calmSleep(cluster, 1_000)
    cluster.kill(1, false)
    await cluster.start(1)
    expect(await lostOf(cluster, 1)).toEqual([`${BUCKET}/lost`, `${BUCKET}/lost small`])
  })
})

test('a lost block holds up no replica that missed the state which names it', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'other', bytesLike(10))
    await untilLevel(cluster)
    const before = blocksOf(nodeOf(cluster, 0))
    cluster.kill(2, false)
    await put(backendOf(cluster, 0), 'key', bytesLike(1_000))
    const gone = blocksOf(nodeOf(cluster, 0)).filter((key) => !before.includes(key))
    await lose(cluster, gone, [0, 1])
    await cluster.start(2)
    await untilLevel(cluster)
    expect(await codeOf(get(backendOf(cluster, 2), 'key'))).toBe('DataLost')
    // Also with the replica in the majority that missed it.
    cluster.kill(0, false)
    expect(await codeOf(get(backendOf(cluster, 1), 'key'))).toBe('Unavailable')
    await put(backendOf(cluster, 2), 'key', bytesLike(20))
    expect(await codeOf(get(backendOf(cluster, 1), 'key'))).toBe('ok')
  })
})

test('a write that one replica alone has, and whose data it has lost, replaces nothing', async () => {
  const wiretap = new Wiretap()
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(1_000, 1))
      await untilLevel(cluster)
      const before = blocksOf(nodeOf(cluster, 0))
      wiretap.filter = (from, to, { type }) =>
        type === 'accept' && from === 0 && to !== cluster.idOf(0) ? 'drop' : 'pass'
      const written = codeOf(put(backendOf(cluster, 0), 'key', bytesLike(1_000, 2)))
      expect(await written).toBe('Unavailable')
      wiretap.filter = () => 'pass'
      const stray = blocksOf(nodeOf(cluster, 0)).filter((key) => !before.includes(key))
      expect(stray).toHaveLength(1)
      await lose(cluster, stray, [0])
      await untilLevel(cluster)
      for (const node of ALL) {
        expect(await get(backendOf(cluster, node), 'key')).toEqual(bytesLike(1_000, 1))
      }
      await scrub(cluster, 0)
      expect(await lostOf(cluster, 0)).toEqual([])
    },
    { adapt: wiretap.adapt },
  )
})

test('a page of versions that is lost holds up nothing but what was in it', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await backend.changeBucket(context(), { bucket: BUCKET, change: { versioning: 'Enabled' } })
    for (let i = 0; i < 12; i++) await put(backend, 'key', bytesLike(10, i))
    await untilLevel(cluster)
    const list = async (): Promise<string[]> => {
      const page = await backendOf(cluster, 1).listVersions(context(), {
        bucket: BUCKET,
        prefix: '',
        limit: 100,
      })
      return page.versions.map(({ versionId }) => versionId)
    }
    const before = await list()
    expect(before).toHaveLength(12)
    const pages = blocksOf(nodeOf(cluster, 0)).filter((key) => isPage(cluster, key))
    expect(pages).toHaveLength(1)
    await lose(cluster, pages)
    const after = await list()
    expect(after.length).toBeGreaterThan(0)
    expect(after.length).toBeLessThan(12)
    const gone = before.find((id) => !after.includes(id))!
    const request = { bucket: BUCKET, key: 'key', versionId: gone, withData: true }
    expect(await codeOf(backendOf(cluster, 2).getObject(context(), request))).toBe('DataLost')
    await scrub(cluster, 2)
    expect(await lostOf(cluster, 2)).toEqual([`${BUCKET}/key`, `${BUCKET}/key`])
    for (let i = 0; i < 3; i++) await put(backend, 'key', bytesLike(10, i))
    for (let left = await list(); left.length > 0; left = await list()) {
      for (const versionId of left) {
        await backend.deleteObject(context(), { bucket: BUCKET, key: 'key', versionId })
      }
    }
    await backend.deleteBucket(context(), BUCKET)
  })
})

/** Larger than the bodies of this test's objects. */
function isPage(cluster: SimulatedCluster, key: BlockKey): boolean {
  const row = nodeOf(cluster, 0).store.get(blockRow(key))
  return row !== undefined && decodePosition(row).lengthBytes > 600
}
