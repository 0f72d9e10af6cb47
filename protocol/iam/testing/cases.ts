/**
 * Policies and requests drawn from a seed, so small that they often meet: for the comparison of the
 * evaluation with its oracle. For tests only.
 */

import { CONDITION_KEYS } from '../condition-keys.ts'
import type { CompiledPolicy, Question } from '../decide.ts'
import { ACL_PERMISSIONS, ANONYMOUS_OWNER } from '../acl.ts'
import {
  CASE_CALLERS,
  caseArn,
  CASE_ACCOUNT_ONE,
  CASE_PRINCIPALS,
  CASE_RESOLVED,
  CASE_TOKENS,
  CASE_ACCOUNT_TWO,
  caseUser,
} from './case-callers.ts'
import type { RawGrant, RawPolicy, RawQuestion, RawStatement } from './oracle.ts'
import { parsePolicy, type Policy, type PolicyKind } from '../policy.ts'

export interface SmallRandom {
  /** 0 … count − 1. */
  below(count: number): number
  chance(probability: number): boolean
  pick<T>(list: readonly T[]): T
}

/** Mulberry32. */
export function randomOf(seed: number): SmallRandom {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    below,
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)] as (typeof list)[number],
  }
}

const ACTION_PATTERNS = [
  '*',
  '*',
  's3:*',
  's3:Get*',
  's3:getobject',
  's3:Put?bject',
  's3:*Object',
  's3:??tBucketPolicy',
  'iam:*',
  'sts:AssumeRole',
]
const ACTIONS = [
  's3:GetObject',
  's3:GetObject',
  's3:PutObject',
  's3:PutBucketPolicy',
  's3:GetBucketPolicy',
  'iam:GetUser',
  's3:ListBucket',
  's3:ListBucketVersions',
  's3:GetBucketAcl',
  's3:PutBucketAcl',
  's3:GetObjectAcl',
  's3:PutObjectVersionAcl',
]

const RESOURCE_PATTERNS = [
  '*',
  '*',
  'arn:aws:s3:::*',
  'arn:aws:s3:::a',
  'arn:aws:s3:::a/*',
  'arn:aws:s3:::a/${aws:username}/*',
  "arn:aws:s3:::a/${s3:prefix,'b'}",
  'arn:aws:s3:::?/b*',
  'arn:aws:s3:::a/${*}',
  'arn:aws:s3:*',
  'arn:*',
  'arn:aws:*:*:*:a/b',
  'arn:aws:iam::${aws:PrincipalAccount}:user/*',
]
const RESOURCES = [
  'arn:aws:s3:::a',
  'arn:aws:s3:::a/b',
  'arn:aws:s3:::a/b',
  'arn:aws:s3:::a/ann/b:c',
  'arn:aws:s3:::b/bb',
  'arn:aws:s3:::a/*',
  'arn:aws:iam::111111111111:user/ann',
]

const GRANTEES: readonly Pick<RawGrant, 'account' | 'group'>[] = [
  { group: 'AllUsers' },
  { group: 'AuthenticatedUsers' },
  { group: 'LogDelivery' },
  { account: CASE_ACCOUNT_ONE },
  { account: CASE_ACCOUNT_TWO },
  { account: ANONYMOUS_OWNER },
]

interface Kind {
  readonly operators: readonly string[]
  readonly keys: readonly string[]
  readonly written: readonly string[]
  readonly actual: readonly string[]
}

const ORDERED = ['Equals', 'NotEquals', 'LessThan', 'LessThanEquals', 'GreaterThan']
const named = (start: string, ends: readonly string[]): string[] => ends.map((end) => start + end)

