import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { isHeaderValue } from './hoisted.ts'
import { parameter, userMetadata } from './request.ts'
import { canonicalQuery, canonicalRequest } from '../auth/sigv4/canonical.ts'
import { fakeRequest } from '../testing/requests.ts'

const at = (url: string, host = 'localhost:9000', suffixes: readonly string[] = []) => {
  const { bucket, key } = fakeRequest({ url, headers: { host } }, suffixes)
  return { bucket, key }
}

function refused(run: () => unknown, code: string, status = 400): void {
  expect(run).toThrow(expect.objectContaining({ name: 'S3Error', code, status }))
}

describe('bucket and key', () => {
  test.each([
    ['/', undefined, undefined],
    ['/bucket', 'bucket', undefined],
    ['/bucket/', 'bucket', undefined],
    ['/bucket?list-type=2', 'bucket', undefined],
    ['/bucket/key', 'bucket', 'key'],
    ['/bucket//key', 'bucket', '/key'],
    ['/bucket/a//b/', 'bucket', 'a//b/'],
    ['/bucket/../x', 'bucket', '../x'],
    ['/bucket/./.', 'bucket', './.'],
    ['/bucket/a%2Fb', 'bucket', 'a/b'],
    ['/bucket/a%252Fb', 'bucket', 'a%2Fb'],
    ['/bucket/a+b', 'bucket', 'a b'],
    ['/bucket/a%2Bb', 'bucket', 'a+b'],
    ['/bucket/+%2B%20/+', 'bucket', ' + / '],
    ['/bucket/%E2%82%AC', 'bucket', '€'],
    ['/bucket/%C3%A9', 'bucket', '\u00e9'],
    ['/bucket/e%CC%81', 'bucket', 'e\u0301'],
    ['/bucket/%0D%0A%01', 'bucket', '\r\n\u0001'],
    ['/bucket/__proto__', 'bucket', '__proto__'],
  ])('F25: %s', (url, bucket, key) => {
    expect(at(url)).toEqual({ bucket, key })
  })

  test('F25: any key survives encoding and decoding', () => {
    fc.assert(
      fc.property(
        fc
          .string({ unit: 'binary', minLength: 1, maxLength: 200 })
          .filter((key) => !key.includes('\0')),
        (key) => {
          const url = `/b/${encodeURIComponent(key).replaceAll('%2F', '/')}`
          expect(at(url).key).toBe(key)
        },
      ),
    )
  })

  test.each([
    '/b/%00',
    '/b/a%00b',
    '/b/%',
    '/b/%4',
    '/b/%zz',
    '/b/%FF',
    '/b/%C0%AF',
    '/b/%ED%A0%80',
    '/b/\u00e9',
    '/b/a b',
    '/b/a#b',
    '*',
    '',
  ])('F25: %s is InvalidURI', (url) => {
    refused(() => at(url), 'InvalidURI')
  })

  test('F25: 1,024 bytes are a key, 1,025 are not', () => {
    expect(at(`/b/${'k'.repeat(1024)}`).key?.length).toBe(1024)
    refused(() => at(`/b/${'k'.repeat(1025)}`), 'KeyTooLongError')
    expect(at(`/b/${'%C3%A9'.repeat(512)}`).key?.length).toBe(512)
    refused(() => at(`/b/${'%C3%A9'.repeat(512)}k`), 'KeyTooLongError')
  })
})

describe('bucket names', () => {
  test.each(['//key', '/a%2Fb/k', '/a%20b/k', '/%C3%A9/k', `/${'b'.repeat(256)}`])(
    '%s names no bucket',
    (url) => {
      refused(() => at(url), 'InvalidBucketName')
    },
  )

  test('the Host header can name the bucket', () => {
    const suffixes = ['s3.example.org', 'localhost']
    expect(at('/a/b', 'bucket.s3.example.org', suffixes)).toEqual({ bucket: 'bucket', key: 'a/b' })
    expect(at('/', 'my.bucket.S3.example.org:9000', suffixes)).toEqual({
      bucket: 'my.bucket',
      key: undefined,
    })
    expect(at('//a', 'bucket.localhost:9000', suffixes)).toEqual({ bucket: 'bucket', key: '/a' })
    expect(at('/bucket/a', 's3.example.org', suffixes)).toEqual({ bucket: 'bucket', key: 'a' })
    expect(at('/bucket/a', 'xs3.example.org', suffixes)).toEqual({ bucket: 'bucket', key: 'a' })
    expect(at('/bucket/a', '127.0.0.1:9000', suffixes)).toEqual({ bucket: 'bucket', key: 'a' })
    refused(() => at('/a', 'b!b.s3.example.org', suffixes), 'InvalidBucketName')
    refused(() => at('/a', 'b b.s3.example.org', suffixes), 'InvalidRequest')
  })
})

