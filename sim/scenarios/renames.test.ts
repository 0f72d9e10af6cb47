/** RenameObject through whole clusters: what a crash leaves, the parts of uploads, and what becomes of the bytes (T11, G5). */

import { expect, test } from 'vitest'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { freedButReferenced, tombstonesOf, unreferencedBlocks } from '../checkers/space-checker.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  calmSleep,
  calmUntil,
  codeOf,
  context,
  get,
  HEADERS,
  onCluster,
  put,
  SPACE_SOON,
} from '../testing/calm-cluster.ts'
import type { SimulatedCluster } from '../world/cluster.ts'

async function rename(
  cluster: SimulatedCluster,
  node: number,
  [source, key]: readonly [string, string],
  token?: string,
): Promise<string> {
  const backend = backendOf(cluster, node)
  const named = { bucket: BUCKET, key: source, withData: false }
  const info = await backend.getObject(context(), named).then(
    (reader) => reader.info,
    () => undefined,
  )
  const seen = info && { etag: info.etag, lastModifiedMs: info.lastModifiedMs }
  const request = { bucket: BUCKET, source, key, seen, token }
  return codeOf(backend.renameObject(context(), request))
}

/** Nothing is left that no register names, and nothing is gone that one does. */
async function untilTidy(cluster: SimulatedCluster): Promise<void> {
  const until = cluster.clock.monotonicMs() + 60_000
  for (;;) {
    expect(freedButReferenced(cluster)).toEqual([])
    const left = unreferencedBlocks(cluster)
    if (left.length === 0) return
    if (cluster.clock.monotonicMs() > until) expect(left).toEqual([])
    await calmSleep(cluster, 500)
  }
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

test('renamed objects keep their bytes, and those of the old keys are freed', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const sizes = [0, 100, 60_000, BLOCK_BYTES + 5]
      for (const [i, sizeBytes] of sizes.entries()) {
        await put(backendOf(cluster, 0), `old ${i}`, bytesLike(sizeBytes, i))
        await put(backendOf(cluster, 0), `new ${i}`, bytesLike(70_000, 9))
        expect(await rename(cluster, i % 3, [`old ${i}`, `new ${i}`])).toBe('ok')
        expect(await rename(cluster, 1, [`new ${i}`, `newer ${i}`])).toBe('ok')
      }
      await untilTidy(cluster)
      for (const [i, sizeBytes] of sizes.entries()) {
        const bytes = await get(backendOf(cluster, 2), `newer ${i}`)
        expect(isSame(bytes, bytesLike(sizeBytes, i))).toBe(true)
        for (const key of [`old ${i}`, `new ${i}`]) {
          expect(await codeOf(get(backendOf(cluster, 1), key))).toBe('NoSuchKey')
        }
      }
    },
    { space: SPACE_SOON },
  )
})

test('objects of many parts keep them, and their list of parts is stored again', async () => {
  await onCluster(
    3,
    async (cluster) => {
      const backend = backendOf(cluster, 0)
      const named = { bucket: BUCKET, key: 'old' }
      const { uploadId } = await backend.createUpload(context(), { ...named, headers: HEADERS })
      const parts = Array.from({ length: 80 }, (_, i) => bytesLike(i === 7 ? 70_000 : 50 + i, i))
      for (const [i, bytes] of parts.entries()) {
        const part = { ...named, uploadId, partNumber: i + 1, body: bodyOf(bytes, `${i}`) }
        await backend.putPart(context(), part)
      }
      const listed = parts.map((_, i) => ({ partNumber: i + 1, etag: `${i}`, checksums: {} }))
      const finish = () => ({ etag: 'whole-80', checksums: {} })
      await backend.completeUpload(context(), { ...named, uploadId, parts: listed, finish })
      await untilTidy(cluster)
      expect(await rename(cluster, 1, ['old', 'new'])).toBe('ok')
      await untilTidy(cluster)
      const read = { bucket: BUCKET, key: 'new', withData: false }
      const { info } = await backendOf(cluster, 2).getObject(context(), read)
      expect(info.etag).toBe('whole-80')
      expect(info.parts?.map(({ sizeBytes }) => sizeBytes)).toEqual(
        parts.map((each) => each.length),
      )
      expect(isSame(await get(backendOf(cluster, 2), 'new'), Buffer.concat(parts))).toBe(true)
      await backend.deleteObject(context(), { bucket: BUCKET, key: 'new' })
      await untilTidy(cluster)
    },
    { space: SPACE_SOON, partBytesMin: 1 },
  )
})

test('a gateway that dies in a rename leaves the object under one key or both, and a repeat ends it', async () => {
  const outcomes = new Set<string>()
  for (let seed = 1; seed <= 16; seed++) {
    await onCluster(
      3,
      async (cluster) => {
        const bytes = bytesLike(90_000, seed)
        await put(backendOf(cluster, 0), 'old', bytes)
        void rename(cluster, 2, ['old', 'new'], 'token').catch(() => {})
        await calmSleep(cluster, cluster.random() * 25)
        cluster.kill(2, seed % 2 === 0)
        const [old, fresh] = await Promise.all(
          ['old', 'new'].map((key) => codeOf(get(backendOf(cluster, 0), key))),
        )
        outcomes.add(`${old} ${fresh}`)
        await cluster.start(2)
        expect(await rename(cluster, 1, ['old', 'new'], 'token')).toBe('ok')
        expect(await codeOf(get(backendOf(cluster, 0), 'old'))).toBe('NoSuchKey')
        expect(isSame(await get(backendOf(cluster, 2), 'new'), bytes)).toBe(true)
        await untilTidy(cluster)
      },
      { seed, space: SPACE_SOON },
    )
  }
  expect([...outcomes].sort()).toEqual(['NoSuchKey ok', 'ok NoSuchKey', 'ok ok'])
})

test('a repeat leaves an object alone that came to the old key after that was forgotten', async () => {
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'old', bytesLike(100, 1))
      expect(await rename(cluster, 0, ['old', 'new'], 'token')).toBe('ok')
      await calmUntil(cluster, 'forgotten', () => tombstonesOf(cluster).length === 0, 500)
      await put(backendOf(cluster, 0), 'old', bytesLike(100, 2))
      expect(await rename(cluster, 1, ['old', 'new'], 'token')).toBe('ok')
      expect(isSame(await get(backendOf(cluster, 2), 'old'), bytesLike(100, 2))).toBe(true)
    },
    { space: SPACE_SOON },
  )
})

test('of two renames of one object to two keys, one alone succeeds', async () => {
  await onCluster(3, async (cluster) => {
    for (let round = 0; round < 5; round++) {
      await put(backendOf(cluster, 0), 'old', bytesLike(90_000, round))
      const codes = await Promise.all([
        rename(cluster, 1, ['old', 'one']),
        rename(cluster, 2, ['old', 'two']),
      ])
      expect(codes.filter((code) => code === 'ok')).toHaveLength(1)
      expect(codes).toEqual(expect.arrayContaining([expect.stringMatching('Conflict|NoSuchKey')]))
    }
  })
})
