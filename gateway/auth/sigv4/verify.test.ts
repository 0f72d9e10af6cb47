/** F22: a correct signature is accepted, a request that was changed after signing is not. */

import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import { presign, sha256, signHeader, TEST_NOW_MS } from '../../testing/signer.ts'
import type { Unsigned } from '../../testing/signer.ts'
import { expectV4Refused, verifyV4 } from '../../testing/verify-v4.ts'
import { authenticate } from '../authenticate.ts'
import type { AuthResult } from '../auth.ts'

const PLAIN: Unsigned = {
  method: 'PUT',
  path: "/bucket/a key/with (odd) ümläute+&=?#%2F'*!~..//x",
  query: [
    ['versionId', 'a/b c+d&e=f'],
    ['partNumber', '1'],
    ['part-x', ''],
    ['partNumber-x', '2'],
    ['tagging', ''],
  ],
  headers: {
    range: 'bytes=0-1',
    'x-amz-meta-spaces': '  a   b  ',
    'x-amz-meta-latin1': 'caf\u00e9',
  },
}

test('a correct signature is accepted, in the header and in the query', async () => {
  const header = await verifyV4(signHeader(PLAIN).message)
  expect(header).toMatchObject({ method: 'header', payload: { type: 'unsigned' } })
  expect(header.credential).toBe(EXAMPLE_CREDENTIAL)
  expect(header.signing?.scope).toBe('20261121/us-east-1/s3/aws4_request')
  const query = await verifyV4(presign(PLAIN).message)
  expect(query).toMatchObject({ method: 'query', payload: { type: 'unsigned' } })
})

test('requests to IAM and STS may be signed for us-east-1 in any region', async () => {
  const body = Buffer.from('Action=GetCallerIdentity&Version=2011-06-15')
  const form = { readBody: () => Promise.resolve(new Uint8Array(body)) }
  const verified = (service: string, region: string): Promise<AuthResult> => {
    const headers = { 'x-amz-content-sha256': sha256(body) }
    const { message } = signHeader({ method: 'POST', path: '/', headers }, { service, region })
    return authenticate(fakeRequest(message), {
      lookup: async () => EXAMPLE_CREDENTIAL,
      nowMs: TEST_NOW_MS,
      region: 'eu-west-1',
      ...(service === 's3' ? {} : { form }),
    })
  }
  for (const service of ['iam', 'sts']) {
    for (const region of ['us-east-1', 'eu-west-1']) {
      expect((await verified(service, region)).credential).toBe(EXAMPLE_CREDENTIAL)
    }
    await expect(verified(service, 'mars-north-1')).rejects.toMatchObject({
      code: 'AuthorizationHeaderMalformed',
    })
  }
  await expect(verified('s3', 'us-east-1')).rejects.toMatchObject({
    details: { Region: 'eu-west-1' },
  })
})

test('any path, query and metadata can be signed', async () => {
  const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => s.isWellFormed())
  await fc.assert(
    fc.asyncProperty(
      text.filter((s) => !s.includes('\0')),
      fc.uniqueArray(fc.tuple(text, text), { maxLength: 4, selector: (pair) => pair[0] }),
      fc.string({ unit: fc.constantFrom('a', 'b', ' ', '\u00e9', '\u00ff', ',', ';', '=') }),
      async (key, query, meta) => {
        fc.pre(query.every(([name]) => !/^x-amz-|^signature$|^awsaccesskeyid$/i.test(name)))
        const message: Unsigned = {
          path: `/bucket/${key}`,
          query: query.filter(([name, value]) => name !== '' || value !== ''),
          headers: { 'x-amz-meta-a': meta },
        }
        await verifyV4(signHeader(message).message)
        await verifyV4(presign(message).message)
      },
    ),
    { numRuns: 200 },
  )
})