const KINDS: readonly Kind[] = [
  {
    operators: [
      ...named('String', ['Equals', 'NotEquals', 'EqualsIgnoreCase', 'NotEqualsIgnoreCase']),
      ...named('String', ['Like', 'NotLike']),
      'BinaryEquals',
    ],
    keys: [
      's3:prefix',
      'aws:username',
      'aws:userid',
      'S3:Delimiter',
      's3:x-amz-acl',
      'idp.io/x:sub',
    ],
    written: ['a', 'A', 'b*', '?', 'ann', 'AROAROLE:*', '${aws:username}', "${s3:delimiter,'a'}"],
    actual: ['a', 'A', 'b', 'ba', '*', 'ann'],
  },
  {
    operators: named('Numeric', [...ORDERED, 'GreaterThanEquals']),
    keys: ['s3:max-keys'],
    written: ['1', '10', '2.5', '${s3:max-keys}'],
    actual: ['1', '2.50', '10', 'ten', '-1'],
  },
  {
    operators: named('Date', [...ORDERED, 'GreaterThanEquals']),
    keys: ['aws:CurrentTime', 'aws:EpochTime'],
    written: ['2026-02-28T12:00:00Z', '2026-03-01', '1772280000'],
    actual: ['2026-02-28T12:00:00.000Z', '2026-03-01T00:00:01.500Z', '1772323200', '2024', 'now'],
  },
  {
    operators: ['Bool'],
    keys: ['aws:SecureTransport', 'aws:MultiFactorAuthPresent'],
    written: ['true', 'FALSE'],
    actual: ['true', 'false', 'True'],
  },
  {
    operators: ['IpAddress', 'NotIpAddress'],
    keys: ['aws:SourceIp'],
    written: [
      '10.0.0.0/8',
      '0.0.0.0/1',
      '10.1.2.3',
      '2001:db8::/31',
      '::/0',
      '192.168.1.0/25',
      '8.0.0.0/8',
      '9.0.0.0/16',
      '2001:db8::/32',
    ],
    actual: ['10.1.2.3', '192.168.1.200', '::ffff:10.1.2.4', '2001:db9::1', 'unix'],
  },
  {
    operators: named('Arn', ['Equals', 'NotEquals', 'Like', 'NotLike']),
    keys: ['aws:PrincipalArn'],
    written: [
      'arn:aws:iam::*:user/ann',
      caseArn(CASE_ACCOUNT_ONE, 'role/role'),
      'arn:aws:iam::*',
      '*',
    ],
    actual: [caseArn(CASE_ACCOUNT_TWO, 'user/x'), 'no arn'],
  },
]

/** Values of other kinds too: an operator may be used with any key. */
const STRANGE_KEYS = [
  'x:unheard',
  'Idp.io:aud',
  'idp.io:email',
  's3:ExistingObjectTag/a',
  'aws:TokenIssueTime',
  's3:VersionId',
]
const CONTEXT_KEYS = ['s3:prefix', 's3:delimiter', 's3:max-keys', 'aws:currenttime', 'aws:sourceip']

function some<T>(random: SmallRandom, list: readonly T[]): T | T[] {
  if (random.chance(0.6)) return random.pick(list)
  return Array.from({ length: 1 + random.below(3) }, () => random.pick(list))
}

function randomCondition(random: SmallRandom): NonNullable<RawStatement['Condition']> {
  const conditions: NonNullable<RawStatement['Condition']> = {}
  for (let count = 1 + random.below(2); count > 0; count--) {
    const kind = random.pick(KINDS)
    const key = random.chance(0.12) ? random.pick(STRANGE_KEYS) : random.pick(kind.keys)
    const written = some(random, kind.written)
    if (random.chance(0.1)) conditions['Null'] = { [key]: some(random, ['true', 'false']) }
    else {
      const operator = random.chance(0.05) ? 'StringFunny' : random.pick(kind.operators)
      const set = random.pick(['', '', '', '', 'ForAllValues:', 'ForAnyValue:'])
      const name = `${set}${operator}${random.chance(0.15) ? 'IfExists' : ''}`
      conditions[name] = { ...conditions[name], [key]: written }
    }
  }
  return conditions
}

function randomStatement(random: SmallRandom, kind: PolicyKind, allows: number): RawStatement {
  const statement: RawStatement = { Effect: random.chance(allows) ? 'Allow' : 'Deny' }
  if (kind !== 'identity') {
    statement[random.chance(0.15) ? 'NotPrincipal' : 'Principal'] = random.pick(CASE_PRINCIPALS)
  }
  statement[random.chance(0.15) ? 'NotAction' : 'Action'] = some(random, ACTION_PATTERNS)
  if (kind !== 'trust') {
    statement[random.chance(0.15) ? 'NotResource' : 'Resource'] = some(random, RESOURCE_PATTERNS)
  }
  if (random.chance(0.5)) statement.Condition = randomCondition(random)
  return statement
}

export function randomPolicy(
  random: SmallRandom,
  kind: PolicyKind,
  statementsMax: number,
): RawPolicy {
  const statements = Array.from({ length: 1 + random.below(statementsMax) }, () =>
    randomStatement(random, kind, 0.75),
  )
  const [only] = statements
  const single = statements.length === 1 && only !== undefined && random.chance(0.5)
  return { Version: '2012-10-17', Statement: single ? only : statements }
}

function randomContext(random: SmallRandom): Map<string, readonly string[]> {
  const context = new Map<string, readonly string[]>()
  for (const kind of KINDS) {
    for (const key of kind.keys) {
      if (!random.chance(CONTEXT_KEYS.includes(key.toLowerCase()) ? 0.6 : 0.15)) continue
      const length = random.chance(0.85) ? 1 : random.below(3)
      context.set(
        key.toLowerCase(),
        Array.from({ length }, () => random.pick(kind.actual)),
      )
    }
  }
  return context
}

