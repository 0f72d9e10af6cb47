/** Buckets through whole clusters: one owner of a name, deletion only when empty, fences (T6, T8). */

import { expect, test } from 'vitest'
import type { Backend } from '../../gateway/port/backend.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  keysOf,
  onCluster,
  put,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'

function putInto(backend: Backend, bucket: string, key: string): Promise<unknown> {
  return backend.putObject(context(), {
    bucket,
    key,
    headers: HEADERS,
    body: bodyOf(bytesLike(10)),
  })
}

async function namesOf(backend: Backend): Promise<string[]> {
  const { buckets } = await backend.listBuckets(context(), {
    ownerAccount: '1',
    prefix: '',
    limit: 1000,
  })
  return buckets.map(({ name }) => name)
}

test('when three nodes create one name at once, one of them wins', async () => {
  await onCluster(3, async (cluster) => {
    for (let round = 0; round < 5; round++) {
      const name = `name-${round}`
      const codes = await Promise.all(
        [0, 1, 2].map((node) =>
          codeOf(
            backendOf(cluster, node).createBucket(context(), {
              ...request(name),
              ownerAccount: String(node + 1),
            }),
          ),
        ),
      )
      expect(codes.filter((code) => code === 'ok').length).toBeLessThanOrEqual(1)
      const { ownerAccount } = await backendOf(cluster, 0).headBucket(context(), name)
      if (codes.includes('ok')) expect(Number(ownerAccount)).toBe(codes.indexOf('ok') + 1)
      for (const [i, code] of codes.entries()) {
        const known = ['ok', 'BucketAlreadyExists', 'BucketAlreadyOwnedByYou', 'Unavailable']
        expect(known).toContain(code)
        const { buckets } = await backendOf(cluster, 0).listBuckets(context(), {
          ownerAccount: String(i + 1),
          prefix: name,
          limit: 10,
        })
        expect(buckets.length).toBe(ownerAccount === String(i + 1) ? 1 : 0)
      }
    }
  })
})

test('a name is listed once, whatever happened on the way; taken names say whose they are (T2)', async () => {
  await onCluster(3, async (cluster) => {
    const [a, b] = [backendOf(cluster, 0), backendOf(cluster, 1)]
    await Promise.all(
      [0, 1, 2].map((i) => codeOf(backendOf(cluster, i).createBucket(context(), request('again')))),
    )
    expect(await namesOf(a)).toEqual(['again', BUCKET])
    expect(await codeOf(a.createBucket(context(), request('again')))).toBe(
      'BucketAlreadyOwnedByYou',
    )
    const other = { ...request('again'), ownerAccount: '2' }
    expect(await codeOf(b.createBucket(context(), other))).toBe('BucketAlreadyExists')
    await a.deleteBucket(context(), 'again')
    expect(await codeOf(b.headBucket(context(), 'again'))).toBe('NoSuchBucket')
    expect(await codeOf(b.createBucket(context(), other))).toBe('ok')
    expect(await namesOf(b)).toEqual([BUCKET])
  })
})

test('no listing shows a name twice while others try to make it', async () => {
  await onCluster(3, async (cluster) => {
    for (let round = 0; round < 4; round++) {
      const open = { count: 3 }
      const creations = [0, 1, 2].map((node) =>
        codeOf(backendOf(cluster, node).createBucket(context(), request(`new-${round}`))).finally(
          () => open.count--,
        ),
      )
      while (open.count > 0) {
        const names = await namesOf(backendOf(cluster, round % 3))
        expect(names).toEqual([...new Set(names)])
        await calmSleep(cluster, 0.5)
      }
      await Promise.all(creations)
    }
  })
})

test('an account cannot have more buckets than its limit; deleting one makes room', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    const names = Array.from({ length: 99 }, (_, i) => `b-${100 + i}`)
    for (const name of names) await backend.createBucket(context(), request(name))
    const one = backend.createBucket(context(), request('one-more'))
    expect(await codeOf(one)).toBe('TooManyBuckets')
    expect(await namesOf(backendOf(cluster, 1))).toHaveLength(100)
    await backendOf(cluster, 2).deleteBucket(context(), 'b-150')
    expect(await codeOf(backend.createBucket(context(), request('one-more')))).toBe('ok')
  })
})

