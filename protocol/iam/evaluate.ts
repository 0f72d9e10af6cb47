/**
 * What one statement says about one request (F29): it applies, it does not, or it is unknown.
 *
 * It is unknown when something can't be judged: an operator or condition key that this program does not know, a
 * variable without a value, several values where one is expected. Unknown never allows and always
 * denies (decide.ts): an Allow statement then does not apply, a Deny statement does.
 *
 * The work is counted and can be interrupted (work.ts), because policies and requests may be as long as their
 * limits allow.
 */

import type { Meter, Work } from '../work.ts'
import { matchesArn } from './arn.ts'
import { operatorOf } from './condition.ts'
import { isConditionKey } from './condition-keys.ts'
import { matchesPattern } from './pattern.ts'
import type { Condition, Statement } from './policy.ts'
import { fillTemplate, type ContextValues } from './template.ts'

export type PolicyVerdict = 'yes' | 'no' | 'unknown'

/** All but the principal. `action` in lower case. 'no' as soon as one part says no. */
export function* statementVerdict(
  statement: Statement,
  action: string,
  resource: string,
  context: ContextValues,
  meter: Meter,
): Work<PolicyVerdict> {
  const named = statement.actions.some((pattern) => matchesPattern(pattern, action, meter))
  if (named === statement.exceptActions) return 'no'
  let verdict = yield* resourceVerdict(statement, resource, context, meter)
  for (const condition of statement.conditions) {
    if (verdict === 'no') return 'no'
    verdict = both(verdict, yield* conditionVerdict(condition, context, meter))
  }
  return verdict
}

function both(a: PolicyVerdict, b: PolicyVerdict): PolicyVerdict {
  if (a === 'no' || b === 'no') return 'no'
  return a === 'unknown' || b === 'unknown' ? 'unknown' : 'yes'
}

function* resourceVerdict(
  statement: Statement,
  resource: string,
  context: ContextValues,
  meter: Meter,
): Work<PolicyVerdict> {
  let isUnknown = false
  for (const template of statement.resources) {
    if (meter.isDue()) yield
    const matches = matchesArn(template, resource, context, meter)
    if (matches === true) return statement.exceptResources ? 'no' : 'yes'
    isUnknown ||= matches === undefined
  }
  if (isUnknown) return 'unknown'
  return statement.exceptResources ? 'yes' : 'no'
}

function* conditionVerdict(
  condition: Condition,
  context: ContextValues,
  meter: Meter,
): Work<PolicyVerdict> {
  const { operator, key, set, ifExists } = condition
  if (operator === undefined) return 'unknown'
  const actual = context.get(key) ?? []
  const present = actual.length > 0
  if (!present && !context.has(key) && !isConditionKey(key)) return 'unknown'
  if (operator === 'Null') return nullVerdict(condition, present, meter)
  if (!present) {
    if (ifExists || set === 'all') return 'yes'
    return operatorOf(operator).negated && set === undefined ? 'yes' : 'no'
  }
  if (actual.length > 1 && set === undefined) return 'unknown'
  // One value of any decides by its yes, one of all by its no.
  let verdict: PolicyVerdict = set === 'any' ? 'no' : 'yes'
  for (const value of actual) {
    const each: PolicyVerdict = yield* valueVerdict(condition, value, context, meter)
    verdict = set === 'any' ? either(verdict, each) : both(verdict, each)
    if (verdict === (set === 'any' ? 'yes' : 'no')) break
  }
  return verdict
}

function either(a: PolicyVerdict, b: PolicyVerdict): PolicyVerdict {
  if (a === 'yes' || b === 'yes') return 'yes'
  return a === 'unknown' || b === 'unknown' ? 'unknown' : 'no'
}

/** "true": the key must be absent; "false": it must be there. */
function nullVerdict(
  { values, matchers }: Condition,
  present: boolean,
  meter: Meter,
): PolicyVerdict {
  const wanted = present ? 'false' : 'true'
  const matches = values.some((template, at) => {
    const known = matchers[at]
    if (known !== undefined) return known(wanted, meter)
    const units = fillTemplate(template, NO_VALUES, meter)
    return units !== undefined && operatorOf('Null').matcher(units)(wanted, meter)
  })
  return matches ? 'yes' : 'no'
}

const NO_VALUES: ContextValues = new Map()

/** One value of the request against all of the policy: any match, or none for a negated operator. */
function* valueVerdict(
  condition: Condition,
  actual: string,
  context: ContextValues,
  meter: Meter,
): Work<PolicyVerdict> {
  const { operator, values, matchers } = condition
  if (operator === undefined) return 'unknown'
  const { matcher, negated } = operatorOf(operator)
  let verdict: PolicyVerdict = 'no'
  for (let at = 0; at < values.length && verdict !== 'yes'; at++) {
    if (meter.isDue()) yield
    let matches = matchers[at]
    if (matches === undefined) {
      const units = fillTemplate(values[at] as (typeof values)[number], context, meter)
      matches = units && matcher(units)
    }
    verdict = matches === undefined ? 'unknown' : matches(actual, meter) ? 'yes' : verdict
  }
  if (verdict === 'unknown' || !negated) return verdict
  return verdict === 'yes' ? 'no' : 'yes'
}
