import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isPublicPolicy, parseBucketPolicy } from './bucket-policy.ts'
import { MalformedPolicyError, parsePolicy } from './policy.ts'

const ONE = '111111111111'
const read = {
  Effect: 'Allow',
  Principal: '*',
  Action: 's3:GetObject',
  Resource: 'arn:aws:s3:::bucket/*',
}

function text(...statements: object[]): string {
  return JSON.stringify({ Version: '2012-10-17', Statement: statements })
}

/** The problem with its place. */
function refusal(document: string): string {
  try {
    parseBucketPolicy(document, 'bucket')
  } catch (error) {
    expect(error).toBeInstanceOf(MalformedPolicyError)
    return (error as Error).message
  }
  throw new Error('was taken')
}

describe('a bucket policy', () => {
  it.each<[string, object]>([
    ['for everybody', read],
    ['for an account', { ...read, Principal: { AWS: ONE } }],
    ['for some', { ...read, Principal: { AWS: [`arn:aws:iam::${ONE}:user/path/ann`, ONE] } }],
    ['for a session', { ...read, Principal: { AWS: `arn:aws:sts::${ONE}:assumed-role/r/s` } }],
    ['for services', { ...read, Principal: { Service: 'x.amazonaws.com', CanonicalUser: ['a'] } }],
    ['for all but some', { ...read, Principal: undefined, NotPrincipal: { AWS: ONE } }],
    [
      'on bucket and objects',
      { ...read, Action: 's3:*', Resource: ['arn:aws:s3:::bucket', read.Resource] },
    ],
    [
      'on one kind of what its actions mean',
      { ...read, Action: 's3:List*', Resource: 'arn:aws:s3:::bucket' },
    ],
    ['on all but', { ...read, Resource: undefined, NotResource: 'arn:aws:s3:::bucket/private/*' }],
    ['with variables', { ...read, Resource: 'arn:aws:s3:::bucket/${aws:username}/*' }],
    [
      'with conditions',
      { ...read, Condition: { StringEquals: { 's3:ExistingObjectTag/a': 'b' } } },
    ],
  ])('is taken %s', (_, statement) => {
    expect(parseBucketPolicy(text(statement), 'bucket').statements).toHaveLength(1)
  })
})

