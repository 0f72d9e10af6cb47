/** Conditional writes and reads, through different gateways. */

import {
  CopyObjectCommand,
  CreateBucketCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
} from '@aws-sdk/client-s3'
import { equal, sameBytes } from '../../suite.ts'
import type { Context } from '../../suite.ts'
import { failureOf, getBytes } from './common.ts'
import type { NextClient } from './common.ts'

const Bucket = 'sdk-conditions'
const failed = { status: 412, name: 'PreconditionFailed' }

export async function conditionSteps(context: Context, next: NextClient): Promise<void> {
  await next().send(new CreateBucketCommand({ Bucket }))
  const put = async (Key: string, Body: string, more: object = {}): Promise<string> =>
    (await next().send(new PutObjectCommand({ Bucket, Key, Body, ...more }))).ETag ?? ''

  await context.step('PUT with If-None-Match: *', async () => {
    await put('none', 'first', { IfNoneMatch: '*' })
    equal(await failureOf(put('none', 'second', { IfNoneMatch: '*' })), failed, 'second')
    sameBytes(await getBytes(next(), Bucket, 'none'), Buffer.from('first'), 'kept')
    await next().send(new DeleteObjectCommand({ Bucket, Key: 'none' }))
    await put('none', 'third', { IfNoneMatch: '*' })
  })

  await context.step('PUT with If-Match', async () => {
    const one = await put('match', 'one')
    const two = await put('match', 'two', { IfMatch: one })
    equal(await failureOf(put('match', 'three', { IfMatch: one })), failed, 'an old ETag')
    await put('match', 'four', { IfMatch: two.replaceAll('"', '') })
    sameBytes(await getBytes(next(), Bucket, 'match'), Buffer.from('four'), 'last')
    equal((await failureOf(put('nowhere', 'x', { IfMatch: one }))).status, 404, 'no such key')
  })

  await context.step('DELETE and copy with conditions', async () => {
    const etag = await put('delete', 'x')
    const other = '"00000000000000000000000000000000"'
    const remove = async (IfMatch: string): Promise<unknown> =>
      next().send(new DeleteObjectCommand({ Bucket, Key: 'delete', IfMatch }))
    equal(await failureOf(remove(other)), failed, 'another ETag')
    const copy = async (more: object): Promise<unknown> => {
      const input = { Bucket, Key: 'copied', CopySource: `${Bucket}/delete`, ...more }
      return next().send(new CopyObjectCommand(input))
    }
    equal(await failureOf(copy({ CopySourceIfMatch: other })), failed, 'source condition')
    await copy({ CopySourceIfMatch: etag })
    await remove(etag)
    const gone = next().send(new HeadObjectCommand({ Bucket, Key: 'delete' }))
    equal((await failureOf(gone)).status, 404, 'deleted')
  })

  await context.step('GET with conditions', async () => {
    const etag = await put('read', 'x')
    const get = async (more: object): Promise<unknown> =>
      next().send(new GetObjectCommand({ Bucket, Key: 'read', ...more }))
    await get({ IfMatch: etag })
    equal((await failureOf(get({ IfMatch: '"0"' }))).status, 412, 'If-Match')
    equal((await failureOf(get({ IfNoneMatch: etag }))).status, 304, 'If-None-Match')
    const later = new Date(Date.now() + 3_600_000)
    equal((await failureOf(get({ IfUnmodifiedSince: new Date(0) }))).status, 412, 'unmodified')
    await get({ IfUnmodifiedSince: later })
  })
}
