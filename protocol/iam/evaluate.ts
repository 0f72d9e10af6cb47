/**
 * What one statement says about one request (row 29): it applies, it does not, or nobody knows.
 *
 * What can't be judged is "unknown": an operator or condition key that this program does not know, a
 * variable without a value, several values where one is expected. Unknown never allows and always
 * denies (decide.ts): an Allow statement then does not apply, a Deny statement does.
 */

import { matchesArn } from './arn.ts'
import { operatorOf } from './condition.ts'
import { isConditionKey } from './condition-keys.ts'
import { matchesPattern } from './pattern.ts'
import type { Condition, Statement } from './policy.ts'
import { fillTemplate, type ContextValues } from './template.ts'

export type Verdict = 'yes' | 'no' | 'unknown'

/** All but the principal. `action` in lower case. 'no' as soon as one part says no. */
export function statementVerdict(
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
  if (!present && !context.has(key) && !isConditionKey(key)) return 'unknown'
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
