/** F31: what a caller with the right to write a bucket's policy may change in it. */

import { describe, expect, test } from 'vitest'
import { Meter, finish } from '../work.ts'
import { parsePolicy, type Policy } from './policy.ts'
import { forbiddenChange, type PolicyChange } from './policy-change.ts'

const ACCOUNT = '123456789012'
const ANN = `arn:aws:iam::${ACCOUNT}:user/ann`
const RESOLVED = [{ arn: ANN, id: 'AIDAANN' }]
const OBJECTS = 'arn:aws:s3:::b/*'

type Statement = Readonly<Record<string, unknown>>

function statement(Effect: string, Action: string, more: Statement = {}): Statement {
  return { Effect, Action, Resource: OBJECTS, Principal: '*', ...more }
}

function policy(...statements: readonly Statement[]): Policy {
  const text = JSON.stringify({ Version: '2012-10-17', Statement: statements })
  return parsePolicy(text, 'resource', RESOLVED)
}

const identity = (Effect: string, Action: string, Resource = '*') => ({
  name: 'p',
  policy: parsePolicy(JSON.stringify({ Statement: { Effect, Action, Resource } })),
})

function judged(
  own: PolicyChange['identityPolicies'],
  before: readonly Statement[],
  after: readonly Statement[] | undefined,
  more: Partial<PolicyChange> = {},
): string | undefined {
  const change: PolicyChange = {
    who: { accountId: ACCOUNT, id: 'AIDAANN', userId: 'AIDAANN' },
    isRoot: false,
    identityPolicies: own,
    before: before.length === 0 ? undefined : { name: 'b', policy: policy(...before) },
    after: after && policy(...after),
    wasRestricted: false,
    ...more,
  }
  return finish(forbiddenChange(change, new Meter()))
}

const S3 = [identity('Allow', 's3:*')]
const READER = [identity('Allow', 's3:GetObject')]
const read = statement('Allow', 's3:GetObject')
const write = statement('Allow', 's3:PutObject')
const secure = statement('Deny', 's3:*', {
  Condition: { Bool: { 'aws:SecureTransport': 'false' } },
})
const keep = statement('Deny', 's3:DeleteObject')

describe('a change of a bucket policy', () => {
  test('gives what its writer has', () => {
    expect(judged(READER, [], [read])).toBeUndefined()
    expect(judged(READER, [], [read, write])).toBe('gives')
    expect(judged(S3, [], [read, write])).toBeUndefined()
    expect(judged([...S3, identity('Deny', 's3:PutObject')], [], [write])).toBe('gives')
    expect(judged([], [], [statement('Allow', 's3:GetObject', { Principal: { AWS: ANN } })])).toBe(
      'gives',
    )
  })

  test('what stays the same grants nothing, and neither does what is removed', () => {
    expect(judged(READER, [write, read], [{ ...write, Sid: 'Other' }])).toBeUndefined()
    expect(judged([], [write], undefined)).toBeUndefined()
    expect(judged([], [write], [keep])).toBeUndefined()
  })

  test('may use what the policy gives its writer by name', () => {
    const own = statement('Allow', 's3:PutObject', { Principal: { AWS: ANN } })
    expect(judged([], [own], [own, write])).toBeUndefined()
    const others = { who: { accountId: ACCOUNT, id: 'AIDABOB', userId: 'AIDABOB' } }
    expect(judged([], [own], [own, write], others)).toBe('gives')
  })

  test('lifts no Deny, and works around it', () => {
    expect(judged(S3, [secure, read], [secure, read, write])).toBeUndefined()
    expect(judged(S3, [keep, read], [read])).toBe('lifts')
    expect(judged(S3, [keep], undefined)).toBe('lifts')
    expect(judged(S3, [keep], [{ ...keep, Principal: { AWS: ANN } }])).toBe('lifts')
    expect(judged(S3, [keep], [{ ...keep, Sid: 'Other' }])).toBeUndefined()
    // A writer that is denied something by name can't grant it.
    const mine = statement('Deny', 's3:PutObject', { Principal: { AWS: ANN } })
    expect(judged(S3, [mine], [mine, write])).toBe('gives')
    expect(judged(S3, [mine], [mine, read])).toBeUndefined()
  })

  test('roots and administrators make any change, within the policies of their session', () => {
    const admin = [identity('Allow', '*')]
    expect(judged(admin, [keep], undefined)).toBeUndefined()
    expect(judged([], [keep], undefined, { isRoot: true })).toBeUndefined()
    expect(judged(admin, [keep], undefined, { sessionPolicies: S3 })).toBe('lifts')
    expect(judged(admin, [], [write], { sessionPolicies: READER })).toBe('gives')
    expect(judged([...admin, identity('Deny', 's3:PutObject')], [keep], undefined)).toBe('lifts')
    const unreadable = { name: 'b', policy: undefined }
    expect(judged(S3, [], undefined, { before: unreadable })).toBe('lifts')
    expect(judged(admin, [], undefined, { before: unreadable })).toBeUndefined()
  })

  test('lets a restricted policy count for all only who has what it gives', () => {
    const restricted = { wasRestricted: true }
    expect(judged(S3, [write], [write], restricted)).toBeUndefined()
    const denied = [...S3, identity('Deny', 's3:PutObject')]
    expect(judged(denied, [write], [write])).toBeUndefined()
    expect(judged(denied, [write], [write], restricted)).toBe('gives')
  })
})
