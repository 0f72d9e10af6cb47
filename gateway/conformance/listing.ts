/** Both versions of listings, with prefixes, markers, pages and encodings. */

import assert from 'node:assert/strict'
import {
  ListObjectsCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  paginateListObjectsV2,
} from '@aws-sdk/client-s3'
import { storeObject } from './objects.ts'
import { fails, expectRefused, type ConformanceCase, type ConformanceWorld } from './world.ts'

const KEYS = ['a', 'b/1', 'b/2', 'b/c/3', 'd', 'd/', 'd/e', 'é', 'z z+=%&']

async function fill(world: ConformanceWorld, keys: readonly string[] = KEYS): Promise<void> {
  for (const key of keys) await storeObject(world, key, key)
}

function names(
  entries: readonly { Key?: string | undefined; Prefix?: string | undefined }[] | undefined,
): string[] {
  return (entries ?? []).map((entry) => entry.Key ?? entry.Prefix ?? '')
}

export const LISTING_CASES: readonly ConformanceCase[] = [
  {
    name: 'ListObjectsV2: prefix, delimiter, start-after',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await fill(world)
      const list = async (more: object): Promise<string> => {
        const page = await s3.send(new ListObjectsV2Command({ Bucket, ...more }))
        assert.equal(
          page.KeyCount,
          (page.Contents ?? []).length + (page.CommonPrefixes ?? []).length,
        )
        assert.equal(page.IsTruncated, false)
        return [...names(page.Contents), '|', ...names(page.CommonPrefixes)].join(' ')
      }
      assert.equal(await list({}), 'a b/1 b/2 b/c/3 d d/ d/e z z+=%& é |')
      assert.equal(await list({ Prefix: 'b/' }), 'b/1 b/2 b/c/3 |')
      assert.equal(await list({ Delimiter: '/' }), 'a d z z+=%& é | b/ d/')
      assert.equal(await list({ Delimiter: '/', Prefix: 'b/' }), 'b/1 b/2 | b/c/')
      assert.equal(await list({ Delimiter: '/', Prefix: 'd/' }), 'd/ d/e |')
      assert.equal(await list({ StartAfter: 'b/2' }), 'b/c/3 d d/ d/e z z+=%& é |')
      assert.equal(await list({ Prefix: 'none' }), '|')
      assert.equal(await list({ Delimiter: '/', StartAfter: 'b/' }), 'd z z+=%& é | d/')
    },
  },
  {
    name: 'pages of any size have each key once, in byte order',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const keys = ['\u{10000}', '\uffee', 'a', 'a/b', 'a/c', 'b', 'c/d/e', 'c/f']
      await fill(world, keys)
      const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
      for (const MaxKeys of [1, 2, 3, 100]) {
        const seen: string[] = []
        const pages = paginateListObjectsV2({ client: s3 }, { Bucket, MaxKeys })
        for await (const page of pages) seen.push(...names(page.Contents))
        assert.deepEqual(seen, sorted)
        const folded: string[] = []
        const second = paginateListObjectsV2({ client: s3 }, { Bucket, MaxKeys, Delimiter: '/' })
        for await (const page of second) {
          assert((page.KeyCount ?? 0) <= MaxKeys)
          folded.push(...names(page.Contents), ...names(page.CommonPrefixes))
        }
        assert.deepEqual(folded.sort(), ['a', 'a/', 'b', 'c/', '\uffee', '\u{10000}'].sort())
      }
    },
  },
  {
    name: 'ListObjects: markers and owners',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await fill(world)
      const seen: string[] = []
      let Marker: string | undefined
      for (let page = 0; page < 20; page++) {
        const found = await s3.send(
          new ListObjectsCommand({ Bucket, Marker, MaxKeys: 2, Delimiter: '/' }),
        )
        seen.push(...names(found.Contents), ...names(found.CommonPrefixes))
        assert(found.Contents?.every((entry) => entry.Owner?.ID) ?? true)
        if (found.IsTruncated !== true) break
        Marker = found.NextMarker
        assert(Marker)
      }
      assert.deepEqual(seen.sort(), ['a', 'b/', 'd', 'd/', 'z z+=%&', 'é'].sort())
    },
  },
  {
    name: 'encoding-type=url',
    async run(world) {
      await fill(world)
      const answer = await world.raw({
        path: `/${world.bucket}`,
        query: [
          ['list-type', '2'],
          ['encoding-type', 'url'],
          ['prefix', 'z z'],
        ],
      })
      assert(answer.text.includes('<Key>z+z%2B%3D%25%26</Key>'), answer.text)
      assert(answer.text.includes('<Prefix>z+z</Prefix>'), answer.text)
      assert(answer.text.includes('<EncodingType>url</EncodingType>'))
      const wrong = await world.raw({
        path: `/${world.bucket}`,
        query: [['encoding-type', 'base64']],
      })
      expectRefused(wrong, 400, 'InvalidArgument')
    },
  },
  {
    name: 'max-keys of 0, above 1,000 and invalid; forged tokens',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await fill(world, ['a', 'b'])
      const none = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 0 }))
      assert.equal(`${none.IsTruncated} ${none.KeyCount}`, 'false 0')
      const many = await s3.send(new ListObjectsV2Command({ Bucket, MaxKeys: 5000 }))
      assert.equal(many.MaxKeys, 1000)
      for (const value of ['-1', 'x', '1.5', '99999999999999']) {
        const answer = await world.raw({ path: `/${Bucket}`, query: [['max-keys', value]] })
        expectRefused(answer, 400, 'InvalidArgument')
      }
      const forged = new ListObjectsV2Command({ Bucket, ContinuationToken: 'AAAA' })
      await fails(s3.send(forged), 400, 'InvalidArgument')
    },
  },
  {
    name: 'ListObjectVersions of a bucket without versions',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await fill(world, ['a', 'b', 'c/d'])
      const seen: string[] = []
      let KeyMarker: string | undefined
      let VersionIdMarker: string | undefined
      for (let page = 0; page < 10; page++) {
        const found = await s3.send(
          new ListObjectVersionsCommand({ Bucket, KeyMarker, VersionIdMarker, MaxKeys: 1 }),
        )
        for (const entry of found.Versions ?? []) {
          assert.equal(`${entry.VersionId} ${entry.IsLatest}`, 'null true')
        }
        seen.push(...names(found.Versions))
        if (found.IsTruncated !== true) break
        KeyMarker = found.NextKeyMarker
        VersionIdMarker = found.NextVersionIdMarker
      }
      assert.deepEqual(seen, ['a', 'b', 'c/d'])
    },
  },
  {
    name: 'a listing shows each write and delete immediately',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (let round = 0; round < 5; round++) {
        await storeObject(world, `k${round}`, 'x')
        const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }))
        assert.equal(Contents?.length, round + 1)
      }
      await fails(
        s3.send(new ListObjectsV2Command({ Bucket: `${Bucket}-none` })),
        404,
        'NoSuchBucket',
      )
    },
  },
]
