/** Versions through whole clusters: pages, listings past 1,000, deletion and restore deep in the pages. */

import { expect, test } from 'vitest'
import type { Backend } from '../../gateway/port/backend.ts'
import type { ListedVersion } from '../../gateway/port/versions.ts'
import type { DeleteResult } from '../../gateway/port/objects.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  onCluster,
} from '../testing/calm-cluster.ts'

const KEY = 'key'

async function setVersioning(backend: Backend, versioning: 'Enabled' | 'Suspended'): Promise<void> {
  await backend.changeBucket(context(), { bucket: BUCKET, change: { versioning } })
}

/** The id of the version that is made. */
async function put(backend: Backend, key: string, text: string): Promise<string> {
  const bytes = new TextEncoder().encode(text)
  const { versionId } = await backend.putObject(context(), {
    bucket: BUCKET,
    key,
    headers: HEADERS,
    body: bodyOf(bytes, text),
  })
  return versionId
}

async function get(backend: Backend, key: string, versionId?: string): Promise<string> {
  const request = { bucket: BUCKET, key, versionId, withData: true }
  const reader = await backend.getObject(context(), request)
  const { info, bytes } = reader
  if (versionId !== undefined) expect(info.versionId).toBe(versionId)
  if (bytes !== undefined) return new TextDecoder().decode(bytes)
  const chunks: Uint8Array[] = []
  for await (const chunk of reader.read(0, info.sizeBytes)) chunks.push(chunk.slice())
  return new TextDecoder().decode(Buffer.concat(chunks))
}

function remove(backend: Backend, key: string, versionId?: string): Promise<DeleteResult> {
  return backend.deleteObject(context(), { bucket: BUCKET, key, versionId })
}

interface Listing {
  readonly versions: ListedVersion[]
  readonly prefixes: string[]
  readonly pages: number
  readonly rounds: number
}

async function list(
  backend: Backend,
  limit: number,
  asked: { prefix?: string; delimiter?: string } = {},
): Promise<Listing> {
  const counted = context()
  const versions: ListedVersion[] = []
  const prefixes: string[] = []
  let marker: { keyMarker?: string | undefined; versionIdMarker?: string | undefined } = {}
  for (let pages = 1; ; pages++) {
    const request = { bucket: BUCKET, prefix: '', ...asked, ...marker, limit }
    const page = await backend.listVersions(counted, request)
    expect(page.versions.length + page.prefixes.length).toBeLessThanOrEqual(limit)
    versions.push(...page.versions)
    prefixes.push(...page.prefixes)
    const { nextKeyMarker: keyMarker, nextVersionIdMarker: versionIdMarker } = page
    if (keyMarker === undefined) return { versions, prefixes, pages, rounds: counted.rounds }
    marker = { keyMarker, versionIdMarker }
  }
}

async function versionsOf(backend: Backend, key: string): Promise<string[]> {
  const { versions } = await list(backend, 1_000, { prefix: key })
  return versions.filter((one) => one.key === key).map(({ versionId }) => versionId)
}

test('put, delete, undelete and restore by copy; each version stays what it was', async () => {
  await onCluster(3, async (cluster) => {
    const [one, two, three] = [0, 1, 2].map((node) => backendOf(cluster, node))
    const before = await put(one!, KEY, 'before')
    expect(before).toBe('null')
    await setVersioning(one!, 'Enabled')
    const first = await put(two!, KEY, 'first')
    const second = await put(three!, KEY, 'second')
    expect(await get(one!, KEY)).toBe('second')
    expect(await get(two!, KEY, first)).toBe('first')
    expect(await get(two!, KEY, 'null')).toBe('before')

    const marker = await remove(three!, KEY)
    expect(marker).toEqual({ versionId: expect.any(String), deleteMarker: true })
    const gone = await get(one!, KEY).catch((error: unknown) => error)
    expect(gone).toMatchObject({
      code: 'NoSuchKey',
      details: { DeleteMarker: 'true', VersionId: marker.versionId },
    })
    const named = await get(one!, KEY, marker.versionId).catch((error: unknown) => error)
    expect(named).toMatchObject({
      code: 'IsDeleteMarker',
      details: { VersionId: marker.versionId },
    })
    const listed = await one!.listObjects(context(), { bucket: BUCKET, prefix: '', limit: 9 })
    expect([...listed.objects]).toEqual([])
    expect(await codeOf(one!.deleteBucket(context(), BUCKET))).toBe('BucketNotEmpty')
    expect(await remove(two!, KEY, marker.versionId)).toEqual(marker)
    expect(await get(three!, KEY)).toBe('second')

    const restored = await put(one!, KEY, await get(one!, KEY, first))
    expect(await get(two!, KEY)).toBe('first')
    expect(await versionsOf(one!, KEY)).toEqual([restored, second, first, 'null'])
    for (const id of [restored, second, first, 'null']) {
      expect(await remove(two!, KEY, id)).toEqual({ versionId: id, deleteMarker: false })
      expect(await remove(two!, KEY, id)).toEqual({ deleteMarker: false })
    }
    expect(await codeOf(one!.deleteBucket(context(), BUCKET))).toBe('ok')
  })
})

