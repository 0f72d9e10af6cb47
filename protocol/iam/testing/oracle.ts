/**
 * What policies say about a request, by the words of AWS's manual and nothing else: walks the raw JSON,
 * builds all it needs anew each time, shares nothing with decide.ts. For tests only.
 */

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
  type: 'Account' | 'User' | 'AssumedRole'
  isRoot: boolean
  userId?: string
  userName?: string
}

export interface RawQuestion {
  caller: RawCaller | 'anonymous'
  /** 'broken': a text that is no policy. */
  identityPolicies: readonly (RawPolicy | 'broken')[]
  sessionPolicies: readonly RawPolicy[] | undefined
  resourcePolicy: RawPolicy | 'broken' | undefined
  resourceMustAllow: boolean
  restrictPublicBuckets: boolean
  resourceAccount: string
  action: string
  resource: string
  context: ReadonlyMap<string, readonly string[]>
  /** Keys that may be absent without being unknown, lower case. */
  known: ReadonlySet<string>
  /** Who was behind an ARN when the policy was stored: aws:userid, of roles without a session. */
  ids: ReadonlyMap<string, string>
}

/** 1 yes, 0 no, ½ nobody knows: minimum is "and", maximum is "or", 1 − x is "not". */
type Truth = 0 | 0.5 | 1

interface Request {
  action: string
  resource: string
  values: Map<string, readonly string[]>
  known: ReadonlySet<string>
  ids: ReadonlyMap<string, string>
}

export function oracle(question: RawQuestion): 'deny' | 'allow' | 'none' {
  const { caller, resourcePolicy, sessionPolicies, resourceAccount, action } = question
  const request = requestOf(question)
  const own = caller !== 'anonymous' && caller.accountId === resourceAccount
  const root = caller !== 'anonymous' && caller.isRoot
  const owner = own && root && !question.resourceMustAllow

  // An explicit deny anywhere.
  const personal = [...question.identityPolicies, ...(sessionPolicies ?? [])]
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
    (question.restrictPublicBuckets && !own && isPublic(resourcePolicy))
      ? []
      : statementsOf(resourcePolicy).filter(
          (each) => each.Effect === 'Allow' && holds(each, request) === 1,
        )
  const ways = granting.map((each) => how(each, caller, request.ids))
  const itself = ways.includes('itself')
  const account = itself || ways.includes('account')
  if (caller === 'anonymous') return itself ? 'allow' : 'none'
  if (question.resourceMustAllow) {
    return (own && itself) || (account && identity) ? 'allow' : 'none'
  }
  if (own) return identity || itself ? 'allow' : 'none'
  return identity && account ? 'allow' : 'none'
}

