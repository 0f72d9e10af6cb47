/** AWS's published example of a form ("Browser-Based Upload using HTTP POST"), one of boto3, and forms that are refused. */

import { describe, expect, test } from 'vitest'
import type { S3Error } from '../../http/errors.ts'
import { formFieldsOf } from '../../http/form-fields.ts'
import { policyField, signatureFields, signedFields } from '../../testing/forms.ts'
import { EXAMPLE_CREDENTIAL } from '../../testing/requests.ts'
import type { AuthOptions, AuthResult } from '../auth.ts'
import { checkPostPolicy, parsePostPolicy } from './policy.ts'
import { verifyForm } from './verify.ts'

const NOW_MS = Date.UTC(2015, 11, 29, 12)
const SCOPE = '20151229/us-east-1/s3/aws4_request'
const SIGNER = { region: 'us-east-1', ...EXAMPLE_CREDENTIAL }

/** As on AWS's page, with its line ends. */
const EXAMPLE_POLICY = [
  '{ "expiration": "2015-12-30T12:00:00.000Z",',
  '  "conditions": [',
  '    {"bucket": "sigv4examplebucket"},',
  '    ["starts-with", "$key", "user/user1/"],',
  '    {"acl": "public-read"},',
  '    {"success_action_redirect": "http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html"},',
  '    ["starts-with", "$Content-Type", "image/"],',
  '    {"x-amz-meta-uuid": "14365123651274"},',
  '    {"x-amz-server-side-encryption": "AES256"},',
  '    ["starts-with", "$x-amz-meta-tag", ""],',
  '',
  `    {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/${SCOPE}"},`,
  '    {"x-amz-algorithm": "AWS4-HMAC-SHA256"},',
  '    {"x-amz-date": "20151229T000000Z" }',
  '  ]',
  '}',
].join('\r\n')

const EXAMPLE = {
  key: 'user/user1/${filename}',
  acl: 'public-read',
  success_action_redirect: 'http://sigv4examplebucket.s3.amazonaws.com/successful_upload.html',
  'Content-Type': 'image/jpeg',
  'x-amz-meta-uuid': '14365123651274',
  'x-amz-server-side-encryption': 'AES256',
  'X-Amz-Credential': `AKIAIOSFODNN7EXAMPLE/${SCOPE}`,
  'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
  'X-Amz-Date': '20151229T000000Z',
  'x-amz-meta-tag': '',
  Policy: Buffer.from(EXAMPLE_POLICY).toString('base64'),
  'X-Amz-Signature': '8afdbf4008c03f22c2cd3cdb72e4afbb1f6a588f3255ac628749a66d7f09699e',
}

type Fields = Readonly<Record<string, string | undefined>>

function verify(fields: Fields, options: Partial<AuthOptions> = {}): Promise<AuthResult> {
  const parts = Object.entries(fields).flatMap(([name, value]) =>
    value === undefined ? [] : [{ name, value }],
  )
  return verifyForm(formFieldsOf(parts, 'photo.jpg'), {
    lookup: async (id) => (id === EXAMPLE_CREDENTIAL.accessKeyId ? EXAMPLE_CREDENTIAL : undefined),
    nowMs: NOW_MS,
    region: 'us-east-1',
    ...options,
  })
}

async function refusal(fields: Fields, options: Partial<AuthOptions> = {}): Promise<string> {
  const error = await verify(fields, options).then(
    () => ({ code: 'taken', message: '' }),
    (thrown: S3Error) => thrown,
  )
  return `${error.code} ${error.message}`
}

const missing = (name: string): string =>
  `InvalidArgument Bucket POST must contain a field named '${name}'.  If it is specified, please check the order of the fields.`

test("AWS's example", async () => {
  expect(await verify(EXAMPLE)).toMatchObject({
    credential: EXAMPLE_CREDENTIAL,
    method: 'form',
    version: 4,
  })
  const fields = formFieldsOf(
    Object.entries(EXAMPLE).map(([name, value]) => ({ name, value })),
    'a/b.jpg',
  )
  expect(fields.get('key')?.value).toBe('user/user1/b.jpg')
  const range = checkPostPolicy(
    parsePostPolicy(EXAMPLE.Policy),
    fields,
    'sigv4examplebucket',
    NOW_MS,
  )
  expect(range.minBytes).toBe(0)
})

test('a form of boto3', async () => {
  const document = `{"expiration": "2015-12-29T01:00:00Z", "conditions": [{"bucket": "sigv4examplebucket"}, {"key": "user/user1/photo.jpg"}, {"x-amz-algorithm": "AWS4-HMAC-SHA256"}, {"x-amz-credential": "AKIAIOSFODNN7EXAMPLE/${SCOPE}"}, {"x-amz-date": "20151229T000000Z"}]}`
  const fields = {
    key: 'user/user1/photo.jpg',
    'x-amz-algorithm': 'AWS4-HMAC-SHA256',
    'x-amz-credential': `AKIAIOSFODNN7EXAMPLE/${SCOPE}`,
    'x-amz-date': '20151229T000000Z',
    policy: Buffer.from(document).toString('base64'),
    'x-amz-signature': '3364624b39010d9b06f5d9b8c9a18a6e478d261c048159c92f2fd6fa885f14e6',
  }
  expect((await verify(fields)).credential).toBe(EXAMPLE_CREDENTIAL)
})

