/** CORS: configurations of buckets, and the answers to browsers. */

import assert from 'node:assert/strict'
import {
  DeleteBucketCorsCommand,
  GetBucketCorsCommand,
  PutBucketCorsCommand,
  type CORSRule,
} from '@aws-sdk/client-s3'
import { storeObject } from './objects.ts'
import {
  expectRefused,
  fails,
  sendUnsigned,
  type ConformanceCase,
  type ConformanceWorld,
  type RawResponse,
} from './world.ts'

const ORIGIN = 'https://app.example.org'
const RULES: CORSRule[] = [
  {
    ID: 'application & co',
    AllowedOrigins: ['https://*.example.org', 'http://localhost:80'],
    AllowedMethods: ['PUT', 'GET'],
    AllowedHeaders: ['x-Amz-*', 'Content-Type'],
    ExposeHeaders: ['ETag', 'x-amz-version-id'],
    MaxAgeSeconds: 3000,
  },
  { AllowedOrigins: ['*'], AllowedMethods: ['HEAD'] },
]

/** How often a node is asked until its copy of the bucket's record, at most a second old, is the new one (T7). */
const ATTEMPTS_MAX = 10_000

async function askedUntil(status: number, ask: () => Promise<RawResponse>): Promise<RawResponse> {
  for (let attempt = 1; ; attempt++) {
    const answer = await ask()
    if (answer.status === status || attempt === ATTEMPTS_MAX) return answer
  }
}

function preflight(
  { target, bucket }: ConformanceWorld,
  origin: string,
  method: string,
  more: Record<string, string> = {},
): Promise<RawResponse> {
  const headers = { origin, 'access-control-request-method': method, ...more }
  return sendUnsigned(target.endpoint, { method: 'OPTIONS', url: `/${bucket}/key`, headers })
}

export const CORS_CASES: readonly ConformanceCase[] = [
  {
    name: 'a CORS configuration is stored in its order until it is removed',
    async run({ s3, bucket: Bucket }) {
      const get = new GetBucketCorsCommand({ Bucket })
      await fails(s3.send(get), 404, 'NoSuchCORSConfiguration')
      const put = (CORSRules: CORSRule[]) =>
        s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules } }))
      await put(RULES)
      assert.deepEqual((await s3.send(get)).CORSRules, RULES)
      const [first] = RULES
      await fails(put([{ ...first, AllowedMethods: ['PATCH'] } as CORSRule]), 400, 'InvalidRequest')
      await fails(put([]), 400, 'MalformedXML')
      assert.deepEqual((await s3.send(get)).CORSRules, RULES)
      await put(RULES.slice(1))
      assert.deepEqual((await s3.send(get)).CORSRules, RULES.slice(1))
      await s3.send(new DeleteBucketCorsCommand({ Bucket }))
      await s3.send(new DeleteBucketCorsCommand({ Bucket }))
      await fails(s3.send(get), 404, 'NoSuchCORSConfiguration')
      await fails(
        s3.send(new GetBucketCorsCommand({ Bucket: `${Bucket}-none` })),
        404,
        'NoSuchBucket',
      )
    },
  },
  {
    name: 'browsers are answered by the CORS rules of the bucket',
    async run(world) {
      const { s3, bucket: Bucket } = world
      await storeObject(world, 'key', 'data')
      expectRefused(await preflight(world, ORIGIN, 'PUT'), 403, 'AccessForbidden')
      await s3.send(new PutBucketCorsCommand({ Bucket, CORSConfiguration: { CORSRules: RULES } }))
      const asked = { 'access-control-request-headers': 'X-Amz-Date,content-type' }
      const allowed = await askedUntil(200, () => preflight(world, ORIGIN, 'PUT', asked))
      assert.equal(allowed.status, 200, allowed.text)
      assert.equal(allowed.headers['access-control-allow-origin'], ORIGIN)
      assert.equal(allowed.headers['access-control-allow-methods'], 'PUT, GET')
      assert.equal(allowed.headers['access-control-allow-headers'], 'x-amz-date, content-type')
      assert.equal(allowed.headers['access-control-max-age'], '3000')
      expectRefused(await preflight(world, 'http://other', 'PUT'), 403, 'AccessForbidden')
      const any = await preflight(world, 'http://other', 'HEAD')
      assert.equal(any.headers['access-control-allow-origin'], '*')
      assert.equal(any.headers['access-control-allow-credentials'], undefined)
      for (const [path, status] of [
        [`/${Bucket}/key`, 200],
        [`/${Bucket}/missing`, 404],
      ] as const) {
        const answer = await world.raw({ path, headers: { origin: ORIGIN } })
        assert.equal(answer.status, status)
        assert.equal(answer.headers['access-control-allow-origin'], ORIGIN)
        assert.equal(answer.headers['access-control-expose-headers'], 'ETag, x-amz-version-id')
        assert.match(answer.headers['vary'] ?? '', /Origin/)
      }
      await s3.send(new DeleteBucketCorsCommand({ Bucket }))
      const removed = await askedUntil(403, () => preflight(world, ORIGIN, 'PUT'))
      expectRefused(removed, 403, 'AccessForbidden')
    },
  },
]
