/**
 * Bucket policies: what S3 asks of them beyond the shape (policy.ts) before it takes one, and when it
 * calls one public.
 */

import { utf8 } from '../bytes.ts'
import { finish, Meter, type Work } from '../work.ts'
import { isConditionKey } from './condition-keys.ts'
import type { ArnTemplate } from './arn.ts'
import { areBroad } from './ip-union.ts'
import { parseIpRange, type IpRange } from './ip.ts'
import { ANY_ONE, ANY_TEXT, matchesPattern, type Pattern } from './pattern.ts'
import {
  MalformedPolicyError,
  parsePolicy,
  unknownOperator,
  type Condition,
  type Policy,
  type Statement,
} from './policy.ts'
import { S3_BUCKET_ACTIONS, S3_OBJECT_ACTIONS } from './s3-actions.ts'
import { fillTemplate, hasVariables } from './template.ts'

/** Size of the policy as text in UTF-8. */
export const BUCKET_POLICY_BYTES_MAX = 20_480

export type BucketPolicy = Policy

/**
 * Parses and checks a policy that is to be stored on this bucket. Throws MalformedPolicyError with
 * its place. Without interruption: for tests and for small policies.
 */
export function parseBucketPolicy(text: string, bucket: string): BucketPolicy {
  return finish(parsingBucketPolicy(text, bucket))
}

/**
 * The same in slices: a policy of many actions is compared with every action of S3. Throws
 * MalformedPolicyError with its place.
 */
export function* parsingBucketPolicy(text: string, bucket: string): Work<BucketPolicy> {
  if (text.length > BUCKET_POLICY_BYTES_MAX || utf8(text).length > BUCKET_POLICY_BYTES_MAX) {
    throw new MalformedPolicyError(
      '',
      `a bucket policy has at most ${BUCKET_POLICY_BYTES_MAX} bytes`,
    )
  }
  const policy = parsePolicy(text, 'resource')
  const operator = unknownOperator(policy)
  if (operator !== undefined) {
    throw new MalformedPolicyError('', `unknown condition operator ${operator}`)
  }
  const meter = new Meter()
  for (const [index, statement] of policy.statements.entries()) {
    yield* checkStatement(statement, `Statement[${index}]`, bucket, meter)
  }
  return policy
}

/**
 * S3 refuses what would have no effect: unknown condition keys, resources outside the bucket, actions
 * that apply to none of the resources.
 */
function* checkStatement(
  statement: Statement,
  place: string,
  bucket: string,
  meter: Meter,
): Work<void> {
  const unknown = statement.conditions.find(({ key }) => !isConditionKey(key))
  if (unknown !== undefined) {
    throw new MalformedPolicyError(
      `${place}.Condition.${unknown.name}`,
      `unknown condition key "${unknown.key.slice(0, 60)}"`,
    )
  }
  const levels = new Set<'bucket' | 'object'>()
  const resources = `${place}.${statement.exceptResources ? 'NotResource' : 'Resource'}`
  for (const [at, resource] of statement.resources.entries()) {
    const level = levelOf(resource, bucket)
    if (level === undefined) {
      throw new MalformedPolicyError(
        `${resources}[${at}]`,
        `is not arn:aws:s3:::${bucket} or below it`,
      )
    }
    levels.add(level)
  }
  const actions = `${place}.${statement.exceptActions ? 'NotAction' : 'Action'}`
  for (const [at, action] of statement.actions.entries()) {
    const onBucket = matchesSome(action, S3_BUCKET_ACTIONS, meter)
    const onObject = matchesSome(action, S3_OBJECT_ACTIONS, meter)
    if (meter.isDue()) yield
    if (!onBucket && !onObject) {
      throw new MalformedPolicyError(`${actions}[${at}]`, 'is no action on buckets or objects')
    }
    const applies = (onBucket && levels.has('bucket')) || (onObject && levels.has('object'))
    if (!applies && !statement.exceptActions && !statement.exceptResources) {
      throw new MalformedPolicyError(`${actions}[${at}]`, 'applies to none of the resources')
    }
  }
}