describe('version 4', () => {
  test.each<[string, Fields, string | RegExp]>([
    ['another signature', { 'X-Amz-Signature': '8'.repeat(64) }, /^SignatureDoesNotMatch/],
    ['another policy', { Policy: policyField([]) }, /^SignatureDoesNotMatch/],
    ['half a policy', { Policy: EXAMPLE.Policy.slice(0, -2) }, /^SignatureDoesNotMatch/],
    ['no policy', { Policy: undefined }, missing('policy')],
    ['no signature', { 'X-Amz-Signature': undefined }, missing('X-Amz-Signature')],
    [
      'no algorithm',
      { 'X-Amz-Algorithm': undefined, 'X-Amz-Credential': undefined },
      missing('X-Amz-Algorithm'),
    ],
    ['no credential', { 'X-Amz-Credential': undefined }, missing('X-Amz-Credential')],
    ['no date', { 'X-Amz-Date': undefined }, missing('X-Amz-Date')],
    [
      'another algorithm',
      { 'X-Amz-Algorithm': 'AWS4-HMAC-SHA1' },
      /^InvalidArgument X-Amz-Algorithm/,
    ],
    [
      'a date in another form',
      { 'X-Amz-Date': '2015-12-29' },
      'InvalidArgument X-Amz-Date must be formated via ISO8601 Long format',
    ],
    [
      'another region',
      { 'X-Amz-Credential': 'A/20151229/eu-west-1/s3/aws4_request' },
      "InvalidArgument the region 'eu-west-1' is wrong; expecting 'us-east-1'",
    ],
    [
      'another service',
      { 'X-Amz-Credential': 'A/20151229/us-east-1/sts/aws4_request' },
      /^InvalidArgument incorrect service/,
    ],
    [
      'another day',
      { 'X-Amz-Credential': 'A/20151228/us-east-1/s3/aws4_request' },
      /^InvalidArgument Invalid credential date/,
    ],
    ['an unknown key', { 'X-Amz-Credential': `AKIAUNKNOWN/${SCOPE}` }, /^InvalidAccessKeyId/],
    ['a token', { 'x-amz-security-token': 'token' }, /^InvalidToken/],
    [
      'both versions',
      { signature: 's', AWSAccessKeyId: 'A' },
      /^InvalidArgument Only one auth mechanism/,
    ],
  ])('%s is refused', async (_, change, expected) => {
    expect(await refusal({ ...EXAMPLE, ...change })).toMatch(expected)
  })

  test('a signature counts from 15 minutes before its date for a week', async () => {
    const dateMs = Date.UTC(2015, 11, 29)
    expect(await refusal(EXAMPLE, { nowMs: dateMs - 900_001 })).toMatch(/^AccessDenied .*not yet/)
    expect(await refusal(EXAMPLE, { nowMs: dateMs - 900_000 })).toMatch(/^taken/)
    expect(await refusal(EXAMPLE, { nowMs: dateMs + 7 * 86_400_000 })).toMatch(/^taken/)
    expect(await refusal(EXAMPLE, { nowMs: dateMs + 7 * 86_400_000 + 1 })).toMatch(/^AccessDenied/)
  })

  test('the token of a session is looked up', async () => {
    const form = { bucket: 'b', fields: {}, timestamp: '20151229T000000Z', sessionToken: 'token' }
    const lookupSession = async (
      _: string,
      token: string,
    ): Promise<typeof EXAMPLE_CREDENTIAL | undefined> =>
      token === 'token' ? EXAMPLE_CREDENTIAL : undefined
    expect(await refusal(signedFields(SIGNER, form), { lookupSession })).toMatch(/^taken/)
  })
})

describe('version 2', () => {
  const policy = policyField([])
  const signed = { policy, ...signatureFields(SIGNER, policy, SCOPE, 2) }

  test('where the setting allows it', async () => {
    for (const sigv2 of ['on', 'presigned'] as const) {
      expect(await verify(signed, { sigv2 })).toMatchObject({ method: 'form', version: 2 })
    }
    expect(await refusal(signed, { sigv2: 'off' })).toMatch(/^InvalidRequest .*AWS4-HMAC-SHA256/)
    expect(await refusal(signed)).toMatch(/^InvalidRequest/)
  })

  test.each<[string, Fields, RegExp | string]>([
    ['another signature', { signature: 'c2lnbmF0dXJl' }, /^SignatureDoesNotMatch/],
    ['no signature', { signature: undefined }, missing('Signature')],
    ['no key', { AWSAccessKeyId: undefined }, missing('AWSAccessKeyId')],
    ['no policy', { policy: undefined }, missing('policy')],
  ])('%s is refused', async (_, change, expected) => {
    expect(await refusal({ ...signed, ...change }, { sigv2: 'on' })).toMatch(expected)
  })
})

test('a form without any field of a signature is anonymous, whatever its policy says', async () => {
  expect(await verify({ key: 'k', policy: policyField([]) })).toMatchObject({
    method: 'anonymous',
    credential: undefined,
  })
})
