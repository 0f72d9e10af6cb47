/**
 * Nobody gives away more than it has (row 31): is everything that some policies allow allowed by others?
 *
 * The answer is sound, not complete: "yes" is always right, for every request and whoever sends it. A
 * "no" may be wrong where rights are written in another form: who has them in full (Allow * on *) is
 * always covered.
 *
 *   1. Each action and resource of each Allow of `granted` lies within those of one Allow of `creator`,
 *      whose conditions are no stricter.
 *   2. Each Deny of `creator` that might touch them is denied by `granted` as well.
 *
 * What depends on who asks (variables, conditions on the principal) means another thing for the one who
 * is given than for the one who gives: such an Allow of `creator` covers nothing.
 */

import type { ArnTemplate } from './arn.ts'
import { operatorOf } from './condition.ts'
import { isConditionKey, isPrincipalKey } from './condition-keys.ts'
import { isWithin, mayOverlap, type Budget } from './containment.ts'
import { ANY_TEXT, type Pattern, type PatternUnits } from './pattern.ts'
import type { Condition, Policy, Statement } from './policy.ts'
import { hasVariables } from './template.ts'

/** Some tens of milliseconds. Beyond, nothing more is covered. */
const STEPS_MAX = 10_000_000

/** Identity policies both. A policy that can't be read belongs into neither: refuse before. */
export function covers(creator: readonly Policy[], granted: readonly Policy[]): boolean {
  const budget = { steps: STEPS_MAX }
  const allows = statementsOf(creator, 'Allow').filter(isPlain)
  const denies = statementsOf(creator, 'Deny')
  const grantedDenies = statementsOf(granted, 'Deny').filter(isPlain)
  const held = denies.filter((deny) => !isDenied(deny, grantedDenies, budget))
  return statementsOf(granted, 'Allow').every(
    (allow) =>
      isWithinSome(allow, allows, budget) &&
      held.every((deny) => !touches(statementOf(deny), statementOf(allow), budget)),
  )
}

function statementsOf(policies: readonly Policy[], effect: Statement['effect']): Statement[] {
  return policies.flatMap(({ statements }) => statements.filter((each) => each.effect === effect))
}

/** Means the same whoever asks, and is never unknown. */
function isPlain({ conditions, resources }: Statement): boolean {
  return (
    !resources.some((resource) => resource.fields.some(hasVariables)) &&
    conditions.every(
      ({ operator, key, values }) =>
        operator !== undefined &&
        isConditionKey(key) &&
        !isPrincipalKey(key) &&
        !values.some(hasVariables),
    )
  )
}

/** What a statement is about, as units: lists of patterns, or all but them. */
interface Reach {
  readonly actions: Patterns
  readonly resources: Patterns
  readonly conditions: readonly Condition[]
}

interface Patterns {
  readonly units: readonly PatternUnits[]
  readonly except: boolean
}

const EVERYTHING: PatternUnits = [ANY_TEXT]

/** At least what the statement is about: what a variable stands for may be anything. */
function statementOf(statement: Statement): Reach {
  const { exceptActions, exceptResources, conditions } = statement
  const plain = (resource: ArnTemplate): boolean => !resource.fields.some(hasVariables)
  const vague = !statement.resources.every(plain)
  const resources: Patterns = exceptResources
    ? { units: statement.resources.filter(plain).map(unitsOfArn), except: true }
    : { units: statement.resources.map(unitsOfArn), except: false }
  return {
    actions: { units: statement.actions.map(unitsOf), except: exceptActions },
    // A Deny whose variable has no value denies all (evaluate.ts).
    resources:
      vague && statement.effect === 'Deny' ? { units: [EVERYTHING], except: false } : resources,
    conditions,
  }
}

/** Each action on each resource within one of the outer statements. */
function isWithinSome(inner: Statement, outers: readonly Statement[], budget: Budget): boolean {
  const { actions, resources, conditions } = statementOf(inner)
  const reaches = outers
    .map(statementOf)
    .filter((outer) => outer.conditions.every((wanted) => isMet(wanted, conditions)))
  // Many patterns have the same outer statements: compared once, combined once.
  const byAction = distinct(singles(actions), (action, at) =>
    areWithin(action, (reaches[at] as Reach).actions, budget, false),
  )
  const byResource = distinct(singles(resources), (resource, at) =>
    areWithin(resource, (reaches[at] as Reach).resources, budget, true),
  )
  budget.steps -= byAction.size * byResource.size
  if (budget.steps < 0) return false
  return [...byAction].every((some) => [...byResource].every((others) => (some & others) !== 0n))

  /** Sets of the outer statements that each is within, as bits. */
  function distinct(
    each: readonly Patterns[],
    isIn: (patterns: Patterns, at: number) => boolean,
  ): Set<bigint> {
    return new Set(
      each.map((patterns) =>
        reaches.reduce(
          (bits, _, at) => (isIn(patterns, at) ? bits | (1n << BigInt(at)) : bits),
          0n,
        ),
      ),
    )
  }
}

