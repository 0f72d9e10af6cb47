/**
 * May a caller who has the right to write a bucket's policy make this change to it (F31)? It may when:
 *
 *   - all that the policy newly allows, to any principal, is allowed to the caller itself, by its identity
 *     policies or by the present policy, and within the policies of its session and its permissions boundary
 *   - no Deny of the policy is removed
 *
 * Statements that are the same before and after change nothing. The root of the bucket's account and administrators,
 * whose identity policies allow everything, may make any change.
 */

import { BudgetError, type Meter, type Work } from '../work.ts'
import type { CompiledPolicy } from './decide.ts'
import { parsePolicy, type Policy, type Statement } from './policy.ts'
import { leastRights, type Bearer } from './reach.ts'
import { covering } from './rights.ts'

export interface PolicyChange {
  readonly who: Bearer
  readonly isRoot: boolean
  readonly identityPolicies: readonly CompiledPolicy[]
  /** Absent when there is no session, or one without limits of its own. */
  readonly sessionPolicies?: readonly CompiledPolicy[] | undefined
  /** The permissions boundary, if there is one. */
  readonly boundary?: readonly CompiledPolicy[] | undefined
  /** Undefined when there is no policy. */
  readonly before: CompiledPolicy | undefined
  readonly after: Policy | undefined
  /** Statements whose rights the caller has besides; as if they named it. */
  readonly held?: readonly Statement[] | undefined
  /** Statements of other sources that begin to count: their rights are given too. */
  readonly begun?: readonly Statement[] | undefined
  /** The policy did not count for all principals that it names, and will from now on. */
  readonly wasRestricted: boolean
}

const ALL = parsePolicy('{"Statement":{"Effect":"Allow","Action":"*","Resource":"*"}}')

/** What the caller may not change; undefined when it may make the change. Too much to compare counts as forbidden. */
export function* forbiddenChange(
  change: PolicyChange,
  meter: Meter,
): Work<'gives' | 'lifts' | undefined> {
  try {
    return yield* judging(change, meter)
  } catch (error) {
    if (error instanceof BudgetError) return 'gives'
    throw error
  }
}

function* judging(change: PolicyChange, meter: Meter): Work<'gives' | 'lifts' | undefined> {
  const { who, isRoot, before, after, wasRestricted } = change
  const identity = isRoot ? [ALL] : readable(change.identityPolicies)
  const session = readable(change.sessionPolicies ?? [{ name: '', policy: ALL }])
  const boundary = readable(change.boundary ?? [{ name: '', policy: ALL }])
  if (identity === undefined || session === undefined || boundary === undefined) return 'gives'
  if (yield* eachCovers([identity, session, boundary], ALL, meter)) return undefined
  const old = before === undefined ? EMPTY : before.policy
  // It is not known what it denied.
  if (old === undefined) return 'lifts'
  const kept = new Set(wasRestricted ? [] : old.statements.map(meaningOf))
  const wanted = (after ?? EMPTY).statements
  const left = new Set(wanted.map(meaningOf))
  if (old.statements.some((each) => each.effect === 'Deny' && !left.has(meaningOf(each)))) {
    return 'lifts'
  }
  const added = wanted.filter((each) => each.effect === 'Allow' && !kept.has(meaningOf(each)))
  const given = [...added, ...(change.begun ?? [])]
  if (given.length === 0) return undefined
  // A Deny for all principals also denies those who are granted something.
  const denied = wanted.filter(
    ({ effect, principals, exceptPrincipals }) =>
      effect === 'Deny' && principals?.everyone === true && !exceptPrincipals,
  )
  const granted: Policy = { kind: 'identity', statements: [...given, ...denied] }
  const held: Policy = { kind: 'identity', statements: change.held?.map(unnamed) ?? [] }
  const own = [...identity, leastRights(old, who), held]
  return (yield* eachCovers([own, session, boundary], granted, meter)) ? undefined : 'gives'
}

function* eachCovers(
  limits: readonly (readonly Policy[])[],
  granted: Policy,
  meter: Meter,
): Work<boolean> {
  for (const limit of limits) if (!(yield* covering(limit, [granted], meter))) return false
  return true
}

const EMPTY: Policy = { kind: 'resource', statements: [] }

function unnamed(statement: Statement): Statement {
  return { ...statement, principals: undefined, exceptPrincipals: false }
}

function readable(policies: readonly CompiledPolicy[]): Policy[] | undefined {
  const parsed = policies.map(({ policy }) => policy)
  return parsed.some((policy) => policy === undefined) ? undefined : (parsed as Policy[])
}

/** The same for statements that mean the same, for whom they mean too; its name is none of it. */
function meaningOf(statement: Statement): string {
  return JSON.stringify({ ...statement, sid: undefined }, (_, value: unknown) =>
    value instanceof Set ? [...(value as Set<string>)].sort(byCode) : value,
  )
}

function byCode(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
