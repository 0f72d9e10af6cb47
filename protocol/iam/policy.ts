/**
 * Policies: AWS's JSON, checked in full before it is kept, so that evaluation meets no surprises. Shape
 * errors tell their place ('Statement[1].Action[0]').
 *
 *   identity   held by a user, group, role or session: no Principal
 *   resource   held by a bucket: each statement says whom it means
 *   trust      held by a role, says who may assume it: Principal, and no Resource, which is the role
 *
 * A condition operator that this program does not know parses, because a later version may have
 * stored it: it evaluates as "unknown" (evaluate.ts). `unknownOperator` lets the API refuse it first.
 */

import { arnPattern, type ArnTemplate } from './arn.ts'
import { conditionKeyOf } from './condition-keys.ts'
import { CONDITION_OPERATORS, type Matcher, type OperatorName } from './condition.ts'
import { compilePattern, wildcardUnits, type Pattern } from './pattern.ts'
import { providerOfArn } from './identity.ts'
import { parsePrincipal, type PrincipalSet, type ResolvedPrincipal } from './principal.ts'
import { JsonError, parseStrictJson, type Json, type JsonObject } from './strict-json.ts'
import { Meter } from '../work.ts'
import { fillTemplate, hasVariables, parseTemplate, type Template } from './template.ts'

/** Where a policy is held: see the head of this file. */
export type PolicyKind = 'identity' | 'resource' | 'trust'

/** AWS's limit of a bucket policy; identity policies there are smaller. */
export const POLICY_CHARACTERS_MAX = 20_480
/** Entries of one list in a policy. */
const ENTRIES_MAX = 1_000
/** Characters of one text in a policy. */
const TEXT_MAX = 2_048

/** AWS's MalformedPolicyDocument. */
export class MalformedPolicyError extends Error {
  override readonly name = 'MalformedPolicyError'
  /** 'Statement[1].Action[0]'; empty for the document as a whole. */
  readonly place: string

  constructor(place: string, problem: string) {
    super(place === '' ? problem : `${place}: ${problem}`)
    this.place = place
  }
}

/** One key of one operator: all conditions of a statement must hold. */
export interface Condition {
  /** As written. */
  readonly name: string
  /** Undefined when this program does not know it. */
  readonly operator: OperatorName | undefined
  /** …IfExists: a request without the key passes. */
  readonly ifExists: boolean
  /** ForAnyValue or ForAllValues; undefined for a key that has one value. */
  readonly set: 'any' | 'all' | undefined
  /** Lower case. */
  readonly key: string
  readonly values: readonly Template[]
  /** One pattern for each value; undefined for a value with variables, which is compiled for each request. */
  readonly matchers: readonly (Matcher | undefined)[]
}

/** One statement. Exactly one of an element and its Not… form was given; `except…` says which. */
export interface Statement {
  readonly sid: string | undefined
  readonly effect: 'Allow' | 'Deny'
  /** Absent in identity policies. */
  readonly principals: PrincipalSet | undefined
  /** NotPrincipal. */
  readonly exceptPrincipals: boolean
  /** Lower-case patterns. */
  readonly actions: readonly Pattern[]
  /** NotAction. */
  readonly exceptActions: boolean
  readonly resources: readonly ArnTemplate[]
  /** NotResource. */
  readonly exceptResources: boolean
  /** All must hold. */
  readonly conditions: readonly Condition[]
}

/** A policy that was parsed and is well formed. Compiled: its patterns are ready to be matched. */
export interface Policy {
  readonly kind: PolicyKind
  readonly statements: readonly Statement[]
}

/**
 * Parses and compiles a policy. The same text always gives the same policy. Throws
 * MalformedPolicyError with the place of the first error.
 *
 * @param kind decides which elements are allowed
 * @param principals who is behind the ARNs in it. ARNs without one stay unresolved: they deny and do
 *   not allow
 */
export function parsePolicy(
  text: string,
  kind: PolicyKind = 'identity',
  principals: readonly ResolvedPrincipal[] = [],
): Policy {
  if (text.length > POLICY_CHARACTERS_MAX) {
    throw new MalformedPolicyError('', `a policy has at most ${POLICY_CHARACTERS_MAX} characters`)
  }
  const document = objectAt(parsed(text), '')
  only(document, '', ['Version', 'Id', 'Statement'])
  const version = document['Version'] ?? '2008-10-17'
  if (version !== '2012-10-17' && version !== '2008-10-17') {
    throw new MalformedPolicyError('Version', 'is not 2012-10-17 or 2008-10-17')
  }
  if (document['Id'] !== undefined) textAt(document['Id'], 'Id')
  // Variables came with the later version: before it, `${` is literal text.
  const variables = version === '2012-10-17'
  const list = listAt(document['Statement'], 'Statement')
  const ids = new Map(principals.map(({ arn, id }) => [arn, id]))
  const statements = list.map(([value, place]) => statementAt(value, place, kind, variables, ids))
  const sids = statements.map(({ sid }) => sid).filter((sid) => sid !== undefined)
  const twice = sids.findIndex((sid, at) => sids.indexOf(sid) !== at)
  if (twice >= 0) throw new MalformedPolicyError('Statement', `Sid ${sids[twice]} occurs twice`)
  return { kind, statements }
}

