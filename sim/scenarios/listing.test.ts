/** Listings of whole clusters against a model that sorts all keys (T1, T3). */

import {
  array,
  assert,
  asyncProperty,
  constant,
  constantFrom,
  integer,
  nat,
  oneof,
  option,
  record,
  sample,
  uniqueArray,
} from 'fast-check'
import { expect, test } from 'vitest'
import type { Backend } from '../../gateway/port/backend.ts'
import type { ListPage } from '../../gateway/port/objects.ts'
import {
  backendOf,
  bodyOf,
  BUCKET,
  bytesLike,
  codeOf,
  context,
  keysOf,
  nodeOf,
  onCluster,
  put,
} from '../testing/calm-cluster.ts'

interface Query {
  readonly prefix: string
  readonly delimiter?: string | undefined
  readonly after?: string | undefined
  readonly limit: number
}

function byBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}

/** Keys and common prefixes in order, as S3 describes them. */
function model(keys: readonly string[], { prefix, delimiter, after, limit }: Query): string[] {
  const entries: string[] = []
  for (const key of [...keys].sort(byBytes)) {
    if (!key.startsWith(prefix)) continue
    const cut = delimiter === undefined ? -1 : key.indexOf(delimiter, prefix.length)
    const entry = cut < 0 ? key : key.slice(0, cut + delimiter!.length)
    const passed =
      after !== undefined && byBytes(cut < 0 || entry === after ? entry : key, after) <= 0
    if (passed || entries.at(-1) === entry) continue
    entries.push(entry)
  }
  return entries.slice(0, limit)
}

function entriesOf({ objects, prefixes }: ListPage): string[] {
  return [...[...objects].map(({ key }) => key), ...prefixes].sort(byBytes)
}

function list(backend: Backend, query: Query): Promise<ListPage> {
  return backend.listObjects(context(), { bucket: BUCKET, ...query })
}

async function wholeOf(backend: Backend, query: Query): Promise<string[]> {
  const entries: string[] = []
  let { after } = query
  for (let pages = 0; pages < 100; pages++) {
    const page = await list(backend, { ...query, after })
    entries.push(...entriesOf(page))
    if (page.next === undefined) return entries
    after = page.next
  }
  throw new Error('the pages have no end')
}

// Above U+FFFF order by UTF-16 units differs from order by bytes; U+FF5E is between the two.
const letters = constantFrom(
  'a',
  'b',
  '/',
  '/',
  ' ',
  '\u{1}',
  '~',
  'é',
  '～',
  '𝄞',
  '😀',
  '\u{10ffff}',
)
const name = array(letters, { minLength: 1, maxLength: 6 }).map((each) => each.join(''))

test('any set of keys, any prefix, delimiter, start and page size', async () => {
  await onCluster(3, async (cluster) => {
    const sets = sample(uniqueArray(name, { minLength: 1, maxLength: 60 }), {
      seed: 7,
      numRuns: 4,
    })
    for (const [round, keys] of sets.entries()) {
      const present = new Set(await keysOf(backendOf(cluster, 0)))
      for (const key of present) {
        await backendOf(cluster, 1).deleteObject(context(), { bucket: BUCKET, key })
      }
      for (const [i, key] of keys.entries()) await put(backendOf(cluster, i % 3), key, bytesLike(3))
      const queries = record({
        prefix: oneof(
          constant(''),
          array(letters, { maxLength: 2 }).map((each) => each.join('')),
        ),
        delimiter: option(constantFrom('/', 'a', '😀', '//'), { nil: undefined }),
        after: option(oneof(name, constantFrom(...keys)), { nil: undefined }),
        limit: integer({ min: 1, max: 20 }),
      })
      await assert(
        asyncProperty(queries, nat(2), async (query, node) => {
          const backend = backendOf(cluster, node)
          const page = await list(backend, query)
          expect(entriesOf(page)).toEqual(model(keys, query))
          const whole = model(keys, { ...query, limit: Infinity })
          expect(page.next === undefined).toBe(whole.length <= query.limit)
          expect(await wholeOf(backend, query)).toEqual(whole)
        }),
        { seed: round, numRuns: 60 },
      )
    }
  })
})

test('3,000 keys come in pages, none twice, and no deleted one', async () => {
  await onCluster(3, async (cluster) => {
    const keys = Array.from({ length: 3000 }, (_, i) => `dir${i % 7}/file${(i * 7919) % 3000}`)
    for (let at = 0; at < keys.length; at += 50) {
      await Promise.all(
        keys.slice(at, at + 50).map((key, i) => put(backendOf(cluster, i % 3), key, bytesLike(1))),
      )
    }
    const gone = keys.filter((_, i) => i % 10 === 3)
    for (const key of gone) {
      await backendOf(cluster, 2).deleteObject(context(), { bucket: BUCKET, key })
    }
    const left = keys.filter((key) => !gone.includes(key)).sort(byBytes)
    for (const limit of [1000, 333])
      expect(await keysOf(backendOf(cluster, 1), limit)).toEqual(left)
    const folded = await list(backendOf(cluster, 0), { prefix: '', delimiter: '/', limit: 1000 })
    expect(folded.prefixes).toEqual([0, 1, 2, 3, 4, 5, 6].map((i) => `dir${i}/`))
    expect([...folded.objects]).toEqual([])
  })
})

test('a listing takes one round when replicas agree, whatever the number of shards', async () => {
  await onCluster(3, async (cluster) => {
    for (let i = 0; i < 40; i++) await put(backendOf(cluster, 0), `key ${i}`, bytesLike(1))
    const request = context()
    await backendOf(cluster, 1).listObjects(request, { bucket: BUCKET, prefix: '', limit: 40 })
    const warm = context()
    await backendOf(cluster, 1).listObjects(warm, { bucket: BUCKET, prefix: '', limit: 40 })
    expect(warm.rounds).toBe(1)
  })
})

test('replicas that differ are resolved: a node that missed writes lists them all the same', async () => {
  await onCluster(3, async (cluster) => {
    for (let i = 0; i < 30; i++) await put(backendOf(cluster, 0), `old ${i}`, bytesLike(1))
    cluster.kill(2, false)
    for (let i = 0; i < 30; i++) {
      const key = `old ${i}`
      if (i % 3 === 0) await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key })
      if (i % 3 === 1)
        await put(backendOf(cluster, 1), key, bytesLike(2), { body: bodyOf(bytesLike(2), 'new') })
      await put(backendOf(cluster, 1), `new ${i}`, bytesLike(1))
    }
    await cluster.start(2)
    const page = await list(backendOf(cluster, 2), { prefix: '', limit: 1000 })
    const listed = [...page.objects].map(({ key, etag }) => `${key} ${etag}`)
    const expected = Array.from({ length: 30 }, (_, i) => i).flatMap((i) => [
      `new ${i} etag`,
      ...(i % 3 === 0 ? [] : [`old ${i} ${i % 3 === 1 ? 'new' : 'etag'}`]),
    ])
    expect(listed).toEqual(expected.sort(byBytes))
    // With the third node away, the other two are the only majority.
    cluster.kill(0, false)
    expect(await keysOf(nodeOf(cluster, 2).backend)).toHaveLength(50)
    expect(await codeOf(list(backendOf(cluster, 1), { prefix: 'new', limit: 5 }))).toBe('ok')
  })
})
