/** CORS over HTTP: preflight requests, and the headers on every answer to a browser. */

import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { StoreError } from '../protocol/errors.ts'
import { sendRaw, sendUnsigned, type RawResponse } from './conformance/world.ts'
import type { TestGateway } from './testing/gateway.ts'
import { alteredBackend, gatewayForEachTest, waitFor } from './testing/http-world.ts'
import { presign } from './testing/signer.ts'
import { timestampNow } from './testing/overload-world.ts'

const start = gatewayForEachTest()
const ORIGIN = 'https://app.example'
const RULE =
  `<AllowedOrigin>${ORIGIN}</AllowedOrigin><AllowedMethod>GET</AllowedMethod>` +
  '<AllowedMethod>PUT</AllowedMethod><AllowedMethod>HEAD</AllowedMethod>' +
  '<AllowedHeader>*</AllowedHeader><ExposeHeader>ETag</ExposeHeader><MaxAgeSeconds>60</MaxAgeSeconds>'
const CORS_HEADERS = {
  'access-control-allow-origin': ORIGIN,
  'access-control-allow-methods': 'GET, PUT, HEAD',
  'access-control-expose-headers': 'ETag',
  'access-control-max-age': '60',
  'access-control-allow-credentials': 'true',
  vary: 'Origin, Access-Control-Request-Headers, Access-Control-Request-Method',
}

function putCors({ target }: TestGateway, rules: string, more = {}): Promise<RawResponse> {
  const body = Buffer.from(`<CORSConfiguration>${rules}</CORSConfiguration>`)
  const md5 = createHash('md5').update(body).digest('base64')
  return sendRaw(target, {
    method: 'PUT',
    path: '/bucket',
    query: [['cors', '']],
    headers: { 'content-md5': md5, ...more },
    body: [body],
  })
}

async function configured(options = {}): Promise<TestGateway> {
  const gateway = await start(options)
  expect((await putCors(gateway, `<CORSRule>${RULE}</CORSRule>`)).status).toBe(200)
  return gateway
}

function preflight(
  { target }: TestGateway,
  url: string,
  headers: Record<string, string> = {},
): Promise<RawResponse> {
  const usual = { origin: ORIGIN, 'access-control-request-method': 'PUT' }
  return sendUnsigned(target.endpoint, {
    method: 'OPTIONS',
    url,
    headers: { ...usual, ...headers },
  })
}

/** The headers of an answer that belong to CORS. */
function corsOf({ headers }: RawResponse): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => /^(?:access-control-|vary$)/.test(name)),
  )
}

describe('preflight', () => {
  test('is answered on buckets and objects, by path and by host, without a signature', async () => {
    const gateway = await configured()
    for (const [url, headers] of [
      ['/bucket', {}],
      ['/bucket/', {}],
      ['/bucket/a/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=00', {}],
      ['/bucket/key', { authorization: 'AWS4-HMAC-SHA256 nonsense' }],
      ['/key', { host: 'bucket.s3.example.org' }],
    ] as const) {
      const answer = await preflight(gateway, url, headers)
      expect([answer.status, answer.text, answer.headers['content-length']]).toEqual([200, '', '0'])
      expect(corsOf(answer)).toEqual(CORS_HEADERS)
    }
    const asked = { 'access-control-request-headers': 'Content-Type,X-Amz-Date' }
    expect(corsOf(await preflight(gateway, '/bucket/key', asked))).toEqual({
      ...CORS_HEADERS,
      'access-control-allow-headers': 'content-type, x-amz-date',
    })
    expect(gateway.metrics.of('Preflight').snapshot()).toBeDefined()
  })

  test('is refused with the errors of AWS, without headers of CORS', async () => {
    const gateway = await start()
    const off = await preflight(gateway, '/bucket/key')
    expect([off.status, off.code]).toEqual([403, 'AccessForbidden'])
    expect(off.text).toContain('<Message>CORSResponse: CORS is not enabled for this bucket.<')
    expect(off.text).toContain('<Method>PUT</Method><ResourceType>BUCKET</ResourceType>')
    const missing = await preflight(gateway, '/missing/key')
    expect([missing.status, missing.code]).toEqual([403, 'AccessForbidden'])
    expect(missing.text).toContain('<Message>CORSResponse: Bucket not found<')
    await putCors(gateway, `<CORSRule>${RULE}</CORSRule>`)
    const foreign = await preflight(gateway, '/bucket/key', { origin: 'https://other.example' })
    expect([foreign.status, foreign.code, corsOf(foreign)]).toEqual([403, 'AccessForbidden', {}])
    for (const headers of [{}, { origin: '' }] as Record<string, string>[]) {
      const { endpoint } = gateway.target
      const none = await sendUnsigned(endpoint, { method: 'OPTIONS', url: '/bucket', headers })
      expect([none.status, none.code]).toEqual([400, 'BadRequest'])
    }
  })
})