test('payload modes are recognised', async () => {
  const mode = async (value: string) =>
    (
      await verifyV4(
        signHeader({ path: '/b/k', headers: { 'x-amz-content-sha256': value } }).message,
      )
    ).payload
  expect(await mode(sha256('x').toUpperCase())).toEqual({ type: 'sha256', hex: sha256('x') })
  expect(await mode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD')).toEqual({
    type: 'chunked',
    signed: true,
    trailer: false,
  })
  expect(await mode('STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER')).toMatchObject({ trailer: true })
  expect(await mode('STREAMING-UNSIGNED-PAYLOAD-TRAILER')).toMatchObject({ signed: false })
})

test('a presigned request may cover its body, in the query or in a signed header', async () => {
  const hash = sha256('x')
  const query: Unsigned = { path: '/b/k', query: [['X-Amz-Content-Sha256', hash]] }
  expect((await verifyV4(presign(query, { payloadHash: hash }).message)).payload.type).toBe(
    'sha256',
  )
  const header: Unsigned = { path: '/b/k', headers: { 'x-amz-content-sha256': hash } }
  expect((await verifyV4(presign(header, { payloadHash: hash }).message)).payload.type).toBe(
    'sha256',
  )
})

test('a Date header may replace x-amz-date', async () => {
  const message: Unsigned = {
    path: '/b/k',
    headers: { date: 'Sat, 21 Nov 2026 12:00:00 GMT' },
  }
  const { headers, ...rest } = signHeader(message).message
  // The signer adds x-amz-date. Without it the rest must be signed again.
  const { 'x-amz-date': _dropped, authorization: _old, ...kept } = headers
  const again = signHeader({ path: '/b/k', headers: kept }, { unsigned: ['x-amz-date'] })
  const { 'x-amz-date': _again, ...sent } = again.message.headers
  expect((await verifyV4({ ...rest, headers: sent })).method).toBe('header')
})

test('a request without a signature is anonymous', async () => {
  const auth = await verifyV4({ url: '/b/k', headers: { host: 'h', 'x-amz-acl': 'private' } })
  expect(auth).toEqual({
    credential: undefined,
    method: 'anonymous',
    payload: { type: 'unsigned' },
    signing: undefined,
  })
})

describe('a change of any signed part is refused', () => {
  const { message } = signHeader(PLAIN)

  test('method, path, query', async () => {
    await expectV4Refused({ ...message, method: 'DELETE' }, 'SignatureDoesNotMatch')
    await expectV4Refused(
      { ...message, url: message.url.replace('a%20key', 'b%20key') },
      'SignatureDoesNotMatch',
    )
    await expectV4Refused(
      { ...message, url: message.url.replace('partNumber=1', 'partNumber=2') },
      'SignatureDoesNotMatch',
    )
    await expectV4Refused({ ...message, url: `${message.url}&acl` }, 'SignatureDoesNotMatch')
    await expectV4Refused(
      { ...message, url: message.url.replace('&tagging=', '') },
      'SignatureDoesNotMatch',
    )
  })

  const names = Object.keys(message.headers).filter((name) => name !== 'authorization')
  test.each(names)('a changed %s is refused', async (name) => {
    const value = message.headers[name] as string
    const changed =
      name === 'x-amz-date'
        ? '20261121T120001Z'
        : name === 'x-amz-content-sha256'
          ? sha256('')
          : `${value}x`
    await expectV4Refused(
      { ...message, headers: { ...message.headers, [name]: changed } },
      'SignatureDoesNotMatch',
    )
  })

  test.each(names)('without its %s it is refused', async (name) => {
    const { [name]: _gone, ...headers } = message.headers
    await expect(verifyV4({ ...message, headers })).rejects.toMatchObject({ name: 'S3Error' })
  })

  test('every character of Authorization', async () => {
    const text = message.headers['authorization'] as string
    for (let at = 0; at < text.length; at++) {
      const other = text[at] === 'b' ? 'c' : 'b'
      const authorization = text.slice(0, at) + other + text.slice(at + 1)
      await expect(
        verifyV4({ ...message, headers: { ...message.headers, authorization } }),
        authorization,
      ).rejects.toMatchObject({ name: 'S3Error' })
    }
  })

  test('every character of a presigned query', async () => {
    const signed = presign({ path: '/b/k', query: [['x-amz-meta-a', 'v']] }).message
    for (let at = signed.url.indexOf('?') + 1; at < signed.url.length; at++) {
      const other = signed.url[at] === 'b' ? 'c' : 'b'
      const url = signed.url.slice(0, at) + other + signed.url.slice(at + 1)
      await expect(verifyV4({ ...signed, url }), url).rejects.toMatchObject({ name: 'S3Error' })
    }
  })
})

