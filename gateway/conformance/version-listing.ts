/** ListObjectVersions: order, pages, markers, delimiters, encodings. */

import assert from 'node:assert/strict'
import {
  DeleteObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandInput,
  type ListObjectVersionsCommandOutput,
} from '@aws-sdk/client-s3'
import { putVersion, setVersioning } from './versions.ts'
import { NO_VERSION, expectRefused, type ConformanceCase, type ConformanceWorld } from './world.ts'

type Page = ListObjectVersionsCommandOutput

/** Reads all pages, one after the other. */
async function pages(
  { s3, bucket: Bucket }: ConformanceWorld,
  request: Partial<ListObjectVersionsCommandInput>,
  between: (page: Page) => Promise<void> = () => Promise.resolve(),
): Promise<Page[]> {
  const found: Page[] = []
  let page: Page | undefined
  do {
    page = await s3.send(
      new ListObjectVersionsCommand({
        Bucket,
        ...request,
        KeyMarker: page?.NextKeyMarker,
        VersionIdMarker: page?.NextVersionIdMarker,
      }),
    )
    found.push(page)
    assert(found.length < 200, 'the listing does not end')
    await between(page)
  } while (page.IsTruncated === true)
  return found
}

/** The versions and markers of the pages, in order. The SDK returns them in two lists. */
function idsOf(found: readonly Page[]): string[] {
  return found.flatMap((page) => [
    ...(page.Versions ?? []).map((row) => `${row.Key} ${row.VersionId} ${row.IsLatest}`),
    ...(page.DeleteMarkers ?? []).map((row) => `${row.Key} ${row.VersionId} ${row.IsLatest} x`),
  ])
}

