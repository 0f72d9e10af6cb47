/** A peer that is connected and deaf costs a hedge, not a time-out (F19b). */

import { expect, test } from 'vitest'
import {
  backendOf,
  BUCKET,
  bytesLike,
  context,
  get,
  keysOf,
  onCluster,
  put,
  calmSleep,
  timed,
} from '../testing/calm-cluster.ts'

test('one of three is deaf: lists, settings, reads and writes take no longer than a hedge', async () => {
  const took: Record<string, number[]> = {}
  await onCluster(3, async (cluster) => {
    const large = bytesLike(1_500_000)
    for (let i = 0; i < 20; i++) await put(backendOf(cluster, i % 3), `key-${i}`, bytesLike(100))
    await put(backendOf(cluster, 0), 'large', large)
    cluster.wires.deafen(cluster.idOf(2))
    for (let time = 0; time < 12; time++) {
      for (const node of [0, 1]) {
        const backend = backendOf(cluster, node)
        const note = async (what: string, work: () => Promise<unknown>): Promise<void> => {
          ;(took[what] ??= []).push(await timed(cluster, work))
        }
        await note('list', async () => {
          expect(await keysOf(backend)).toHaveLength(21)
        })
        const versioning = time % 2 === 0 ? 'Enabled' : 'Suspended'
        await note('settings', () =>
          backend.changeBucket(context(), { bucket: BUCKET, change: { versioning } }),
        )
        await note('get', () => get(backend, `key-${time}`))
        await note('get-large', () => get(backend, 'large'))
        await note('put', () => put(backend, `key-${time}`, bytesLike(100, time)))
        await note('put-large', () => put(backend, 'large', large))
      }
      await calmSleep(cluster, 1_500)
    }
    cluster.wires.undeafen(cluster.idOf(2))
  })
  for (const [what, times] of Object.entries(took)) {
    const sorted = [...times].sort((a, b) => a - b)
    const p50 = sorted[Math.floor(sorted.length / 2)]!
    const most = sorted.at(-1)!
    expect({ what, p50: p50 < 100, most: most < 700 || most }).toEqual({
      what,
      p50: true,
      most: true,
    })
  }
}, 30_000)