/** The first condition operator that this program does not know, as written. */
export function unknownOperator(policy: Policy): string | undefined {
  return policy.statements
    .flatMap(({ conditions }) => conditions)
    .find(({ operator }) => operator === undefined)?.name
}

/** Throws MalformedPolicyError with line and column. */
function parsed(text: string): Json {
  try {
    return parseStrictJson(text)
  } catch (error) {
    if (error instanceof JsonError) throw new MalformedPolicyError('', error.message)
    throw error
  }
}

const COMMON_FIELDS = ['Sid', 'Effect', 'Action', 'NotAction', 'Condition']
const PRINCIPAL_FIELDS = ['Principal', 'NotPrincipal']
const RESOURCE_FIELDS = ['Resource', 'NotResource']
const FIELDS: Readonly<Record<PolicyKind, readonly string[]>> = {
  identity: [...COMMON_FIELDS, ...RESOURCE_FIELDS],
  resource: [...COMMON_FIELDS, ...RESOURCE_FIELDS, ...PRINCIPAL_FIELDS],
  trust: [...COMMON_FIELDS, ...PRINCIPAL_FIELDS],
}

function statementAt(
  value: Json,
  place: string,
  kind: PolicyKind,
  variables: boolean,
  ids: ReadonlyMap<string, string>,
): Statement {
  const fields = objectAt(value, place)
  only(fields, place, FIELDS[kind])
  const { Sid, Effect, Condition } = fields
  if (Effect !== 'Allow' && Effect !== 'Deny') {
    throw new MalformedPolicyError(`${place}.Effect`, 'is not "Allow" or "Deny"')
  }
  const sid = Sid === undefined ? undefined : textAt(Sid, `${place}.Sid`)
  if (sid !== undefined && !/^[A-Za-z0-9]{0,100}$/.test(sid)) {
    throw new MalformedPolicyError(`${place}.Sid`, 'has letters and digits only')
  }
  const action = oneOf(fields, place, 'Action', 'NotAction')
  const principal =
    kind === 'identity' ? undefined : oneOf(fields, place, 'Principal', 'NotPrincipal')
  return {
    sid: sid === '' ? undefined : sid,
    effect: Effect,
    principals:
      principal === undefined
        ? undefined
        : principalsAt(fields[principal] as Json, `${place}.${principal}`, kind, ids),
    exceptPrincipals: principal === 'NotPrincipal',
    actions: listAt(fields[action], `${place}.${action}`).map(actionAt),
    exceptActions: action === 'NotAction',
    ...(kind === 'trust' ? EVERY_RESOURCE : resourcesAt(fields, place, variables)),
    conditions:
      Condition === undefined ? [] : conditionsAt(Condition, `${place}.Condition`, variables),
  }
}

const EVERY_RESOURCE: Pick<Statement, 'resources' | 'exceptResources'> = {
  resources: [{ everything: true, fields: [], compiled: [] }],
  exceptResources: false,
}

function resourcesAt(
  fields: JsonObject,
  place: string,
  variables: boolean,
): Pick<Statement, 'resources' | 'exceptResources'> {
  const resource = oneOf(fields, place, 'Resource', 'NotResource')
  const resources = listAt(fields[resource], `${place}.${resource}`).map(([each, at]) => {
    const template = arnPattern(textAt(each, at), variables)
    if (template !== undefined) return template
    throw new MalformedPolicyError(at, 'is not "*" or an ARN, such as arn:aws:s3:::bucket/*')
  })
  return { resources, exceptResources: resource === 'NotResource' }
}

/**
 * Kinds of principals that exist at AWS and never sign here. Of `Federated`, trust policies mean the OIDC providers of
 * their account.
 */
const FOREIGN_PRINCIPALS = ['CanonicalUser', 'Federated', 'Service']

/** "*", or lists by kind: { "AWS": "arn:aws:iam::123456789012:user/ann" }. */
function principalsAt(
  value: Json,
  place: string,
  policyKind: PolicyKind,
  known: ReadonlyMap<string, string>,
): PrincipalSet {
  const accounts = new Set<string>()
  const ids = new Set<string>()
  const unresolved = new Set<string>()
  const addNamed = (arn: string): void => {
    const id = known.get(arn)
    if (id === undefined) unresolved.add(arn)
    else ids.add(id)
  }
  if (value === '*') return { everyone: true, accounts, ids, unresolved }
  const kinds = objectAt(value, place)
  only(kinds, place, ['AWS', ...FOREIGN_PRINCIPALS])
  if (Object.keys(kinds).length === 0) throw new MalformedPolicyError(place, 'is empty')
  let everyone = false
  for (const kind of FOREIGN_PRINCIPALS) {
    if (kinds[kind] === undefined) continue
    for (const [each, at] of listAt(kinds[kind], `${place}.${kind}`)) {
      const text = textAt(each, at)
      const isProvider = kind === 'Federated' && policyKind === 'trust'
      if (isProvider && providerOfArn(text) !== undefined) addNamed(text)
    }
  }
  const named = kinds['AWS'] === undefined ? [] : listAt(kinds['AWS'], `${place}.AWS`)
  for (const [each, at] of named) {
    const principal = parsePrincipal(textAt(each, at))
    if (principal === undefined) {
      throw new MalformedPolicyError(
        at,
        'is not "*", an account, or the ARN of a root, user, role or session',
      )
    }
    if ('account' in principal) accounts.add(principal.account)
    else if ('everyone' in principal) everyone = true
    else addNamed(principal.arn)
  }
  return { everyone, accounts, ids, unresolved }
}