export type Case = Omit<RawQuestion, 'known' | 'ids'>
type Policies = Pick<
  Case,
  'identityPolicies' | 'sessionPolicies' | 'boundary' | 'resourcePolicy' | 'resourceMustAllow'
>

function randomPolicies(random: SmallRandom): Policies {
  const resourceMustAllow = random.chance(0.1)
  const policies = (kind: PolicyKind, counts: readonly number[]): RawPolicy[] =>
    Array.from({ length: random.pick(counts) }, () => randomPolicy(random, kind, 3))
  const [resourcePolicy] = policies(resourceMustAllow ? 'trust' : 'resource', [0, 1, 1])
  const identityPolicies: Case['identityPolicies'] = policies('identity', [0, 1, 1, 2])
  return {
    identityPolicies: random.chance(0.02) ? [...identityPolicies, 'broken'] : identityPolicies,
    sessionPolicies: random.chance(0.7) ? undefined : policies('identity', [1, 1, 2, 0]),
    boundary: random.chance(0.4) ? undefined : randomPolicy(random, 'identity', 3),
    resourcePolicy: random.chance(0.02) ? 'broken' : resourcePolicy,
    resourceMustAllow,
  }
}

/** Most objects are of the account of their bucket. */
const OWNERS = [
  undefined,
  undefined,
  undefined,
  undefined,
  CASE_ACCOUNT_ONE,
  CASE_ACCOUNT_TWO,
  ANONYMOUS_OWNER,
]

function randomGrants(random: SmallRandom): RawGrant[] {
  if (random.chance(0.6)) return []
  return Array.from({ length: 1 + random.below(3) }, () => ({
    ...random.pick(GRANTEES),
    permission: random.pick(ACL_PERMISSIONS),
  }))
}

/** A token has none. */
const NO_OWN_POLICIES = { identityPolicies: [], sessionPolicies: undefined, boundary: undefined }

/** Several requests meet the same policies. */
export function randomCases(random: SmallRandom, count: number): Case[] {
  const policies = randomPolicies(random)
  const grants = policies.resourceMustAllow ? [] : randomGrants(random)
  return Array.from({ length: count }, () => {
    const byToken = policies.resourceMustAllow && random.chance(0.4)
    const caller = random.pick(byToken ? CASE_TOKENS : CASE_CALLERS)
    const isBounded = caller !== 'anonymous' && !caller.isRoot
    return {
      ...policies,
      grants,
      objectOwner: policies.resourceMustAllow ? undefined : random.pick(OWNERS),
      // Only users and roles can have one.
      boundary: isBounded ? policies.boundary : undefined,
      ...(byToken && NO_OWN_POLICIES),
      caller,
      restrictPublicBuckets: random.chance(0.3),
      ...randomRequest(random),
    }
  })
}

function randomRequest(
  random: SmallRandom,
): Pick<Case, 'resourceAccount' | 'action' | 'resource' | 'context'> {
  return {
    resourceAccount: random.chance(0.7) ? CASE_ACCOUNT_ONE : CASE_ACCOUNT_TWO,
    action: random.pick(ACTIONS),
    resource: random.pick(RESOURCES),
    context: randomContext(random),
  }
}

/** A question of a user of the resource's account, its policies still to be said. */
export function randomQuestion(random: SmallRandom): Omit<Question, 'identityPolicies'> {
  return {
    caller: caseUser(CASE_ACCOUNT_ONE, 'ann'),
    ...randomRequest(random),
    resourceAccount: CASE_ACCOUNT_ONE,
  }
}

const compiledPolicies = new WeakMap<RawPolicy, Policy>()

function compiled(raw: RawPolicy | 'broken', kind: PolicyKind): CompiledPolicy {
  if (raw === 'broken') return { name: '', policy: undefined }
  const policy = compiledPolicies.get(raw) ?? parsePolicy(JSON.stringify(raw), kind, CASE_RESOLVED)
  compiledPolicies.set(raw, policy)
  return { name: '', policy }
}

export function questionOf(raw: Case): Question {
  const { identityPolicies, sessionPolicies, boundary, resourcePolicy, resourceMustAllow } = raw
  return {
    ...raw,
    identityPolicies: identityPolicies.map((each) => compiled(each, 'identity')),
    sessionPolicies: sessionPolicies?.map((each) => compiled(each, 'identity')),
    boundary: boundary && compiled(boundary, 'identity'),
    resourcePolicy:
      resourcePolicy === undefined
        ? undefined
        : compiled(resourcePolicy, resourceMustAllow ? 'trust' : 'resource'),
  }
}

export function rawQuestionOf(raw: Case): RawQuestion {
  const ids = new Map(CASE_RESOLVED.map(({ arn, id }) => [arn, id]))
  return { ...raw, known: CONDITION_KEYS, ids }
}
