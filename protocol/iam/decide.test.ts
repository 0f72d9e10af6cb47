/** The decision from all policies: by example, and against the oracle. */

import { describe, expect, it } from 'vitest'
import { decide, type CompiledPolicy, type Question } from './decide.ts'
import { oracle } from './testing/oracle.ts'
import { parsePolicy, type PolicyKind } from './policy.ts'
import type { Principal } from './principal.ts'
import { compareCases } from './testing/compare.ts'
import { questionOf, randomCases, randomOf, rawQuestionOf } from './testing/cases.ts'

const HERE = '111111111111'
const THERE = '222222222222'

function user(accountId: string, userName = 'ann'): Principal {
  const arn = `arn:aws:iam::${accountId}:user/${userName}`
  return { accountId, arn, type: 'User', isRoot: false, userId: `AIDA${userName}`, userName }
}

function root(accountId: string): Principal {
  return { accountId, arn: `arn:aws:iam::${accountId}:root`, type: 'Account', isRoot: true }
}

const SESSION: Principal = {
  accountId: HERE,
  arn: `arn:aws:sts::${HERE}:assumed-role/reader/s1`,
  roleArn: `arn:aws:iam::${HERE}:role/reader`,
  type: 'AssumedRole',
  isRoot: false,
  userId: 'AROAREADER:s1',
}

const RESOLVED = [
  { arn: `arn:aws:iam::${HERE}:user/ann`, id: 'AIDAann' },
  { arn: `arn:aws:iam::${HERE}:role/reader`, id: 'AROAREADER' },
]

function policy(statement: object, kind: PolicyKind = 'identity', name = 'p'): CompiledPolicy {
  const text = JSON.stringify({
    Version: '2012-10-17',
    Statement: { Effect: 'Allow', Action: '*', ...statement },
  })
  return { name, policy: parsePolicy(text, kind, RESOLVED) }
}

const ALL = policy({ Resource: '*' })
const NONE = policy({ Effect: 'Deny', Resource: '*' })
const bucket = (principal: unknown, more: object = {}): CompiledPolicy =>
  policy({ Principal: principal, Resource: 'arn:aws:s3:::b*', ...more }, 'resource', 'bucket')

function ask(caller: Question['caller'], more: Partial<Question> = {}): string {
  const { allowed, kind, source } = decide({
    caller,
    identityPolicies: [],
    resourceAccount: HERE,
    action: 's3:GetObject',
    resource: 'arn:aws:s3:::b/k',
    context: new Map(),
    ...more,
  })
  expect(allowed).toBe(kind === 'allow')
  return `${kind} ${source}`
}

const byName = bucket({ AWS: `arn:aws:iam::${HERE}:user/ann` })

const byAccount = bucket({ AWS: HERE })
const strangers = bucket({ AWS: [`arn:aws:iam::${THERE}:root`] })
const everybody = bucket('*')

