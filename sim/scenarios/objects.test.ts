/** Objects through whole clusters: sizes, ranges, conditions, races. */

import { expect, test } from 'vitest'
import { StoreError } from '../../protocol/errors.ts'
import type { StoreErrorCode } from '../../protocol/errors.ts'
import { BLOCK_BYTES, PACKED_BYTES_MAX } from '../../protocol/limits.ts'
import {
  backendOf,
  bodyOf,
  bytesLike,
  BUCKET,
  codeOf,
  context,
  get,
  HEADERS,
  keysOf,
  onCluster,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'

const SIZES = [
  0,
  1,
  PACKED_BYTES_MAX - 1,
  PACKED_BYTES_MAX,
  PACKED_BYTES_MAX + 1,
  BLOCK_BYTES - 1,
  BLOCK_BYTES,
  BLOCK_BYTES + 1,
  3 * BLOCK_BYTES + 7,
]

test('objects of every kind of size come back through every node, whole and in ranges', async () => {
  await onCluster(3, async (cluster) => {
    for (const [i, sizeBytes] of SIZES.entries()) {
      const bytes = bytesLike(sizeBytes, i + 1)
      const key = `size ${sizeBytes}`
      await put(backendOf(cluster, i % 3), key, bytes)
      for (const node of [0, 1, 2]) {
        const found = await get(backendOf(cluster, node), key)
        expect(Buffer.compare(found, bytes)).toBe(0)
      }
      const ranges = [
        [0, 1],
        [sizeBytes - 1, sizeBytes],
        [BLOCK_BYTES - 2, BLOCK_BYTES + 2],
        [BLOCK_BYTES, 2 * BLOCK_BYTES],
        [5, 2 * BLOCK_BYTES + 9],
      ] as const
      for (const [start, end] of ranges) {
        if (start < 0 || end > sizeBytes) continue
        const found = await get(backendOf(cluster, 2), key, [start, end])
        expect(Buffer.compare(found, bytes.subarray(start, end))).toBe(0)
      }
    }
  })
})

test('one of many creations through all nodes at once wins; the others learn so (P3)', async () => {
  await onCluster(3, async (cluster) => {
    for (let round = 0; round < 10; round++) {
      const key = `race ${round}`
      const results = await Promise.all(
        [0, 1, 2, 0, 1, 2].map((node, i) =>
          codeOf(
            put(backendOf(cluster, node), key, bytesLike(10, i + 1), {
              condition: { ifNoneMatch: ['*'] },
            }),
          ),
        ),
      )
      // An outcome that is in doubt is said to be so; never are there two winners.
      const won = results.filter((code) => code === 'ok').length
      expect(won).toBeLessThanOrEqual(1)
      const allowed: (StoreErrorCode | 'ok')[] = ['ok', 'PreconditionFailed', 'Unavailable']
      expect(results.every((code) => allowed.includes(code))).toBe(true)
      const found = await get(backendOf(cluster, round % 3), key)
      if (won === 1) expect(found).toEqual(bytesLike(10, results.indexOf('ok') + 1))
    }
  })
})

test('compare and swap: of increments by If-Match none is lost', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'counter', bytesLike(1), { body: bodyOf(bytesLike(1), '0') })
    const sure = { count: 0, doubted: 0 }
    const client = async (number: number): Promise<void> => {
      for (let i = 0; i < 8; i++) {
        const backend = backendOf(cluster, number)
        const { info } = await backend.getObject(context(), {
          bucket: BUCKET,
          key: 'counter',
          withData: false,
        })
        const code = await codeOf(
          put(backend, 'counter', bytesLike(1), {
            body: bodyOf(bytesLike(1), String(Number(info.etag) + 1)),
            condition: { ifMatch: [info.etag] },
          }),
        )
        if (code === 'ok') sure.count++
        else if (code === 'Unavailable') sure.doubted++
        else expect(code).toBe('PreconditionFailed')
        await calmSleep(cluster, 10 * (number + 1))
      }
    }
    await Promise.all([0, 1, 2].map(client))
    const reader = await backendOf(cluster, 1).getObject(context(), {
      bucket: BUCKET,
      key: 'counter',
      withData: false,
    })
    const value = Number(reader.info.etag)
    expect(value).toBeGreaterThanOrEqual(sure.count)
    expect(value).toBeLessThanOrEqual(sure.count + sure.doubted)
    expect(sure.count).toBeGreaterThan(0)
  })
})

