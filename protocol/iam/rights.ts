/**
 * No caller grants more than it has (F31): is everything that the policies `granted` allow also allowed by `creator`?
 *
 * The answer is sound, not complete: "yes" is right for every request of every caller. A "no" may be wrong where the
 * same rights are written in another form. A creator with all rights (Allow * on *) covers everything.
 *
 *   1. Each action and resource of each Allow of `granted` is within those of one Allow of `creator`,
 *      whose conditions are no stricter.
 *   2. Each Deny of `creator` that might touch them is denied by `granted` as well.
 *
 * All comparisons are counted by a meter and can be interrupted (work.ts). Statements are brought into a
 * form for comparisons once. Beyond the meter's steps the work throws BudgetError: the caller refuses.
 *
 * An Allow of `creator` that depends on the caller (by variables or conditions on the principal) covers nothing: it
 * means one thing for the granting caller and another for the one who is granted the right.
 */

import { Meter, type Work } from '../work.ts'
import type { ArnTemplate } from './arn.ts'
import { operatorOf } from './condition.ts'
import { isConditionKey, isPrincipalKey } from './condition-keys.ts'
import { comparable, isWithin, mayOverlap, type Comparable } from './containment.ts'
import { ANY_TEXT, type Pattern, type PatternUnits } from './pattern.ts'
import type { Condition, Policy, Statement } from './policy.ts'
import { hasVariables } from './template.ts'

/** About a second, in turns: requests have a deadline, too. */
export const COVERING_STEPS_MAX = 200_000_000

/**
 * Identity policies both. A policy that can't be read belongs into neither: refuse before. Throws
 * BudgetError when the policies are too many to compare.
 */
export function* covering(
  creator: readonly Policy[],
  granted: readonly Policy[],
  meter = new Meter(COVERING_STEPS_MAX),
): Work<boolean> {
  const allows = yield* reachesOf(statementsOf(creator, 'Allow').filter(isPlain), meter)
  const grantedDenies = yield* reachesOf(statementsOf(granted, 'Deny').filter(isPlain), meter)
  const held: Reach[] = []
  for (const deny of yield* reachesOf(statementsOf(creator, 'Deny'), meter)) {
    if (!(yield* isWithinSome(deny, grantedDenies, meter))) held.push(deny)
  }
  for (const allow of yield* reachesOf(statementsOf(granted, 'Allow'), meter)) {
    if (!(yield* isWithinSome(allow, allows, meter))) return false
    for (const deny of held) if (yield* touches(deny, allow, meter)) return false
  }
  return true
}

function statementsOf(policies: readonly Policy[], effect: Statement['effect']): Statement[] {
  return policies.flatMap(({ statements }) => statements.filter((each) => each.effect === effect))
}

/** Means the same for every caller, and is never unknown. */
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

/** What a statement is about: lists of patterns, or all but them. */
interface Reach {
  readonly actions: Patterns
  readonly resources: Patterns
  readonly conditions: readonly Demand[]
}

interface Patterns {
  readonly forms: readonly Form[]
  readonly except: boolean
}

/** A pattern of actions, or of ARNs, which fall into fields. */
interface Form {
  readonly whole: Comparable
  /** So many fields, the last one with the rest. Absent for actions. */
  readonly fields?: (count: number, meter: Meter) => readonly Comparable[]
}

/** A condition, and its values as texts that can be compared. */
interface Demand {
  readonly condition: Condition
  readonly texts: ReadonlySet<string>
}

/** What making a unit of a pattern comparable takes. */
const STEPS_PER_UNIT = 32

function* reachesOf(statements: readonly Statement[], meter: Meter): Work<Reach[]> {
  const reaches: Reach[] = []
  for (const statement of statements) {
    const reach = reachOf(statement)
    for (const { whole } of [...reach.actions.forms, ...reach.resources.forms]) {
      meter.take(whole.units.length * STEPS_PER_UNIT)
    }
    reaches.push(reach)
    if (meter.isDue()) yield
  }
  return reaches
}