describe('a flood of preflights', () => {
  // One address gets a quarter of the places, and all unsigned requests together get half.
  test.each([
    [0.25, 2],
    [1, 4],
  ])('counts as requests of unknown callers: share %d, %d reads', async (address, places) => {
    let reads = 0
    const waiting: (() => void)[] = []
    const gateway = await start({
      limits: { requestsMax: 8, shares: { address, caller: 0.5 } },
      backend: (memory) =>
        alteredBackend(memory, {
          bucketAccess: async (context, bucket) => {
            if (bucket === 'slow') {
              reads++
              await new Promise<void>((resolve) => waiting.push(resolve))
            }
            return memory.bucketAccess(context, bucket)
          },
        }),
    })
    const flood = Array.from({ length: 40 }, () => preflight(gateway, '/slow/key'))
    let answered = 0
    for (const each of flood) void each.then(() => answered++)
    await waitFor(() => (answered + waiting.length === 40 ? true : undefined))
    expect(reads).toBe(places)
    for (const goOn of waiting) goOn()
    const codes = (await Promise.all(flood)).map(({ code }) => code)
    expect(codes.filter((code) => code === 'SlowDown')).toHaveLength(40 - places)
    expect(gateway.metrics.inFlight).toBe(0)
  })
})

describe('requests with an Origin', () => {
  test('get the headers of the rule with every answer, also with errors', async () => {
    const gateway = await configured()
    const { target } = gateway
    const headers = { origin: ORIGIN }
    const path = '/bucket/key'
    const put = await sendRaw(target, {
      method: 'PUT',
      path,
      headers,
      body: [Buffer.alloc(200_000, 'x')],
    })
    const etag = put.headers['etag'] ?? ''
    const answers: readonly (readonly [number, RawResponse])[] = [
      [200, put],
      [200, await sendRaw(target, { path, headers })],
      [200, await sendRaw(target, { method: 'HEAD', path, headers })],
      [206, await sendRaw(target, { path, headers: { ...headers, range: 'bytes=0-3' } })],
      [304, await sendRaw(target, { path, headers: { ...headers, 'if-none-match': etag } })],
      [412, await sendRaw(target, { path, headers: { ...headers, 'if-match': '"no"' } })],
      [416, await sendRaw(target, { path, headers: { ...headers, range: 'bytes=900000-' } })],
      [404, await sendRaw(target, { path: '/bucket/missing', headers })],
      [403, await sendUnsigned(target.endpoint, { url: path, headers })],
      [403, await sendRaw({ ...target, secretAccessKey: 'wrong' }, { path, headers })],
      [501, await sendRaw(target, { path: '/bucket', query: [['session', '']], headers })],
    ]
    for (const [status, answer] of answers) {
      expect([answer.status, corsOf(answer)]).toEqual([status, CORS_HEADERS])
    }
  })

  test('presigned links work from a browser', async () => {
    const gateway = await configured()
    const { endpoint } = gateway.target
    for (const method of ['PUT', 'GET']) {
      const { message } = presign(
        { method, path: '/bucket/key', headers: { host: new URL(endpoint).host } },
        { ...gateway.target, timestamp: timestampNow() },
      )
      const asked = { 'access-control-request-method': method }
      expect((await preflight(gateway, message.url, asked)).status).toBe(200)
      const sent = { ...message, headers: { ...message.headers, origin: ORIGIN } }
      const answer = await sendUnsigned(endpoint, sent)
      expect([answer.status, corsOf(answer)]).toEqual([200, CORS_HEADERS])
    }
  })
})