/** Whether the pattern matches at least one of the actions. */
function matchesSome(pattern: Pattern, actions: ReadonlySet<string>, meter: Meter): boolean {
  for (const action of actions) if (matchesPattern(pattern, action, meter)) return true
  return false
}

const HEAD = ['arn', 'aws', 's3', '', '']

/** Whether it means the bucket or objects in it; undefined when it means other buckets or other things. */
function levelOf(resource: ArnTemplate, bucket: string): 'bucket' | 'object' | undefined {
  const { everything, fields } = resource
  if (everything || fields.length !== HEAD.length + 1) return undefined
  const texts = fields.slice(0, HEAD.length).map(fixedText)
  if (!HEAD.every((text, at) => texts[at] === text)) return undefined
  // The bucket's name must come before any wildcard or variable.
  const [first] = fields.at(-1) ?? []
  if (first === undefined || 'key' in first) return undefined
  const wildcard = first.findIndex((unit) => unit === ANY_ONE || unit === ANY_TEXT)
  const head = textOf(wildcard < 0 ? first : first.slice(0, wildcard))
  if (head.startsWith(`${bucket}/`)) return 'object'
  return head === bucket && wildcard < 0 && fields.at(-1)?.length === 1 ? 'bucket' : undefined
}

function fixedText(template: ArnTemplate['fields'][number]): string | undefined {
  if (hasVariables(template)) return undefined
  const units = fillTemplate(template, new Map(), new Meter())
  if (units === undefined || units.some((unit) => unit < 0)) return undefined
  return textOf(units)
}

function textOf(units: readonly number[]): string {
  return String.fromCharCode(...units)
}

/**
 * Whether a policy is public in AWS's sense. It is when a statement allows something to all callers, and none of its
 * conditions restricts who asks or from where to fixed values (without wildcards and variables). It also is when such
 * statements together let in too many addresses. Denies don't count.
 */
export function isPublicPolicy(policy: Policy): boolean {
  let known = publicPolicies.get(policy)
  if (known === undefined) {
    known = judge(policy)
    publicPolicies.set(policy, known)
  }
  return known
}

/** Parsed policies are kept, and asked about by each request. */
const publicPolicies = new WeakMap<Policy, boolean>()

function judge(policy: Policy): boolean {
  const open = policy.statements.filter(
    ({ effect, principals, exceptPrincipals, conditions }) =>
      effect === 'Allow' &&
      (principals?.everyone === true || exceptPrincipals) &&
      !conditions.some(limits),
  )
  const ranges = open.map(({ conditions }) => addressesOf(conditions))
  if (ranges.includes(undefined)) return true
  return areBroad(ranges.flatMap((each) => each ?? []))
}

const LIMITING_KEYS: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:principalorgid',
  'aws:sourceaccount',
  'aws:sourcearn',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'aws:userid',
])

const LIMITING_OPERATORS: ReadonlySet<string> = new Set([
  'ArnEquals',
  'ArnLike',
  'BinaryEquals',
  'StringEquals',
  'StringEqualsIgnoreCase',
  'StringLike',
])

/** Holds the request to fixed values of who asks. */
function limits(condition: Condition): boolean {
  const { operator, key, values } = condition
  if (operator === undefined || holdsWithoutKey(condition)) return false
  if (!LIMITING_OPERATORS.has(operator) || !LIMITING_KEYS.has(key)) return false
  return values.every((template) => {
    const text = fixedText(template)
    return text !== undefined && text !== ''
  })
}

/** Whether the condition also holds for a request that does not have the key: then it limits nothing. */
function holdsWithoutKey({ ifExists, set }: Condition): boolean {
  return ifExists || set === 'all'
}

/** Where a request must come from by the first of the conditions that says so; undefined: anywhere. */
function addressesOf(conditions: readonly Condition[]): IpRange[] | undefined {
  const condition = conditions.find(
    (each) =>
      each.operator === 'IpAddress' && each.key === 'aws:sourceip' && !holdsWithoutKey(each),
  )
  const ranges = condition?.values.map((template) => parseIpRange(fixedText(template) ?? ''))
  return ranges === undefined || ranges.includes(undefined) ? undefined : (ranges as IpRange[])
}
