/** Tags of buckets. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteBucketTaggingCommand,
  GetBucketTaggingCommand,
  PutBucketTaggingCommand,
  type Tag,
} from '@aws-sdk/client-s3'
import {
  expectRefused,
  fails,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

export const SAMPLE_TAGS: Tag[] = [
  { Key: 'team', Value: 'storage' },
  { Key: 'Größe @+-=._:/', Value: '' },
  { Key: 'b', Value: 'два слова' },
]

function putTags(world: ConformanceWorld, text: string): Promise<RawResponse> {
  const md5 = createHash('md5').update(text).digest('base64')
  const headers = { 'content-md5': md5 }
  const body = [Buffer.from(text)]
  return world.raw({
    method: 'PUT',
    path: `/${world.bucket}`,
    query: [['tagging', '']],
    headers,
    body,
  })
}

/** A `<Tagging>` document with these tags. */
export function taggingOf(...tags: readonly (readonly [key: string, value: string])[]): string {
  const inner = tags.map(([key, value]) => `<Tag><Key>${key}</Key><Value>${value}</Value></Tag>`)
  return `<Tagging><TagSet>${inner.join('')}</TagSet></Tagging>`
}

/** Documents with wrong tags, and how they are refused whatever they are for. */
export const WRONG_TAGS: readonly (readonly [text: string, code: string])[] = [
  [taggingOf(['a', 'b'], ['a', 'c']), 'InvalidTag'],
  [taggingOf(['', 'b']), 'InvalidTag'],
  [taggingOf(['k'.repeat(129), 'b']), 'InvalidTag'],
  [taggingOf(['k', 'v'.repeat(257)]), 'InvalidTag'],
  [taggingOf(['k', '{}']), 'InvalidTag'],
  [taggingOf(['k&amp;', 'v']), 'InvalidTag'],
  [taggingOf(['aws:k', 'v']), 'InvalidTag'],
  [taggingOf(['AWS:k', 'v']), 'InvalidTag'],
  ['<Tagging/>', 'MalformedXML'],
  ['<Tagging><TagSet><Tag><Key>k</Key></Tag></TagSet></Tagging>', 'MalformedXML'],
  ['<Tagging><TagSet><Tags/></TagSet></Tagging>', 'MalformedXML'],
  ['<TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet>', 'MalformedXML'],
  ['<Tagging><TagSet/><TagSet/></Tagging>', 'MalformedXML'],
  ['<Tagging>', 'MalformedXML'],
]

export const BUCKET_TAG_CASES: readonly ConformanceCase[] = [
  {
    name: 'the tags of a bucket are stored in their order until they are removed',
    async run({ s3, bucket: Bucket }) {
      const get = new GetBucketTaggingCommand({ Bucket })
      const put = (TagSet: Tag[]) =>
        s3.send(new PutBucketTaggingCommand({ Bucket, Tagging: { TagSet } }))
      await fails(s3.send(get), 404, 'NoSuchTagSet')
      const stored = await put(SAMPLE_TAGS)
      assert.equal(stored.$metadata.httpStatusCode, 204)
      assert.deepEqual((await s3.send(get)).TagSet, SAMPLE_TAGS)
      await put(SAMPLE_TAGS.slice(1))
      assert.deepEqual((await s3.send(get)).TagSet, SAMPLE_TAGS.slice(1))
      await put([])
      await fails(s3.send(get), 404, 'NoSuchTagSet')
      await put(SAMPLE_TAGS)
      for (let again = 0; again < 2; again++) {
        const removed = await s3.send(new DeleteBucketTaggingCommand({ Bucket }))
        assert.equal(removed.$metadata.httpStatusCode, 204)
      }
      await fails(s3.send(get), 404, 'NoSuchTagSet')
      const nowhere = new GetBucketTaggingCommand({ Bucket: `${Bucket}-none` })
      await fails(s3.send(nowhere), 404, 'NoSuchBucket')
    },
  },
  {
    name: 'tags of a bucket that are refused change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const many = (count: number) =>
        taggingOf(...Array.from({ length: count }, (_, at) => [`key ${at}`, 'v'] as const))
      const longest = taggingOf(['k'.repeat(128), 'v'.repeat(256)])
      for (const text of [longest, many(50)]) {
        assert.equal((await putTags(world, text)).status, 204)
      }
      for (const [text, code] of WRONG_TAGS) expectRefused(await putTags(world, text), 400, code)
      expectRefused(await putTags(world, many(51)), 400, 'BadRequest')
      expectRefused(await putTags(world, ''), 400, 'MissingRequestBodyError')
      const body = [Buffer.from(longest)]
      const path = `/${Bucket}`
      const plain = await world.raw({ method: 'PUT', path, query: [['tagging', '']], body })
      expectRefused(plain, 400, 'InvalidRequest')
      const { TagSet } = await s3.send(new GetBucketTaggingCommand({ Bucket }))
      assert.equal(TagSet?.length, 50)
    },
  },
  {
    name: 'a bucket can be created with tags',
    async run({ s3, bucket }) {
      const Bucket = `${bucket}-tagged`
      const create = (Tags: Tag[]) =>
        s3.send(new CreateBucketCommand({ Bucket, CreateBucketConfiguration: { Tags } }))
      await fails(create([{ Key: 'aws:x', Value: '' }]), 400, 'InvalidTag')
      await fails(s3.send(new GetBucketTaggingCommand({ Bucket })), 404, 'NoSuchBucket')
      await create(SAMPLE_TAGS)
      const { TagSet } = await s3.send(new GetBucketTaggingCommand({ Bucket }))
      assert.deepEqual(TagSet, SAMPLE_TAGS)
      await s3.send(new DeleteBucketCommand({ Bucket }))
    },
  },
]
