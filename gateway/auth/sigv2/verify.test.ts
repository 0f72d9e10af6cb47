/** F22 for Signature Version 2: wrong and malformed signatures are refused. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { authenticate } from '../authenticate.ts'
import { OPERATIONS } from '../../routes/operations.ts'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import { presign, sha256, signHeader, TEST_NOW_MS } from '../../testing/signer.ts'
import type { SignedMessage, Unsigned } from '../../testing/signer.ts'
import { presignV2, signHeaderV2 } from '../../testing/signer-v2.ts'
import type { SignV2Options } from '../../testing/signer-v2.ts'
import { expectV2Refused, verifyV2 } from '../../testing/verify-v2.ts'
import { SIGNED_PARAMETERS } from './canonical.ts'

const SIGNERS: readonly (readonly [
  'header' | 'query',
  (message: Unsigned, options?: SignV2Options) => SignedMessage,
])[] = [
  ['header', signHeaderV2],
  ['query', presignV2],
]

const PLAIN: Unsigned = {
  method: 'PUT',
  path: "/bucket/a key/with (odd) ümläute+&=?#%2F'*!~..//x",
  query: [
    ['versionId', 'a/b c+d&e=ü'],
    ['prefix', 'not signed'],
    ['acl', ''],
  ],
  headers: {
    'content-type': 'text/plain',
    'content-md5': 'XUFAKrxLKna5cZ2REBfFkg==',
    'x-amz-meta-a': 'b  c',
    'x-amz-meta-latin1': 'caf\u00e9',
    'x-amz-acl': 'private',
  },
}
const PARAMETERS = { parameters: ['versionId', 'acl'] }

describe.each(SIGNERS)('%s', (method, sign) => {
  const signed = sign(PLAIN, PARAMETERS)

  test('a correct signature is accepted', async () => {
    expect(await verifyV2(signed)).toEqual({
      credential: EXAMPLE_CREDENTIAL,
      method,
      version: 2,
      payload: { type: 'unsigned' },
      signing: undefined,
      signedMs: method === 'header' ? TEST_NOW_MS : undefined,
    })
  })

  test('any path, sub-resource and metadata can be signed', async () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => s.isWellFormed())
    const bytes = fc.string({ unit: fc.constantFrom('a', ' ', '\u0085', '\u00a0', '\u00ff', ',') })
    await fc.assert(
      fc.asyncProperty(
        text.filter((s) => !s.includes('\0')),
        text,
        bytes,
        async (key, version, meta) => {
          const message: Unsigned = {
            path: `/bucket/k${key}`,
            query: [['versionId', version]],
            headers: { 'x-amz-meta-a': `x${meta}x` },
          }
          await verifyV2(sign(message, { parameters: ['versionId'] }))
        },
      ),
      { numRuns: 200 },
    )
  })
})

describe.each(SIGNERS)('%s: every part is signed', (method, sign) => {
  const signed = sign(PLAIN, PARAMETERS)

  test.each([
    ['method', { ...signed, method: 'GET' }],
    ['path', { ...signed, url: signed.url.replace('a%20key', 'b%20key') }],
    ['escapes of the path', { ...signed, url: signed.url.replace('a%20key', '%61%20key') }],
    ['sub-resource', { ...signed, url: signed.url.replace('&acl', '') }],
    [
      'value of a sub-resource',
      { ...signed, url: signed.url.replace('versionId=a', 'versionId=b') },
    ],
    ['one more sub-resource', { ...signed, url: `${signed.url}&tagging` }],
    ['header of the answer', { ...signed, url: `${signed.url}&response-content-type=a%2Fb` }],
    ['more metadata', { ...signed, headers: { ...signed.headers, 'x-amz-meta-z': '1' } }],
    ['metadata in the query', { ...signed, url: `${signed.url}&x-amz-meta-z=1` }],
  ])('another %s is refused', async (name, message) => {
    // A signature in a header does not cover x-amz-* in the query, where they have no meaning.
    if (method === 'header' && name === 'metadata in the query') await verifyV2(message)
    else await expectV2Refused(message, 'SignatureDoesNotMatch')
  })

  test.each(Object.keys(PLAIN.headers ?? {}))(
    'another or a missing %s is refused',
    async (name) => {
      const changed = { ...signed.headers, [name]: `${signed.headers[name]}x` }
      await expectV2Refused({ ...signed, headers: changed }, 'SignatureDoesNotMatch')
      const { [name]: _gone, ...without } = signed.headers
      await expectV2Refused({ ...signed, headers: without }, 'SignatureDoesNotMatch')
    },
  )

  test('a change of any character of the signature or the key id is refused', async () => {
    const where = method === 'header' ? (signed.headers['authorization'] as string) : signed.url
    const from = method === 'header' ? 'AWS '.length : where.indexOf('AWSAccessKeyId')
    for (let at = from; at < where.length; at++) {
      const other = where[at] === 'b' ? 'c' : 'b'
      const changed = where.slice(0, at) + other + where.slice(at + 1)
      const message =
        method === 'header'
          ? { ...signed, headers: { ...signed.headers, authorization: changed } }
          : { ...signed, url: changed }
      await expect(verifyV2(message), changed).rejects.toMatchObject({ name: 'S3Error' })
    }
  })

  test('a parameter cannot be hidden in the value of another one', async () => {
    const query = [
      ['response-content-type', 'a'],
      ['versionId', 'old'],
    ] as const
    const message = sign(
      { path: '/bucket/key', query },
      { parameters: ['response-content-type', 'versionId'] },
    )
    await verifyV2(message)
    const url = message.url.replace('&versionId=', '%26versionId%3D')
    expect(fakeRequest({ ...message, url }).query.has('versionId')).toBe(false)
    await expectV2Refused({ ...message, url }, 'SignatureDoesNotMatch')
    const harmless = [['response-content-type', 'a&b=c']] as const
    await verifyV2(
      sign({ path: '/bucket/key', query: harmless }, { parameters: ['response-content-type'] }),
    )
  })
})

describe.each(SIGNERS)('%s: keys, sessions, buckets', (_method, sign) => {
  test('a wrong secret and an unknown key are refused', async () => {
    await expectV2Refused(
      sign(PLAIN, { ...PARAMETERS, secretAccessKey: 'x' }),
      'SignatureDoesNotMatch',
    )
    await expectV2Refused(
      sign(PLAIN, { ...PARAMETERS, accessKeyId: 'NOBODY' }),
      'InvalidAccessKeyId',
    )
  })

  test('the token of a session is checked and signed', async () => {
    const headers = { 'x-amz-security-token': 'to/k+en==' }
    const message = { path: '/b/k', headers }
    await verifyV2(sign(message))
    await expectV2Refused(
      sign({ path: '/b/k', headers: { 'x-amz-security-token': 'x' } }),
      'InvalidAccessKeyId',
    )
    const bare = sign({ path: '/b/k' })
    await expectV2Refused(
      { ...bare, headers: { ...bare.headers, ...headers } },
      'SignatureDoesNotMatch',
    )
  })

  test('a bucket is signed with or without a slash after it', async () => {
    for (const path of ['/bucket', '/bucket/']) {
      const message = sign({ path })
      await verifyV2(message)
      const [, query = ''] = message.url.split('?')
      const other = (path === '/bucket' ? '/bucket/' : '/bucket') + (query && `?${query}`)
      await verifyV2({ ...message, url: other })
    }
    const key = sign({ path: '/bucket/key' })
    await expectV2Refused(
      { ...key, url: key.url.replace('/bucket/key', '/bucket/key/') },
      'SignatureDoesNotMatch',
    )
  })
})

describe.each(SIGNERS)('%s: other ways of signing', (method, sign) => {
  const signed = sign(PLAIN, PARAMETERS)

  test('signed chunks are refused', async () => {
    const mode = (text: string): SignedMessage =>
      sign({ path: '/b/k', headers: { 'x-amz-content-sha256': text } })
    await expectV2Refused(mode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD'), 'AccessDenied')
    await expectV2Refused(mode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER'), 'AccessDenied')
    expect((await verifyV2(mode(sha256('x')))).payload.type).toBe('sha256')
    expect((await verifyV2(mode('STREAMING-UNSIGNED-PAYLOAD-TRAILER'))).payload).toMatchObject({
      type: 'chunked',
      signed: false,
    })
  })

  test('two signatures at once are refused', async () => {
    const V4 = signHeader({ path: '/b/k' }).message
    const [, v4Query = ''] = presign({ path: '/b/k' }).message.url.split('?')
    const message = sign({ path: '/b/k' })
    const glue = message.url.includes('?') ? '&' : '?'
    await expectV2Refused({ ...message, url: `${message.url}${glue}${v4Query}` }, 'InvalidArgument')
    if (method === 'query') {
      const authorization = V4.headers['authorization'] as string
      await expectV2Refused(
        { ...message, headers: { ...message.headers, authorization } },
        'InvalidArgument',
      )
    }
    const other = method === 'query' ? signHeaderV2({ path: '/b/k' }) : presignV2({ path: '/b/k' })
    const both =
      method === 'query' ? { ...other, url: message.url } : { ...message, url: other.url }
    await expectV2Refused(both, 'InvalidArgument')
  })

  test('the setting sigv2 decides where a signature may be', async () => {
    await expectV2Refused(signed, 'InvalidRequest', { sigv2: 'off' })
    if (method === 'query') await verifyV2(signed, { sigv2: 'presigned' })
    else await expectV2Refused(signed, 'InvalidRequest', { sigv2: 'presigned' })
  })
})

test('SigV2 is refused without a setting, and always for forms of IAM and STS', async () => {
  for (const sign of [signHeaderV2, presignV2]) {
    const request = fakeRequest(sign({ path: '/' }))
    const lookup = async (): Promise<typeof EXAMPLE_CREDENTIAL> => EXAMPLE_CREDENTIAL
    const base = { lookup, nowMs: TEST_NOW_MS, region: 'us-east-1' }
    const form = { readBody: async () => new Uint8Array(0) }
    await expect(authenticate(request, base)).rejects.toMatchObject({ code: 'InvalidRequest' })
    await expect(authenticate(request, { ...base, sigv2: 'on', form })).rejects.toMatchObject({
      code: 'InvalidRequest',
    })
  }
})

describe('the time of a signature in a header', () => {
  const limit = 15 * 60_000
  test('may be off by 15 minutes', async () => {
    const message = signHeaderV2({ path: '/b/k' })
    await verifyV2(message, { nowMs: TEST_NOW_MS + limit })
    await verifyV2(message, { nowMs: TEST_NOW_MS - limit })
    await expectV2Refused(message, 'RequestTimeTooSkewed', { nowMs: TEST_NOW_MS + limit + 1 })
    await expectV2Refused(message, 'RequestTimeTooSkewed', { nowMs: TEST_NOW_MS - limit - 1 })
  })

  test('x-amz-date takes precedence over Date', async () => {
    const amzDate = { 'x-amz-date': 'Sat, 21 Nov 2026 12:00:00 GMT' }
    const message = signHeaderV2({ path: '/b/k', headers: amzDate })
    await verifyV2(message)
    const old = { ...message.headers, date: 'Sat, 21 Nov 2020 12:00:00 GMT' }
    await verifyV2({ ...message, headers: old })
    const stale = signHeaderV2({
      path: '/b/k',
      headers: { 'x-amz-date': 'Sat, 21 Nov 2020 12:00:00 GMT' },
    })
    const headers = { ...stale.headers, date: 'Sat, 21 Nov 2026 12:00:00 GMT' }
    await expectV2Refused({ ...stale, headers }, 'RequestTimeTooSkewed')
  })

  test.each(['', 'yesterday', '1795262400', 'Sat, 31 Feb 2026 12:00:00 GMT'])(
    '%j is not a date',
    async (date) => {
      await expectV2Refused(signHeaderV2({ path: '/b/k', headers: { date } }), 'AccessDenied')
    },
  )

  test.each(['AWS ', 'AWS AKID', 'AWS AKID:', 'AWS :signature', 'AWS : '])(
    'malformed: %j',
    async (authorization) => {
      const { headers, ...rest } = signHeaderV2({ path: '/b/k' })
      await expectV2Refused({ ...rest, headers: { ...headers, authorization } }, 'InvalidArgument')
    },
  )
})

test('every parameter that selects an operation is signed', () => {
  // Both versions of a listing need the same right and return the same.
  const same = new Set(['list-type'])
  const marks = OPERATIONS.flatMap((operation) => operation.marks.map((mark) => mark.split('=')[0]))
  const unsigned = marks.filter(
    (mark) => !SIGNED_PARAMETERS.has(mark ?? '') && !same.has(mark ?? ''),
  )
  expect(unsigned).toEqual([])
})
