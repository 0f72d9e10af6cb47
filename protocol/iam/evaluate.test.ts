import { describe, expect, it } from 'vitest'
import { decide as decideAll, type Decision } from './decide.ts'
import type { RawStatement } from './testing/oracle.ts'
import { parsePolicy } from './policy.ts'

const ANN = 'arn:aws:iam::000000000001:user/ann'

interface Ask {
  action?: string
  resource?: string
  context?: Record<string, string | string[]>
}

function decide(statements: RawStatement | RawStatement[], ask: Ask = {}): Decision {
  return decideText([JSON.stringify({ Version: '2012-10-17', Statement: statements })], ask)
}

/** By identity policies alone: '0', '1' … are their names. */
function decideText(policies: readonly string[], ask: Ask = {}): Decision {
  const { action = 's3:GetObject', resource = 'arn:aws:s3:::b/k', context = {} } = ask
  return decideAll({
    caller: { accountId: '000000000001', arn: ANN, type: 'User', isRoot: false },
    identityPolicies: policies.map((text, at) => ({ name: `${at}`, policy: parsePolicy(text) })),
    resourceAccount: '000000000001',
    action,
    resource,
    context: new Map(
      Object.entries(context).map(([key, value]) => [key.toLowerCase(), [value].flat()]),
    ),
  })
}

const allowAll: RawStatement = { Effect: 'Allow', Action: '*', Resource: '*' }

function when(
  condition: RawStatement['Condition'],
  effect: 'Allow' | 'Deny' = 'Allow',
): RawStatement {
  return {
    ...allowAll,
    Effect: effect,
    ...(condition === undefined ? {} : { Condition: condition }),
  }
}

describe('the decision', () => {
  it('is deny when nothing is said', () => {
    const nothing = { allowed: false, kind: 'default-deny', source: 'identity' }
    expect(decideText([])).toEqual(nothing)
    expect(decide({ ...allowAll, Action: 's3:PutObject' })).toEqual(nothing)
  })

  it('names the statement that allows', () => {
    const policies = [
      '{"Statement":{"Effect":"Allow","Action":"iam:*","Resource":"*"}}',
      '{"Statement":[{"Effect":"Allow","Sid":"Read","Action":"s3:get*","Resource":"*"}]}',
    ]
    expect(decideText(policies)).toEqual({
      allowed: true,
      kind: 'allow',
      source: 'identity',
      by: { policy: '1', statement: 0, sid: 'Read' },
    })
  })

  it('is deny when one statement denies, at any position', () => {
    const deny: RawStatement = { ...allowAll, Effect: 'Deny', Sid: 'No' }
    for (const statements of [
      [deny, allowAll],
      [allowAll, deny],
    ]) {
      expect(decide(statements)).toMatchObject({
        allowed: false,
        kind: 'explicit-deny',
        by: { sid: 'No' },
      })
    }
  })
})

describe('actions and resources', () => {
  it.each([
    ['s3:GetObject', 's3:getobject', true],
    ['s3:Get*', 's3:GetObject', true],
    ['s3:Get?bject', 's3:GetObject', true],
    ['s3:*', 'iam:GetUser', false],
    ['*', 'iam:GetUser', true],
  ])('action %s on %s: %s', (Action, action, allowed) => {
    expect(decide({ ...allowAll, Action }, { action }).allowed).toBe(allowed)
  })

  it.each([
    ['arn:aws:s3:::b/*', 'arn:aws:s3:::b/k/l:m', true],
    ['arn:aws:s3:::b', 'arn:aws:s3:::b/k', false],
    ['arn:aws:s3:::b/K', 'arn:aws:s3:::b/k', false],
    ['arn:aws:s3:::*', 'arn:aws:s3:::b/k', true],
    ['arn:aws:s3:*', 'arn:aws:s3:::b/k', true],
    ['arn:*', 'arn:aws:s3:::b/k', true],
    // A star stays within its field.
    ['arn:aws:*:k', 'arn:aws:s3:::b/k', false],
    ['arn:aws:s3:*:*:b/k', 'arn:aws:s3:::b/k', true],
    ['arn:aws:iam::*:user/x', 'arn:aws:iam::1:evil:user/x', false],
  ])('resource %s on %s: %s', (Resource, resource, allowed) => {
    if (Resource === 'arn:aws:*:k') {
      expect(() => decide({ ...allowAll, Resource }, { resource })).toThrow(/is not "\*" or an ARN/)
    } else expect(decide({ ...allowAll, Resource }, { resource }).allowed).toBe(allowed)
  })

  it('Not… is the rest', () => {
    const { Action: _, ...rest } = allowAll
    const statement: RawStatement = { ...rest, NotAction: ['s3:Delete*', 'iam:*'] }
    expect(decide(statement).allowed).toBe(true)
    expect(decide(statement, { action: 's3:DeleteObject' }).allowed).toBe(false)
    const { Resource: __, ...noResource } = allowAll
    const others: RawStatement = { ...noResource, NotResource: 'arn:aws:s3:::b/*' }
    expect(decide(others).allowed).toBe(false)
    expect(decide(others, { resource: 'arn:aws:s3:::c/k' }).allowed).toBe(true)
  })
})

