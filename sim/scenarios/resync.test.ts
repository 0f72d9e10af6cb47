/** A node that was away comes level again: digests, unchosen states, duties, damaged blocks (P7). */

import { expect, test } from 'vitest'
import { byteString } from '../../protocol/bytes.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import type { SimulatedDisk } from '../world/disk.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  get,
  keysOf,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'
import { cutBetween } from '../testing/cuts.ts'

test('down during 300 writes, a node has all of it by itself soon after it is back', async () => {
  await onCluster(3, async (cluster) => {
    for (let i = 0; i < 50; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(30))
    cluster.kill(2, true)
    for (let i = 0; i < 300; i++) {
      const backend = backendOf(cluster, i % 2)
      const key = `key ${i % 150}`
      if (i % 7 === 3) await backend.deleteObject(context(), { bucket: BUCKET, key })
      else
        await put(backend, key, bytesLike(i * 10, i), {
          body: bodyOf(bytesLike(i * 10, i), `${i}`),
        })
    }
    await put(backendOf(cluster, 0), 'large', bytesLike(3 * BLOCK_BYTES))
    const keys = await keysOf(backendOf(cluster, 0))
    await cluster.start(2)
    await untilLevel(cluster)
    // What it tells of itself agrees.
    await calmSleep(cluster, 2_000)
    expect(nodeOf(cluster, 2).resync.pendingCount).toBe(0)
    expect(nodeOf(cluster, 2).resync.doneCount).toBeGreaterThan(100)
    const { partitions } = await nodeOf(cluster, 0).admin.status()
    expect(partitions.whole).toBe(partitions.total)
    // With one of the others away, everything is still there: it holds whole copies.
    cluster.kill(0, false)
    expect(await keysOf(backendOf(cluster, 2))).toEqual(keys)
    const large = await get(backendOf(cluster, 2), 'large')
    expect(Buffer.compare(large, bytesLike(3 * BLOCK_BYTES))).toBe(0)
  })
})

test('a damaged register that a read meets is mended soon, not at the next scrub (D3)', async () => {
  for (const nodes of [3, 1]) {
    await onCluster(nodes, async (cluster) => {
      const damaged = nodes - 1
      await put(backendOf(cluster, 0), 'key', bytesLike(30))
      if (nodes > 1) await untilLevel(cluster)
      await nodeOf(cluster, damaged).store.commitIndex()
      cluster.kill(damaged, false)
      const image = cluster.imageOf(damaged)
      const isKey = (key: Uint8Array): boolean => /^r.*key$/s.test(byteString(key))
      const index = image.index.map((row) => {
        const value = row.value?.slice()
        if (isKey(row.key)) value![value!.length - 1]! ^= 1
        return value === undefined ? row : { ...row, value }
      })
      const register = byteString(
        index.find(({ key }) => isKey(key))!.key.subarray(1),
      ) as RegisterKey
      cluster.restore(damaged, { ...image, index })
      await cluster.start(damaged)
      await calmSleep(cluster, 30_000)
      expect(nodeOf(cluster, damaged).host.isFaulty(register)).toBe(true)
      await codeOf(get(backendOf(cluster, 0), 'key'))
      await calmSleep(cluster, 10_000)
      expect(nodeOf(cluster, damaged).host.isFaulty(register)).toBe(false)
      expect(await get(backendOf(cluster, 0), 'key')).toEqual(bytesLike(30))
    })
  }
})

test('an acceptance that only one node has is settled one way or the other', async () => {
  await onCluster(3, async (cluster) => {
    await put(backendOf(cluster, 0), 'key', bytesLike(10), { body: bodyOf(bytesLike(10), 'old') })
    // The proposer dies with its accept on the way: some have it, some may not.
    for (let round = 0; round < 6; round++) {
      const writing = codeOf(
        put(backendOf(cluster, 0), 'key', bytesLike(10), {
          body: bodyOf(bytesLike(10), `new ${round}`),
        }),
      )
      writing.catch(() => {})
      await calmSleep(cluster, 2 + round * 0.7)
      cluster.kill(0, false)
      await calmSleep(cluster, 500)
      await cluster.start(0)
      await untilLevel(cluster)
      const seen = new Set<string>()
      for (const node of [0, 1, 2]) {
        const { info } = await backendOf(cluster, node).getObject(context(), {
          bucket: BUCKET,
          key: 'key',
          withData: false,
        })
        seen.add(info.etag)
      }
      expect(seen.size).toBe(1)
    }
  })
})