export const VERSION_LISTING_CASES: readonly ConformanceCase[] = [
  {
    name: 'versions are listed by key, newest first, in pages of any size',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await putVersion(world, 'b', 'null')
      await setVersioning(world, 'Enabled')
      const made: [key: string, id: string, marker: boolean][] = [['b', 'null', false]]
      for (const Key of ['a', 'b', 'a', 'b/c', 'b', 'a']) {
        made.push([Key, await putVersion(world, Key, 'x'), false])
      }
      const { VersionId } = await s3.send(new DeleteObjectCommand({ Bucket, Key: 'b' }))
      made.push(['b', VersionId ?? '', true])
      made.push(['a', await putVersion(world, 'a', 'y'), false])
      const newestFirst = [...made].reverse()
      const expected = ['a', 'b', 'b/c'].flatMap((key) =>
        newestFirst
          .filter(([of]) => of === key)
          .map(([, id, marker], at) => `${key} ${id} ${at === 0}${marker ? ' x' : ''}`),
      )
      for (const MaxKeys of [1, 2, 3, 4, 9, 1000]) {
        const found = await pages(world, { MaxKeys })
        // Within a page the SDK returns markers last.
        const seen = MaxKeys === 1 ? idsOf(found) : idsOf(found).sort()
        assert.deepEqual(seen, MaxKeys === 1 ? expected : [...expected].sort())
        for (const page of found.slice(0, -1)) {
          const entries = (page.Versions?.length ?? 0) + (page.DeleteMarkers?.length ?? 0)
          assert(entries <= MaxKeys)
        }
      }
      const [page] = await pages(world, { Prefix: 'b/' })
      assert.equal(page?.Versions?.length, 1)
      const [version] = page.Versions
      assert.equal(version?.Size, 1)
      assert.equal(version.StorageClass, 'STANDARD')
      assert(version.Owner?.ID && version.ETag && version.LastModified)
      const [marker] = (await pages(world, { Prefix: 'b' })).flatMap((one) => one.DeleteMarkers)
      assert(marker?.Owner?.ID && marker.LastModified)
    },
  },
  {
    name: 'many versions of one key are listed once each, page by page',
    async run(world) {
      await setVersioning(world, 'Enabled')
      const ids: string[] = []
      for (let at = 0; at < 130; at++) ids.push(await putVersion(world, 'k', `${at}`))
      await putVersion(world, 'l', 'x')
      for (const MaxKeys of [7, 64, 1000]) {
        const found = await pages(world, { MaxKeys })
        const seen = found.flatMap((page) => page.Versions ?? [])
        assert.deepEqual(
          seen.filter((entry) => entry.Key === 'k').map((entry) => entry.VersionId),
          [...ids].reverse(),
        )
        assert.equal(seen.filter((row) => row.IsLatest).length, 2)
        assert.equal(seen.at(-1)?.Key, 'l')
      }
    },
  },
  {
    name: 'a clean-up can delete each page before it reads the next one',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await putVersion(world, 'b', 'null')
      await setVersioning(world, 'Enabled')
      for (let at = 0; at < 5; at++) {
        for (const Key of ['a', 'b']) await putVersion(world, Key, 'x')
        await s3.send(new DeleteObjectCommand({ Bucket, Key: 'b' }))
      }
      let deleted = 0
      await pages(world, { MaxKeys: 2 }, async (page) => {
        for (const row of [...(page.Versions ?? []), ...(page.DeleteMarkers ?? [])]) {
          const { Key, VersionId } = row
          await s3.send(new DeleteObjectCommand({ Bucket, Key, VersionId }))
          deleted++
        }
      })
      assert.equal(deleted, 16)
      const [left] = await pages(world, {})
      assert.deepEqual([left?.Versions, left?.DeleteMarkers], [undefined, undefined])
    },
  },
  {
    name: 'common prefixes, encodings and markers of version listings',
    async run(world) {
      const { bucket } = world
      await setVersioning(world, 'Enabled')
      for (const key of ['a', 'd/1', 'd/2', 'd/2', 'e=f g', 'z']) await putVersion(world, key, 'x')
      const folded = await pages(world, { Delimiter: '/' })
      assert.deepEqual(
        folded.flatMap((page) => page.CommonPrefixes ?? []).map((row) => row.Prefix),
        ['d/'],
      )
      assert.deepEqual(
        folded.flatMap((page) => page.Versions ?? []).map((row) => row.Key),
        ['a', 'e=f g', 'z'],
      )
      const single = await pages(world, { Delimiter: '/', MaxKeys: 1 })
      assert.equal(single.length, 4)
      assert.equal(single[1]?.NextKeyMarker, 'd/')
      assert.equal(single[1].NextVersionIdMarker, undefined)
      const path = `/${bucket}`
      const list = (...more: [string, string][]) =>
        world.raw({ path, query: [['versions', ''], ...more] })
      const encoded = await list(['encoding-type', 'url'], ['prefix', 'e='])
      assert(encoded.text.includes('<Key>e%3Df+g</Key>'), encoded.text)
      const after = await list(['key-marker', 'd/2'])
      assert.deepEqual(
        [...after.text.matchAll(/<Key>([^<]*)</g)].map((match) => match[1]),
        ['e=f g', 'z'],
      )
      const none = await list(['max-keys', '0'])
      assert(none.text.includes('<IsTruncated>false</IsTruncated>'))
      assert(!none.text.includes('<Key>'))
      expectRefused(await list(['version-id-marker', NO_VERSION]), 400, 'InvalidArgument')
      for (const id of ['', 'odd', 'a'.repeat(999)]) {
        expectRefused(
          await list(['key-marker', 'a'], ['version-id-marker', id]),
          400,
          'InvalidArgument',
        )
      }
      expectRefused(await list(['encoding-type', 'odd']), 400, 'InvalidArgument')
      expectRefused(await list(['max-keys', '-1']), 400, 'InvalidArgument')
    },
  },
  {
    name: 'the marker may name a deleted version',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await setVersioning(world, 'Enabled')
      const ids: string[] = []
      for (let at = 0; at < 5; at++) ids.push(await putVersion(world, 'k', 'x'))
      const listed = async (): Promise<unknown> => {
        const page = await s3.send(
          new ListObjectVersionsCommand({ Bucket, KeyMarker: 'k', VersionIdMarker: ids[2] }),
        )
        return page.Versions?.map((row) => row.VersionId)
      }
      assert.deepEqual(await listed(), [ids[1], ids[0]])
      await s3.send(new DeleteObjectCommand({ Bucket, Key: 'k', VersionId: ids[2] }))
      assert.deepEqual(await listed(), [ids[1], ids[0]])
      await putVersion(world, 'k', 'newer')
      assert.deepEqual(await listed(), [ids[1], ids[0]])
    },
  },
]
