/** Encryption of objects and copies: SSE-S3, and keys of clients (SSE-C). */

import assert from 'node:assert/strict'
import {
  GetObjectAttributesCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
} from '@aws-sdk/client-s3'
import {
  clientKey,
  clientKeyInput,
  sampleBytes,
  sendTo,
  putWith,
  readAround,
  readBytes,
  expectBytes,
  SSE,
  SSE_C,
  SOURCE_SSE_C,
  CLIENT_KEY,
  OTHER_KEY,
  PIECE_SIZES,
  md5Text,
  type SentHeaders,
} from './encryption-world.ts'
import { setVersioning } from './versions.ts'
import { expectRefused, fails, type ConformanceCase, type RawResponse } from './world.ts'

const OBJECT_CASES: readonly ConformanceCase[] = [
  {
    name: 'an object that was encrypted by a key of the cluster is read back, and its ETag is its MD5',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (const size of PIECE_SIZES) {
        const key = `size-${size}`
        const body = sampleBytes(size)
        const made = await putWith(world, key, { [SSE]: 'AES256' }, body)
        assert.equal(made.headers[SSE], 'AES256')
        assert.equal(made.headers['etag'], `"${md5Text(body, 'hex')}"`)
        await readAround(world, key, body)
        const head = await s3.send(new HeadObjectCommand({ Bucket, Key: key }))
        assert.deepEqual(
          [head.ContentLength, head.ServerSideEncryption, head.BucketKeyEnabled],
          [size, 'AES256', undefined],
        )
      }
      const { Contents } = await s3.send(new ListObjectsV2Command({ Bucket }))
      const sizes = Contents?.map(({ Size }) => Size).sort((a = 0, b = 0) => a - b)
      assert.deepEqual(sizes, PIECE_SIZES)
      for (const method of ['GET', 'HEAD']) {
        const answer = await sendTo(world, method, 'size-1', { [SSE]: 'AES256' })
        assert.equal(answer.status, 400)
      }
      expectRefused(
        await sendTo(world, 'GET', 'size-1', clientKey(CLIENT_KEY)),
        400,
        'InvalidRequest',
      )
    },
  },
  {
    name: 'an object that was encrypted by the key of a client needs that key',
    async run(world) {
      const { s3, bucket: Bucket } = world
      for (const size of PIECE_SIZES) {
        const key = `size-${size}`
        const body = sampleBytes(size)
        const made = await putWith(world, key, clientKey(CLIENT_KEY), body)
        assert.equal(made.headers[`${SSE_C}algorithm`], 'AES256')
        assert.equal(made.headers[`${SSE_C}key-md5`], md5Text(CLIENT_KEY, 'base64'))
        assert.equal(made.headers[SSE], undefined)
        assert.match(made.headers['etag'] ?? '', /^"[0-9a-f]{32}"$/)
        assert.notEqual(made.headers['etag'], `"${md5Text(body, 'hex')}"`)
        await readAround(world, key, body, clientKeyInput(CLIENT_KEY))
      }
      const Key = 'size-1000'
      const [first, again] = [
        await putWith(world, 'a', clientKey(CLIENT_KEY), CLIENT_KEY),
        await putWith(world, 'a', clientKey(CLIENT_KEY), CLIENT_KEY),
      ]
      assert.notEqual(first.headers['etag'], again.headers['etag'])
      const attributes = { Bucket, Key, ObjectAttributes: ['ObjectSize' as const] }
      const shown = await s3.send(
        new GetObjectAttributesCommand({ ...attributes, ...clientKeyInput(CLIENT_KEY) }),
      )
      assert.equal(shown.ObjectSize, 1_000)
      await fails(s3.send(new GetObjectAttributesCommand(attributes)), 400, 'InvalidRequest')
      for (const method of ['GET', 'HEAD']) {
        const code = (text: string): string | undefined => (method === 'GET' ? text : undefined)
        const ask = (headers: SentHeaders) => sendTo(world, method, Key, headers)
        expectRefused(await ask({}), 400, code('InvalidRequest'))
        expectRefused(await ask(clientKey(OTHER_KEY)), 403, code('AccessDenied'))
        expectRefused(await ask(clientKey(CLIENT_KEY.subarray(1))), 403, code('AccessDenied'))
        const { [`${SSE_C}key-md5`]: _, ...withoutMd5 } = clientKey(CLIENT_KEY)
        const answer = await ask(withoutMd5)
        assert.deepEqual(
          [answer.status, answer.headers[`${SSE_C}key-md5`], answer.headers['content-length']],
          [200, md5Text(CLIENT_KEY, 'base64'), '1000'],
        )
      }
      // A delete needs no key.
      assert.equal((await sendTo(world, 'DELETE', Key)).status, 204)
    },
  },
  {
    name: 'headers of encryption that do not fit are refused, and nothing is stored',
    async run(world) {
      const right = clientKey(CLIENT_KEY)
      const cases: readonly [SentHeaders, number, string][] = [
        [{ [SSE]: 'AES128' }, 400, 'InvalidArgument'],
        [{ [SSE]: 'aws:kms:dsse' }, 501, 'NotImplemented'],
        [{ [SSE]: 'AES256', [`${SSE}-aws-kms-key-id`]: 'x' }, 400, 'InvalidArgument'],
        [{ [`${SSE}-aws-kms-key-id`]: 'x' }, 400, 'InvalidArgument'],
        [{ [`${SSE}-context`]: 'e30=' }, 400, 'InvalidArgument'],
        [{ ...right, [SSE]: 'AES256' }, 400, 'InvalidArgument'],
        [{ ...right, [`${SSE_C}algorithm`]: 'AES128' }, 400, 'InvalidEncryptionAlgorithmError'],
        [{ ...right, [`${SSE_C}algorithm`]: '' }, 400, 'InvalidArgument'],
        [{ ...right, [`${SSE_C}key`]: '' }, 400, 'InvalidArgument'],
        [{ ...right, [`${SSE_C}key-md5`]: '' }, 400, 'InvalidArgument'],
        [{ ...right, [`${SSE_C}key-md5`]: md5Text(OTHER_KEY, 'base64') }, 400, 'InvalidArgument'],
        [clientKey(CLIENT_KEY.subarray(1)), 400, 'InvalidArgument'],
      ]
      for (const [headers, status, code] of cases) {
        const answer = await sendTo(world, 'PUT', 'k', headers, Buffer.from('x'))
        expectRefused(answer, status, code)
        assert.ok(!answer.text.includes(CLIENT_KEY.toString('base64').slice(0, 20)), answer.text)
        const created = await sendTo(world, 'POST', 'k', headers, undefined, [['uploads', '']])
        expectRefused(created, status, code)
      }
      assert.equal((await sendTo(world, 'HEAD', 'k')).status, 404)
    },
  },
  {
    name: 'each version may be encrypted with another key',
    async run(world) {
      await setVersioning(world, 'Enabled')
      const one = await putWith(world, 'k', clientKey(CLIENT_KEY), Buffer.from('one'))
      const two = await putWith(world, 'k', clientKey(OTHER_KEY), Buffer.from('two'))
      const three = await putWith(world, 'k', {}, Buffer.from('three'))
      const version = (answer: RawResponse) => ({ VersionId: answer.headers['x-amz-version-id'] })
      const first = await readBytes(world, 'k', { ...version(one), ...clientKeyInput(CLIENT_KEY) })
      const second = await readBytes(world, 'k', { ...version(two), ...clientKeyInput(OTHER_KEY) })
      const third = await readBytes(world, 'k', version(three))
      assert.deepEqual([first, second, third].map(String), ['one', 'two', 'three'])
      const { s3, bucket: Bucket } = world
      const wrong = { Bucket, Key: 'k', ...version(one), ...clientKeyInput(OTHER_KEY) }
      await fails(s3.send(new GetObjectCommand(wrong)), 403, 'AccessDenied')
    },
  },
]

