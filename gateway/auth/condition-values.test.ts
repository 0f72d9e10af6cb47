/** The values that conditions of policies see for a request. */

import { expect, test } from 'vitest'
import { CONDITION_KEYS } from '../../protocol/iam/condition-keys.ts'
import { ConditionValues, type Asked } from './condition-values.ts'
import type { Identity } from '../port/identity.ts'
import { session, user } from '../testing/callers.ts'
import { parseCopySource } from '../http/copy-source.ts'
import { route } from '../routes/router.ts'
import { fakeRequest, type FakeMessage } from '../testing/requests.ts'
import type { AuthResult } from './auth.ts'

const NOW = Date.UTC(2026, 1, 3, 4, 5, 6)
const SIGNED: AuthResult = {
  credential: undefined,
  method: 'header',
  version: 4,
  payload: { type: 'unsigned' },
  signing: undefined,
  signedMs: NOW - 1_500,
}

function asked(action: string, versionId?: string): Asked {
  return { action, object: { bucket: 'bucket', key: 'key', versionId } }
}

function values(
  message: FakeMessage,
  auth: AuthResult = SIGNED,
  identity: Identity = user('ann').identity,
): Record<string, readonly string[]> {
  const request = fakeRequest(message)
  const about = { request, auth, identity, region: 'mars', nowMs: NOW, operation: route(request) }
  const found = new ConditionValues(about, asked('s3:GetObject', request.query.get('versionId')))
  const present = [...CONDITION_KEYS].filter((key) => found.has(key))
  return Object.fromEntries(present.map((key) => [key, found.get(key) ?? []]))
}

test('the values of a plain request', () => {
  const headers = { host: 'h', 'x-forwarded-for': '10.0.0.1' }
  expect(values({ url: '/bucket/key', headers })).toEqual({
    'aws:currenttime': ['2026-02-03T04:05:06.000Z'],
    'aws:epochtime': [String(NOW / 1000)],
    'aws:principalisawsservice': ['false'],
    'aws:requestedregion': ['mars'],
    'aws:securetransport': ['false'],
    'aws:sourceip': ['192.0.2.1'],
    'aws:viaawsservice': ['false'],
    's3:authtype': ['REST-HEADER'],
    's3:signatureversion': ['AWS4-HMAC-SHA256'],
  })
})

test('the values of headers', () => {
  const found = values({
    method: 'PUT',
    url: '/bucket/key?versionId=v',
    headers: {
      host: 'h',
      referer: 'http://r/',
      'user-agent': 'u',
      'x-amz-acl': 'private',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-copy-source': '/from/a%20b?versionId=null',
      'x-amz-metadata-directive': 'COPY',
      'x-amz-storage-class': 'STANDARD',
      'x-amz-unheard': '1',
    },
  })
  expect(found).toMatchObject({
    'aws:referer': ['http://r/'],
    'aws:useragent': ['u'],
    's3:objectcreationoperation': ['true'],
    's3:versionid': ['v'],
    's3:x-amz-acl': ['private'],
    's3:x-amz-content-sha256': ['UNSIGNED-PAYLOAD'],
    's3:x-amz-copy-source': ['from/a b'],
    's3:x-amz-metadata-directive': ['COPY'],
    's3:x-amz-storage-class': ['STANDARD'],
  })
  expect(found).not.toHaveProperty('s3:signatureage')
})

test('the values of a listing', () => {
  const url = '/bucket?prefix=a%2F+b&delimiter=/&max-keys=5&prefix=other'
  expect(values({ url })).toMatchObject({
    // The first value of a repeated parameter counts, as for the listing itself.
    's3:prefix': ['a/ b'],
    's3:delimiter': ['/'],
    's3:max-keys': ['5'],
  })
})