describe('variables', () => {
  const home: RawStatement = { ...allowAll, Resource: 'arn:aws:s3:::b/${aws:username}/*' }
  const resource = 'arn:aws:s3:::b/ann/k'

  it('are replaced by values of the request, which are taken literally', () => {
    expect(decide(home, { resource, context: { 'aws:UserName': 'ann' } }).allowed).toBe(true)
    expect(decide(home, { resource, context: { 'aws:username': 'bob' } }).allowed).toBe(false)
    expect(decide(home, { resource, context: { 'aws:username': '*' } }).allowed).toBe(false)
  })

  it('without a value allow nothing and deny all (F29)', () => {
    expect(decide(home, { resource }).allowed).toBe(false)
    expect(decide([allowAll, { ...home, Effect: 'Deny' }], { resource }).allowed).toBe(false)
    const { Resource, ...rest } = home
    const others: RawStatement = { ...rest, NotResource: Resource ?? '' }
    expect(decide(others, { resource }).allowed).toBe(false)
    const twice = { resource, context: { 'aws:username': ['ann', 'bob'] } }
    expect(decide(home, twice).allowed).toBe(false)
  })

  it('may have a default, and stars may be bare', () => {
    const Resource = "arn:aws:s3:::b/${aws:username, 'nobody'}/${*}"
    expect(decide({ ...allowAll, Resource }, { resource: 'arn:aws:s3:::b/nobody/*' }).allowed).toBe(
      true,
    )
    expect(decide({ ...allowAll, Resource }, { resource: 'arn:aws:s3:::b/nobody/k' }).allowed).toBe(
      false,
    )
  })

  it('mean nothing in policies of 2008', () => {
    const text =
      '{"Statement":{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::${aws:username}"}}'
    expect(decideText([text], { resource: 'arn:aws:s3:::${aws:username}' }).allowed).toBe(true)
  })
})

describe('conditions', () => {
  it.each([
    ['StringEquals', 's3:prefix', 'a', 'a', true],
    ['StringEquals', 's3:prefix', 'a', 'A', false],
    ['StringEqualsIgnoreCase', 's3:prefix', 'a', 'A', true],
    ['StringNotEquals', 's3:prefix', 'a', 'b', true],
    ['StringNotEquals', 's3:prefix', 'a', 'a', false],
    ['StringLike', 's3:prefix', 'home/*', 'home/ann', true],
    ['StringEquals', 's3:prefix', 'home/*', 'home/ann', false],
    ['StringNotLike', 's3:prefix', 'home/*', 'home/ann', false],
    ['NumericLessThanEquals', 's3:max-keys', '10', '10', true],
    ['NumericLessThan', 's3:max-keys', '10', '9.5', true],
    ['NumericGreaterThan', 's3:max-keys', '10', '9', false],
    ['NumericEquals', 's3:max-keys', '10', 'ten', false],
    ['NumericNotEquals', 's3:max-keys', '10', '1e1', true],
    ['DateLessThan', 'aws:CurrentTime', '2026-01-01T00:00:00Z', '2025-12-31T23:59:59Z', true],
    [
      'DateGreaterThan',
      'aws:CurrentTime',
      '2026-01-01T00:00:00+01:00',
      '2025-12-31T23:30:00Z',
      true,
    ],
    ['DateEquals', 'aws:EpochTime', '2026-01-01', '1767225600', true],
    ['Bool', 'aws:SecureTransport', 'TRUE', 'true', true],
    ['Bool', 'aws:SecureTransport', 'true', 'false', false],
    ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', '10.255.1.2', true],
    ['IpAddress', 'aws:SourceIp', '10.0.0.0/9', '10.128.0.1', false],
    ['IpAddress', 'aws:SourceIp', '10.0.0.1', '::ffff:10.0.0.1', true],
    ['IpAddress', 'aws:SourceIp', '0.0.0.0/0', '::1', false],
    ['IpAddress', 'aws:SourceIp', '2001:db8::/33', '2001:db8:7fff::1', true],
    ['NotIpAddress', 'aws:SourceIp', '10.0.0.0/8', '11.0.0.1', true],
    ['IpAddress', 'aws:SourceIp', '10.0.0.0/8', 'no address', false],
    ['ArnLike', 'aws:PrincipalArn', 'arn:aws:iam::*:user/*', ANN, true],
    ['ArnEquals', 'aws:PrincipalArn', 'arn:aws:iam::*:role/*', ANN, false],
    ['ArnNotLike', 'aws:PrincipalArn', 'arn:aws:iam::*:role/*', ANN, true],
    ['BinaryEquals', 's3:prefix', 'QUJD', 'QUJD', true],
    ['Null', 's3:prefix', 'false', 'x', true],
    ['Null', 's3:prefix', 'true', 'x', false],
  ])('%s %s %s on %s: %s', (operator, key, written, actual, allowed) => {
    const ask = { context: { [key]: actual } }
    expect(decide(when({ [operator]: { [key]: written } }), ask).allowed).toBe(allowed)
    const turned = decide([allowAll, when({ [operator]: { [key]: written } }, 'Deny')], ask)
    expect(turned.allowed).toBe(!allowed)
  })
})