describe('the query', () => {
  const query = (text: string) => [...fakeRequest({ url: `/b?${text}` }).query]

  test('is decoded, with and without values', () => {
    expect(query('acl')).toEqual([['acl', '']])
    expect(query('prefix=a%2Fb+c&&delimiter=%2F&x==')).toEqual([
      ['prefix', 'a/b c'],
      ['delimiter', '/'],
      ['x', '='],
    ])
    expect(query('__proto__=1&constructor=2')).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ])
  })

  test('is refused when it is malformed', () => {
    refused(() => query('a=%'), 'InvalidURI')
    refused(() => query('a=%FF'), 'InvalidURI')
  })

  test('the first value of a repeated name counts, and the signature covers all values', () => {
    const request = fakeRequest({ url: '/b?b=1&a=2&%61=1&a-b=3&a=2' })
    expect([...request.query]).toEqual([
      ['b', '1'],
      ['a', '2'],
      ['a-b', '3'],
    ])
    expect(request.repeatedQuery).toEqual([
      ['a', '1'],
      ['a', '2'],
    ])
    const canonical = canonicalQuery(request.query, request.repeatedQuery)
    expect(canonical).toBe('a=1&a=2&a=2&a-b=3&b=1')
    refused(() => query('X-Amz-Date=1&X-Amz-Date=2'), 'InvalidArgument')
    refused(() => query('x-amz-acl=1&x-amz-acl=2'), 'InvalidArgument')
  })

  test('an empty value counts as absent', () => {
    const request = fakeRequest({ url: '/b?prefix=&delimiter&marker=x&acl=' })
    expect(parameter(request, 'prefix')).toBeUndefined()
    expect(parameter(request, 'delimiter')).toBeUndefined()
    expect(parameter(request, 'max-keys')).toBeUndefined()
    expect(parameter(request, 'marker')).toBe('x')
    expect(request.query.has('acl')).toBe(true)
  })
})

const headersOf = (pairs: readonly (readonly [string, string])[], url = '/b/k') =>
  fakeRequest({ url, headers: pairs })

describe('headers', () => {
  test('are lower-case, have no prototype, and join repeated values', () => {
    const { headers } = headersOf([
      ['X-Amz-Meta-A', '1'],
      ['x-amz-meta-a', '2'],
      ['__proto__', 'x'],
    ])
    expect(Object.getPrototypeOf(headers)).toBe(null)
    expect(headers['x-amz-meta-a']).toBe('1,2')
    expect(headers['__proto__']).toBe('x')
  })

  test.each([
    'Host',
    'Authorization',
    'Content-Length',
    'Content-MD5',
    'Range',
    'x-amz-date',
    'X-Amz-Acl',
    'x-amz-copy-source',
    'x-amz-tagging',
    'x-amz-server-side-encryption-customer-key',
    'x-amz-content-sha256',
    'x-amz-decoded-content-length',
    'x-amz-expected-bucket-owner',
    'x-amz-checksum-crc32',
    'x-amz-mfa',
  ])('%s sent twice is refused', (name) => {
    refused(
      () =>
        headersOf([
          [name, '1'],
          [name.toLowerCase(), '1'],
        ]),
      'InvalidRequest',
    )
  })

  test.each([
    'x-amz-object-attributes',
    'x-amz-optional-object-attributes',
    'x-amz-trailer',
    'x-amz-grant-read',
    'If-Match',
    'If-None-Match',
    'Cache-Control',
    'Content-Encoding',
    'x-amz-cf-id',
    'Via',
  ])('%s on several lines is one list in the order of the lines', (name) => {
    const { headers } = headersOf([
      [name, 'b'],
      ['Accept', '*/*'],
      [name.toUpperCase(), 'a, c'],
    ])
    expect(headers[name.toLowerCase()]).toBe('b,a, c')
  })
})

