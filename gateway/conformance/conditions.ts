/** Conditions on GET, HEAD, PUT and DELETE. */

import assert from 'node:assert/strict'
import { DeleteObjectCommand, HeadObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { md5Hex, storeObject } from './objects.ts'
import { fails, type ConformanceCase } from './world.ts'

export const CONDITION_CASES: readonly ConformanceCase[] = [
  {
    name: 'conditions on GET and HEAD',
    async run(world) {
      const etag = await storeObject(world, 'c', 'x')
      const plain = etag.replaceAll('"', '')
      const past = 'Thu, 01 Jan 1970 00:00:00 GMT'
      const future = 'Fri, 01 Jan 2100 00:00:00 GMT'
      const cases: readonly [Record<string, string>, number][] = [
        [{ 'if-match': etag }, 200],
        [{ 'if-match': plain }, 200],
        [{ 'if-match': '*' }, 200],
        [{ 'if-match': '"other"' }, 412],
        [{ 'if-none-match': etag }, 304],
        [{ 'if-none-match': '"other"' }, 200],
        [{ 'if-modified-since': past }, 200],
        [{ 'if-modified-since': future }, 200],
        [{ 'if-unmodified-since': past }, 412],
        [{ 'if-unmodified-since': future }, 200],
        [{ 'if-match': etag, 'if-unmodified-since': past }, 200],
        [{ 'if-none-match': '"other"', 'if-modified-since': future }, 200],
        [{ 'if-none-match': etag, 'if-modified-since': past }, 304],
      ]
      for (const [headers, status] of cases) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await world.raw({ method, path: `/${world.bucket}/c`, headers })
          assert.equal(answer.status, status, `${method} ${JSON.stringify(headers)}`)
          if (status === 304) assert.equal(answer.headers['etag'], etag)
          if (status === 304 || method === 'HEAD') assert.equal(answer.text, '')
        }
      }
    },
  },
  {
    name: 'conditional PUT and DELETE',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const write = (more: object): Promise<unknown> =>
        s3.send(new PutObjectCommand({ Bucket, Key: 'w', Body: 'x', ...more }))
      await fails(write({ IfMatch: '"x"' }), 404, 'NoSuchKey')
      await write({ IfNoneMatch: '*' })
      await fails(write({ IfNoneMatch: '*' }), 412, 'PreconditionFailed')
      const etag = await storeObject(world, 'w', 'second')
      await fails(write({ IfMatch: '"x"' }), 412, 'PreconditionFailed')
      await write({ IfMatch: etag })
      await fails(write({ IfMatch: etag }), 412, 'PreconditionFailed')
      await fails(write({ IfNoneMatch: '"x"' }), 501, 'NotImplemented')
      const remove = (IfMatch: string): Promise<unknown> =>
        s3.send(new DeleteObjectCommand({ Bucket, Key: 'w', IfMatch }))
      await fails(remove('"x"'), 412, 'PreconditionFailed')
      const absent = new DeleteObjectCommand({ Bucket, Key: 'never', IfMatch: '*' })
      await fails(s3.send(absent), 404, 'NoSuchKey')
      await remove(`"${md5Hex('x')}"`)
      await fails(s3.send(new HeadObjectCommand({ Bucket, Key: 'w' })), 404, undefined)
    },
  },
  {
    name: 'exactly one of several writers racing with If-None-Match: * wins (S3 rule 7)',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const writers = Array.from({ length: 20 }, (_, index) =>
        s3
          .send(new PutObjectCommand({ Bucket, Key: 'one', Body: `${index}`, IfNoneMatch: '*' }))
          .then(
            () => 200,
            (error: { $metadata: { httpStatusCode: number } }) => error.$metadata.httpStatusCode,
          ),
      )
      const statuses = await Promise.all(writers)
      assert.equal(statuses.filter((status) => status === 200).length, 1, statuses.join())
      assert(
        statuses.every((status) => [200, 409, 412].includes(status)),
        statuses.join(),
      )
    },
  },
]