test('conditions on absent and present objects', async () => {
  await onCluster(3, async (cluster) => {
    const [a, b] = [backendOf(cluster, 0), backendOf(cluster, 1)]
    const tryPut = (condition: object): Promise<string> =>
      codeOf(put(a, 'key', bytesLike(3), { condition, body: bodyOf(bytesLike(3), 'one') }))
    expect(await tryPut({ ifMatch: ['one'] })).toBe('NoSuchKey')
    expect(await tryPut({ ifNoneMatch: ['*'] })).toBe('ok')
    expect(await tryPut({ ifNoneMatch: ['*'] })).toBe('PreconditionFailed')
    expect(await tryPut({ ifMatch: ['two'] })).toBe('PreconditionFailed')
    expect(await tryPut({ ifMatch: ['one'] })).toBe('ok')
    const remove = (condition: object): Promise<string> =>
      codeOf(b.deleteObject(context(), { bucket: BUCKET, key: 'key', condition }))
    expect(await remove({ ifMatch: ['two'] })).toBe('PreconditionFailed')
    expect(await remove({ ifMatch: ['one'], ifMatchSizeBytes: 4 })).toBe('PreconditionFailed')
    expect(await remove({ ifMatch: ['one'], ifMatchSizeBytes: 3 })).toBe('ok')
    expect(await codeOf(get(a, 'key'))).toBe('NoSuchKey')
    expect(await remove({})).toBe('ok')
    expect(await tryPut({ ifNoneMatch: ['*'] })).toBe('ok')
  })
})

test('a body that breaks off, or is not what was announced, leaves nothing visible', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    const bytes = bytesLike(3 * BLOCK_BYTES)
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes
      throw new StoreError('Conflict', 'broken off')
    }
    const finish = () => ({ etag: 'x', checksums: {} })
    const refuse = (): never => {
      throw new StoreError('InvalidPart', 'not what was announced')
    }
    const attempts = [
      { chunks: broken(), finish },
      { ...bodyOf(bytes), finish: refuse },
      { bytes: bytesLike(9), finish: refuse },
    ]
    for (const body of attempts) {
      const put = backend.putObject(context(), {
        bucket: BUCKET,
        key: 'never',
        headers: HEADERS,
        body,
      })
      expect(['Conflict', 'InvalidPart']).toContain(await codeOf(put))
    }
    expect(await codeOf(get(backend, 'never'))).toBe('NoSuchKey')
    expect(await keysOf(backend)).toEqual([])
    // The aborted requests have given back their buffers, so the next ones are not affected.
    await put(backend, 'next', bytes)
    expect(Buffer.compare(await get(backendOf(cluster, 2), 'next'), bytes)).toBe(0)
  })
})

test('one node down: everything goes on, and 503 within the deadline with two down (F17)', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    const large = bytesLike(2 * BLOCK_BYTES, 3)
    await put(backend, 'before', bytesLike(100))
    cluster.kill(1, false)
    await put(backend, 'large', large)
    await put(backend, 'small', bytesLike(50))
    expect(Buffer.compare(await get(backendOf(cluster, 2), 'large'), large)).toBe(0)
    expect(await keysOf(backend)).toEqual(['before', 'large', 'small'])
    cluster.kill(2, false)
    await calmSleep(cluster, 100)
    const startMs = cluster.clock.monotonicMs()
    expect(await codeOf(put(backend, 'small', bytesLike(51)))).toBe('Unavailable')
    expect(await codeOf(get(backend, 'before'))).toBe('Unavailable')
    expect(await codeOf(keysOf(backend))).toBe('Unavailable')
    expect(await codeOf(put(backend, 'large', large))).toBe('Unavailable')
    expect(cluster.clock.monotonicMs() - startMs).toBeLessThan(60_000)
    await Promise.all([cluster.start(1), cluster.start(2)])
    expect(await get(backendOf(cluster, 1), 'before')).toEqual(bytesLike(100))
  })
})
