/** The disk of one of three nodes hangs (F9c). Its own node treats it as one slow replica of three (D11). */

import { expect, test } from 'vitest'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  context,
  get,
  HEADERS,
  keysOf,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  timed,
} from '../testing/calm-cluster.ts'

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
      await calmSleep(cluster, 700)
    }
    const { warnings } = await nodeOf(cluster, 2).admin.status()
    expect(warnings.join()).toMatch(/the disk has not answered for \d+ s/)
    expect(disk.syncReadsWhileHung).toBe(0)
    disk.release()
    await calmSleep(cluster, 3_000)
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

test('the disk hangs at any moment of a request through its node: another majority carries it out', async () => {
  const late: string[] = []
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 2)
    const bytes = bytesLike(2_300_000)
    const begin = (key: string): Promise<{ uploadId: string }> =>
      backend.createUpload(context(), { bucket: BUCKET, key, headers: HEADERS })
    const part = (key: string, uploadId: string): Promise<unknown> => {
      const named = { bucket: BUCKET, key, uploadId, partNumber: 1 }
      return backend.putPart(context(), { ...named, body: bodyOf(bytes, 'one') })
    }
    const disk = cluster.diskOf(2)
    for (const atMs of [0, 0.5, 1, 1.5, 2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 20]) {
      const key = `key-${atMs}`
      const [{ uploadId }, other] = [await begin('parts'), await begin('other')]
      await part('parts', uploadId)
      await put(backend, 'doomed', bytes)
      const requests: Record<string, () => Promise<unknown>> = {
        put: () => put(backend, key, bytes),
        'put small': () => put(backend, `${key}-small`, bytes.subarray(0, 50_000)),
        part: () => part('other', other.uploadId),
        complete: () =>
          backend.completeUpload(context(), {
            bucket: BUCKET,
            key: 'parts',
            uploadId,
            parts: [{ partNumber: 1, etag: 'one', checksums: {} }],
            finish: () => ({ etag: 'whole-1', checksums: {} }),
          }),
        delete: () => backend.deleteObject(context(), { bucket: BUCKET, key: 'doomed' }),
        abort: () => backend.abortUpload(context(), { bucket: BUCKET, key: 'other', ...other }),
      }
      const running = Object.entries(requests)
        .filter(([what]) => what !== 'abort')
        .map(async ([what, work]) => {
          const ms = await timed(cluster, work)
          if (ms > 1_500) late.push(`${what}, hung after ${atMs} ms: ${Math.round(ms)} ms`)
        })
      await calmSleep(cluster, atMs)
      disk.hang()
      await Promise.all(running)
      const ms = await timed(cluster, requests['abort']!)
      if (ms > 1_500) late.push(`abort: ${Math.round(ms)} ms`)
      disk.release()
      await calmSleep(cluster, 300)
      expect(Buffer.compare(bytes, await get(backend, key))).toBe(0)
    }
  })
  expect(late).toEqual([])
}, 60_000)

test('when too much waits for a hanging disk, more is refused, and its node goes on', async () => {
  const took: number[] = []
  await onCluster(3, async (cluster) => {
    const bytes = bytesLike(4_000_000)
    const disk = cluster.diskOf(2)
    disk.hang()
    for (let time = 0; time < 10; time++) {
      for (const node of [0, 2]) {
        took.push(await timed(cluster, () => put(backendOf(cluster, node), `key-${node}`, bytes)))
      }
    }
    disk.release()
    await calmSleep(cluster, 3_000)
  })
  expect(Math.max(...took)).toBeLessThan(1_500)
}, 30_000)

test('while a disk hangs and another peer is gone for a moment, blocks wait for the peer', async () => {
  await onCluster(3, async (cluster) => {
    const bytes = bytesLike(2_300_000)
    const disk = cluster.diskOf(2)
    disk.hang()
    const [away, own] = [cluster.idOf(1), cluster.idOf(2)]
    cluster.wires.cut(own, away)
    cluster.clock.after(1_000, () => cluster.wires.mend())
    const ms = await timed(cluster, () => put(backendOf(cluster, 2), 'key', bytes))
    expect(ms).toBeLessThan(2_500)
    disk.release()
    await calmSleep(cluster, 1_000)
  })
}, 30_000)
