/** Listings: order, pages, delimiters, both versions, read-after-write through another gateway. */

import {
  CreateBucketCommand,
  DeleteObjectCommand,
  ListObjectsCommand,
  ListObjectsV2Command,
  paginateListObjectsV2,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import type { ListObjectsV2CommandInput } from '@aws-sdk/client-s3'
import { eachLimited } from '../../../../bench/harness/s3.ts'
import { equal } from '../../suite.ts'
import type { Context } from '../../suite.ts'
import type { NextClient } from './common.ts'
import { oddKeys } from './objects.ts'

const Bucket = 'sdk-listing'

/** S3's order: by the bytes of UTF-8. */
export function byBytes(keys: readonly string[]): string[] {
  return [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
}

export async function listingSteps(context: Context, next: NextClient): Promise<void> {
  await next().send(new CreateBucketCommand({ Bucket }))
  const many = Array.from({ length: 250 }, (_, i) => `many/${i % 5}/${String(i).padStart(4, '0')}`)
  const keys = byBytes([...many, ...oddKeys])
  await eachLimited(keys.length, 8, async (i) => {
    await next().send(new PutObjectCommand({ Bucket, Key: keys[i], Body: `${i}` }))
  })

  const page = async (more: Partial<ListObjectsV2CommandInput> = {}) =>
    next().send(new ListObjectsV2Command({ Bucket, ...more }))

  await context.step('all keys, in order, by pages of 7, each from another gateway', async () => {
    const listed: string[] = []
    let ContinuationToken: string | undefined
    do {
      const reply = await page({ MaxKeys: 7, ...(ContinuationToken ? { ContinuationToken } : {}) })
      listed.push(...(reply.Contents ?? []).map((entry) => entry.Key ?? ''))
      ContinuationToken = reply.NextContinuationToken
    } while (ContinuationToken !== undefined)
    equal(listed, keys, 'keys')
  })

  await context.step('prefix and delimiter, folded and paged', async () => {
    const folded = await page({ Prefix: 'many/', Delimiter: '/' })
    const wanted = [0, 1, 2, 3, 4].map((i) => `many/${i}/`)
    equal(
      (folded.CommonPrefixes ?? []).map((one) => one.Prefix),
      wanted,
      'common prefixes',
    )
    equal(folded.Contents ?? [], [], 'keys beside them')
    const first = await page({ Prefix: 'many/', Delimiter: '/', MaxKeys: 2 })
    equal([first.IsTruncated, first.KeyCount], [true, 2], 'first page')
    const pages = paginateListObjectsV2(
      { client: next(), pageSize: 2 },
      { Bucket, Prefix: 'many/', Delimiter: '/' },
    )
    const all: string[] = []
    for await (const one of pages)
      all.push(...(one.CommonPrefixes ?? []).map((p) => p.Prefix ?? ''))
    equal(all, wanted, 'common prefixes over pages')
  })

  await context.step('start-after, encoding-type=url, version 1 with a marker', async () => {
    const after = await page({ StartAfter: 'many/4/0244', Prefix: 'many/' })
    equal(
      (after.Contents ?? []).map((entry) => entry.Key),
      ['many/4/0249'],
      'start-after',
    )
    const encoded = await page({ Prefix: 'equals', EncodingType: 'url' })
    equal(encoded.Contents?.[0]?.Key, 'equals%3Dsign%26and', 'encoded')
    const one = new ListObjectsCommand({ Bucket, Prefix: 'many/4/', Marker: 'many/4/0239' })
    const listed = ((await next().send(one)).Contents ?? []).map((entry) => entry.Key)
    equal(listed, ['many/4/0244', 'many/4/0249'], 'version 1')
  })

  await context.step(
    'a list through another gateway shows each PUT and DELETE at once',
    async () => {
      for (let i = 0; i < 20; i++) {
        const Key = `fresh/${i}`
        await next().send(new PutObjectCommand({ Bucket, Key, Body: 'x' }))
        equal((await page({ Prefix: Key })).KeyCount, 1, `${Key} after PUT`)
        await next().send(new DeleteObjectCommand({ Bucket, Key }))
        equal((await page({ Prefix: Key })).KeyCount, 0, `${Key} after DELETE`)
      }
    },
  )
}
