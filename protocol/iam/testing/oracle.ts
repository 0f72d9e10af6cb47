/**
 * What policies say about a request, by the words of AWS's manual and nothing else: walks the raw JSON,
 * builds all that it needs for each question, and shares nothing with decide.ts. For tests only.
 */

import {
  type OracleRequest,
  highestOf,
  listed,
  oracleCondition,
  oracleResource,
  slowGlob,
} from './oracle-conditions.ts'

export interface RawStatement {
  Sid?: string
  Effect: 'Allow' | 'Deny'
  Principal?: RawPrincipal
  NotPrincipal?: RawPrincipal
  Action?: string | string[]
  NotAction?: string | string[]
  Resource?: string | string[]
  NotResource?: string | string[]
  Condition?: Record<string, Record<string, string | string[]>>
}

export type RawPrincipal = '*' | Record<string, string | string[]>

export interface RawPolicy {
  Version: '2012-10-17'
  Statement: RawStatement | RawStatement[]
}

export interface RawCaller {
  accountId: string
  arn: string
  roleArn?: string
  type: 'Account' | 'User' | 'AssumedRole' | 'Federated'
  isRoot: boolean
  userId?: string
  userName?: string
}

export interface RawGrant {
  account?: string
  group?: 'AllUsers' | 'AuthenticatedUsers' | 'LogDelivery'
  permission: 'READ' | 'WRITE' | 'READ_ACP' | 'WRITE_ACP' | 'FULL_CONTROL'
}

export interface RawQuestion {
  caller: RawCaller | 'anonymous'
  /** 'broken': a text that is no policy. */
  identityPolicies: readonly (RawPolicy | 'broken')[]
  sessionPolicies: readonly RawPolicy[] | undefined
  boundary: RawPolicy | undefined
  resourcePolicy: RawPolicy | 'broken' | undefined
  resourceMustAllow: boolean
  restrictPublicBuckets: boolean
  /** The list of the bucket or the object, where it counts. */
  grants: readonly RawGrant[]
  /** Whose the object is, when it is not of the account of its bucket. */
  objectOwner: string | undefined
  resourceAccount: string
  action: string
  resource: string
  context: ReadonlyMap<string, readonly string[]>
  /** Keys that may be absent without being unknown, lower case. */
  known: ReadonlySet<string>
  /** Who was behind an ARN when the policy was stored: aws:userid, of roles without a session. */
  ids: ReadonlyMap<string, string>
}

export function oracle(question: RawQuestion): 'deny' | 'allow' | 'none' {
  const { caller, resourcePolicy, sessionPolicies, resourceAccount, action } = question
  const request = requestOf(question)
  // A restricted bucket with a public policy is for its own account alone.
  const isOutside = caller === 'anonymous' || caller.accountId !== resourceAccount
  const isShut = question.restrictPublicBuckets && isOutside && isPublicRaw(resourcePolicy)
  const whose = question.objectOwner ?? resourceAccount
  const own = !isShut && caller !== 'anonymous' && caller.accountId === whose
  const root = caller !== 'anonymous' && caller.isRoot
  const owner = own && root && !question.resourceMustAllow

  // An explicit deny anywhere.
  const limits = question.boundary === undefined ? [] : [question.boundary]
  const personal = [...question.identityPolicies, ...(sessionPolicies ?? []), ...limits]
  if (personal.some((each) => each === 'broken' || denies(each, request, caller))) return 'deny'
  const guarded = /^s3:(get|put|delete)bucketpolicy$/i.test(action)
  if (resourcePolicy !== undefined && !(owner && guarded)) {
    if (resourcePolicy === 'broken' || denies(resourcePolicy, request, caller)) return 'deny'
  }

  // A session can do no more than its policies say.
  if (sessionPolicies !== undefined && !sessionPolicies.some((each) => allows(each, request))) {
    return 'none'
  }
  if (owner) return 'allow'
  const identity =
    root || question.identityPolicies.some((each) => each !== 'broken' && allows(each, request))
  const granting =
    resourcePolicy === undefined ||
    resourcePolicy === 'broken' ||
    isShut ||
    whose !== resourceAccount
      ? []
      : statementsOf(resourcePolicy).filter(
          (each) => each.Effect === 'Allow' && holds(each, request) === 1,
        )
  const ways = granting.map((each) => how(each, caller, request.ids))
  if (!isShut) {
    ways.push(...question.grants.map((each) => givenBy(each, caller, action)))
  }
  const itself = ways.includes('itself')
  const role = ways.includes('role')
  const account = ways.some((way) => way !== 'no')
  // A boundary gives nothing. It limits all but what is given to this very user or session.
  const bounded = limits.every((each) => allows(each, request))
  if (caller === 'anonymous' || caller.type === 'Federated') return itself ? 'allow' : 'none'
  if (question.resourceMustAllow) {
    if (own && itself) return 'allow'
    return ((own && role) || (account && identity)) && bounded ? 'allow' : 'none'
  }
  if (own) return itself || ((identity || role) && bounded) ? 'allow' : 'none'
  return identity && account && bounded ? 'allow' : 'none'
}