/** At least what the statement is about: a variable may have any value. */
function reachOf(statement: Statement): Reach {
  const { exceptActions, exceptResources, conditions } = statement
  const plain = (resource: ArnTemplate): boolean => !resource.fields.some(hasVariables)
  const vague = !statement.resources.every(plain)
  const resources: Patterns = exceptResources
    ? { forms: statement.resources.filter(plain).map(arnForm), except: true }
    : { forms: statement.resources.map(arnForm), except: false }
  return {
    actions: {
      forms: statement.actions.map((pattern) => ({ whole: comparable(unitsOf(pattern)) })),
      except: exceptActions,
    },
    // A Deny whose variable has no value denies all (evaluate.ts).
    resources: vague && statement.effect === 'Deny' ? EVERY_RESOURCE : resources,
    conditions: conditions.map((condition) => ({ condition, texts: textsOf(condition) })),
  }
}

/** Each action on each resource within one of the outer statements. */
function* isWithinSome(inner: Reach, outers: readonly Reach[], meter: Meter): Work<boolean> {
  const usable: Reach[] = []
  for (const outer of outers) {
    if (meter.isDue()) yield
    if (areMet(outer.conditions, inner.conditions, meter)) usable.push(outer)
  }
  const all = usable.find((outer) => isEverything(outer.actions) && isEverything(outer.resources))
  if (all !== undefined) return true
  const byAction = yield* distinct(inner.actions, (outer) => outer.actions, false)
  const byResource = yield* distinct(inner.resources, (outer) => outer.resources, true)
  for (const some of byAction) {
    for (const others of byResource) {
      meter.take(some.length)
      if (meter.isDue()) yield
      if (!some.some((word, at) => (word & (others[at] as number)) !== 0)) return false
    }
  }
  return true

  /** The sets of outer statements that each pattern is within, as bits; many patterns have the same set. */
  function* distinct(
    patterns: Patterns,
    of: (outer: Reach) => Patterns,
    arns: boolean,
  ): Work<Uint32Array[]> {
    const sets = new Map<string, Uint32Array>()
    for (const each of singles(patterns)) {
      const bits = new Uint32Array(Math.ceil(usable.length / 32))
      for (let at = 0; at < usable.length; at++) {
        const outer = of(usable[at] as Reach)
        if (meter.isDue()) yield
        if (
          isSingleWithin(each, outer, meter, arns) ??
          (yield* areWithin(each, outer, meter, arns))
        ) {
          bits[at >> 5] = (bits[at >> 5] as number) | (1 << (at & 31))
        }
      }
      meter.take(bits.length * 16)
      sets.set(bits.join(), bits)
    }
    return [...sets.values()]
  }
}

function isEverything({ forms, except }: Patterns): boolean {
  return !except && forms.some(({ whole }) => whole.isEverything)
}

/** A list falls into its patterns; what is excepted must be looked at together. */
function singles(patterns: Patterns): Patterns[] {
  if (patterns.except) return [patterns]
  return patterns.forms.map((form) => ({ forms: [form], except: false }))
}

/** What a comparison takes before it looks at a character. */
const PAIR_STEPS = 24

type Compare = (one: Form, other: Form, meter: Meter) => boolean

function* some(forms: readonly Form[], one: Form, compare: Compare, meter: Meter): Work<boolean> {
  for (const other of forms) {
    meter.take(PAIR_STEPS)
    if (meter.isDue()) yield
    if (compare(one, other, meter)) return true
  }
  return false
}

/** One pattern within one other, without a generator: millions of pairs are compared so. Undefined for lists. */
function isSingleWithin(
  inner: Patterns,
  outer: Patterns,
  meter: Meter,
  arns: boolean,
): boolean | undefined {
  const [one, other] = [inner.forms[0], outer.forms[0]]
  if (one === undefined || other === undefined || inner.forms.length + outer.forms.length > 2) {
    return undefined
  }
  if (inner.except || outer.except) return undefined
  meter.take(PAIR_STEPS)
  return arns ? isArnWithin(one, other, meter) : isActionWithin(one, other, meter)
}

function* areWithin(inner: Patterns, outer: Patterns, meter: Meter, arns: boolean): Work<boolean> {
  const within: Compare = arns ? isArnWithin : isActionWithin
  if (!inner.except && outer.except) {
    for (const each of inner.forms) if (yield* some(outer.forms, each, overlap, meter)) return false
    return true
  }
  if (inner.except && !outer.except) return isEverything(outer)
  // What the outer leaves out, the inner leaves out as well.
  const [parts, wholes] = inner.except ? [outer.forms, inner.forms] : [inner.forms, outer.forms]
  for (const each of parts) if (!(yield* some(wholes, each, within, meter))) return false
  return true
}