test.each([
  ['GET', '/bucket/key?prefix=open/&delimiter=/&max-keys=1', {}],
  ['PUT', '/bucket/key?prefix=open/&delimiter=/&max-keys=1', {}],
  ['GET', '/bucket?list-type=2', { 'x-amz-copy-source': 'open/a' }],
  ['GET', '/bucket/key', { 'x-amz-copy-source': 'open/a', 'x-amz-storage-class': 'STANDARD' }],
  ['DELETE', '/bucket/key', { 'x-amz-copy-source': 'open/a', 'x-amz-acl': 'private' }],
  ['PUT', '/bucket/key?partNumber=1&uploadId=x', { 'x-amz-acl': 'private', 'if-none-match': '*' }],
])('%s %s: ignored parameters and headers have no value', (method, url, headers) => {
  const found = values({ method, url, headers: { host: 'h', ...headers } })
  const said = Object.keys(found).filter((key) => /prefix|delim|max-keys|x-amz-|if-/.test(key))
  expect(said).toEqual([])
})

test('the values of conditional writes, and which requests create an object', () => {
  const headers = { host: 'h', 'if-none-match': '*', 'if-match': '"e"' }
  const of = (method: string, url: string, more: object = {}) =>
    values({ method, url, headers: { ...headers, ...more } })
  const made = { 's3:if-none-match': ['*'], 's3:if-match': ['"e"'] }
  const creates = { 's3:objectcreationoperation': ['true'] }
  expect(of('PUT', '/b/k')).toMatchObject({ ...made, ...creates })
  expect(of('POST', '/b/k?uploadId=u')).toMatchObject({ ...made, ...creates })
  expect(of('PUT', '/b/k', { 'x-amz-copy-source': 'b/s' })).toMatchObject({ ...made, ...creates })
  expect(of('DELETE', '/b/k')).toMatchObject({ 's3:if-match': ['"e"'] })
  for (const [method, url] of [
    ['POST', '/b/k?uploads'],
    ['PUT', '/b/k?partNumber=1&uploadId=u'],
  ] as const) {
    const found = of(method, url)
    expect(found).toMatchObject({ 's3:objectcreationoperation': ['false'] })
    expect(found).not.toHaveProperty('s3:if-none-match')
  }
  expect(of('GET', '/b/k')).not.toHaveProperty('s3:objectcreationoperation')
})

test.each([
  ['from/key', 'from/key'],
  ['/from/key', 'from/key'],
  ['%2Ffrom%2Fkey', 'from/key'],
  ['%66rom/%6bey', 'from/key'],
  ['from//key', 'from//key'],
  ['from/a+b', 'from/a b'],
  ['from/a%2Bb', 'from/a+b'],
  ['from/a%20b?versionId=null', 'from/a b'],
  ['from/a?versionId=null?versionId=null', 'from/a?versionId=null'],
  ['from/a%3FversionId=null', 'from/a?versionId=null'],
  ['from/a?b', 'from/a?b'],
  ['from/\u00c3\u00a9', 'from/é'],
  ['from/%C3%A9', 'from/é'],
  ['from/../key', 'from/../key'],
])('the source %s of a copy is %s, for the copy and for policies', (header, named) => {
  const { bucket, key } = parseCopySource(header)
  expect(`${bucket}/${key}`).toBe(named)
  const headers = { host: 'h', 'x-amz-copy-source': header }
  const url = '/bucket/key'
  expect(values({ method: 'PUT', url, headers })['s3:x-amz-copy-source']).toEqual([named])
  // In the query of a presigned request it is the same header.
  const query = `X-Amz-Algorithm=x&x-amz-copy-source=${encodeURIComponent(Buffer.from(header, 'latin1').toString('utf8'))}`
  const hoisted = values({ method: 'PUT', url: `${url}?${query}`, headers: { host: 'h' } })
  expect(hoisted['s3:x-amz-copy-source']).toEqual([named])
})

test.each(['', '/', 'key', 'from/', '%2F', 'from/%00', 'from/%ff', 'a b/key'])(
  'a source that no copy can read (%s) is none',
  (header) => {
    expect(() => parseCopySource(header)).toThrow(expect.objectContaining({ status: 400 }))
    const headers = { host: 'h', 'x-amz-copy-source': header }
    const found = values({ method: 'PUT', url: '/bucket/key', headers })
    expect(found).not.toHaveProperty('s3:x-amz-copy-source')
  },
)