describe('the text of a bucket policy', () => {
  it.each<[string | object, RegExp]>([
    ['', /no value/],
    [text(read) + ' '.repeat(20_480), /at most 20480 bytes/],
    [text({ ...read, Sid: 'é'.repeat(10_300) }), /at most 20480 bytes/],
    [`{"Statement":${'['.repeat(30)}`, /more than 10 levels/],
    [{ ...read, Principal: undefined }, /^Statement\[0\]: needs one of Principal and NotPrincipal/],
    [{ ...read, NotPrincipal: '*' }, /needs one of Principal and NotPrincipal/],
    [{ ...read, Principal: 'ann' }, /^Statement\[0\]\.Principal: is no object/],
    [{ ...read, Principal: {} }, /^Statement\[0\]\.Principal: is empty/],
    [{ ...read, Principal: { Aws: '*' } }, /unknown element "Aws"/],
    [
      { ...read, Principal: { __proto__: null, ['__proto__x']: '*' } },
      /unknown element "__proto__x"/,
    ],
    [{ ...read, Principal: { AWS: ['*', 'ann'] } }, /^Statement\[0\]\.Principal\.AWS\[1\]: is not/],
    [{ ...read, Principal: { AWS: `arn:aws:iam::${ONE}:user/*` } }, /\.Principal\.AWS: is not/],
    [{ ...read, Principal: { AWS: 'arn:aws:iam::*:root' } }, /\.Principal\.AWS: is not/],
    [{ ...read, Principal: { Service: 5 } }, /\.Principal\.Service: is no text/],
    [{ ...read, Resource: '*' }, /^Statement\[0\]\.Resource\[0\]: is not arn:aws:s3:::bucket/],
    [{ ...read, Resource: 'arn:aws:s3:::other/*' }, /is not arn:aws:s3:::bucket or below/],
    [{ ...read, Resource: 'arn:aws:s3:::bucket*' }, /is not arn:aws:s3:::bucket or below/],
    [{ ...read, Resource: 'arn:aws:s3:::bucket2/x' }, /is not arn:aws:s3:::bucket or below/],
    [{ ...read, Resource: 'arn:aws:s3:::*' }, /is not arn:aws:s3:::bucket or below/],
    [{ ...read, Resource: 'arn:*' }, /is not arn:aws:s3:::bucket or below/],
    [{ ...read, Resource: 'arn:aws:s3:::${s3:prefix}/x' }, /is not arn:aws:s3:::bucket or below/],
    [
      { ...read, Resource: [read.Resource, `arn:aws:s3::${ONE}:bucket/x`] },
      /^Statement\[0\]\.Resource\[1\]: is not/,
    ],
    [{ ...read, Action: ['s3:GetObject', 's3:Fly'] }, /^Statement\[0\]\.Action\[1\]: is no action/],
    [{ ...read, Action: 'iam:*' }, /^Statement\[0\]\.Action\[0\]: is no action/],
    [{ ...read, Action: 's3:ListBucket' }, /Action\[0\]: applies to none of the resources/],
    [{ ...read, Resource: 'arn:aws:s3:::bucket' }, /applies to none of the resources/],
    [
      { ...read, Condition: { StringFunny: { 's3:prefix': 'a' } } },
      /unknown condition operator StringFunny/,
    ],
    [
      { ...read, Condition: { StringEquals: { 'aws:Unheard': 'a' } } },
      /unknown condition key "aws:unheard"/,
    ],
  ])('%# is refused with its place', (document, expected) => {
    const written = typeof document === 'string' ? document : text(document)
    expect(refusal(written)).toMatch(expected)
  })

  it('of any text is taken or malformed, and nothing else', () => {
    const value = fc.constantFrom('*', 'Allow', 's3:*', 'arn:aws:s3:::bucket/*', ONE, {}, [], null)
    const names = ['Effect', 'Principal', 'NotPrincipal', 'Action', 'Resource', 'Condition', 'AWS']
    const statement = fc.dictionary(fc.constantFrom(...names), fc.oneof(value, fc.object()))
    fc.assert(
      fc.property(fc.array(statement, { maxLength: 3 }), (statements) => {
        try {
          parseBucketPolicy(text(...statements), 'bucket')
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedPolicyError)
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('a trust policy', () => {
  const trust = { Effect: 'Allow', Principal: { AWS: ONE }, Action: 'sts:AssumeRole' }

  it('has principals and no resource', () => {
    expect(parsePolicy(text(trust), 'trust').statements[0]?.principals?.accounts.has(ONE)).toBe(
      true,
    )
    expect(() => parsePolicy(text({ ...trust, Resource: '*' }), 'trust')).toThrow(/unknown element/)
    expect(() => parsePolicy(text({ ...trust, Principal: undefined }), 'trust')).toThrow(
      /needs one of/,
    )
    expect(() => parsePolicy(text(trust))).toThrow(/unknown element "Principal"/)
  })
})

const isPublic = (...statements: object[]): boolean =>
  isPublicPolicy(parsePolicy(text(...statements), 'resource'))
const when = (condition: object): object => ({ ...read, Condition: condition })

const from = (...ranges: string[]): object => when({ IpAddress: { 'aws:SourceIp': ranges } })
const pieces = <T>(length: number, make: (at: number) => T): T[] =>
  Array.from({ length }, (_, at) => make(at))

const PUBLIC: readonly [string, boolean, object[]][] = [
  ['for everybody', true, [read]],
  ['for everybody among others', true, [{ ...read, Principal: { AWS: [ONE, '*'] } }]],
  ['for all but some', true, [{ ...read, Principal: undefined, NotPrincipal: { AWS: ONE } }]],
  ['in one statement', true, [{ ...read, Principal: { AWS: ONE } }, read]],
  ['for an account', false, [{ ...read, Principal: { AWS: ONE } }]],
  ['denying everybody', false, [{ ...read, Effect: 'Deny' }]],
  ['also when something else is denied', true, [read, { ...read, Effect: 'Deny' }]],
  ['from a network', false, [when({ IpAddress: { 'aws:SourceIp': '203.0.113.0/24' } })]],
  ['from half the world', true, [when({ IpAddress: { 'aws:SourceIp': '0.0.0.0/1' } })]],
  [
    'from a network or the world',
    true,
    [when({ IpAddress: { 'aws:SourceIp': ['10.0.0.0/8', '::/0'] } })],
  ],
  ['from both halves of the world', true, [from('1.0.0.0/8', '0.0.0.0/1', '128.0.0.0/1')]],
  ['from the world in small pieces', true, [from(...pieces(256, (at) => `${at}.0.0.0/8`))]],
  ['from the world with holes', true, [from(...pieces(256, (at) => `${at}.0.0.0/9`))]],
  ['from two networks of which each may be', true, [from('2.0.0.0/8', '3.0.0.0/32')]],
  [
    'from the world in several statements',
    true,
    pieces(4, (at) => from(`${64 * at}.0.0.0/9`, `${64 * at + 1}.0.0.0/9`)),
  ],
  [
    'from the world of IPv6 in pieces',
    true,
    [from(...pieces(2, (at) => `200${at}:db8::/33`), '2003::/32')],
  ],
  [
    'from one large network, written twice',
    false,
    [from('2.0.0.0/8', '2.128.0.0/9'), from('2.0.0.0/8')],
  ],
  [
    'from all private networks',
    false,
    [from('10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '8.0.0.0/8')],
  ],
  ['from many small networks', false, [from(...pieces(256, (at) => `${at}.0.0.0/16`))]],
  ['from one large network of IPv6 and one of IPv4', false, [from('2001:db8::/32', '8.0.0.0/8')]],
  [
    'from the world, but to an account',
    false,
    [
      when({
        IpAddress: { 'aws:SourceIp': ['0.0.0.0/1', '128.0.0.0/1'] },
        StringEquals: { 'aws:PrincipalAccount': ONE },
      }),
    ],
  ],
  [
    'from a network, if there is an address',
    true,
    [when({ IpAddressIfExists: { 'aws:SourceIp': '8.0.0.0/8' } })],
  ],
  [
    'from a network, compared as text',
    true,
    [when({ StringEquals: { 'aws:SourceIp': '8.8.8.8' } })],
  ],
  ['from all but a network', true, [when({ NotIpAddress: { 'aws:SourceIp': '10.0.0.0/8' } })]],
  [
    'for an account, by condition',
    false,
    [when({ StringEquals: { 'aws:PrincipalAccount': ONE } })],
  ],
  [
    'for principals by pattern',
    true,
    [when({ ArnLike: { 'aws:PrincipalArn': `arn:aws:iam::*:user/x` } })],
  ],
  ['by a variable', true, [when({ StringEquals: { 'aws:userid': '${aws:userid}' } })]],
  [
    'if there is such a key',
    true,
    [when({ StringEqualsIfExists: { 'aws:PrincipalAccount': ONE } })],
  ],
  [
    'for all of no values',
    true,
    [when({ 'ForAllValues:StringEquals': { 'aws:PrincipalAccount': ONE } })],
  ],
  ['by what anybody can write', true, [when({ StringEquals: { 'aws:Referer': 'x' } })]],
  ['by TLS', true, [when({ Bool: { 'aws:SecureTransport': 'true' } })]],
  ['to services alone', false, [{ ...read, Principal: { Service: 'x.amazonaws.com' } }]],
]

describe('a policy is public', () => {
  it.each(PUBLIC)('%s: %s', (_, expected, statements) => {
    expect(isPublic(...statements)).toBe(expected)
  })
})
