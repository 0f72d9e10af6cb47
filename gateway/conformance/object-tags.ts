/** Tags of objects and versions: the operations, the header, copies and uploads. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  DeleteObjectTaggingCommand,
  GetObjectCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutObjectCommand,
  PutObjectTaggingCommand,
  UploadPartCommand,
  type Tag,
} from '@aws-sdk/client-s3'
import { presignV2 } from '../testing/signer-v2.ts'
import { presign } from '../testing/signer.ts'
import { SAMPLE_TAGS, taggingOf, WRONG_TAGS } from './bucket-tags.ts'
import { putVersion, setVersioning } from './versions.ts'
import {
  expectRefused,
  fails,
  NO_VERSION,
  sendUnsigned,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

const HEADER = 'team=storage&Gr%C3%B6%C3%9Fe+%40%2B-%3D._:%2F=&b=%D0%B4%D0%B2%D0%B0%20слова'
const ENCODED = HEADER.replace('слова', encodeURIComponent('слова'))

async function tagsOf(
  { s3, bucket: Bucket }: ConformanceWorld,
  Key: string,
  VersionId?: string,
): Promise<Tag[] | undefined> {
  return (await s3.send(new GetObjectTaggingCommand({ Bucket, Key, VersionId }))).TagSet
}

function putTags(
  { s3, bucket: Bucket }: ConformanceWorld,
  Key: string,
  TagSet: Tag[],
  VersionId?: string,
) {
  const Tagging = { TagSet }
  return s3.send(new PutObjectTaggingCommand({ Bucket, Key, VersionId, Tagging }))
}

function sendTags(world: ConformanceWorld, key: string, text: string): Promise<RawResponse> {
  const headers = { 'content-md5': createHash('md5').update(text).digest('base64') }
  const path = `/${world.bucket}/${key}`
  const body = [Buffer.from(text)]
  return world.raw({ method: 'PUT', path, query: [['tagging', '']], headers, body })
}

const many = (count: number): string =>
  Array.from({ length: count }, (_, at) => `key${at}=v`).join('&')

export const OBJECT_TAG_CASES: readonly ConformanceCase[] = [
  {
    name: 'tags of an object are replaced and removed without changing anything else',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'dir/k'
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x', Metadata: { a: 'b' } }))
      const head = () => s3.send(new HeadObjectCommand({ Bucket, Key }))
      const { ETag, LastModified, Metadata, TagCount } = await head()
      assert.equal(TagCount, undefined)
      assert.deepEqual(await tagsOf(world, Key), [])
      const put = await putTags(world, Key, SAMPLE_TAGS)
      assert.equal(put.$metadata.httpStatusCode, 200)
      assert.equal(put.VersionId, undefined)
      assert.deepEqual(await tagsOf(world, Key), SAMPLE_TAGS)
      const tagged = await head()
      assert.deepEqual(
        [tagged.ETag, tagged.LastModified, tagged.Metadata, tagged.TagCount],
        [ETag, LastModified, Metadata, SAMPLE_TAGS.length],
      )
      const got = await s3.send(new GetObjectCommand({ Bucket, Key }))
      assert.equal(
        `${got.TagCount} ${await got.Body?.transformToString()}`,
        `${SAMPLE_TAGS.length} x`,
      )
      await putTags(world, Key, SAMPLE_TAGS.slice(1))
      assert.deepEqual(await tagsOf(world, Key), SAMPLE_TAGS.slice(1))
      for (let again = 0; again < 2; again++) {
        const removed = await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key }))
        assert.equal(removed.$metadata.httpStatusCode, 204)
      }
      assert.deepEqual(await tagsOf(world, Key), [])
      await putTags(world, Key, SAMPLE_TAGS)
      // Writing over the object leaves none of them.
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: 'y' }))
      assert.deepEqual(await tagsOf(world, Key), [])
    },
  },
  {
    name: 'tags of an object that are refused change nothing',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await s3.send(new PutObjectCommand({ Bucket, Key: 'k', Body: 'x' }))
      const ten = taggingOf(...Array.from({ length: 10 }, (_, at) => [`k${at}`, 'v'] as const))
      assert.equal((await sendTags(world, 'k', ten)).status, 200)
      for (const [text, code] of WRONG_TAGS)
        expectRefused(await sendTags(world, 'k', text), 400, code)
      const more = ten.replace('<TagSet>', '<TagSet><Tag><Key>more</Key><Value/></Tag>')
      expectRefused(await sendTags(world, 'k', more), 400, 'BadRequest')
      expectRefused(await sendTags(world, 'k', ''), 400, 'MissingRequestBodyError')
      assert.equal((await tagsOf(world, 'k'))?.length, 10)
      expectRefused(await sendTags(world, 'missing', ten), 404, 'NoSuchKey')
      await fails(tagsOf(world, 'missing'), 404, 'NoSuchKey')
      await fails(
        s3.send(new DeleteObjectTaggingCommand({ Bucket, Key: 'missing' })),
        404,
        'NoSuchKey',
      )
      const Key = 'k'
      await fails(
        s3.send(new GetObjectTaggingCommand({ Bucket: `${Bucket}-none`, Key })),
        404,
        'NoSuchBucket',
      )
    },
  },
  {
    name: 'each version has tags of its own',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'k'
      await s3.send(new PutObjectCommand({ Bucket, Key, Body: '0', Tagging: 'n=0' }))
      await setVersioning(world, 'Enabled')
      const ids: string[] = []
      for (let i = 0; i < 24; i++) ids.push(await putVersion(world, Key, `version ${i}`))
      const old = ids[1] ?? ''
      const put = await putTags(world, Key, SAMPLE_TAGS, old)
      assert.equal(put.VersionId, old)
      const newest = await putTags(world, Key, SAMPLE_TAGS.slice(1))
      assert.equal(newest.VersionId, ids.at(-1))
      assert.deepEqual(await tagsOf(world, Key, old), SAMPLE_TAGS)
      assert.deepEqual(await tagsOf(world, Key, ids[2]), [])
      assert.deepEqual(await tagsOf(world, Key, 'null'), [{ Key: 'n', Value: '0' }])
      assert.deepEqual(await tagsOf(world, Key), SAMPLE_TAGS.slice(1))
      // Versions keep their tags when others are written, and their order when tags change.
      for (let i = 0; i < 12; i++) ids.push(await putVersion(world, Key, `later ${i}`))
      await putTags(world, Key, SAMPLE_TAGS.slice(2), ids[3])
      assert.deepEqual(await tagsOf(world, Key, ids[23]), SAMPLE_TAGS.slice(1))
      assert.deepEqual(await tagsOf(world, Key, ids[3]), SAMPLE_TAGS.slice(2))
      assert.deepEqual(await tagsOf(world, Key, old), SAMPLE_TAGS)
      const got = await s3.send(new GetObjectCommand({ Bucket, Key, VersionId: old }))
      assert.equal(`${got.TagCount} ${await got.Body?.transformToString()}`, '3 version 1')
      const current = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      assert.deepEqual([current.VersionId, current.TagCount], [ids.at(-1), undefined])
      const removed = await s3.send(new DeleteObjectTaggingCommand({ Bucket, Key, VersionId: old }))
      assert.deepEqual([removed.VersionId, await tagsOf(world, Key, old)], [old, []])
      await fails(tagsOf(world, Key, NO_VERSION), 404, 'NoSuchVersion')
      await fails(putTags(world, Key, SAMPLE_TAGS, NO_VERSION), 404, 'NoSuchVersion')
    },
  },
  {
    name: 'delete markers have no tags',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'k'
      await setVersioning(world, 'Enabled')
      const id = await putVersion(world, Key, 'x')
      await putTags(world, Key, SAMPLE_TAGS)
      const { VersionId = '' } = await s3.send(new DeleteObjectCommand({ Bucket, Key }))
      await fails(tagsOf(world, Key), 404, 'NoSuchKey')
      await fails(putTags(world, Key, SAMPLE_TAGS), 405, 'MethodNotAllowed')
      await fails(s3.send(new DeleteObjectTaggingCommand({ Bucket, Key })), 405, 'MethodNotAllowed')
      for (const call of [
        (version?: string) => tagsOf(world, Key, version),
        (version?: string) => putTags(world, Key, SAMPLE_TAGS, version),
        (version?: string) =>
          s3.send(new DeleteObjectTaggingCommand({ Bucket, Key, VersionId: version })),
      ]) {
        await fails(call(VersionId), 405, 'MethodNotAllowed')
      }
      assert.deepEqual(await tagsOf(world, Key, id), SAMPLE_TAGS)
    },
  },
  {
    name: 'the header x-amz-tagging is parsed strictly',
    async run(world) {
      const put = (value: string): Promise<RawResponse> =>
        world.raw({
          method: 'PUT',
          path: `/${world.bucket}/k`,
          headers: { 'x-amz-tagging': value },
          body: [Buffer.from('x')],
        })
      assert.equal((await put(ENCODED)).status, 200)
      assert.deepEqual(await tagsOf(world, 'k'), SAMPLE_TAGS)
      assert.equal((await put('a=b=c&d')).status, 200)
      const forms = [
        { Key: 'a', Value: 'b=c' },
        { Key: 'd', Value: '' },
      ]
      assert.deepEqual(await tagsOf(world, 'k'), forms)
      for (const text of ['a=b&a=c', 'a=b&', '&', '=b', 'a=%', 'a=%zz', 'a=%ff', 'a=b&%61=c']) {
        expectRefused(await put(text), 400, 'InvalidArgument')
      }
      for (const text of ['a=%7B', 'aws:a=b', `${'k'.repeat(129)}=v`, `k=${'v'.repeat(257)}`]) {
        expectRefused(await put(text), 400, 'InvalidTag')
      }
      expectRefused(await put(many(11)), 400, 'BadRequest')
      assert.deepEqual(await tagsOf(world, 'k'), forms)
      assert.equal((await put(many(10))).status, 200)
      assert.equal((await tagsOf(world, 'k'))?.length, 10)
      assert.equal((await put('')).status, 200)
      assert.deepEqual(await tagsOf(world, 'k'), [])
    },
  },
  {
    name: 'a presigned PUT stores the tags that its signature covers',
    async run(world) {
      const { target } = world
      const { host } = new URL(target.endpoint)
      const message = { method: 'PUT', path: `/${world.bucket}/k` }
      const tags = { 'x-amz-tagging': ENCODED }
      const send = ({ url }: { url: string }, more: Record<string, string>) =>
        sendUnsigned(target.endpoint, {
          method: 'PUT',
          url,
          headers: { host, 'content-length': '0', ...more },
        })
      const timestamp = new Date().toISOString().replace(/[-:]|\.\d{3}/g, '')
      const linkOf = (more: object) =>
        presign({ ...message, headers: { host }, ...more }, { ...target, timestamp }).message
      const signed = linkOf({ headers: { host, ...tags } })
      assert.equal((await send(signed, tags)).status, 200)
      assert.deepEqual(await tagsOf(world, 'k'), SAMPLE_TAGS)
      assert.equal((await send(linkOf({}), {})).status, 200)
      assert.deepEqual(await tagsOf(world, 'k'), [])
      assert.equal((await send(linkOf({ query: Object.entries(tags) }), {})).status, 200)
      assert.deepEqual(await tagsOf(world, 'k'), SAMPLE_TAGS)
      expectRefused(await send(linkOf({}), tags), 403, 'AccessDenied')
      expectRefused(await send(signed, { 'x-amz-tagging': 'a=b' }), 403, 'SignatureDoesNotMatch')
      // Version 2 signs the Content-Type too, as it is sent.
      const expires = String(Math.ceil(Date.now() / 1000) + 600)
      const old = presignV2({ ...message, headers: { host, ...tags } }, { ...target, expires })
      assert.equal((await send(old, tags)).status, 200)
      const typed = { ...tags, 'content-type': 'text/plain' }
      expectRefused(await send(old, typed), 403, 'SignatureDoesNotMatch')
    },
  },
  {
    name: 'a copy takes the tags along, or replaces them',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await s3.send(new PutObjectCommand({ Bucket, Key: 's', Body: 'x', Tagging: ENCODED }))
      const copy = async (more: object): Promise<Tag[] | undefined> => {
        const CopySource = `${Bucket}/s`
        await s3.send(new CopyObjectCommand({ Bucket, Key: 't', CopySource, ...more }))
        return tagsOf(world, 't')
      }
      assert.deepEqual(await copy({}), SAMPLE_TAGS)
      assert.deepEqual(
        await copy({ TaggingDirective: 'COPY', MetadataDirective: 'REPLACE' }),
        SAMPLE_TAGS,
      )
      // Without the directive the header means nothing.
      assert.deepEqual(await copy({ Tagging: 'a=b' }), SAMPLE_TAGS)
      const replaced = await copy({ TaggingDirective: 'REPLACE', Tagging: 'a=b' })
      assert.deepEqual(replaced, [{ Key: 'a', Value: 'b' }])
      assert.deepEqual(await copy({ TaggingDirective: 'REPLACE' }), [])
      await fails(copy({ TaggingDirective: 'OTHER' }), 400, 'InvalidArgument')
      await fails(copy({ TaggingDirective: 'REPLACE', Tagging: 'a=b&a=c' }), 400, 'InvalidArgument')
      const toItself = { Key: 's', TaggingDirective: 'REPLACE', Tagging: 'a=b' }
      await fails(copy(toItself), 400, 'InvalidRequest')
      assert.deepEqual(await tagsOf(world, 's'), SAMPLE_TAGS)
      await setVersioning(world, 'Enabled')
      await s3.send(new PutObjectCommand({ Bucket, Key: 's', Body: 'y', Tagging: 'n=1' }))
      assert.deepEqual(await copy({ CopySource: `${Bucket}/s?versionId=null` }), SAMPLE_TAGS)
      assert.deepEqual(await copy({}), [{ Key: 'n', Value: '1' }])
    },
  },
  {
    name: 'an upload keeps its tags until it is an object',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'k'
      const create = (Tagging: string) =>
        s3.send(new CreateMultipartUploadCommand({ Bucket, Key, Tagging }))
      await fails(create('a=b&a=c'), 400, 'InvalidArgument')
      await fails(create('aws:a=b'), 400, 'InvalidTag')
      const { UploadId } = await create(ENCODED)
      const { ETag } = await s3.send(
        new UploadPartCommand({ Bucket, Key, UploadId, PartNumber: 1, Body: 'x' }),
      )
      const MultipartUpload = { Parts: [{ PartNumber: 1, ETag }] }
      await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }))
      assert.deepEqual(await tagsOf(world, Key), SAMPLE_TAGS)
      await putTags(world, Key, SAMPLE_TAGS.slice(1))
      // A repeat of the completion brings nothing back.
      await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload }))
      assert.deepEqual(await tagsOf(world, Key), SAMPLE_TAGS.slice(1))
    },
  },
]