function requestOf(question: RawQuestion): Request {
  const { caller, resourceAccount, action, resource, known, ids } = question
  const values = new Map<string, readonly string[]>()
  values.set('s3:resourceaccount', [resourceAccount])
  values.set('aws:resourceaccount', [resourceAccount])
  if (caller === 'anonymous') {
    values.set('aws:userid', ['anonymous'])
    values.set('aws:principaltype', ['Anonymous'])
  } else {
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
  return list(policy.Statement)
}

/** Of identity and session policies. */
function allows(policy: RawPolicy | 'broken', request: Request): boolean {
  if (policy === 'broken') return false
  return statementsOf(policy).some((each) => each.Effect === 'Allow' && holds(each, request) === 1)
}

function denies(policy: RawPolicy, request: Request, caller: RawQuestion['caller']): boolean {
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
): 'itself' | 'account' | 'no' {
  if (NotPrincipal !== undefined) return named(NotPrincipal) === 'itself' ? 'no' : 'itself'
  return Principal === undefined ? 'itself' : named(Principal)

  function named(principal: RawPrincipal): 'itself' | 'account' | 'no' {
    const words = principal === '*' ? ['*'] : list(principal['AWS'] ?? [])
    if (words.includes('*')) return 'itself'
    if (caller === 'anonymous') return 'no'
    const { accountId, arn, roleArn, isRoot, userId = '' } = caller
    for (const word of words) {
      const id = ids.get(word)
      if (id !== undefined && (userId === id || userId.startsWith(`${id}:`))) return 'itself'
      // Nobody knows who it was: it is taken for its namesake only where that gives nothing.
      const restricts = NotPrincipal === undefined ? Effect === 'Deny' : Effect === 'Allow'
      if (id === undefined && restricts && (word === arn || word === roleArn)) return 'itself'
    }
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
      Principal === undefined ? [] : Principal === '*' ? ['*'] : list(Principal['AWS'] ?? [])
    if (NotPrincipal === undefined && !words.includes('*')) continue
    const conditions = Object.entries(Condition ?? {}).flatMap(([operator, keys]) =>
      Object.entries(keys).map(
        ([key, values]) => [operator, key.toLowerCase(), list(values)] as const,
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

function holds(statement: RawStatement, request: Request): number {
  const { Action, NotAction, Resource, NotResource, Condition = {} } = statement
  const action = some(list(Action ?? NotAction ?? []), (each) =>
    glob(each.toLowerCase(), request.action.toLowerCase()) ? 1 : 0,
  )
  const named = Resource ?? NotResource
  const resource = named === undefined ? 1 : some(list(named), (each) => resourceArn(each, request))
  const parts: number[] = [
    NotAction === undefined ? action : 1 - action,
    NotResource === undefined ? resource : 1 - resource,
  ]
  for (const [operator, keys] of Object.entries(Condition)) {
    for (const [key, values] of Object.entries(keys)) {
      parts.push(condition(operator, key.toLowerCase(), list(values), request))
    }
  }
  return Math.min(...parts)
}

function condition(operator: string, key: string, values: string[], request: Request): number {
  const found = request.values.get(key)
  const known = request.known.has(key) || /^s3:existingobjecttag\/./.test(key)
  const actual = found ?? []
  if (found === undefined && !known) return 0.5
  if (operator === 'Null') {
    return values.some((value) => (value.toLowerCase() === 'true') === (actual.length === 0))
      ? 1
      : 0
  }
  const each = operator.startsWith('ForAllValues:')
  const any = operator.startsWith('ForAnyValue:')
  const plain = operator.replace(/^For(All|Any)Values?:/, '').replace(/IfExists$/, '')
  const test = TESTS[plain.replace('Not', '')]
  if (test === undefined) return 0.5
  const not = plain.includes('Not')
  if (actual.length === 0) {
    if (each || operator.endsWith('IfExists')) return 1
    return not && !any ? 1 : 0
  }
  if (actual.length > 1 && !each && !any) return 0.5
  const verdicts = actual.map((value) => {
    const match = some(values, (written) => test(written, value, request))
    return not ? 1 - match : match
  })
  return any ? Math.max(...verdicts) : Math.min(...verdicts)
}

type Test = (written: string, actual: string, request: Request) => Truth

const truthOf = (value: boolean): Truth => (value ? 1 : 0)

/** Replaces variables; a star or question mark that comes out of one is guarded by a backslash. */
function filled(text: string, request: Request): string | undefined {
  let missing = false
  const result = text.replaceAll(/\$\{([^}]*)\}/g, (_, inside: string) => {
    if (['*', '?', '$'].includes(inside)) return `\\${inside}`
    const [name = '', otherwise] = inside.split(',').map((part) => part.trim())
    const found = request.values.get(name.toLowerCase()) ?? []
    const value = found[0] ?? otherwise?.slice(1, -1)
    if (value === undefined || found.length > 1) missing = true
    return (value ?? '').replaceAll(/[*?\\]/g, '\\$&')
  })
  return missing ? undefined : result
}

function withVariables(test: (written: string, actual: string) => boolean): Test {
  return (written, actual, request) => {
    const text = filled(written, request)
    return text === undefined ? 0.5 : truthOf(test(text, actual))
  }
}

const bare = (text: string): string => text.replaceAll(/\\(.)/g, '$1')

function compared(
  read: (text: string) => number | undefined,
  holds: (actual: number, written: number) => boolean,
): Test {
  return withVariables((written, actual) => {
    const [left, right] = [read(actual), read(bare(written))]
    return left !== undefined && right !== undefined && holds(left, right)
  })
}

const number = (text: string): number | undefined =>
  /^[+-]?[0-9]+([.][0-9]+)?$/.test(text) ? Number.parseFloat(text) : undefined

const COMPARISONS = {
  Equals: (a: number, b: number) => a === b,
  LessThan: (a: number, b: number) => a < b,
  LessThanEquals: (a: number, b: number) => a <= b,
  GreaterThan: (a: number, b: number) => a > b,
  GreaterThanEquals: (a: number, b: number) => a >= b,
}

const TESTS: Readonly<Record<string, Test>> = {
  StringEquals: withVariables((written, actual) => bare(written) === actual),
  StringEqualsIgnoreCase: withVariables(
    (written, actual) => bare(written).toLowerCase() === actual.toLowerCase(),
  ),
  StringLike: withVariables(glob),
  BinaryEquals: withVariables((written, actual) => bare(written) === actual),
  Bool: withVariables((written, actual) => {
    const [left, right] = [bare(written).toLowerCase(), actual.toLowerCase()]
    return left === right && (left === 'true' || left === 'false')
  }),
  ArnEquals: withVariables(arn),
  ArnLike: withVariables(arn),
  IpAddress: withVariables((written, actual) => inRange(bare(written), actual)),
  ...Object.fromEntries(
    Object.entries(COMPARISONS).flatMap(([name, holds]) => [
      [`Numeric${name}`, compared(number, holds)],
      [`Date${name}`, compared(seconds, holds)],
    ]),
  ),
}

/** A resource: variables never hold the colons that part its fields. */
function resourceArn(pattern: string, request: Request): Truth {
  const masked = pattern.replaceAll(/\$\{[^}]*\}/g, (each) => each.replaceAll(':', '\u0001'))
  const fields = masked.split(':').map((field) => field.replaceAll('\u0001', ':'))
  const filledFields = fields.map((field) => filled(field, request))
  if (filledFields.includes(undefined)) return 0.5
  if (pattern === '*') return 1
  return truthOf(arnFields(filledFields as string[], request.resource))
}

function arn(pattern: string, actual: string): boolean {
  return pattern === '*' || arnFields(pattern.split(':'), actual)
}

function arnFields(fields: string[], actual: string): boolean {
  const last = Math.min(fields.length, 6) - 1
  const texts = actual.split(':')
  if (texts.length <= last) return false
  const heads = fields.slice(0, last).every((field, at) => glob(field, texts[at] ?? ''))
  return heads && glob(fields.slice(last).join(':'), texts.slice(last).join(':'))
}

/** As a regular expression: slow where the real one is fast, and written by somebody else. */
function glob(pattern: string, text: string): boolean {
  const source = pattern.replaceAll(/\\(.)|[\s\S]/g, (char, escaped?: string) => {
    if (escaped !== undefined) return `\\u${escaped.charCodeAt(0).toString(16).padStart(4, '0')}`
    if (char === '*') return '[^]*'
    if (char === '?') return '[^]'
    return `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  })
  return new RegExp(`^(?:${source})$`).test(text)
}

/** '2026-01-31T10:20:30Z', a day, or seconds since 1970: counted day by day. */
function seconds(text: string): number | undefined {
  if (/^[0-9]+$/.test(text) && text.length !== 4) return Number(text)
  const match = /^(\d{4})-(\d\d)-(\d\d)(?:T(\d\d):(\d\d):(\d\d)(?:\.(\d+))?Z)?$/.exec(text)
  if (match === null) return undefined
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((part) => Number(part ?? 0))
  let days = 0
  const leap = (each: number): boolean => each % 400 === 0 || (each % 4 === 0 && each % 100 !== 0)
  for (let each = 1970; each < year; each++) days += leap(each) ? 366 : 365
  const lengths = [31, leap(year) ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
  for (let each = 1; each < month; each++) days += lengths[each - 1] ?? 0
  days += day - 1
  return days * 86_400 + hour * 3_600 + minute * 60 + second + Number(`0.${match[7] ?? 0}`)
}

/** Addresses as binary text. */
function inRange(range: string, actual: string): boolean {
  const [network = '', bits] = range.split('/')
  const [want, have] = [binary(network), binary(actual)]
  if (want === undefined || have?.length !== want.length) return false
  const length = bits === undefined ? want.length : Number(bits)
  return have.slice(0, length) === want.slice(0, length)
}

function binary(address: string): string | undefined {
  if (/^\d+\.\d+\.\d+\.\d+$/.test(address)) {
    return address
      .split('.')
      .map((part) => Number(part).toString(2).padStart(8, '0'))
      .join('')
  }
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1]
  if (mapped !== undefined) return binary(mapped)
  if (!address.includes(':')) return undefined
  const [head = '', tail] = address.split('::')
  const groups = (text: string): string[] => (text === '' ? [] : text.split(':'))
  const front = groups(head)
  const back = groups(tail ?? '')
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => '0')
  return [...front, ...(tail === undefined ? [] : zeros), ...back]
    .map((group) => Number.parseInt(group, 16).toString(2).padStart(16, '0'))
    .join('')
}

function list<T>(value: T | T[]): T[] {
  return Array.isArray(value) ? value : [value]
}

function some<T>(items: readonly T[], test: (item: T) => number): number {
  return items.length === 0 ? 0 : Math.max(...items.map(test))
}
