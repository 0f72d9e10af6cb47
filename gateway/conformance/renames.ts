/** RenameObject, in buckets that never had versioning. */

import assert from 'node:assert/strict'
import {
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  GetObjectTaggingCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  RenameObjectCommand,
  UploadPartCommand,
} from '@aws-sdk/client-s3'
import { fetchObject, md5Hex, storeObject } from './objects.ts'
import { fails, type ConformanceCase, type ConformanceWorld, type RawResponse } from './world.ts'

const PAST = 'Thu, 01 Jan 1970 00:00:00 GMT'
const FUTURE = 'Fri, 01 Jan 2100 00:00:00 GMT'

/** From `a`, unless the headers say otherwise. */
function rename(
  world: ConformanceWorld,
  key: string,
  headers: Record<string, string> = {},
): Promise<RawResponse> {
  return world.raw({
    method: 'PUT',
    path: `/${world.bucket}/${key}`,
    query: [['renameObject', '']],
    headers: { 'x-amz-rename-source': `/${world.bucket}/a`, ...headers },
  })
}

async function isThere({ s3, bucket: Bucket }: ConformanceWorld, Key: string): Promise<boolean> {
  try {
    await s3.send(new HeadObjectCommand({ Bucket, Key }))
    return true
  } catch {
    return false
  }
}

async function refused(
  sent: Promise<RawResponse>,
  status: number,
  code: string,
): Promise<RawResponse> {
  const answer = await sent
  assert.equal(`${answer.status} ${answer.code}`, `${status} ${code}`, answer.text)
  return answer
}