test('a bucket with objects is not deleted, and goes on working', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', bytesLike(5))
    const remove = (node: number): Promise<string> =>
      codeOf(backendOf(cluster, node).deleteBucket(context(), BUCKET))
    expect(await remove(1)).toBe('BucketNotEmpty')
    // Its record is two generations on: caches of the old one are refused and read again (T8).
    for (const node of [0, 1, 2]) {
      await put(backendOf(cluster, node), `key ${node}`, bytesLike(5))
      expect(await keysOf(backendOf(cluster, node))).toHaveLength(node + 2)
    }
    for (const key of await keysOf(backendOf(cluster, 0))) {
      await backendOf(cluster, 2).deleteObject(context(), { bucket: BUCKET, key })
    }
    expect(await remove(0)).toBe('ok')
    expect(await remove(1)).toBe('NoSuchBucket')
    for (const node of [0, 1, 2]) {
      expect(await codeOf(put(backendOf(cluster, node), 'late', bytesLike(5)))).toBe('NoSuchBucket')
      expect(await codeOf(keysOf(backendOf(cluster, node)))).toBe('NoSuchBucket')
    }
  })
})

test('nothing is written into a deleted bucket, however the two meet (T8)', async () => {
  await onCluster(3, async (cluster) => {
    cluster.wires.faults = { ...cluster.wires.faults, latencyMsMax: 8 }
    const seen = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const bucket = `race-${round}`
      await backendOf(cluster, round % 3).createBucket(context(), request(bucket))
      // All nodes know its record by now.
      for (const node of [0, 1, 2]) {
        await codeOf(
          backendOf(cluster, node).getObject(context(), { bucket, key: 'x', withData: false }),
        )
      }
      const writes = [0, 1, 2].map(async (node) => {
        await calmSleep(cluster, cluster.random() * 40)
        return codeOf(putInto(backendOf(cluster, node), bucket, `key ${node}`))
      })
      const deletion = codeOf(backendOf(cluster, (round + 1) % 3).deleteBucket(context(), bucket))
      const codes = await Promise.all(writes)
      const deleted = await deletion
      seen.add(`${deleted} ${codes.includes('ok') ? 'written' : 'none'}`)
      if (deleted === 'ok') expect(codes).not.toContain('ok')
      if (codes.includes('ok')) {
        expect(['BucketNotEmpty', 'Unavailable']).toContain(deleted)
        const page = await backendOf(cluster, round % 3).listObjects(context(), {
          bucket,
          prefix: '',
          limit: 10,
        })
        const sure = codes.flatMap((code, node) => (code === 'ok' ? [`key ${node}`] : []))
        expect([...page.objects].map(({ key }) => key)).toEqual(expect.arrayContaining(sure))
      }
    }
    // Both outcomes must have come up, or there was no race.
    expect([...seen].sort()).toEqual(expect.arrayContaining(['BucketNotEmpty written', 'ok none']))
  })
})

test('a bucket deleted and made again is empty, also for a node that remembers the old one', async () => {
  await onCluster(3, async (cluster) => {
    const [a, b] = [backendOf(cluster, 0), backendOf(cluster, 1)]
    await put(a, 'old', bytesLike(5))
    await put(b, 'older', bytesLike(5))
    for (const key of ['old', 'older']) await a.deleteObject(context(), { bucket: BUCKET, key })
    await a.deleteBucket(context(), BUCKET)
    await a.createBucket(context(), request(BUCKET))
    // 503 once is right: the request had begun with the old bucket's record.
    const first = await codeOf(put(b, 'new', bytesLike(7)))
    expect(['ok', 'Unavailable']).toContain(first)
    if (first !== 'ok') await put(b, 'new', bytesLike(7))
    expect(await keysOf(a)).toEqual(['new'])
    expect(await keysOf(backendOf(cluster, 2))).toEqual(['new'])
  })
})

test('a caller that meets a deletion that was broken off finishes it', async () => {
  for (const full of [false, true]) {
    await onCluster(3, async (cluster) => {
      if (full) await put(backendOf(cluster, 0), 'key', bytesLike(5))
      const dying = codeOf(backendOf(cluster, 1).deleteBucket(context(), BUCKET))
      dying.catch(() => {})
      // The record says "deleting" before the node dies: both outcomes of that are tried below.
      await calmSleep(cluster, 9)
      cluster.kill(1, false)
      const code = await codeOf(put(backendOf(cluster, 0), 'other', bytesLike(5)))
      if (full) expect(code).toBe('ok')
      else expect(['ok', 'NoSuchBucket']).toContain(code)
      await cluster.start(1)
      const names = await namesOf(backendOf(cluster, 1))
      expect(names).toEqual(code === 'ok' ? [BUCKET] : [])
    })
  }
})
