/** F22: signatures that are malformed, expired, or for another region, service or day are refused. */

import { describe, expect, test } from 'vitest'
import { EXAMPLE_CREDENTIAL, fakeRequest } from '../../testing/requests.ts'
import type { FakeMessage } from '../../testing/requests.ts'
import { encode, presign, signHeader, TEST_NOW_MS } from '../../testing/signer.ts'
import type { SignedMessage, Unsigned } from '../../testing/signer.ts'
import { expectV4Refused, verifyV4 } from '../../testing/verify-v4.ts'
import { authenticate } from '../authenticate.ts'

const sign = (options: Parameters<typeof signHeader>[1]) =>
  signHeader({ path: '/b/k' }, options).message
const pre = (options: Parameters<typeof presign>[1]) => presign({ path: '/b/k' }, options).message
const withHeader = (name: string, value: string, base: SignedMessage = sign({})): FakeMessage => ({
  ...base,
  headers: { ...base.headers, [name]: value },
})

describe('keys, scopes and times', () => {
  test('a wrong secret and an unknown key are refused', async () => {
    await expectV4Refused(sign({ secretAccessKey: 'x' }), 'SignatureDoesNotMatch')
    await expectV4Refused(pre({ secretAccessKey: 'x' }), 'SignatureDoesNotMatch')
    await expectV4Refused(sign({ accessKeyId: 'NOBODY' }), 'InvalidAccessKeyId')
    await expectV4Refused(pre({ accessKeyId: 'NOBODY' }), 'InvalidAccessKeyId')
  })

  test('a wrong region, service, terminator or date is refused, and the right region is named', async () => {
    await expect(verifyV4(sign({ region: 'eu-west-1' }))).rejects.toMatchObject({
      code: 'AuthorizationHeaderMalformed',
      details: { Region: 'us-east-1' },
    })
    await expectV4Refused(sign({ service: 'ec2' }), 'AuthorizationHeaderMalformed')
    await expectV4Refused(sign({ terminator: 'aws5_request' }), 'AuthorizationHeaderMalformed')
    await expectV4Refused(sign({ date: '20261120' }), 'AuthorizationHeaderMalformed')
    await expectV4Refused(pre({ region: 'eu-west-1' }), 'AuthorizationQueryParametersError')
    await expectV4Refused(pre({ service: 'ec2' }), 'AuthorizationQueryParametersError')
    await expectV4Refused(pre({ terminator: 'x' }), 'AuthorizationQueryParametersError')
    await expectV4Refused(pre({ date: '20261120' }), 'AuthorizationQueryParametersError')
  })

  test('clocks may differ by 15 minutes', async () => {
    const limit = 15 * 60_000
    await verifyV4(sign({}), TEST_NOW_MS + limit)
    await verifyV4(sign({}), TEST_NOW_MS - limit)
    await expectV4Refused(sign({}), 'RequestTimeTooSkewed', TEST_NOW_MS + limit + 1)
    await expectV4Refused(sign({}), 'RequestTimeTooSkewed', TEST_NOW_MS - limit - 1)
    await verifyV4(pre({}), TEST_NOW_MS - limit)
    await expectV4Refused(pre({}), 'AccessDenied', TEST_NOW_MS - limit - 1)
  })

  test('presigned requests expire', async () => {
    await verifyV4(pre({ expires: '600' }), TEST_NOW_MS + 600_000)
    await expectV4Refused(pre({ expires: '600' }), 'AccessDenied', TEST_NOW_MS + 600_001)
    await verifyV4(pre({ expires: '604800' }), TEST_NOW_MS + 604_800_000)
    await verifyV4(pre({ expires: '1' }))
    for (const expires of ['0', '-1', '604801', '99999999999999999999', 'x', '', '1.5', '0x10']) {
      await expectV4Refused(pre({ expires }), 'AuthorizationQueryParametersError')
    }
  })
})

describe('what a signature covers', () => {
  test('a header that must be signed and is not is refused', async () => {
    await expectV4Refused(withHeader('x-amz-acl', 'public-read'), 'AccessDenied')
    await expectV4Refused(withHeader('x-amz-meta-a', 'b'), 'AccessDenied')
    await expectV4Refused(withHeader('x-amz-acl', 'public-read', pre({})), 'AccessDenied')
    await expectV4Refused(sign({ unsigned: ['host'] }), 'AccessDenied')
    const ranged: Unsigned = { path: '/b/k', headers: { range: 'bytes=0-1' } }
    await expectV4Refused(presign(ranged, { unsigned: ['host'] }).message, 'AccessDenied')
    await verifyV4(withHeader('range', 'bytes=0-1'))
  })

  test('a signed header that was not sent is refused', async () => {
    const signed = signHeader({ path: '/b/k', headers: { range: '' } }).message
    const { range: _gone, ...headers } = signed.headers
    await expectV4Refused({ ...signed, headers }, 'SignatureDoesNotMatch')
    await verifyV4(signed)
    // A parameter of the query cannot replace a header that was signed.
    const query = presign({ path: '/b/k', query: [['x-amz-acl', 'private']] }).message
    await verifyV4(query)
    const url = query.url.replace(encode('host'), encode('host;x-amz-acl'))
    await expectV4Refused({ ...query, url }, 'SignatureDoesNotMatch')
  })
})