const COPY_CASES: readonly ConformanceCase[] = [
  {
    name: 'a copy is encrypted as its own request says, and needs the key of its source',
    async run(world) {
      const body = sampleBytes(70_000)
      await putWith(world, 'src', clientKey(CLIENT_KEY), body)
      const from = { 'x-amz-copy-source': `/${world.bucket}/src` }
      const copy = (key: string, headers: SentHeaders) =>
        sendTo(world, 'PUT', key, { ...from, ...headers })
      expectRefused(await copy('a', {}), 400, 'InvalidRequest')
      expectRefused(await copy('a', clientKey(OTHER_KEY, SOURCE_SSE_C)), 403, 'AccessDenied')
      expectRefused(await copy('a', clientKey(CLIENT_KEY)), 400, 'InvalidRequest')
      const plain = await copy('plain', clientKey(CLIENT_KEY, SOURCE_SSE_C))
      assert.equal(plain.status, 200, plain.text)
      assert.equal(plain.headers[`${SSE_C}algorithm`], undefined)
      assert.ok(plain.text.includes(md5Text(body, 'hex')))
      expectBytes(await readBytes(world, 'plain'), body, 'plain')
      const other = await copy('c', {
        ...clientKey(CLIENT_KEY, SOURCE_SSE_C),
        ...clientKey(OTHER_KEY),
      })
      assert.equal(other.headers[`${SSE_C}key-md5`], md5Text(OTHER_KEY, 'base64'))
      expectBytes(await readBytes(world, 'c', clientKeyInput(OTHER_KEY)), body, 'c')
      const s3 = await copy('s3', { ...clientKey(CLIENT_KEY, SOURCE_SSE_C), [SSE]: 'AES256' })
      assert.equal(s3.headers[SSE], 'AES256')
      expectBytes(await readBytes(world, 's3'), body, 's3')
      // A copy of an object to itself changes how it is encrypted.
      const itself = { 'x-amz-copy-source': `/${world.bucket}/plain` }
      expectRefused(await sendTo(world, 'PUT', 'plain', itself), 400, 'InvalidRequest')
      const changed = await sendTo(world, 'PUT', 'plain', { ...itself, ...clientKey(CLIENT_KEY) })
      assert.equal(changed.status, 200, changed.text)
      expectBytes(await readBytes(world, 'plain', clientKeyInput(CLIENT_KEY)), body, 'plain')
      expectRefused(
        await sendTo(world, 'PUT', 'x', { ...itself, ...clientKey(OTHER_KEY, SOURCE_SSE_C) }),
        403,
        'AccessDenied',
      )
    },
  },
]

export const ENCRYPTION_CASES: readonly ConformanceCase[] = [...OBJECT_CASES, ...COPY_CASES]