describe('conditions on several values or none', () => {
  it('all must hold, of the values one', () => {
    const both = { StringEquals: { 's3:prefix': ['a', 'b'], 's3:delimiter': '/' } }
    expect(decide(when(both), { context: { 's3:prefix': 'b', 's3:delimiter': '/' } }).allowed).toBe(
      true,
    )
    expect(decide(when(both), { context: { 's3:prefix': 'b' } }).allowed).toBe(false)
    const none = { StringNotEquals: { 's3:prefix': ['a', 'b'] } }
    expect(decide(when(none), { context: { 's3:prefix': 'b' } }).allowed).toBe(false)
  })

  it('on an absent key: positive fails, negated holds, IfExists holds', () => {
    expect(decide(when({ StringEquals: { 's3:prefix': 'a' } })).allowed).toBe(false)
    expect(decide(when({ StringNotEquals: { 's3:prefix': 'a' } })).allowed).toBe(true)
    expect(decide(when({ StringEqualsIfExists: { 's3:prefix': 'a' } })).allowed).toBe(true)
    expect(decide(when({ Null: { 's3:prefix': 'true' } })).allowed).toBe(true)
  })

  it('on several values need ForAnyValue or ForAllValues', () => {
    const ask = { context: { 's3:prefix': ['a', 'b'] } }
    const condition = (operator: string, values: string[]): RawStatement =>
      when({ [operator]: { 's3:prefix': values } })
    expect(decide(condition('StringEquals', ['a', 'b']), ask).allowed).toBe(false)
    expect(decide(condition('ForAnyValue:StringEquals', ['a']), ask).allowed).toBe(true)
    expect(decide(condition('ForAllValues:StringEquals', ['a']), ask).allowed).toBe(false)
    expect(decide(condition('ForAllValues:StringEquals', ['a', 'b', 'c']), ask).allowed).toBe(true)
    expect(decide(condition('ForAnyValue:StringEquals', ['a'])).allowed).toBe(false)
    expect(decide(condition('ForAllValues:StringEquals', ['a'])).allowed).toBe(true)
  })

  it.each([
    ['operators', { FunnyEquals: { 's3:prefix': 'a' } }],
    ['operators', { stringequals: { 's3:prefix': 'a' } }],
    ['keys', { StringEquals: { 'aws:Unheard': 'true' } }],
    ['keys', { StringNotEquals: { 's3:ExistingObjectTag/': 'a' } }],
    ['keys', { Null: { 's3:RequestedThing': 'true' } }],
  ])('with unknown %s never allow and always deny (F29): %j', (_, condition) => {
    const ask = { context: { 's3:prefix': 'a' } }
    expect(decide(when(condition), ask).allowed).toBe(false)
    expect(decide([allowAll, when(condition, 'Deny')], ask).allowed).toBe(false)
  })

  it('that fail for certain are not made unknown by another', () => {
    const condition = { FunnyEquals: { 's3:prefix': 'a' }, StringEquals: { 's3:prefix': 'b' } }
    const ask = { context: { 's3:prefix': 'a' } }
    expect(decide([allowAll, when(condition, 'Deny')], ask).allowed).toBe(true)
  })
})