/** The one of the two elements that is present. Exactly one must be. */
function oneOf<A extends string, B extends string>(
  fields: JsonObject,
  place: string,
  a: A,
  b: B,
): A | B {
  if ((fields[a] === undefined) !== (fields[b] === undefined))
    return fields[a] === undefined ? b : a
  throw new MalformedPolicyError(place, `needs one of ${a} and ${b}`)
}

function actionAt([value, place]: readonly [Json, string]): Pattern {
  const text = textAt(value, place)
  if (!/^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$/.test(text)) {
    throw new MalformedPolicyError(place, 'is not "*" or an action, such as s3:GetObject')
  }
  return compilePattern(wildcardUnits(text.toLowerCase()))
}

function conditionsAt(value: Json, place: string, variables: boolean): Condition[] {
  return Object.entries(objectAt(value, place)).flatMap(([name, keys]) => {
    const at = `${place}.${name.slice(0, 60)}`
    const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]{1,60}?)(IfExists)?$/.exec(name)
    if (match === null) throw new MalformedPolicyError(at, 'is no condition operator')
    const operator = Object.hasOwn(CONDITION_OPERATORS, match[2] as string)
      ? (match[2] as OperatorName)
      : undefined
    if (operator === 'Null' && (match[1] ?? match[3]) !== undefined) {
      throw new MalformedPolicyError(at, 'Null takes no ForAllValues, ForAnyValue or IfExists')
    }
    return Object.entries(objectAt(keys, at)).map(([key, given]): Condition => {
      const values = listAt(given, `${at}.${key.slice(0, 60)}`).map(([each, where]) =>
        valueAt(each, where, operator, variables),
      )
      return {
        name,
        operator,
        ifExists: match[3] !== undefined,
        set: match[1] === undefined ? undefined : match[1] === 'ForAnyValue' ? 'any' : 'all',
        key: conditionKeyOf(key),
        values,
        matchers: values.map((value) => matcherOf(operator, value)),
      }
    })
  })
}

const NO_VALUES: ReadonlyMap<string, readonly string[]> = new Map()

function matcherOf(operator: OperatorName | undefined, value: Template): Matcher | undefined {
  if (operator === undefined || hasVariables(value)) return undefined
  const units = fillTemplate(value, NO_VALUES, new Meter())
  return units && CONDITION_OPERATORS[operator].matcher(units)
}

function valueAt(
  value: Json,
  place: string,
  operator: OperatorName | undefined,
  variables: boolean,
): Template {
  const text = typeof value === 'number' || typeof value === 'boolean' ? String(value) : value
  const known = operator === undefined ? undefined : CONDITION_OPERATORS[operator]
  const written = textAt(text, place)
  const template = parseTemplate(written, { wildcards: known?.wildcards ?? false, variables })
  if (template === undefined) throw new MalformedPolicyError(place, 'a variable is not well formed')
  if (
    known?.valid !== undefined &&
    !(variables && written.includes('${')) &&
    !known.valid(written)
  ) {
    throw new MalformedPolicyError(place, `is no value for ${operator ?? ''}`)
  }
  return template
}

/** A single value means a list of one. */
function listAt(value: Json | undefined, place: string): [Json, string][] {
  if (value === undefined) throw new MalformedPolicyError(place, 'is missing')
  if (!Array.isArray(value)) return [[value as Json, place]]
  if (value.length === 0) throw new MalformedPolicyError(place, 'is empty')
  if (value.length > ENTRIES_MAX) {
    throw new MalformedPolicyError(place, `has more than ${ENTRIES_MAX} entries`)
  }
  return value.map((each: Json, index) => [each, `${place}[${index}]`])
}

function objectAt(value: Json | undefined, place: string): JsonObject {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonObject
  }
  throw new MalformedPolicyError(place, place === '' ? 'a policy is an object' : 'is no object')
}

function textAt(value: Json, place: string): string {
  if (typeof value !== 'string') throw new MalformedPolicyError(place, 'is no text')
  if (value.length <= TEXT_MAX) return value
  throw new MalformedPolicyError(place, `has more than ${TEXT_MAX} characters`)
}

function only(fields: JsonObject, place: string, known: readonly string[]): void {
  const unknown = Object.keys(fields).find((name) => !known.includes(name))
  if (unknown === undefined) return
  throw new MalformedPolicyError(place, `unknown element "${unknown.slice(0, 40)}"`)
}