function isMet(wanted: Condition, given: readonly Condition[]): boolean {
  return given.some((each) => isStricter(each, wanted))
}

function isDenied(deny: Statement, denies: readonly Statement[], budget: Budget): boolean {
  return isWithinSome(deny, denies, budget)
}

/** A list falls into its patterns; what is excepted must be looked at together. */
function singles(patterns: Patterns): Patterns[] {
  if (patterns.except) return [patterns]
  return patterns.units.map((units) => ({ units: [units], except: false }))
}

function areWithin(inner: Patterns, outer: Patterns, budget: Budget, arns: boolean): boolean {
  const within = arns ? isArnWithin : isWithin
  const overlap = arns ? mayArnsOverlap : mayOverlap
  if (!inner.except && !outer.except) {
    return inner.units.every((each) => outer.units.some((other) => within(each, other, budget)))
  }
  if (inner.except && outer.except) {
    return outer.units.every((each) => inner.units.some((other) => within(each, other, budget)))
  }
  if (outer.except) {
    return inner.units.every((each) => !outer.units.some((other) => overlap(each, other, budget)))
  }
  return outer.units.some((each) => each.length === 1 && each[0] === ANY_TEXT)
}

/** Whether a request can be about both, whatever their conditions. */
function touches(one: Reach, other: Reach, budget: Budget): boolean {
  return (
    mayTouch(one.actions, other.actions, budget, false) &&
    mayTouch(one.resources, other.resources, budget, true)
  )
}

function mayTouch(one: Patterns, other: Patterns, budget: Budget, arns: boolean): boolean {
  const within = arns ? isArnWithin : isWithin
  const overlap = arns ? mayArnsOverlap : mayOverlap
  if (one.except && other.except) return true
  if (one.except) {
    return other.units.some((each) => !one.units.some((not) => within(each, not, budget)))
  }
  if (other.except) return mayTouch(other, one, budget, arns)
  return one.units.some((each) => other.units.some((also) => overlap(each, also, budget)))
}

/** True when a request that meets `given` meets `wanted`. */
function isStricter(given: Condition, wanted: Condition): boolean {
  const { operator } = wanted
  if (operator === undefined || given.operator !== operator) return false
  if (given.key !== wanted.key || given.set !== wanted.set) return false
  if (given.ifExists && !wanted.ifExists) return false
  const [some, all] = [given, wanted].map(textsOf) as [Set<string>, Set<string>]
  if (operator === 'Null') return some.size === all.size && isSubset(some, all)
  return operatorOf(operator).negated ? isSubset(all, some) : isSubset(some, all)
}

function textsOf({ values }: Condition): Set<string> {
  return new Set(values.map((template) => JSON.stringify(template)))
}

function isSubset(some: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  return [...some].every((each) => all.has(each))
}

const COLON = 0x3a

/** Fields of an ARN pattern with their colons; variables stand for anything. */
function unitsOfArn({ everything, fields }: ArnTemplate): number[] {
  if (everything) return [ANY_TEXT]
  return fields.flatMap((field, at) => [
    ...(at === 0 ? [] : [COLON]),
    ...field.flatMap((part) => ('key' in part ? [ANY_TEXT] : part)),
  ])
}

function unitsOf({ pieces }: Pattern): number[] {
  return pieces.flatMap((piece, at) => (at === 0 ? [...piece] : [ANY_TEXT, ...piece]))
}

/**
 * A star of an ARN pattern stays within its field, but for the last one's. Field by field, with the
 * fields of the inner that the outer's last takes in joined.
 */
function isArnWithin(inner: PatternUnits, outer: PatternUnits, budget: Budget): boolean {
  if (outer.length === 1 && outer[0] === ANY_TEXT) return isWithin(inner, outer, budget)
  if (inner.length === 1 && inner[0] === ANY_TEXT) return false
  const outers = splitFields(outer, ARN_FIELDS)
  const inners = splitFields(inner, outers.length)
  if (inners.length !== outers.length) return false
  return inners.every((field, at) => isWithin(field, outers[at] as PatternUnits, budget))
}

/** Taken as plain patterns they match at least as much. */
function mayArnsOverlap(one: PatternUnits, other: PatternUnits, budget: Budget): boolean {
  return mayOverlap(one, other, budget)
}

const ARN_FIELDS = 6

function splitFields(units: PatternUnits, count: number): number[][] {
  const fields: number[][] = [[]]
  for (const unit of units) {
    if (unit === COLON && fields.length < count) fields.push([])
    else fields.at(-1)?.push(unit)
  }
  return fields
}
