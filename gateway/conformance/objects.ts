/** Objects: put, get, head, delete, ranges, metadata, checksums. */

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import {
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type ChecksumAlgorithm,
} from '@aws-sdk/client-s3'
import {
  fails,
  NO_VERSION,
  expectRefused,
  type ConformanceCase,
  type ConformanceWorld,
} from './world.ts'

export async function storeObject(
  world: ConformanceWorld,
  Key: string,
  Body: string | Uint8Array,
): Promise<string> {
  const { ETag } = await world.s3.send(new PutObjectCommand({ Bucket: world.bucket, Key, Body }))
  return ETag ?? ''
}

export async function fetchObject(
  world: ConformanceWorld,
  Key: string,
  more: object = {},
): Promise<string> {
  const { Body } = await world.s3.send(new GetObjectCommand({ Bucket: world.bucket, Key, ...more }))
  return (await Body?.transformToString('latin1')) ?? ''
}

export function md5Hex(text: string | Uint8Array): string {
  return createHash('md5').update(text).digest('hex')
}

export const OBJECT_CASES: readonly ConformanceCase[] = [
  {
    name: 'put, get, head and delete return what was stored',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'dir/a'
      await s3.send(
        new PutObjectCommand({
          Bucket,
          Key,
          Body: 'hello',
          ContentType: 'text/x',
          ContentEncoding: 'br',
          ContentDisposition: 'inline',
          ContentLanguage: 'de',
          CacheControl: 'no-cache',
          Expires: new Date(784_111_777_000),
          StorageClass: 'STANDARD_IA',
          Metadata: { one: '1', 'two-more': 'x y' },
        }),
      )
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key }))
      assert.equal(head.ContentLength, 5)
      assert.equal(head.ETag, `"${md5Hex('hello')}"`)
      assert.equal(head.ContentType, 'text/x')
      assert.equal(head.ContentEncoding, 'br')
      assert.equal(head.ContentDisposition, 'inline')
      assert.equal(head.ContentLanguage, 'de')
      assert.equal(head.CacheControl, 'no-cache')
      assert.equal(head.ExpiresString, 'Sun, 06 Nov 1994 08:49:37 GMT')
      assert.equal(head.StorageClass, 'STANDARD_IA')
      assert.equal(head.AcceptRanges, 'bytes')
      assert.deepEqual(head.Metadata, { one: '1', 'two-more': 'x y' })
      assert.equal(await fetchObject(world, Key), 'hello')
      await s3.send(new DeleteObjectCommand({ Bucket, Key }))
      await fails(s3.send(new GetObjectCommand({ Bucket, Key })), 404, 'NoSuchKey')
      await fails(s3.send(new HeadObjectCommand({ Bucket, Key })), 404, undefined)
      await s3.send(new DeleteObjectCommand({ Bucket, Key }))
    },
  },
  {
    name: 'sizes around every limit: empty, one byte, packed, larger, several blocks',
    async run(world) {
      for (const size of [0, 1, 65_535, 65_536, 65_537, 1_048_576, 3_000_001]) {
        const body = Buffer.alloc(size, `${size} and some more;`)
        const etag = await storeObject(world, 'k', body)
        assert.equal(etag, `"${md5Hex(body)}"`)
        const { Body, ContentLength } = await world.s3.send(
          new GetObjectCommand({ Bucket: world.bucket, Key: 'k' }),
        )
        assert.equal(ContentLength, size)
        assert.equal(md5Hex((await Body?.transformToByteArray()) ?? ''), md5Hex(body))
      }
    },
  },
  {
    name: 'keys are opaque bytes (F25)',
    async run(world) {
      const keys = [
        '..',
        '../x',
        'a//b',
        '/a',
        'a%2Fb',
        'a b+c=d&e?f#g',
        'é',
        'e\u0301',
        '日本',
        '\u{1f41f}',
        '<&">\'',
        '__proto__',
        'a\u0001b',
        'k'.repeat(1024),
      ]
      for (const key of keys) await storeObject(world, key, key)
      for (const key of keys) {
        assert.equal(Buffer.from(await fetchObject(world, key), 'latin1').toString('utf8'), key)
      }
      const long = await world.raw({ method: 'PUT', path: `/${world.bucket}/${'k'.repeat(1025)}` })
      expectRefused(long, 400, 'KeyTooLongError')
    },
  },
  {
    name: 'ranges (F35)',
    async run(world) {
      await storeObject(world, 'r', '0123456789')
      const cases: readonly [string, number, string][] = [
        ['bytes=0-0', 206, '0'],
        ['bytes=2-4', 206, '234'],
        ['bytes=7-', 206, '789'],
        ['bytes=-3', 206, '789'],
        ['bytes=-100', 206, '0123456789'],
        ['bytes=5-999999999999999999999', 206, '56789'],
        ['bytes=4-2', 200, '0123456789'],
        ['bytes=0-1,3-4', 200, '0123456789'],
        ['lines=0-1', 200, '0123456789'],
      ]
      for (const [range, status, text] of cases) {
        const answer = await world.raw({ path: `/${world.bucket}/r`, headers: { range } })
        assert.equal(answer.status, status, range)
        assert.equal(answer.text, text, range)
      }
      const part = await world.raw({ path: `/${world.bucket}/r`, headers: { range: 'bytes=2-4' } })
      assert.equal(part.headers['content-range'], 'bytes 2-4/10')
      assert.equal(part.headers['content-length'], '3')
      for (const range of ['bytes=10-', 'bytes=-0', 'bytes=99999999999999999999-']) {
        const answer = await world.raw({ path: `/${world.bucket}/r`, headers: { range } })
        expectRefused(answer, 416, 'InvalidRange')
        assert.equal(answer.headers['content-range'], 'bytes */10')
      }
      const head = await world.raw({
        method: 'HEAD',
        path: `/${world.bucket}/r`,
        headers: { range: 'bytes=2-4' },
      })
      assert.equal(`${head.status} ${head.headers['content-length']}`, '206 3')
    },
  },
  {
    name: 'checksums of each algorithm are checked, stored and shown',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const algorithms: readonly ChecksumAlgorithm[] = [
        'CRC32',
        'CRC32C',
        'CRC64NVME',
        'SHA1',
        'SHA256',
      ]
      for (const ChecksumAlgorithm of algorithms) {
        const field = `Checksum${ChecksumAlgorithm}` as const
        const done = await s3.send(
          new PutObjectCommand({ Bucket, Key: 's', Body: 'hello', ChecksumAlgorithm }),
        )
        const value = (done as unknown as Record<string, string>)[field]
        assert(value, field)
        const head = await s3.send(
          new HeadObjectCommand({ Bucket, Key: 's', ChecksumMode: 'ENABLED' }),
        )
        assert.equal((head as unknown as Record<string, string>)[field], value)
        assert.equal(head.ChecksumType, 'FULL_OBJECT')
        const wrong = {
          [field]: Buffer.alloc(Buffer.from(value, 'base64').length).toString('base64'),
        }
        await fails(
          s3.send(new PutObjectCommand({ Bucket, Key: 's', Body: 'hello', ...wrong })),
          400,
          'BadDigest',
        )
      }
      assert.equal(await fetchObject(world, 's'), 'hello')
    },
  },
  {
    name: 'Content-MD5 and x-amz-content-sha256 are checked (F24)',
    async run(world) {
      const path = `/${world.bucket}/m`
      const body = [Buffer.from('hello')]
      const wrongMd5 = createHash('md5').update('other').digest('base64')
      const wrongSha = createHash('sha256').update('other').digest('hex')
      const send = (headers: Record<string, string>): ReturnType<ConformanceWorld['raw']> =>
        world.raw({ method: 'PUT', path, headers, body })
      expectRefused(await send({ 'content-md5': wrongMd5 }), 400, 'BadDigest')
      expectRefused(await send({ 'content-md5': 'no' }), 400, 'InvalidDigest')
      expectRefused(
        await send({ 'x-amz-content-sha256': wrongSha }),
        400,
        'XAmzContentSHA256Mismatch',
      )
      await fails(
        world.s3.send(new HeadObjectCommand({ Bucket: world.bucket, Key: 'm' })),
        404,
        undefined,
      )
    },
  },
  {
    name: 'response-* overrides',
    async run(world) {
      await storeObject(world, 'o', 'x')
      const answer = await world.raw({
        path: `/${world.bucket}/o`,
        query: [
          ['response-content-type', 'text/html'],
          ['response-content-disposition', 'attachment; filename="é.txt"'],
          ['response-cache-control', 'max-age=1'],
        ],
      })
      assert.equal(answer.headers['content-type'], 'text/html')
      assert.equal(answer.headers['cache-control'], 'max-age=1')
      const disposition = Buffer.from(answer.headers['content-disposition'] ?? '', 'latin1')
      assert.equal(disposition.toString('utf8'), 'attachment; filename="é.txt"')
      const split = await world.raw({
        path: `/${world.bucket}/o`,
        query: [['response-content-type', 'a\r\nx: y']],
      })
      expectRefused(split, 400, 'InvalidArgument')
    },
  },
  {
    name: 'DeleteObjects: quiet, missing keys, required digest, limits (F28)',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (const key of ['1', '2', '3 & <4>']) await storeObject(world, key, 'x')
      const some = await s3.send(
        new DeleteObjectsCommand({
          Bucket,
          Delete: { Objects: [{ Key: '1' }, { Key: 'none' }, { Key: '3 & <4>' }] },
        }),
      )
      assert.deepEqual(some.Deleted?.map((each) => each.Key).sort(), ['1', '3 & <4>', 'none'])
      assert.equal(some.Errors, undefined)
      const mixed = await s3.send(
        new DeleteObjectsCommand({
          Bucket,
          Delete: { Quiet: true, Objects: [{ Key: '2', ETag: '"no"' }, { Key: 'none' }] },
        }),
      )
      assert.equal(mixed.Deleted, undefined)
      assert.deepEqual(
        mixed.Errors?.map((each) => `${each.Key} ${each.Code}`),
        ['2 PreconditionFailed'],
      )
      const send = (
        xml: string,
        headers: Record<string, string>,
      ): ReturnType<ConformanceWorld['raw']> =>
        world.raw({
          method: 'POST',
          path: `/${Bucket}`,
          query: [['delete', '']],
          headers,
          body: [Buffer.from(xml)],
        })
      const digest = (xml: string): Record<string, string> => ({
        'content-md5': createHash('md5').update(xml).digest('base64'),
      })
      const one = '<Delete><Object><Key>2</Key></Object></Delete>'
      expectRefused(await send(one, {}), 400, 'InvalidRequest')
      const many = `<Delete>${'<Object><Key>2</Key></Object>'.repeat(1001)}</Delete>`
      expectRefused(await send(many, digest(many)), 400, 'MalformedXML')
      const none = '<Delete></Delete>'
      expectRefused(await send(none, digest(none)), 400, 'MalformedXML')
      const entity = `<!DOCTYPE x [<!ENTITY a "2">]>${one}`
      expectRefused(await send(entity, digest(entity)), 400, 'MalformedXML')
      const broken = '<Delete><Object>'
      expectRefused(await send(broken, digest(broken)), 400, 'MalformedXML')
      assert.equal((await send(one, digest(one))).status, 200)
    },
  },
  {
    name: 'metadata: limits and unusual names (F26, F28)',
    async run(world) {
      const path = `/${world.bucket}/meta`
      const long = await world.raw({
        method: 'PUT',
        path,
        headers: { 'x-amz-meta-long': 'v'.repeat(2050) },
      })
      expectRefused(long, 400, 'MetadataTooLarge')
      await world.raw({ method: 'PUT', path, headers: { 'x-amz-meta-__proto__': 'p' } })
      const head = await world.raw({ method: 'HEAD', path })
      assert.equal(head.headers['x-amz-meta-__proto__'], 'p')
    },
  },
  {
    name: 'GetObjectAttributes',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await s3.send(
        new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello', ChecksumAlgorithm: 'SHA256' }),
      )
      const found = await s3.send(
        new GetObjectAttributesCommand({
          Bucket,
          Key: 'a',
          ObjectAttributes: ['ETag', 'Checksum', 'ObjectParts', 'StorageClass', 'ObjectSize'],
        }),
      )
      assert.equal(found.ETag, md5Hex('hello'))
      assert.equal(found.ObjectSize, 5)
      assert.equal(found.StorageClass, 'STANDARD')
      assert.equal(
        found.Checksum?.ChecksumSHA256,
        createHash('sha256').update('hello').digest('base64'),
      )
    },
  },
  {
    name: 'without versioning the version null is the object, and others do not exist',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await storeObject(world, 'v', 'x')
      assert.equal(await fetchObject(world, 'v', { VersionId: 'null' }), 'x')
      const other = { Bucket, Key: 'v', VersionId: NO_VERSION }
      await fails(s3.send(new GetObjectCommand(other)), 404, 'NoSuchVersion')
      await s3.send(new DeleteObjectCommand(other))
      assert.equal(await fetchObject(world, 'v'), 'x')
      await s3.send(new DeleteObjectCommand({ ...other, VersionId: 'null' }))
      await fails(s3.send(new GetObjectCommand({ Bucket, Key: 'v' })), 404, 'NoSuchKey')
    },
  },
]