test('suspended: the null version is replaced, and a null delete marker takes its place', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await setVersioning(backend, 'Enabled')
    const ids = [await put(backend, KEY, 'a'), await put(backend, KEY, 'b')]
    await setVersioning(backend, 'Suspended')
    expect(await put(backendOf(cluster, 1), KEY, 'c')).toBe('null')
    expect(await put(backendOf(cluster, 2), KEY, 'd')).toBe('null')
    expect(await versionsOf(backend, KEY)).toEqual(['null', ids[1], ids[0]])
    await setVersioning(backend, 'Enabled')
    const newest = await put(backendOf(cluster, 2), KEY, 'e')
    await setVersioning(backend, 'Suspended')
    expect(await remove(backendOf(cluster, 1), KEY)).toEqual({
      versionId: 'null',
      deleteMarker: true,
    })
    expect(await versionsOf(backend, KEY)).toEqual(['null', newest, ids[1], ids[0]])
    expect(await remove(backendOf(cluster, 2), KEY, 'null')).toEqual({
      versionId: 'null',
      deleteMarker: true,
    })
    expect(await get(backend, KEY)).toBe('e')
    expect(await codeOf(get(backend, KEY, 'null'))).toBe('NoSuchVersion')
  })
})

test('version ids of others, forged and empty, are no versions', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await setVersioning(backend, 'Enabled')
    const other = await put(backend, 'other', 'a')
    await put(backend, KEY, 'b')
    for (const id of [other, '', 'null', 'f'.repeat(32), '../', '__proto__', 'x'.repeat(2_000)]) {
      expect(await codeOf(get(backend, KEY, id))).toBe('NoSuchVersion')
      expect(await remove(backend, KEY, id)).toEqual({ deleteMarker: false })
    }
    expect(await get(backend, KEY)).toBe('b')
  })
})

/** Ids, newest first. */
async function history(cluster: SimulatedCluster, count: number, from = 0): Promise<string[]> {
  const ids: string[] = []
  for (let i = 0; i < count; i++) {
    ids.unshift(await put(backendOf(cluster, i % 3), KEY, `text ${from + i}`))
  }
  return ids
}

test('1,300 versions of one key: listed page by page, each read by its id, deleted from the middle', async () => {
  await onCluster(3, async (cluster) => {
    await setVersioning(backendOf(cluster, 0), 'Enabled')
    await put(backendOf(cluster, 0), 'aaa', 'before')
    await put(backendOf(cluster, 0), 'zzz', 'behind')
    let ids = await history(cluster, 1_300)
    for (const node of [0, 1, 2]) {
      const { versions, pages, rounds } = await list(backendOf(cluster, node), 500)
      expect(versions.map(({ versionId }) => versionId).slice(1, -1)).toEqual(ids)
      expect(versions.filter(({ isLatest }) => isLatest).map(({ etag }) => etag)).toEqual([
        'before',
        'text 1299',
        'behind',
      ])
      expect(pages).toBe(3)
      // Leaves are read a few at once, and none of them again for each page of the listing.
      expect(rounds).toBeLessThan(1_300 / 7 / 2)
    }
    for (const at of [0, 1, 2, 5, 30, 700, 1_298, 1_299]) {
      expect(await get(backendOf(cluster, at % 3), KEY, ids[at])).toBe(`text ${1_299 - at}`)
    }
    const removed = new Set([0, 1, 2, 3, 64, 65, 66, 67, 68, 69, 70, 71, 700, 999, 1_299])
    for (const at of removed) {
      const id = ids[at]!
      expect(await remove(backendOf(cluster, at % 3), KEY, id)).toMatchObject({ versionId: id })
      expect(await codeOf(get(backendOf(cluster, 1), KEY, id))).toBe('NoSuchVersion')
    }
    ids = ids.filter((_, at) => !removed.has(at))
    expect(await versionsOf(backendOf(cluster, 2), KEY)).toEqual(ids)
    expect(await get(backendOf(cluster, 0), KEY)).toBe('text 1295')
    ids = [...(await history(cluster, 40, 1_300)), ...ids]
    expect(await versionsOf(backendOf(cluster, 1), KEY)).toEqual(ids)
  })
})