function isPublicRaw(policy: RawQuestion['resourcePolicy']): boolean {
  return policy !== undefined && policy !== 'broken' && isPublic(policy)
}

/** The canonical id of those who do not sign. */
const NOBODY = '65a011a29cdf8ec533ec3d1ccaae921c'

/** AWS's table of permissions, one pattern for each. */
const PERMITS = {
  READ: /^s3:(List(Bucket|BucketVersions|BucketMultipartUploads)|GetObject(Version)?)$/i,
  WRITE: /^s3:PutObject$/i,
  READ_ACP: /^s3:Get(Bucket|Object|ObjectVersion)Acl$/i,
  WRITE_ACP: /^s3:Put(Bucket|Object|ObjectVersion)Acl$/i,
}

function givenBy(
  { account, group, permission }: RawGrant,
  caller: RawQuestion['caller'],
  action: string,
): 'itself' | 'account' | 'no' {
  const permits =
    permission === 'FULL_CONTROL'
      ? Object.values(PERMITS).some((pattern) => pattern.test(action))
      : PERMITS[permission].test(action)
  if (!permits) return 'no'
  if (group === 'AllUsers') return 'itself'
  if (caller === 'anonymous') return account === NOBODY ? 'itself' : 'no'
  return group === 'AuthenticatedUsers' || account === caller.accountId ? 'account' : 'no'
}

function requestOf(question: RawQuestion): OracleRequest {
  const { caller, resourceAccount, action, resource, known, ids } = question
  const values = new Map<string, readonly string[]>()
  values.set('s3:resourceaccount', [resourceAccount])
  values.set('aws:resourceaccount', [resourceAccount])
  if (caller === 'anonymous') {
    values.set('aws:userid', ['anonymous'])
    values.set('aws:principaltype', ['Anonymous'])
  } else if (caller.type !== 'Federated') {
    values.set('aws:principaltype', [caller.type])
    values.set('aws:principalaccount', [caller.accountId])
    values.set('aws:principalarn', [caller.roleArn ?? caller.arn])
    if (caller.userName !== undefined) values.set('aws:username', [caller.userName])
    if (caller.userId !== undefined) values.set('aws:userid', [caller.userId])
  }
  for (const [key, list] of question.context) values.set(key.toLowerCase(), list)
  return { action, resource, values, known, ids }
}

function statementsOf(policy: RawPolicy): RawStatement[] {
  return listed(policy.Statement)
}

function allows(policy: RawPolicy | 'broken', request: OracleRequest): boolean {
  if (policy === 'broken') return false
  return statementsOf(policy).some((each) => each.Effect === 'Allow' && holds(each, request) === 1)
}

function denies(policy: RawPolicy, request: OracleRequest, caller: RawQuestion['caller']): boolean {
  return statementsOf(policy).some(
    (each) =>
      each.Effect === 'Deny' && how(each, caller, request.ids) !== 'no' && holds(each, request) > 0,
  )
}

