/** Quotas of buckets through whole clusters: what is counted, what is refused, and when there is room again. */

import { expect, test } from 'vitest'
import type { BucketQuota } from '../../gateway/port/bucket-documents.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  calmSleep,
  codeOf,
  context,
  HEADERS,
  nodeOf,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'

/** By then counts that were made before are made again. */
const COUNTED_MS = 10_000

function limit(cluster: SimulatedCluster, quota: BucketQuota | null): Promise<unknown> {
  return nodeOf(cluster, 0).admin.setQuota(BUCKET, quota)
}

async function usage(cluster: SimulatedCluster, node: number) {
  const { usage: found } = await nodeOf(cluster, node).admin.quota(BUCKET)
  return found && { bytes: found.bytes, objects: found.objects }
}

const remove = (cluster: SimulatedCluster, key: string): Promise<unknown> =>
  backendOf(cluster, 1).deleteObject(context(), { bucket: BUCKET, key })

test('all versions and open uploads are counted, delete markers are not', async () => {
  await onCluster(3, async (cluster) => {
    const change = { versioning: 'Enabled' } as const
    await backendOf(cluster, 0).changeBucket(context(), {
      bucket: BUCKET,
      ownerAccount: '1',
      change,
    })
    for (let i = 0; i < 30; i++) await put(backendOf(cluster, i % 3), 'key', bytesLike(100))
    await put(backendOf(cluster, 0), 'other', bytesLike(1_000))
    await remove(cluster, 'other')
    const named = { bucket: BUCKET, key: 'upload' }
    const backend = backendOf(cluster, 0)
    const { uploadId } = await backend.createUpload(context(), { ...named, headers: HEADERS })
    const part = { ...named, uploadId, partNumber: 1, body: bodyOf(bytesLike(70_000), 'one') }
    await backend.putPart(context(), part)
    await calmSleep(cluster, COUNTED_MS)
    for (const node of [0, 1, 2]) {
      expect(await usage(cluster, node)).toEqual({ bytes: 74_000, objects: 31 })
    }
  })
})

test('writes through any node are refused beyond the quota, and deletes make room', async () => {
  await onCluster(3, async (cluster) => {
    await limit(cluster, { objects: 5 })
    const write = (i: number): Promise<string> =>
      codeOf(put(backendOf(cluster, i % 3), `key ${i}`, bytesLike(10)))
    const codes: string[] = []
    for (let i = 0; i < 8; i++) {
      codes.push(await write(i))
      await calmSleep(cluster, COUNTED_MS)
    }
    expect(codes).toEqual([
      ...Array<string>(5).fill('ok'),
      ...Array<string>(3).fill('QuotaExceeded'),
    ])
    await remove(cluster, 'key 0')
    await calmSleep(cluster, COUNTED_MS)
    expect(await write(9)).toBe('ok')
    await limit(cluster, null)
    for (let i = 10; i < 20; i++) expect(await write(i)).toBe('ok')
  })
})

test('one node alone never admits more than the quota, however quick the writes are', async () => {
  await onCluster(3, async (cluster) => {
    await limit(cluster, { bytes: 1_000_000 })
    const codes = await Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        codeOf(put(backendOf(cluster, 1), `key ${i}`, bytesLike(100_000))),
      ),
    )
    expect(codes.filter((code) => code === 'ok')).toHaveLength(10)
    expect(codes.filter((code) => code === 'QuotaExceeded')).toHaveLength(10)
    // A body that does not say how long it is.
    const endless = { ...bodyOf(bytesLike(100_000)), sizeBytes: undefined }
    const form = put(backendOf(cluster, 1), 'form', bytesLike(0), { body: endless })
    expect(await codeOf(form)).toBe('QuotaExceeded')
  })
})

test('parts and completions need room, and a repeat of a completion does not', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 2)
    const named = { bucket: BUCKET, key: 'upload' }
    const begin = async (): Promise<string> =>
      (await backend.createUpload(context(), { ...named, headers: HEADERS })).uploadId
    const putPart = (uploadId: string): Promise<string> => {
      const body = bodyOf(bytesLike(60_000), 'one')
      return codeOf(backend.putPart(context(), { ...named, uploadId, partNumber: 1, body }))
    }
    const complete = (uploadId: string): Promise<string> => {
      const parts = [{ partNumber: 1, etag: 'one', checksums: {} }]
      const finish = () => ({ etag: 'whole-1', checksums: {} })
      return codeOf(backend.completeUpload(context(), { ...named, uploadId, parts, finish }))
    }
    await limit(cluster, { bytes: 100_000, objects: 1 })
    const [first, second] = [await begin(), await begin()]
    expect(await putPart(first)).toBe('ok')
    expect(await putPart(second)).toBe('QuotaExceeded')
    expect(await complete(first)).toBe('ok')
    await limit(cluster, { objects: 1 })
    expect(await putPart(second)).toBe('ok')
    expect(await complete(second)).toBe('QuotaExceeded')
    expect(await complete(first)).toBe('ok')
  })
})
