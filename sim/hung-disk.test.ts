/** The disk of one of three nodes hangs (fault 9c): it is one replica of three, for its own node too (D11). */

import { expect, test } from 'vitest'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  get,
  keysOf,
  nodeOf,
  onCluster,
  put,
  sleep,
} from './testing/calm-cluster.ts'
import type { SimulatedCluster } from './cluster.ts'

async function timed(cluster: SimulatedCluster, work: () => Promise<unknown>): Promise<number> {
  const startedMs = cluster.clock.monotonicMs()
  await work()
  return cluster.clock.monotonicMs() - startedMs
}

test('one of three disks hangs: reads, lists and writes through its node and the others go on', async () => {
  const took: Record<string, number[]> = {}
  await onCluster(3, async (cluster) => {
    const large = bytesLike(1_500_000)
    for (let i = 0; i < 30; i++) await put(backendOf(cluster, i % 3), `key-${i}`, bytesLike(9_000))
    await put(backendOf(cluster, 0), 'large', large)
    const disk = cluster.diskOf(2)
    disk.hang()
    for (let time = 0; time < 10; time++) {
      for (const node of [2, 0, 1]) {
        const backend = backendOf(cluster, node)
        const note = async (what: string, work: () => Promise<unknown>): Promise<void> => {
          ;(took[`${node === 2 ? 'its own' : 'others'}: ${what}`] ??= []).push(
            await timed(cluster, work),
          )
        }
        await note('list', () => keysOf(backend))
        await note('get', () => get(backend, `key-${20 + time}`))
        await note('get-large', () => get(backend, 'large'))
        await note('put', () => put(backend, `key-${time}`, bytesLike(100, time)))
        await note('put-large', () => put(backend, 'large', large))
        const versioning = time % 2 === 0 ? 'Enabled' : 'Suspended'
        await note('settings', () =>
          backend.changeBucket(context(), { bucket: BUCKET, change: { versioning } }),
        )
      }
      await sleep(cluster, 700)
    }
    const { warnings } = await nodeOf(cluster, 2).admin.status()
    expect(warnings.join()).toMatch(/the disk does not answer for \d+ s/)
    expect(disk.syncReadsWhileHung).toBe(0)
    disk.release()
    await sleep(cluster, 3_000)
    expect((await nodeOf(cluster, 2).admin.status()).warnings).toEqual([])
    expect(Buffer.compare(large, await get(backendOf(cluster, 2), 'large'))).toBe(0)
  })
  for (const [what, times] of Object.entries(took)) {
    const sorted = [...times].sort((a, b) => a - b)
    const p50 = sorted[Math.floor(sorted.length / 2)]!
    const most = sorted.at(-1)!
    expect({ what, p50: p50 < 300 || p50, most: most < 1_500 || most }).toEqual({
      what,
      p50: true,
      most: true,
    })
  }
}, 30_000)