/** Whether a statement means the caller, and whether as itself or as one of its account. */
function how(
  { Effect, Principal, NotPrincipal }: RawStatement,
  caller: RawQuestion['caller'],
  ids: ReadonlyMap<string, string>,
): 'itself' | 'role' | 'account' | 'no' {
  if (NotPrincipal !== undefined) {
    return ['itself', 'role'].includes(named(NotPrincipal)) ? 'no' : 'itself'
  }
  return Principal === undefined ? 'itself' : named(Principal)

  function named(principal: RawPrincipal): 'itself' | 'role' | 'account' | 'no' {
    // Whoever has a token is one of its provider, and of no account.
    const kind = caller !== 'anonymous' && caller.type === 'Federated' ? 'Federated' : 'AWS'
    const all = principal === '*' ? ['*'] : listed(principal['AWS'] ?? [])
    if (all.includes('*')) return 'itself'
    if (caller === 'anonymous') return 'no'
    const words = principal === '*' ? [] : listed(principal[kind] ?? [])
    const { accountId, arn, roleArn, isRoot, userId = '' } = caller
    // It is not known who it was: it is taken for its namesake only where that grants nothing.
    const restricts = NotPrincipal === undefined ? Effect === 'Deny' : Effect === 'Allow'
    const meant = words.map((word) => {
      const id = ids.get(word)
      if (id === undefined && !restricts) return 'no'
      if (id === undefined ? word === arn : userId === id) return 'itself'
      return (id === undefined ? word === roleArn : userId.startsWith(`${id}:`)) ? 'role' : 'no'
    })
    if (meant.includes('itself')) return 'itself'
    if (meant.includes('role')) return 'role'
    const ofAccount = [accountId, `arn:aws:iam::${accountId}:root`]
    if (!words.some((word) => ofAccount.includes(word))) return 'no'
    return isRoot ? 'itself' : 'account'
  }
}

const FIXING_KEYS = [
  'principalaccount',
  'principalarn',
  'principalorgid',
  'sourceaccount',
  'sourcearn',
  'sourceip',
  'sourcevpc',
  'sourcevpce',
  'userid',
].map((key) => `aws:${key}`)

function isPublic(policy: RawPolicy): boolean {
  const addresses: string[] = []
  for (const { Effect, Principal, NotPrincipal, Condition } of statementsOf(policy)) {
    if (Effect !== 'Allow') continue
    const words =
      Principal === undefined ? [] : Principal === '*' ? ['*'] : listed(Principal['AWS'] ?? [])
    if (NotPrincipal === undefined && !words.includes('*')) continue
    const conditions = Object.entries(Condition ?? {}).flatMap(([operator, keys]) =>
      Object.entries(keys).map(
        ([key, values]) => [operator, key.toLowerCase(), listed(values)] as const,
      ),
    )
    if (conditions.some((each) => fixes(...each))) continue
    const from = conditions.find(
      ([operator, key]) =>
        operator.replace(/^ForAnyValue:/, '') === 'IpAddress' && key === 'aws:sourceip',
    )
    if (from === undefined || from[2].some((value) => value.includes('${'))) return true
    addresses.push(...from[2])
  }
  return tooMany(addresses)
}

/** A /8 of public addresses, or a /32 of IPv6, is not too many; counted by what the cases can hold. */
function tooMany(ranges: readonly string[]): boolean {
  let four = 0
  let six = 0
  for (const range of new Set(ranges)) {
    const [address = '', bits] = range.split('/')
    const isSix = address.includes(':')
    const width = isSix ? 128 : 32
    const left = width - Number(bits ?? width)
    if (left > (isSix ? 96 : 24)) return true
    if (/^(10|192\.168)\./.test(address)) continue
    if (isSix) six += 2 ** left
    else four += 2 ** left
  }
  return four > 2 ** 24 || six > 2 ** 96
}

function fixes(operator: string, key: string, values: string[]): boolean {
  const plain = operator.replace(/^ForAnyValue:/, '')
  if (!FIXING_KEYS.includes(key) || values.some((value) => value.includes('${'))) return false
  if (key === 'aws:sourceip' || values.includes('')) return false
  if (['StringEquals', 'StringEqualsIgnoreCase', 'BinaryEquals'].includes(plain)) return true
  if (!['StringLike', 'ArnLike', 'ArnEquals'].includes(plain)) return false
  return !values.some((value) => /[*?]/.test(value))
}

function holds(statement: RawStatement, request: OracleRequest): number {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement
  const action = highestOf(listed(Action ?? NotAction ?? []), (each) =>
    slowGlob(each.toLowerCase(), request.action.toLowerCase()) ? 1 : 0,
  )
  const named = Resource ?? NotResource
  const resource =
    named === undefined ? 1 : highestOf(listed(named), (each) => oracleResource(each, request))
  const parts: number[] = [
    NotAction === undefined ? action : 1 - action,
    NotResource === undefined ? resource : 1 - resource,
  ]
  for (const [operator, keys] of Object.entries(Condition)) {
    for (const [key, values] of Object.entries(keys)) {
      parts.push(oracleCondition(operator, key.toLowerCase(), listed(values), request))
    }
  }
  return Math.min(...parts)
}