describe('what AWS accepts is accepted', () => {
  test('bytes of UTF-8 in headers, which look like white space to JavaScript', async () => {
    // à ends in 0xA0 and Å in 0x85. The signer does not know about latin1.
    for (const text of ['voil\u00e0', '\u0160\u00c5', '\u00a0 x \u0085', '\u3000', '\ufeffx']) {
      const value = Buffer.from(text).toString('latin1')
      for (const sign of [signHeader, presign]) {
        await verifyV4(sign({ path: '/b/k', headers: { 'x-amz-meta-a': value } }).message)
      }
    }
  })

  test('any byte at both ends of a header value', async () => {
    for (let code = 0x80; code <= 0xff; code++) {
      const value = `${String.fromCharCode(code)} a ${String.fromCharCode(code)}`
      await verifyV4(signHeader({ path: '/b/k', headers: { 'x-amz-meta-a': value } }).message)
    }
  })

  test('hundreds of signed headers', async () => {
    const headers = Object.fromEntries(
      Array.from({ length: 500 }, (_, i) => [`x-amz-meta-${i}`, 'v']),
    )
    // Metadata is limited to 2 KiB, so the others are headers without a meaning.
    const others = Object.fromEntries(Array.from({ length: 500 }, (_, i) => [`h${i}`, 'v']))
    const some = Object.fromEntries(Object.entries(headers).slice(0, 100))
    await verifyV4(signHeader({ path: '/b/k', headers: { ...some, ...others } }).message)
    await verifyV4(presign({ path: '/b/k', headers: { ...some, ...others } }).message)
  })

  test('a header that a proxy added', async () => {
    const cloudFront = { 'X-Amz-Cf-Id': 'abc', 'X-Amzn-Trace-Id': 'Root=1' }
    for (const { message } of [signHeader({ path: '/b/k' }), presign({ path: '/b/k' })]) {
      await verifyV4({ ...message, headers: { ...message.headers, ...cloudFront } })
    }
  })

  test('a plus for a space, in the path and in the query', async () => {
    const message = signHeader({ path: '/b/a b+c', query: [['prefix', 'a b+c']] }).message
    const url = message.url.replaceAll('%20', '+')
    expect(url).toBe('/b/a+b%2Bc?prefix=a+b%2Bc')
    await verifyV4({ ...message, url })
    await expectV4Refused({ ...message, url: url.replaceAll('%2B', '+') }, 'SignatureDoesNotMatch')
  })

  test('the parts of Authorization in any order, with blanks or without', async () => {
    const { headers, ...rest } = signHeader({ path: '/b/k' }).message
    const [, text = ''] = /^AWS4-HMAC-SHA256 (.*)$/.exec(headers['authorization'] ?? '') ?? []
    const parts = text.split(', ')
    for (const [order, glue] of [
      [[2, 1, 0], ','],
      [[1, 0, 2], ' ,\t'],
      [[0, 1, 2], ',  '],
    ] as const) {
      const authorization = `AWS4-HMAC-SHA256  ${order.map((at) => parts[at]).join(glue)} `
      await verifyV4({ ...rest, headers: { ...headers, authorization } })
    }
  })

  test('dots, slashes and escapes of a path stay as they are', async () => {
    for (const path of ['/b/../x', '/b/./x', '/b//x', '/b/x/', '/b/%2F', '/b/a%20b']) {
      await verifyV4(signHeader({ path }).message)
      await verifyV4(presign({ path }).message)
    }
  })
})
