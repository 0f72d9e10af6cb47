/**
 * What identity policies say about one request: an explicit deny, else an allow, else deny (row 29).
 *
 * What can't be judged is "unknown": an operator or condition key that this program does not know, a
 * variable without a value, several values where one is expected. Unknown never allows and always
 * denies: an Allow statement then does not apply, a Deny statement does.
 */

import { matchesArn } from './arn.ts'
import { operatorOf } from './condition.ts'
import { CONDITION_KEYS } from './condition-keys.ts'
import { matchesPattern } from './pattern.ts'
import type { Condition, Policy, Statement } from './policy.ts'
import { fillTemplate, type ContextValues } from './template.ts'

export interface AccessRequest {
  /** 's3:GetObject'. */
  readonly action: string
  /** 'arn:aws:s3:::bucket/key'. */
  readonly resource: string
  /** ARN of who asks; also the value of aws:PrincipalArn when the context has none. */
  readonly principal: string
  /** Values by condition key, in any case. */
  readonly context: ReadonlyMap<string, readonly string[]>
}

export interface Decision {
  readonly allowed: boolean
  readonly reason: {
    readonly kind: 'explicit-deny' | 'allow' | 'default-deny'
    /** Which statement decided. Absent for default-deny. */
    readonly policyIndex?: number
    readonly statementIndex?: number
    readonly sid?: string
  }
}

type Verdict = 'yes' | 'no' | 'unknown'

/** Pure. The first statement that decides is named: the first deny, else the first allow. */
export function evaluate(policies: readonly Policy[], request: AccessRequest): Decision {
  const context = lowerCaseContext(request)
  const action = request.action.toLowerCase()
  let allow: Decision | undefined
  for (const [policyIndex, { statements }] of policies.entries()) {
    for (const [statementIndex, statement] of statements.entries()) {
      if (statement.effect === 'Allow' && allow !== undefined) continue
      const verdict = applies(statement, action, request.resource, context)
      const { effect, sid } = statement
      const where = { policyIndex, statementIndex, ...(sid === undefined ? {} : { sid }) }
      if (effect === 'Deny' && verdict !== 'no') {
        return { allowed: false, reason: { kind: 'explicit-deny', ...where } }
      }
      if (effect === 'Allow' && verdict === 'yes') {
        allow = { allowed: true, reason: { kind: 'allow', ...where } }
      }
    }
  }
  return allow ?? { allowed: false, reason: { kind: 'default-deny' } }
}

function lowerCaseContext(request: AccessRequest): ContextValues {
  const context = new Map<string, readonly string[]>([['aws:principalarn', [request.principal]]])
  for (const [key, values] of request.context) context.set(key.toLowerCase(), values)
  return context
}

/** 'no' as soon as one part says no; else 'unknown' when one part is. */
function applies(
  statement: Statement,
  action: string,
  resource: string,
  context: ContextValues,
): Verdict {
  const named = statement.actions.some((pattern) => matchesPattern(pattern, action))
  if (named === statement.exceptActions) return 'no'
  let verdict = resourceVerdict(statement, resource, context)
  for (const condition of statement.conditions) {
    if (verdict === 'no') return 'no'
    verdict = both(verdict, conditionVerdict(condition, context))
  }
  return verdict
}

function both(a: Verdict, b: Verdict): Verdict {
  if (a === 'no' || b === 'no') return 'no'
  return a === 'unknown' || b === 'unknown' ? 'unknown' : 'yes'
}

function resourceVerdict(statement: Statement, resource: string, context: ContextValues): Verdict {
  const matches = statement.resources.map((template) => matchesArn(template, resource, context))
  if (matches.includes(true)) return statement.exceptResources ? 'no' : 'yes'
  if (matches.includes(undefined)) return 'unknown'
  return statement.exceptResources ? 'yes' : 'no'
}

function conditionVerdict(condition: Condition, context: ContextValues): Verdict {
  const { operator, key, set, ifExists } = condition
  if (operator === undefined) return 'unknown'
  const actual = context.get(key) ?? []
  const present = actual.length > 0
  if (!present && !context.has(key) && !CONDITION_KEYS.has(key)) return 'unknown'
  if (operator === 'Null') return nullVerdict(condition, present)
  if (!present) {
    if (ifExists || set === 'all') return 'yes'
    return operatorOf(operator).negated && set === undefined ? 'yes' : 'no'
  }
  if (actual.length > 1 && set === undefined) return 'unknown'
  const verdicts = actual.map((value) => valueVerdict(condition, value, context))
  return set === 'any' ? anyOf(verdicts) : verdicts.reduce(both)
}

function anyOf(verdicts: readonly Verdict[]): Verdict {
  if (verdicts.includes('yes')) return 'yes'
  return verdicts.includes('unknown') ? 'unknown' : 'no'
}

/** "true": the key must be absent; "false": it must be there. */
function nullVerdict({ values }: Condition, present: boolean): Verdict {
  const wanted = present ? 'false' : 'true'
  const matches = values.some((template) => {
    const units = fillTemplate(template, new Map())
    return units !== undefined && operatorOf('Null').matches(units, wanted)
  })
  return matches ? 'yes' : 'no'
}

/** One value of the request against all of the policy: any match, or none for a negated operator. */
function valueVerdict(condition: Condition, actual: string, context: ContextValues): Verdict {
  const { operator, values } = condition
  if (operator === undefined) return 'unknown'
  const { matches, negated } = operatorOf(operator)
  const verdict = anyOf(
    values.map((template) => {
      const units = fillTemplate(template, context)
      if (units === undefined) return 'unknown'
      return matches(units, actual) ? 'yes' : 'no'
    }),
  )
  if (verdict === 'unknown' || !negated) return verdict
  return verdict === 'yes' ? 'no' : 'yes'
}