describe('headers without a value', () => {
  test('an empty x-amz-* header counts as not sent, except for the signature', () => {
    const request = headersOf([
      ['X-Amz-Tagging', ''],
      ['x-amz-security-token', ''],
      ['x-amz-acl', 'private'],
      ['x-amz-meta-note', ''],
      ['x-amz-copy-source', ''],
      ['x-amz-copy-source-if-match', ''],
      ['x-amz-if-match-size', ''],
      ['If-Match', ''],
    ])
    expect({ ...request.headers }).toEqual({
      'x-amz-acl': 'private',
      'x-amz-meta-note': '',
      'x-amz-copy-source': '',
      'x-amz-copy-source-if-match': '',
      'x-amz-if-match-size': '',
      'if-match': '',
    })
    expect(request.sentHeaders['x-amz-tagging']).toBe('')
    const canonical = canonicalRequest(request, new Set(['x-amz-acl', 'x-amz-tagging']), 'hash')
    expect(canonical).toContain('x-amz-acl:private\nx-amz-tagging:\n')
  })
})

describe('metadata', () => {
  test('F28: metadata has no prototype', () => {
    const metadata = userMetadata(
      headersOf([
        ['x-amz-meta-__proto__', 'x'],
        ['x-amz-meta-b', 'caf\u00e9'],
      ]),
    )
    expect(Object.getPrototypeOf(metadata)).toBe(null)
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', 'x'],
      ['b', 'caf\u00e9'],
    ])
  })

  test('F26: more than 2 KiB of metadata are refused', () => {
    headersOf([['x-amz-meta-a', 'v'.repeat(2047)]])
    refused(() => headersOf([['x-amz-meta-a', 'v'.repeat(2048)]]), 'MetadataTooLarge')
    refused(
      () =>
        headersOf([
          ['x-amz-meta-a', 'v'.repeat(1500)],
          ['x-amz-meta-b', 'v'.repeat(600)],
        ]),
      'MetadataTooLarge',
    )
  })
})

describe('the transfer', () => {
  test('lengths and encodings are checked', () => {
    expect(headersOf([['Content-Length', '12']]).contentLength).toBe(12)
    expect(headersOf([['Transfer-Encoding', 'Chunked']]).transferChunked).toBe(true)
    for (const bad of ['', '-1', '1.5', '0x1', '1,1', '9999999999999999']) {
      refused(() => headersOf([['Content-Length', bad]]), 'InvalidRequest')
    }
    refused(() => headersOf([['Transfer-Encoding', 'gzip, chunked']]), 'NotImplemented', 501)
    refused(
      () =>
        headersOf([
          ['Transfer-Encoding', 'chunked'],
          ['Content-Length', '1'],
        ]),
      'InvalidRequest',
    )
  })
})

describe('headers in a presigned query', () => {
  const presigned = (more: string, headers: Record<string, string> = {}) =>
    fakeRequest({ url: `/b/k?X-Amz-Algorithm=x&X-Amz-Date=y&${more}`, headers })

  test('x-amz-* parameters become headers, those of the signature do not', () => {
    const request = presigned('x-amz-meta-a=caf%C3%A9&X-Amz-Acl=private&x-id=PutObject')
    expect({ ...request.headers }).toEqual({
      'x-amz-meta-a': 'cafÃ©',
      'x-amz-acl': 'private',
    })
    expect([...request.hoisted]).toEqual(['x-amz-meta-a', 'x-amz-acl'])
  })

  test('count only in presigned requests', () => {
    const request = fakeRequest({ url: '/b/k?x-amz-acl=private' })
    expect({ ...request.headers }).toEqual({})
  })

  test('F26: are refused with CR LF, and when they contradict a header', () => {
    refused(() => presigned('x-amz-meta-a=b%0D%0Ac:d'), 'InvalidArgument')
    refused(() => presigned('x-amz-meta-a%20b=c'), 'InvalidArgument')
    refused(() => presigned('x-amz-acl=private', { 'x-amz-acl': 'public-read' }), 'InvalidArgument')
    refused(() => presigned('x-amz-meta-a=b&X-Amz-Meta-A=c'), 'InvalidArgument')
    refused(() => presigned(`x-amz-meta-a=${'b'.repeat(2048)}`), 'MetadataTooLarge')
  })
})

test('F26: values that would split a response are detected', () => {
  expect(isHeaderValue('text/plain; charset="é"\t')).toBe(true)
  for (const bad of ['a\r\nb: c', 'a\nb', '\0', 'a\u007f', '€'])
    expect(isHeaderValue(bad)).toBe(false)
})