test('the values of presigned, session and anonymous requests', () => {
  expect(values({ url: '/b/k' }, { ...SIGNED, method: 'query' })).toMatchObject({
    's3:authtype': ['REST-QUERY-STRING'],
    's3:signatureage': ['1500'],
  })
  expect(values({ url: '/b/k' }, SIGNED, session('r', []).identity)).toMatchObject({
    'aws:tokenissuetime': ['2026-02-02T02:40:00.000Z'],
    'aws:multifactorauthpresent': ['false'],
  })
  const anonymous = values({ url: '/b/k' }, { ...SIGNED, method: 'anonymous', version: undefined })
  expect(anonymous).not.toHaveProperty('s3:authtype')
  expect(anonymous).not.toHaveProperty('s3:signatureversion')
})

test('the values of Signature Version 2', () => {
  const { signedMs: _unknown, ...unsaid } = SIGNED
  expect(values({ url: '/b/k' }, { ...unsaid, method: 'query', version: 2 })).toMatchObject({
    's3:authtype': ['REST-QUERY-STRING'],
    's3:signatureversion': ['AWS'],
    's3:signatureage': ['0'],
  })
  const header = values({ url: '/b/k' }, { ...SIGNED, version: 2 })
  expect(header).toMatchObject({ 's3:authtype': ['REST-HEADER'], 's3:signatureversion': ['AWS'] })
  expect(header).not.toHaveProperty('s3:signatureage')
})

test('as in AWS, the hash of a body counts only as a header', () => {
  const url = '/b/k?X-Amz-Algorithm=x&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD'
  expect(values({ url })).not.toHaveProperty('s3:x-amz-content-sha256')
  const old = '/b/k?AWSAccessKeyId=x&Signature=y&x-amz-content-sha256=UNSIGNED-PAYLOAD'
  expect(values({ url: old })).not.toHaveProperty('s3:x-amz-content-sha256')
})

test('each version has its own value', () => {
  const request = fakeRequest({ method: 'POST', url: '/bucket?delete' })
  const about = {
    request,
    auth: SIGNED,
    identity: user('ann').identity,
    region: 'mars',
    nowMs: NOW,
  }
  expect(
    new ConditionValues(about, asked('s3:DeleteObjectVersion', 'v7')).get('s3:versionid'),
  ).toEqual(['v7'])
  expect(new ConditionValues(about).has('s3:versionid')).toBe(false)
})

test('of an upload, its encryption counts, and is fetched when a condition asks for it', () => {
  const SSE = 's3:x-amz-server-side-encryption'
  const KEY_ID = `${SSE}-aws-kms-key-id`
  const about = (message: FakeMessage): ConstructorParameters<typeof ConditionValues>[0] => {
    const request = fakeRequest({ method: 'PUT', ...message })
    const identity = user('ann').identity
    const operation = route(request)
    return { request, auth: SIGNED, identity, region: 'mars', nowMs: NOW, operation }
  }
  const part = about({
    url: '/bucket/key?partNumber=1&uploadId=u',
    headers: { host: 'h', 'x-amz-server-side-encryption': 'AES256' },
  })
  const unknown = new ConditionValues(part, asked('s3:PutObject'))
  expect([unknown.get(SSE), unknown.lacking]).toEqual([undefined, 'upload'])
  const upload = new Map([
    ['x-amz-server-side-encryption', 'aws:kms'],
    ['x-amz-server-side-encryption-aws-kms-key-id', 'arn'],
  ])
  const known = new ConditionValues(part, asked('s3:PutObject'), { upload })
  expect([known.get(SSE), known.get(KEY_ID), known.lacking]).toEqual([
    ['aws:kms'],
    ['arn'],
    undefined,
  ])
  const none = new ConditionValues(part, asked('s3:PutObject'), { upload: new Map() })
  expect([none.get(SSE), none.lacking]).toEqual([undefined, undefined])

  const headers = {
    host: 'h',
    'x-amz-server-side-encryption': 'aws:kms',
    'x-amz-server-side-encryption-aws-kms-key-id': 'id',
    'x-amz-server-side-encryption-customer-algorithm': 'AES256',
  }
  const put = new ConditionValues(about({ url: '/bucket/key', headers }), asked('s3:PutObject'))
  expect([put.get(SSE), put.get(KEY_ID), put.get(`${SSE}-customer-algorithm`)]).toEqual([
    ['aws:kms'],
    ['id'],
    ['AES256'],
  ])
})