describe('ways of signing', () => {
  test('two signatures at once are refused', async () => {
    const both = { ...pre({}), headers: { ...sign({}).headers } }
    await expectV4Refused(both, 'InvalidArgument')
    await expectV4Refused({ ...pre({}), url: `${pre({}).url}&Signature=x` }, 'InvalidArgument')
    await expectV4Refused(
      { ...sign({}), url: '/b/k?AWSAccessKeyId=x&Signature=y&Expires=1' },
      'InvalidArgument',
    )
  })

  test('other ways of signing are refused', async () => {
    await expectV4Refused(withHeader('authorization', 'AWS AKID:signature'), 'InvalidRequest')
    await expectV4Refused({ url: '/b/k?AWSAccessKeyId=x&Signature=y&Expires=1' }, 'InvalidRequest')
    await expectV4Refused(withHeader('authorization', 'Bearer x'), 'InvalidArgument')
    await expectV4Refused(withHeader('authorization', ''), 'InvalidArgument')
    await expectV4Refused(withHeader('authorization', 'AWS4-ECDSA-P256-SHA256 x'), 'NotImplemented')
  })

  test.each([
    'AWS4-HMAC-SHA256 ',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request',
    'AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=b',
    'AWS4-HMAC-SHA256 Credential=/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=Host, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=host;host, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=host;, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b, Signature=b',
    'AWS4-HMAC-SHA256 Credential=a/20261121/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=b, More=c',
  ])('malformed: %s', async (authorization) => {
    await expectV4Refused(
      withHeader('authorization', authorization),
      'AuthorizationHeaderMalformed',
    )
  })
})

describe('parts of a signature', () => {
  test('unknown and unimplemented payload modes are refused', async () => {
    const withMode = (value: string) =>
      signHeader({ path: '/b/k', headers: { 'x-amz-content-sha256': value } }).message
    await expectV4Refused(withMode('STREAMING-NONSENSE'), 'InvalidArgument')
    await expectV4Refused(withMode(''), 'InvalidArgument')
    await expectV4Refused(withMode('STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD'), 'NotImplemented')
    const { 'x-amz-content-sha256': _gone, ...headers } = sign({}).headers
    await expectV4Refused({ ...sign({}), headers }, 'InvalidRequest')
    const streamed = { 'x-amz-content-sha256': 'STREAMING-AWS4-HMAC-SHA256-PAYLOAD' }
    await expectV4Refused({ url: '/b/k', headers: streamed }, 'AccessDenied')
  })

  test('the error says what is wrong with SignedHeaders', async () => {
    const told = async (names: string): Promise<string> => {
      const { headers, ...rest } = sign({})
      const authorization = (headers['authorization'] ?? '').replace(
        /SignedHeaders=[^,]*/,
        `SignedHeaders=${names}`,
      )
      const sent = { ...rest, headers: { ...headers, authorization } }
      return verifyV4(sent).then(
        () => '',
        (error: Error) => error.message,
      )
    }
    expect(await told('host;host')).toMatch(/names a header twice/)
    expect(await told('Host')).toMatch(/must be lower-case/)
    expect(await told('host;')).toMatch(/empty name/)
  })

  test('missing and malformed dates are refused', async () => {
    for (const date of ['', 'yesterday', '2026-11-21T12:00:00Z', '20261321T120000Z']) {
      await expectV4Refused(withHeader('x-amz-date', date), 'AccessDenied')
    }
    await expectV4Refused(
      {
        ...pre({}),
        url: pre({}).url.replace('X-Amz-Date=20261121T120000Z', 'X-Amz-Date=20261121'),
      },
      'AuthorizationQueryParametersError',
    )
    await expectV4Refused(
      { ...pre({}), url: pre({}).url.replace(/&X-Amz-Expires=\d+/, '') },
      'AuthorizationQueryParametersError',
    )
  })

  test('a session token is refused when it cannot be checked', async () => {
    const token = { 'x-amz-security-token': 'jwt' }
    await expectV4Refused(signHeader({ path: '/b/k', headers: token }).message, 'InvalidToken')
    await expectV4Refused(
      presign({ path: '/b/k', query: [['X-Amz-Security-Token', 'jwt']] }).message,
      'InvalidToken',
    )
    const auth = await authenticate(
      fakeRequest(signHeader({ path: '/b/k', headers: token }).message),
      {
        lookup: async () => undefined,
        lookupSession: async (_id, given) => (given === 'jwt' ? EXAMPLE_CREDENTIAL : undefined),
        nowMs: TEST_NOW_MS,
        region: 'us-east-1',
      },
    )
    expect(auth.credential).toBe(EXAMPLE_CREDENTIAL)
  })
})