describe('the headers of the rule', () => {
  test('are absent without a rule that matches, without a configuration or an Origin', async () => {
    const gateway = await configured()
    const { target } = gateway
    const path = '/bucket/key'
    await sendRaw(target, { method: 'PUT', path, body: [Buffer.from('x')] })
    const other = { origin: 'https://other.example' }
    expect(await sendRaw(target, { path, headers: other }).then(corsOf)).toEqual({})
    expect(await sendRaw(target, { path }).then(corsOf)).toEqual({})
    const gone = { method: 'DELETE', path, headers: { origin: ORIGIN } }
    const deleted = await sendRaw(target, gone)
    expect([deleted.status, corsOf(deleted)]).toEqual([204, {}])
    await sendRaw(target, { method: 'DELETE', path: '/bucket', query: [['cors', '']] })
    expect(await sendRaw(target, { path, headers: { origin: ORIGIN } }).then(corsOf)).toEqual({})
  })

  test('need one read of the record of the bucket, and go with a 500 and a 503', async () => {
    let reads = 0
    let failure: Error = new Error('broken')
    const gateway = await configured({
      backend: (memory: Parameters<typeof alteredBackend>[0]) =>
        alteredBackend(memory, {
          bucketAccess: (context, bucket) => {
            reads++
            return memory.bucketAccess(context, bucket)
          },
          getObject: () => Promise.reject(failure),
        }),
    })
    for (const [status, thrown] of [
      [500, failure],
      [503, new StoreError('Unavailable')],
    ] as const) {
      failure = thrown
      reads = 0
      const headers = { origin: ORIGIN }
      const answer = await sendRaw(gateway.target, { path: '/bucket/key', headers })
      expect([answer.status, corsOf(answer), reads]).toEqual([status, CORS_HEADERS, 1])
    }
  })
})

test('a configuration needs a digest, and is at most 64 KiB', async () => {
  const gateway = await start()
  const { target } = gateway
  const body = [Buffer.from(`<CORSConfiguration><CORSRule>${RULE}</CORSRule></CORSConfiguration>`)]
  const query: [string, string][] = [['cors', '']]
  const without = await sendRaw(target, { method: 'PUT', path: '/bucket', query, body })
  expect([without.status, without.code]).toEqual([400, 'InvalidRequest'])
  expect(without.text).toContain('Content-MD5 OR x-amz-checksum-')
  const padded = (bytes: number): string => {
    const rule = `<CORSRule>${RULE}</CORSRule>`
    return rule + ' '.repeat(bytes - rule.length - '<CORSConfiguration></CORSConfiguration>'.length)
  }
  const large = await putCors(gateway, padded(65_537))
  expect([large.status, large.code]).toEqual([400, 'MalformedXML'])
  const shown = await sendRaw(target, { path: '/bucket', query })
  expect([shown.status, shown.code]).toEqual([404, 'NoSuchCORSConfiguration'])
  expect((await putCors(gateway, padded(65_536))).status).toBe(200)
  const wrong = await putCors(gateway, 'x', { 'content-md5': 'AAAAAAAAAAAAAAAAAAAAAA==' })
  expect([wrong.status, wrong.code]).toEqual([400, 'BadDigest'])
  expect((await sendRaw(target, { path: '/bucket', query })).text).toContain(RULE.slice(0, 40))
})
