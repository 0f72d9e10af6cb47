/** Answers that SDKs use to decide what to do next: regions, markers, names in errors, encoded metadata. */

import assert from 'node:assert/strict'
import {
  expectRefused,
  sendUnsigned,
  sendRaw,
  type ConformanceCase,
  type RawResponse,
} from './world.ts'

export const STEERING_CASES: readonly ConformanceCase[] = [
  {
    name: 'every answer about a bucket names its region, including refusals and HEAD',
    async run(world) {
      const { bucket, target } = world
      const { region, endpoint } = target
      const path = `/${bucket}`
      await world.raw({ method: 'PUT', path: `${path}/k`, body: [Buffer.from('x')] })
      const answers: RawResponse[] = [
        await world.raw({ method: 'HEAD', path }),
        await world.raw({ method: 'GET', path }),
        await world.raw({ method: 'GET', path, query: [['location', '']] }),
        await world.raw({ method: 'GET', path: `${path}/k` }),
        await world.raw({ method: 'HEAD', path: `${path}/none` }),
        await world.raw({ method: 'GET', path: `${path}/none` }),
        await world.raw({ method: 'DELETE', path: `${path}/none` }),
        await world.raw({ method: 'HEAD', path: `${path}-none` }),
        await world.raw({ method: 'GET', path, query: [['max-keys', 'x']] }),
        await sendUnsigned(endpoint, { method: 'HEAD', url: path }),
        await sendUnsigned(endpoint, { url: `${path}/k` }),
      ]
      for (const { status, headers } of answers) {
        assert.equal(headers['x-amz-bucket-region'], region, String(status))
      }
      const wrong = { ...target, region: 'mars-north-1' }
      for (const method of ['HEAD', 'GET']) {
        const answer = await sendRaw(wrong, { method, path })
        assert.equal(answer.status, 400)
        assert.equal(answer.headers['x-amz-bucket-region'], region)
        if (method === 'HEAD') assert.equal(answer.text, '')
        else {
          expectRefused(answer, 400, 'AuthorizationHeaderMalformed')
          assert.match(answer.text, new RegExp(`<Region>${region}</Region>`))
        }
      }
      const service = await world.raw({ method: 'GET', path: '/' })
      assert.equal(service.headers['x-amz-bucket-region'], undefined)
    },
  },
  {
    name: 'NextMarker is only sent with a delimiter; ListObjectsV2 returns its parameters and counts',
    async run(world) {
      const { bucket } = world
      for (const key of ['a', 'b/1', 'b/2', 'c', 'd']) {
        await world.raw({ method: 'PUT', path: `/${bucket}/${key}`, body: [Buffer.from('x')] })
      }
      const list = async (...query: [string, string][]): Promise<string> =>
        (await world.raw({ method: 'GET', path: `/${bucket}`, query })).text
      const plain = await list(['max-keys', '2'])
      assert.match(plain, /<IsTruncated>true</)
      assert.doesNotMatch(plain, /<NextMarker>/)
      assert.doesNotMatch(await list(['max-keys', '2'], ['marker', 'b/1']), /<NextMarker>/)
      const folded = await list(['max-keys', '2'], ['delimiter', '/'])
      assert.match(folded, /<NextMarker>b\/</)
      const none = await list(['max-keys', '0'], ['list-type', '2'])
      assert.match(none, /<KeyCount>0<.*<MaxKeys>0<.*<IsTruncated>false</)
      const after = await list(['list-type', '2'], ['start-after', 'c'], ['encoding-type', 'url'])
      assert.match(after, /<StartAfter>c<.*<KeyCount>1<.*<EncodingType>url</)
    },
  },
  {
    name: 'metadata that is not ASCII is returned as an encoded word',
    async run(world) {
      const { bucket } = world
      const path = `/${bucket}/meta`
      const put = (value: string): Promise<RawResponse> =>
        world.raw({ method: 'PUT', path, headers: { 'x-amz-meta-name': value } })
      const latin1 = (text: string): string => Buffer.from(text, 'utf8').toString('latin1')
      const word = (text: string): string => `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`
      for (const [sent, returned] of [
        ['plain ascii = ?', 'plain ascii = ?'],
        [latin1('Grüße, 日本'), word('Grüße, 日本')],
        // Not UTF-8, so it is read as latin1.
        ['caf\u00e9', word('café')],
        [word('Grüße'), word('Grüße')],
      ] as const) {
        assert.equal((await put(sent)).status, 200, sent)
        for (const method of ['HEAD', 'GET']) {
          const answer = await world.raw({ method, path })
          assert.equal(answer.headers['x-amz-meta-name'], returned)
          assert.equal(answer.headers['x-amz-missing-meta'], undefined)
        }
      }
    },
  },
  {
    name: 'errors name the bucket, the key and the resource; some answers have no body',
    async run(world) {
      const { bucket } = world
      const path = `/${bucket}/dir/a key`
      const missing = await world.raw({ method: 'GET', path })
      expectRefused(missing, 404, 'NoSuchKey')
      assert.match(missing.text, /<Key>dir\/a key<\/Key>/)
      assert.match(missing.text, new RegExp(`<Resource>/${bucket}/dir/a%20key</Resource>`))
      const nowhere = await world.raw({ method: 'GET', path: `/${bucket}-none/x` })
      expectRefused(nowhere, 404, 'NoSuchBucket')
      assert.match(nowhere.text, new RegExp(`<BucketName>${bucket}-none</BucketName>`))
      await world.raw({ method: 'PUT', path, body: [Buffer.from('x')] })
      const full = await world.raw({ method: 'DELETE', path: `/${bucket}` })
      expectRefused(full, 409, 'BucketNotEmpty')
      assert.match(full.text, new RegExp(`<BucketName>${bucket}</BucketName>`))
      const part = await world.raw({ method: 'GET', path, query: [['partNumber', '2']] })
      expectRefused(part, 416, 'InvalidPartNumber')
      const gone = await world.raw({ method: 'DELETE', path })
      assert.deepEqual([gone.status, gone.text], [204, ''])
      assert.equal(gone.headers['content-length'] ?? '0', '0')
      const head = await world.raw({ method: 'HEAD', path })
      assert.deepEqual([head.status, head.text], [404, ''])
    },
  },
  {
    name: 'a suffix of an empty object is the whole object, any other range gets 416',
    async run(world) {
      const { bucket } = world
      const path = `/${bucket}/empty`
      await world.raw({ method: 'PUT', path })
      for (const method of ['GET', 'HEAD']) {
        const whole = await world.raw({ method, path, headers: { range: 'bytes=-5' } })
        assert.equal(whole.status, 200)
        assert.equal(whole.headers['content-range'], undefined)
        assert.equal(whole.headers['content-length'], '0')
        for (const range of ['bytes=0-', 'bytes=0-0', 'bytes=-0']) {
          const answer = await world.raw({ method, path, headers: { range } })
          assert.equal(answer.status, 416)
          assert.equal(answer.headers['content-range'], 'bytes */0')
        }
      }
    },
  },
]