test('a duty outlives the node that has it: the hint comes after its restart', async () => {
  await onCluster(3, async (cluster) => {
    cutBetween(cluster, [2], [0, 1])
    await calmSleep(cluster, 100)
    for (let i = 0; i < 20; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(200))
    const before = nodeOf(cluster, 0).resync.pendingCount
    expect(before).toBeGreaterThan(0)
    cluster.kill(0, false)
    await cluster.start(0)
    // Still known after the start, besides what is to compare with everyone anyway.
    const duties = nodeOf(cluster, 0)
    expect(duties.resync.pendingCount).toBeGreaterThan(0)
    cluster.wires.mend()
    await untilLevel(cluster)
    await calmSleep(cluster, 5_000)
    for (const node of [0, 1, 2]) expect(nodeOf(cluster, node).resync.pendingCount).toBe(0)
  })
})

test('a bit flipped in a register state is no vote, and is mended from the others (F3, D3)', async () => {
  await onCluster(3, async (cluster) => {
    for (let i = 0; i < 10; i++) {
      await put(backendOf(cluster, 0), `key ${i}`, bytesLike(20), {
        body: bodyOf(bytesLike(20), `mark-${i}`),
      })
    }
    await untilLevel(cluster)
    cluster.kill(2, false)
    cluster.wipeIndex(2)
    expect(await flip(cluster.diskOf(2), 'mark-4')).toBe(true)
    await cluster.start(2)
    expect(nodeOf(cluster, 2).store.damage()).toHaveLength(1)
    await untilLevel(cluster)
    // It is whole again: with another one away it makes the majority.
    cluster.kill(0, false)
    for (const node of [1, 2]) {
      const { info } = await backendOf(cluster, node).getObject(context(), {
        bucket: BUCKET,
        key: 'key 4',
        withData: true,
      })
      expect(info.etag).toBe('mark-4')
      await put(backendOf(cluster, node), 'key 4', bytesLike(20), {
        body: bodyOf(bytesLike(20), 'mark-4'),
      })
    }
  })
})

/** Flips one bit of the last place of the text in the log. */
async function flip(disk: SimulatedDisk, text: string): Promise<boolean> {
  for (const name of await disk.list('log')) {
    const file = await disk.open(`log/${name}`, 'read')
    const bytes = new Uint8Array(await file.sizeBytes())
    await file.read(bytes, 0)
    const at = Buffer.from(bytes).lastIndexOf(text)
    if (at < 0) continue
    disk.corrupt(`log/${name}`, at, 1)
    return true
  }
  return false
}

test('after all nodes started again, each of them can write at once (A1: marks are gone past)', async () => {
  await onCluster(3, async (cluster) => {
    for (let i = 0; i < 5; i++) await put(backendOf(cluster, i % 3), `key ${i}`, bytesLike(20))
    // Their marks differ by then.
    for (const number of [1, 2, 2]) {
      cluster.kill(number, false)
      await cluster.start(number)
      await put(backendOf(cluster, number), 'key 0', bytesLike(20))
    }
    for (const number of [0, 1, 2]) cluster.kill(number, true)
    await Promise.all([0, 1, 2].map((number) => cluster.start(number)))
    for (const number of [0, 1, 2]) {
      const request = context()
      await backendOf(cluster, number).putObject(request, {
        bucket: BUCKET,
        key: `key ${number}`,
        headers: { system: {}, user: {}, storageClass: 'STANDARD' },
        body: bodyOf(bytesLike(20)),
      })
      expect(request.rounds).toBeLessThanOrEqual(6)
    }
  })
})
