/** What conditions of policies find in a request. */

import { expect, test } from 'vitest'
import { CONDITION_KEYS } from '../protocol/iam/condition-keys.ts'
import { ConditionValues } from './condition-values.ts'
import type { Identity } from './backend.ts'
import { session, user } from './testing/callers.ts'
import { fakeRequest, type FakeMessage } from './testing/requests.ts'
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

function values(
  message: FakeMessage,
  auth: AuthResult = SIGNED,
  identity: Identity = user('ann').identity,
): Record<string, readonly string[]> {
  const request = fakeRequest(message)
  const found = new ConditionValues({ request, auth, identity, region: 'mars', nowMs: NOW })
  const present = [...CONDITION_KEYS].filter((key) => found.has(key))
  return Object.fromEntries(present.map((key) => [key, found.get(key) ?? []]))
}

test('of a plain request', () => {
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

test('of what a request carries', () => {
  const found = values({
    method: 'PUT',
    url: '/bucket/key?prefix=a%2F&delimiter=/&max-keys=5&versionId=v',
    headers: {
      host: 'h',
      referer: 'http://r/',
      'user-agent': 'u',
      'x-amz-acl': 'private',
      'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
      'x-amz-copy-source': '/from/a%20b?versionId=w',
      'x-amz-metadata-directive': 'COPY',
      'x-amz-storage-class': 'STANDARD',
      'x-amz-unheard': '1',
    },
  })
  expect(found).toMatchObject({
    'aws:referer': ['http://r/'],
    'aws:useragent': ['u'],
    's3:prefix': ['a/'],
    's3:delimiter': ['/'],
    's3:max-keys': ['5'],
    's3:versionid': ['v'],
    's3:x-amz-acl': ['private'],
    's3:x-amz-content-sha256': ['UNSIGNED-PAYLOAD'],
    's3:x-amz-copy-source': ['from/a b'],
    's3:x-amz-metadata-directive': ['COPY'],
    's3:x-amz-storage-class': ['STANDARD'],
  })
  expect(found).not.toHaveProperty('s3:signatureage')
})

test.each([
  ['from/a+b', 'from/a b'],
  ['/from/a%2Bb', 'from/a+b'],
  ['from/a?b', 'from/a?b'],
  ['from/a%3FversionId=w', 'from/a?versionId=w'],
  ['from/caf\u00c3\u00a9?versionId=w', 'from/café'],
])('a condition on the copy source means the object that is copied: %s', (header, source) => {
  const headers = { 'x-amz-copy-source': header }
  const found = values({ method: 'PUT', url: '/bucket/key', headers })
  expect(found['s3:x-amz-copy-source']).toEqual([source])
})

test('of a presigned one, of a session, of nobody', () => {
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

test('of Signature Version 2', () => {
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

test('the hash of a body counts as a header only, as AWS says', () => {
  const url = '/b/k?X-Amz-Algorithm=x&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD'
  expect(values({ url })).not.toHaveProperty('s3:x-amz-content-sha256')
  const old = '/b/k?AWSAccessKeyId=x&Signature=y&x-amz-content-sha256=UNSIGNED-PAYLOAD'
  expect(values({ url: old })).not.toHaveProperty('s3:x-amz-content-sha256')
})

test('of one of several versions', () => {
  const request = fakeRequest({ method: 'POST', url: '/bucket?delete' })
  const about = {
    request,
    auth: SIGNED,
    identity: user('ann').identity,
    region: 'mars',
    nowMs: NOW,
  }
  expect(new ConditionValues(about, 'v7').get('s3:versionid')).toEqual(['v7'])
  expect(new ConditionValues(about).has('s3:versionid')).toBe(false)
})
