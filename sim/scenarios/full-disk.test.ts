/** F6: a disk filled to the last byte that writes may take. Nothing is half there, reads and deletes go
 * on, space comes back by itself, and writes resume without a restart. */

import { describe, expect, test } from 'vitest'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { SimulatedDisk } from '../world/disk.ts'
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

const CAPACITY = 16 << 20
const OPTIONS = {
  segmentSizeBytes: 1 << 20,
  space: { reclaimDelayMs: 1_000, scanPauseMs: 5_000, tombstoneDelayMs: 2_000 },
  upkeep: { compactionIntervalMs: 1_000, compactionGainBytes: 64 << 10 },
}
const SIZE = 120_000

const keyOf = (i: number): string => `key ${i}`
const remove = (cluster: SimulatedCluster, i: number): Promise<unknown> =>
  backendOf(cluster, i % 3)
    .deleteObject(context(), { bucket: BUCKET, key: keyOf(i) })
    .catch((error: unknown) => {
      const full = [0, 1, 2].map((node) => nodeOf(cluster, node).store.stats())
      throw new Error(`delete of ${i}: ${JSON.stringify(full)}`, {
        cause: error,
      })
    })

/** Writes until the disks take no more; the result is how many objects were taken. */
async function fill(cluster: SimulatedCluster, from: number): Promise<number> {
  for (let i = from; i < from + 1_000; i++) {
    const code = await codeOf(put(backendOf(cluster, i % 3), keyOf(i), bytesLike(SIZE, i)))
    if (code === 'ok') continue
    expect(['InsufficientStorage', 'Unavailable']).toContain(code)
    return i
  }
  throw new Error('the disks never fill')
}

async function untilWritable(cluster: SimulatedCluster, i: number): Promise<void> {
  const until = cluster.clock.monotonicMs() + 120_000
  for (;;) {
    const code = await codeOf(put(backendOf(cluster, 0), keyOf(i), bytesLike(SIZE, i)))
    if (code === 'ok') return
    if (cluster.clock.monotonicMs() > until) {
      expect([0, 1, 2].map((node) => nodeOf(cluster, node).store.stats())).toEqual('writable')
    }
    await calmSleep(cluster, 500)
  }
}

async function untilRoom(cluster: SimulatedCluster): Promise<void> {
  const until = cluster.clock.monotonicMs() + 120_000
  const free = (): number[] => [0, 1, 2].map((node) => CAPACITY - cluster.diskOf(node).usedBytes())
  while (Math.min(...free()) < 0.6 * CAPACITY) {
    if (cluster.clock.monotonicMs() > until) expect(free()).toEqual('mostly free')
    await calmSleep(cluster, 500)
  }
}

async function checkRead(cluster: SimulatedCluster, i: number): Promise<void> {
  const bytes = await get(backendOf(cluster, (i + 1) % 3), keyOf(i))
  expect(Buffer.compare(bytes, bytesLike(SIZE, i))).toBe(0)
}

test('writes are refused, reads and deletes work, space comes back, writes resume', async () => {
  await onCluster(
    3,
    async (cluster) => {
      for (const node of [0, 1, 2]) cluster.diskOf(node).capacityBytes = CAPACITY
      // The next write looks at the disk again.
      await calmSleep(cluster, 6_000)
      let next = 0
      for (let round = 0; round < 2; round++) {
        const end = await fill(cluster, next)
        expect(end - next).toBeGreaterThan(20)
        // What was refused is not there.
        expect(await codeOf(get(backendOf(cluster, 1), keyOf(end)))).toBe('NoSuchKey')
        for (let i = next; i < end; i += 7) await checkRead(cluster, i)
        // All but every tenth.
        for (let i = next; i < end; i++) if (i % 10 !== 0) await remove(cluster, i)
        await untilWritable(cluster, end + 1)
        await untilRoom(cluster)
        for (let i = next; i < end; i++) if (i % 10 === 0) await checkRead(cluster, i)
        await remove(cluster, end + 1)
        next = end + 2
      }
      for (const node of [0, 1, 2]) {
        expect(nodeOf(cluster, node).upkeep.compaction.counters.segments).toBeGreaterThan(8)
      }
    },
    OPTIONS,
  )
}, 120_000)

describe('a node starts on a disk without a free byte', () => {
  const VOTE_FILE = 'layout-vote.json'
  const MOVE_FILE = 'moves'
  const NOTE = 'layout-checked.json'
  type Break = (disk: SimulatedDisk) => void
  const flip =
    (path: string, at = 20): Break =>
    (disk) =>
      disk.corrupt(path, at, 1)
  const lose =
    (path: string): Break =>
    (disk) =>
      disk.lose(path)
  test.each<[string, string, Break]>([
    ['a damaged vote file', VOTE_FILE, flip(VOTE_FILE)],
    ['no vote file', VOTE_FILE, lose(VOTE_FILE)],
    ['no note of what was verified', NOTE, lose(NOTE)],
    ['no file of moves', MOVE_FILE, lose(MOVE_FILE)],
    ['one copy of its moves damaged', MOVE_FILE, flip(MOVE_FILE)],
    [
      'both copies of its moves damaged',
      MOVE_FILE,
      (disk) => {
        flip(MOVE_FILE)(disk)
        flip(MOVE_FILE, 60_000)(disk)
      },
    ],
  ])('%s', (_, path, damage) =>
    onCluster(3, async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(10))
      // A node that has missed the write could not take it on a full disk.
      await untilLevel(cluster)
      const disk = cluster.diskOf(1)
      const { capacityBytes } = disk
      for (let round = 0; round < 2; round++) {
        cluster.kill(1, false)
        damage(disk)
        disk.capacityBytes = disk.usedBytes()
        await cluster.start(1)
        // Check again: nothing was written meanwhile that could hide a loss.
        cluster.kill(1, false)
        await cluster.start(1)
        const isVoteLost = path === VOTE_FILE
        const { abstainsFrom, epoch } = nodeOf(cluster, 1).layout.status()
        expect(abstainsFrom).toBe(isVoteLost ? epoch + 1 : undefined)
        await untilLevel(cluster)
        await get(backendOf(cluster, 1), 'key')
        disk.capacityBytes = capacityBytes
        await calmSleep(cluster, 20_000)
        // The next entry of the layout.
        await cluster.invite(0)
        await calmSleep(cluster, 20_000)
        expect(nodeOf(cluster, 1).layout.status().abstainsFrom).toBeUndefined()
        expect(cluster.diskOf(1).paths()).toContain(path)
      }
    }),
  )
})