const CALLERS: readonly [string, Question['caller'], Partial<Question>, string][] = [
  ['root of the account', root(HERE), {}, 'allow account'],
  ['a user without policies', user(HERE), {}, 'default-deny identity'],
  ['a user with a policy', user(HERE), { identityPolicies: [ALL] }, 'allow identity'],
  ['a user that the bucket names', user(HERE), { resourcePolicy: byName }, 'allow resource'],
  ['another one', user(HERE, 'bob'), { resourcePolicy: byName }, 'default-deny identity'],
  [
    'whose account alone is named',
    user(HERE),
    { resourcePolicy: byAccount },
    'default-deny identity',
  ],
  [
    'whose account is named and who has a policy',
    user(HERE),
    { resourcePolicy: byAccount, identityPolicies: [ALL] },
    'allow identity',
  ],
  ['a stranger', user(THERE), { identityPolicies: [ALL] }, 'default-deny resource'],
  ['a strange root', root(THERE), {}, 'default-deny resource'],
  [
    'a strange root whose account is named',
    root(THERE),
    { resourcePolicy: strangers },
    'allow account',
  ],
  ['a stranger with one half', user(THERE), { resourcePolicy: strangers }, 'default-deny identity'],
  [
    'a stranger with both',
    user(THERE),
    { resourcePolicy: strangers, identityPolicies: [ALL] },
    'allow identity',
  ],
  ['nobody', 'anonymous', {}, 'default-deny resource'],
  ['nobody, where everybody may', 'anonymous', { resourcePolicy: everybody }, 'allow resource'],
  [
    'nobody, where an account may',
    'anonymous',
    { resourcePolicy: byAccount },
    'default-deny resource',
  ],
  [
    'nobody, where public access is restricted',
    'anonymous',
    { resourcePolicy: everybody, restrictPublicBuckets: true },
    'default-deny resource',
  ],
  [
    'its own account, where public access is restricted',
    user(HERE),
    { resourcePolicy: everybody, restrictPublicBuckets: true },
    'allow resource',
  ],
  [
    'a stranger where only some are let in',
    user(THERE),
    { resourcePolicy: strangers, identityPolicies: [ALL], restrictPublicBuckets: true },
    'allow identity',
  ],
  [
    'a session of a role that is named',
    SESSION,
    { resourcePolicy: bucket({ AWS: `arn:aws:iam::${HERE}:role/reader` }) },
    'allow resource',
  ],
  [
    'a session, held by its policies',
    SESSION,
    { resourcePolicy: everybody, sessionPolicies: [] },
    'default-deny session',
  ],
  [
    'a session of root, held by its policies',
    root(HERE),
    { sessionPolicies: [policy({ Resource: 'arn:aws:s3:::other' })] },
    'default-deny session',
  ],
  [
    'all, denied by its own',
    user(HERE),
    { identityPolicies: [ALL, NONE] },
    'explicit-deny identity',
  ],
  [
    'all, denied by the session',
    user(HERE),
    { identityPolicies: [ALL], sessionPolicies: [ALL, NONE] },
    'explicit-deny session',
  ],
  [
    'root, denied by the bucket',
    root(HERE),
    { resourcePolicy: bucket('*', { Effect: 'Deny' }) },
    'explicit-deny resource',
  ],
  [
    'root, which can still mend the policy',
    root(HERE),
    { resourcePolicy: bucket('*', { Effect: 'Deny' }), action: 's3:PutBucketPolicy' },
    'allow account',
  ],
  [
    'not a strange root',
    root(THERE),
    { resourcePolicy: bucket('*', { Effect: 'Deny' }), action: 's3:PutBucketPolicy' },
    'explicit-deny resource',
  ],
  [
    'all, with a policy that can not be read',
    user(HERE),
    { identityPolicies: [ALL, { name: 'x', policy: undefined }] },
    'explicit-deny identity',
  ],
]

describe('who gets in', () => {
  it.each(CALLERS)('%s', (_, caller, more, expected) => {
    expect(ask(caller, more)).toBe(expected)
  })
})

describe('principals that decide', () => {
  it('a principal is its id, whatever it is called', () => {
    const renamed = { ...user(HERE, 'anna'), userId: 'AIDAann' }
    const successor = { ...user(HERE), userId: 'AIDAother' }
    const ann = { AWS: `arn:aws:iam::${HERE}:user/ann` }
    const reader = { AWS: `arn:aws:iam::${HERE}:role/reader` }
    const ofRole = bucket(reader)
    expect(ask(renamed, { resourcePolicy: byName })).toBe('allow resource')
    expect(ask(successor, { resourcePolicy: byName })).toBe('default-deny identity')
    const made = { ...SESSION, userId: 'AROAANEW:s1' }
    expect(ask(made, { resourcePolicy: ofRole })).toBe('default-deny identity')
    const denied = bucket(ann, { Effect: 'Deny' })
    const all = { identityPolicies: [ALL], resourcePolicy: denied }
    expect(ask(renamed, all)).toBe('explicit-deny resource')
    expect(ask(successor, all)).toBe('allow identity')
    const others = policy(
      { Effect: 'Deny', NotPrincipal: ann, Resource: 'arn:aws:s3:::b/*' },
      'resource',
    )
    expect(ask(renamed, { ...all, resourcePolicy: others })).toBe('allow identity')
    expect(ask(successor, { ...all, resourcePolicy: others })).toBe('explicit-deny resource')
  })

  it('an ARN that was never resolved grants nothing and denies its namesake', () => {
    const bob = { AWS: `arn:aws:iam::${HERE}:user/bob` }
    expect(ask(user(HERE, 'bob'), { resourcePolicy: bucket(bob) })).toBe('default-deny identity')
    const denied = { identityPolicies: [ALL], resourcePolicy: bucket(bob, { Effect: 'Deny' }) }
    expect(ask(user(HERE, 'bob'), denied)).toBe('explicit-deny resource')
    const not = (Effect: string) => bucket(undefined, { Effect, NotPrincipal: bob })
    expect(ask(user(HERE, 'bob'), { resourcePolicy: not('Allow') })).toBe('default-deny identity')
    expect(ask(user(HERE, 'bob'), { identityPolicies: [ALL], resourcePolicy: not('Deny') })).toBe(
      'explicit-deny resource',
    )
  })

  it('NotPrincipal means all but those it names', () => {
    const deny = (principal: object): Partial<Question> => ({
      identityPolicies: [ALL],
      resourcePolicy: policy(
        { Effect: 'Deny', NotPrincipal: principal, Resource: 'arn:aws:s3:::b/*' },
        'resource',
      ),
    })
    const ann = { AWS: `arn:aws:iam::${HERE}:user/ann` }
    expect(ask(user(HERE), deny(ann))).toBe('allow identity')
    expect(ask(user(HERE, 'bob'), deny(ann))).toBe('explicit-deny resource')
    // An account here means its root only.
    expect(ask(user(HERE), deny({ AWS: HERE }))).toBe('explicit-deny resource')
    expect(ask(root(HERE), deny({ AWS: HERE }))).toBe('allow account')
  })
})