export const RENAME_CASES: readonly ConformanceCase[] = [
  {
    name: 'a renamed object keeps bytes, ETag, metadata, tags and Last-Modified',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const put = { Bucket, Key: 'old/a b', Body: 'hello', ContentType: 'text/x', Tagging: 't=1' }
      await s3.send(
        new PutObjectCommand({ ...put, Metadata: { m: '1' }, StorageClass: 'STANDARD_IA' }),
      )
      const before = await s3.send(new HeadObjectCommand({ Bucket, Key: put.Key }))
      const RenameSource = `${Bucket}/${encodeURIComponent(put.Key)}`
      await s3.send(new RenameObjectCommand({ Bucket, Key: 'new', RenameSource }))
      const after = await s3.send(new HeadObjectCommand({ Bucket, Key: 'new' }))
      assert.deepEqual(
        { ...after, $metadata: undefined },
        { ...before, $metadata: undefined },
        'the answers to HEAD differ',
      )
      assert.equal(await fetchObject(world, 'new'), 'hello')
      const { TagSet } = await s3.send(new GetObjectTaggingCommand({ Bucket, Key: 'new' }))
      assert.deepEqual(TagSet, [{ Key: 't', Value: '1' }])
      await fails(s3.send(new HeadObjectCommand({ Bucket, Key: put.Key })), 404, undefined)
      // Over another object, and without bytes.
      await storeObject(world, 'a', '')
      assert.equal((await rename(world, 'new')).status, 200)
      assert.equal(await fetchObject(world, 'new'), '')
    },
  },
  {
    name: 'a renamed object keeps its parts',
    async run(world) {
      const { s3, bucket: Bucket } = world
      const Key = 'a'
      const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key }))
      const bodies = [Buffer.alloc(5 * 1024 * 1024 + 3, 'x'), Buffer.from('tail')]
      const Parts = []
      for (const [index, Body] of bodies.entries()) {
        const part = { Bucket, Key, UploadId, PartNumber: index + 1 }
        const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body }))
        Parts.push({ PartNumber: index + 1, ETag })
      }
      const done = { Bucket, Key, UploadId, MultipartUpload: { Parts } }
      const { ETag } = await s3.send(new CompleteMultipartUploadCommand(done))
      assert.equal((await rename(world, 'b')).status, 200)
      const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'b', PartNumber: 2 }))
      assert.equal(head.PartsCount, 2)
      assert.equal(head.ContentLength, 4)
      assert.equal(head.ETag, ETag)
      assert.equal(await fetchObject(world, 'b', { PartNumber: 2 }), 'tail')
      assert.equal(md5Hex(await fetchObject(world, 'b')), md5Hex(Buffer.concat(bodies)))
      assert(!(await isThere(world, 'a')))
    },
  },
  {
    name: 'conditions on either key of a rename',
    async run(world) {
      const source = 'x-amz-rename-source-'
      const etag = await storeObject(world, 'a', 'a')
      for (const headers of [
        { [`${source}if-match`]: '"other"' },
        { [`${source}if-none-match`]: etag },
        { [`${source}if-none-match`]: '*' },
        { [`${source}if-unmodified-since`]: PAST },
        { 'if-match': '"other"' },
        { 'if-modified-since': PAST },
      ]) {
        await refused(rename(world, 'b', headers), 412, 'PreconditionFailed')
      }
      const other = await storeObject(world, 'b', 'b')
      for (const headers of [
        { 'if-none-match': '*' },
        { 'if-match': etag },
        { 'if-unmodified-since': PAST },
        { 'if-modified-since': FUTURE },
      ]) {
        await refused(rename(world, 'b', headers), 412, 'PreconditionFailed')
      }
      await refused(rename(world, 'b', { 'if-none-match': etag }), 501, 'NotImplemented')
      await refused(rename(world, 'b', { 'if-modified-since': 'x' }), 400, 'InvalidArgument')
      assert.equal(await fetchObject(world, 'a'), 'a')
      assert.equal(await fetchObject(world, 'b'), 'b')
      const good = { [`${source}if-match`]: etag, 'if-match': other, 'if-modified-since': PAST }
      assert.equal((await rename(world, 'b', good)).status, 200)
      assert.equal(await fetchObject(world, 'b'), 'a')
      assert(!(await isThere(world, 'a')))
    },
  },
  {
    name: 'what cannot be renamed is refused and stays',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await refused(rename(world, 'b'), 404, 'NoSuchKey')
      await storeObject(world, 'a', 'a')
      await storeObject(world, 'dir/', 'd')
      const from = (value: string): Record<string, string> => ({ 'x-amz-rename-source': value })
      await refused(rename(world, 'b', from('/elsewhere/a')), 400, 'InvalidRequest')
      await refused(rename(world, 'b', from('a')), 400, 'InvalidArgument')
      await refused(rename(world, 'b', from('')), 400, 'InvalidArgument')
      await refused(rename(world, 'a'), 400, 'InvalidRequest')
      await refused(rename(world, 'b/'), 400, 'InvalidRequest')
      await refused(rename(world, 'b', from(`${Bucket}/dir/`)), 400, 'InvalidRequest')
      await refused(rename(world, 'b', { 'x-amz-client-token': 'a b' }), 400, 'InvalidArgument')
      const VersioningConfiguration = { Status: 'Enabled' } as const
      await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }))
      await refused(rename(world, 'b'), 409, 'InvalidBucketState')
      assert.equal(await fetchObject(world, 'a'), 'a')
      assert(!(await isThere(world, 'b')))
    },
  },
  {
    name: 'a repeated rename with the same token succeeds and does nothing',
    async run(world) {
      const token = { 'x-amz-client-token': 'token-1' }
      await storeObject(world, 'a', 'first')
      assert.equal((await rename(world, 'b', token)).status, 200)
      assert.equal((await rename(world, 'b', token)).status, 200)
      await storeObject(world, 'a', 'second')
      assert.equal((await rename(world, 'b', token)).status, 200)
      assert.equal(await fetchObject(world, 'a'), 'second')
      assert.equal(await fetchObject(world, 'b'), 'first')
      const other = { ...token, 'x-amz-rename-source': `${world.bucket}/other` }
      await refused(rename(world, 'b', other), 400, 'IdempotencyParameterMismatch')
      assert.equal((await rename(world, 'b')).status, 200)
      assert.equal(await fetchObject(world, 'b'), 'second')
      await refused(rename(world, 'b', { 'x-amz-client-token': 'token-2' }), 404, 'NoSuchKey')
    },
  },
  {
    name: 'encrypted objects are renamed, and those with a key of the client are not',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (const ServerSideEncryption of ['AES256', 'aws:kms'] as const) {
        await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x', ServerSideEncryption }))
        assert.equal((await rename(world, 'b')).status, 200)
        const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'b' }))
        assert.equal(head.ServerSideEncryption, ServerSideEncryption)
        assert.equal(await fetchObject(world, 'b'), 'x')
      }
      const SSECustomerKey = Buffer.alloc(32, 'k').toString('base64')
      const SSECustomerKeyMD5 = Buffer.from(md5Hex(Buffer.alloc(32, 'k')), 'hex').toString('base64')
      const customer = { SSECustomerAlgorithm: 'AES256', SSECustomerKey, SSECustomerKeyMD5 }
      await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'y', ...customer }))
      await refused(rename(world, 'b'), 400, 'InvalidRequest')
      assert.equal(await fetchObject(world, 'a', customer), 'y')
    },
  },
]