test('deletes, puts and listings through all nodes at once leave exactly what is left', async () => {
  await onCluster(3, async (cluster) => {
    await setVersioning(backendOf(cluster, 0), 'Enabled')
    const ids = await history(cluster, 120)
    const made: string[] = []
    const gone = new Set<string>()
    const doubtful = new Set<string>()
    await Promise.all(
      [0, 1, 2].map(async (node) => {
        const backend = backendOf(cluster, node)
        for (let i = 0; i < 25; i++) {
          const id = ids[3 * i + node]!
          if (i % 3 === 0) {
            const result = await put(backend, KEY, `new ${node} ${i}`).catch(() => undefined)
            if (result !== undefined) made.push(result)
          }
          const code = await codeOf(remove(backend, KEY, id))
          if (code === 'ok') gone.add(id)
          else {
            expect(code).toBe('Unavailable')
            doubtful.add(id)
          }
        }
      }),
    )
    expect(gone.size).toBeGreaterThan(40)
    const left = await versionsOf(backendOf(cluster, 0), KEY)
    expect(new Set(left).size).toBe(left.length)
    for (const id of made) expect(left).toContain(id)
    for (const id of gone) expect(left).not.toContain(id)
    for (const id of ids) if (!gone.has(id) && !doubtful.has(id)) expect(left).toContain(id)
    for (const id of left) expect(await codeOf(get(backendOf(cluster, 1), KEY, id))).toBe('ok')
  })
})

test('listings fold by delimiter, page through keys and versions, and count delete markers', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await setVersioning(backend, 'Enabled')
    for (const key of ['a', 'b/1', 'b/2', 'b0', 'c/x', 'd']) {
      for (let i = 0; i < 5; i++) await put(backend, key, `${key} ${i}`)
    }
    // Nothing but a delete marker below it.
    await remove(backend, 'only/marker')
    const whole = await list(backend, 1_000, { delimiter: '/' })
    expect(whole.prefixes).toEqual(['b/', 'c/', 'only/'])
    expect(whole.versions.map(({ etag }) => etag)).toEqual(
      ['a', 'b0', 'd'].flatMap((key) => [4, 3, 2, 1, 0].map((i) => `${key} ${i}`)),
    )
    for (const limit of [1, 2, 3, 4, 7]) {
      const paged = await list(backendOf(cluster, limit % 3), limit, { delimiter: '/' })
      expect(paged.versions).toEqual(whole.versions)
      expect(paged.prefixes).toEqual(whole.prefixes)
    }
    const below = await list(backend, 3, { prefix: 'b/' })
    expect(below.versions.map(({ key }) => key)).toEqual([
      ...Array(5).fill('b/1'),
      ...Array(5).fill('b/2'),
    ])
    expect(await list(backend, 1, { prefix: 'only/' })).toMatchObject({
      versions: [{ key: 'only/marker', deleteMarker: true, isLatest: true }],
    })
    const none = { bucket: BUCKET, prefix: '', limit: 0 }
    expect(await backend.listVersions(context(), none)).toEqual({ versions: [], prefixes: [] })
    expect(await list(backend, 5, { prefix: 'nothing' })).toMatchObject({ versions: [] })
  })
})

test('conditions are about the current version, or the one that is named', async () => {
  await onCluster(3, async (cluster) => {
    const backend = backendOf(cluster, 0)
    await setVersioning(backend, 'Enabled')
    const first = await put(backend, KEY, 'a')
    await put(backend, KEY, 'b')
    const named = { bucket: BUCKET, key: KEY }
    const ifMatch = (etag: string) => ({ condition: { ifMatch: [etag] } })
    const code = (request: object): Promise<string> =>
      codeOf(backend.deleteObject(context(), { ...named, ...request }))
    expect(await code(ifMatch('a'))).toBe('PreconditionFailed')
    expect(await code({ versionId: first, ...ifMatch('b') })).toBe('PreconditionFailed')
    expect(await code({ versionId: first, ...ifMatch('a') })).toBe('ok')
    expect(await code(ifMatch('b'))).toBe('ok')
    expect(await code(ifMatch('b'))).toBe('PreconditionFailed')
    const again = { ...named, headers: HEADERS, body: bodyOf(bytesLike(3), 'c') }
    const onlyNew = { condition: { ifNoneMatch: ['*'] } }
    // A delete marker is as good as no object.
    expect(await codeOf(backend.putObject(context(), { ...again, ...onlyNew }))).toBe('ok')
    expect(await codeOf(backend.putObject(context(), { ...again, ...onlyNew }))).toBe(
      'PreconditionFailed',
    )
  })
})

// Of seeds 1 to 24, these lost versions when an operation proposed on two states was taken for one proposal.
test.each([1, 5, 7, 13, 18, 20, 21, 24])(
  'many writers of one versioned key: every acknowledged version is there, once: seed %d',
  async (seed) => {
    await onCluster(
      3,
      async (cluster) => {
        await setVersioning(backendOf(cluster, 0), 'Enabled')
        const made: string[] = []
        await Promise.all(
          Array.from({ length: 9 }, async (_, writer) => {
            for (let i = 0; i < 12; i++) {
              try {
                made.push(await put(backendOf(cluster, writer % 3), KEY, `${writer} ${i}`))
              } catch (error) {
                expect(error).toBeInstanceOf(StoreError)
              }
            }
          }),
        )
        const left = await versionsOf(backendOf(cluster, 0), KEY)
        expect(new Set(left).size).toBe(left.length)
        expect(left).toEqual(expect.arrayContaining(made))
        expect([...left].sort()).toEqual(left)
        for (const id of made) await get(backendOf(cluster, 1), KEY, id)
      },
      { seed },
    )
  },
)