/** Whether a request can be about both, whatever their conditions. */
function* touches(one: Reach, other: Reach, meter: Meter): Work<boolean> {
  return (
    (yield* mayTouch(one.actions, other.actions, meter, false)) &&
    (yield* mayTouch(one.resources, other.resources, meter, true))
  )
}

function* mayTouch(one: Patterns, other: Patterns, meter: Meter, arns: boolean): Work<boolean> {
  const within: Compare = arns ? isArnWithin : isActionWithin
  if (one.except && other.except) return true
  if (!one.except && other.except) return yield* mayTouch(other, one, meter, arns)
  for (const each of other.forms) {
    if (one.except) {
      if (!(yield* some(one.forms, each, within, meter))) return true
    } else if (yield* some(one.forms, each, overlap, meter)) return true
  }
  return false
}

/** True when a request that meets `given` meets all that is wanted. */
function areMet(wanted: readonly Demand[], given: readonly Demand[], meter: Meter): boolean {
  return wanted.every((each) => given.some((other) => isStricter(other, each, meter)))
}

function isStricter(given: Demand, wanted: Demand, meter: Meter): boolean {
  meter.take(8)
  const { operator, key, set, ifExists } = wanted.condition
  if (operator === undefined || given.condition.operator !== operator) return false
  if (given.condition.key !== key || given.condition.set !== set) return false
  if (given.condition.ifExists && !ifExists) return false
  const [few, many] = [given.texts, wanted.texts]
  meter.take(4 * (few.size + many.size))
  if (operator === 'Null') return few.size === many.size && isSubset(few, many)
  return operatorOf(operator).negated ? isSubset(many, few) : isSubset(few, many)
}

function textsOf({ values }: Condition): Set<string> {
  return new Set(values.map((template) => JSON.stringify(template)))
}

function isSubset(few: ReadonlySet<string>, all: ReadonlySet<string>): boolean {
  for (const each of few) if (!all.has(each)) return false
  return true
}

const COLON = 0x3a
const ARN_FIELDS = 6

function arnForm(template: ArnTemplate): Form {
  return formOf(unitsOfArn(template))
}

function formOf(units: PatternUnits): Form {
  const known: (readonly Comparable[] | undefined)[] = []
  return {
    whole: comparable(units),
    fields: (count, meter) => {
      const made = known[count]
      if (made !== undefined) return made
      meter.take(units.length * STEPS_PER_UNIT)
      return (known[count] = splitFields(units, count).map(comparable))
    },
  }
}

const EVERY_RESOURCE: Patterns = { forms: [formOf([ANY_TEXT])], except: false }

/** Fields of an ARN pattern with their colons; variables match anything. */
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

function isActionWithin(inner: Form, outer: Form, meter: Meter): boolean {
  return isWithin(inner.whole, outer.whole, meter)
}

/**
 * A star of an ARN pattern stays within its field, but for the last one's. Field by field, with the
 * fields of the inner that the outer's last takes in joined.
 */
function isArnWithin(inner: Form, outer: Form, meter: Meter): boolean {
  if (outer.whole.isEverything) return true
  if (inner.whole.isEverything) return false
  const outers = outer.fields?.(ARN_FIELDS, meter) ?? []
  const inners = inner.fields?.(outers.length, meter) ?? []
  if (inners.length !== outers.length) return false
  for (let at = 0; at < inners.length; at++) {
    if (!isWithin(inners[at] as Comparable, outers[at] as Comparable, meter)) return false
  }
  return true
}

/** ARNs taken as plain patterns match at least as much. */
function overlap(one: Form, other: Form, meter: Meter): boolean {
  return mayOverlap(one.whole, other.whole, meter)
}

function splitFields(units: PatternUnits, count: number): number[][] {
  const fields: number[][] = [[]]
  for (const unit of units) {
    if (unit === COLON && fields.length < count) fields.push([])
    else fields.at(-1)?.push(unit)
  }
  return fields
}