describe('roles and conditions that decide', () => {
  it('roles: their trust policy must allow it for every caller', () => {
    const role = {
      resourceMustAllow: true,
      action: 'sts:AssumeRole',
      resource: 'arn:aws:iam::1:role/r',
    }
    const trust = (principal: unknown): CompiledPolicy => policy({ Principal: principal }, 'trust')
    expect(ask(root(HERE), role)).toBe('default-deny resource')
    expect(ask(user(HERE), { ...role, identityPolicies: [ALL] })).toBe('default-deny resource')
    const named = { ...role, resourcePolicy: trust({ AWS: `arn:aws:iam::${HERE}:user/ann` }) }
    expect(ask(user(HERE), named)).toBe('allow resource')
    const account = { ...role, resourcePolicy: trust({ AWS: HERE }) }
    expect(ask(user(HERE), account)).toBe('default-deny identity')
    expect(ask(user(HERE), { ...account, identityPolicies: [ALL] })).toBe('allow identity')
    const stranger = { ...role, resourcePolicy: trust({ AWS: THERE }) }
    expect(ask(user(THERE), stranger)).toBe('default-deny identity')
    expect(ask(user(THERE), { ...stranger, identityPolicies: [ALL] })).toBe('allow identity')
  })

  it('conditions see who asks and whose the bucket is', () => {
    const when = (condition: object): Partial<Question> => ({
      identityPolicies: [policy({ Resource: '*', Condition: { StringEquals: condition } })],
    })
    expect(ask(user(HERE), when({ 'aws:username': 'ann' }))).toBe('allow identity')
    expect(ask(user(HERE), when({ 's3:ResourceAccount': HERE }))).toBe('allow identity')
    expect(ask(SESSION, when({ 'aws:PrincipalArn': SESSION.roleArn }))).toBe('allow identity')
    expect(ask(SESSION, when({ 'aws:PrincipalArn': SESSION.arn }))).toBe('default-deny identity')
  })
})

describe('a slow oracle', () => {
  it('says the same of 60,000 generated cases', () => {
    const { differing, counts } = compareCases(60_000, 4)
    expect(differing).toBeUndefined()
    // The generator must reach every answer often, or agreement means little.
    for (const [kind, count] of counts) expect([kind, count > 300]).toEqual([kind, true])
    expect(counts.size).toBe(12)
  })

  it('says the same of a user of the account, whatever else is drawn', () => {
    const answers = Array.from({ length: 100 }, (_, seed) => randomCases(randomOf(seed), 3))
      .flat()
      .map((raw) => {
        const here = { caller: user(HERE), resourceAccount: HERE, objectOwner: undefined }
        const open = { ...raw, ...here } as typeof raw
        expect(decide(questionOf(open)).allowed).toBe(oracle(rawQuestionOf(open)) === 'allow')
        return oracle(rawQuestionOf(raw))
      })
    expect(new Set(answers).size).toBe(3)
  })
})
