/**
 * Never more than the creator has (row 31): whoever gives policies to somebody, or makes somebody able to
 * use them, must be allowed all that they allow, by its own identity policies and within the policies of
 * its session. The root of an account and administrators are.
 */

import { compiledPolicy, compilingPolicies } from '../../protocol/iam/compiled.ts'
import type { Policy } from '../../protocol/iam/policy.ts'
import { covering, COVERING_STEPS_MAX } from '../../protocol/iam/rights.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { PolicyText } from '../../gateway/backend.ts'
import type { IamCall } from '../../gateway/iam-backend.ts'
import type { RightsCheck } from './common.ts'
import { accessDenied } from './errors.ts'

/** What an administrator may. */
export const EVERYTHING: PolicyText = {
  name: 'everything',
  text: '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}',
}

/** Throws AccessDenied. */
export async function mustCover(call: IamCall, granted: readonly PolicyText[]): Promise<void> {
  await call.inTurns(checking(call, granted))
}

export const RIGHTS: RightsCheck = { mustCover }

/** Does the policy hold a Deny? One that can't be read counts as one. */
export function denies(text: string): boolean {
  const { policy } = compiledPolicy('', text)
  return policy === undefined || policy.statements.some(({ effect }) => effect === 'Deny')
}

function* checking({ caller, action }: IamCall, granted: readonly PolicyText[]): Work<void> {
  if (granted.length === 0) return
  const { isRoot, sessionPolicies } = caller
  if (isRoot && sessionPolicies === undefined) return
  const limits = [
    ...(isRoot ? [] : [caller.policies]),
    ...(sessionPolicies === undefined ? [] : [sessionPolicies]),
  ]
  const refused = `User: ${caller.principalArn} is not authorized to perform: iam:${action} because`
  try {
    if (yield* areCovered(granted, limits)) return
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    throw accessDenied(
      `${refused} the caller's policies and those that it would give are too many to compare: who may do everything (Action * on Resource *) needs no comparison`,
    )
  }
  const names = granted.map(({ name }) => name).slice(0, 5)
  throw accessDenied(
    `${refused} it would give rights that the caller does not have: ${names.join(', ')}`,
  )
}

function* areCovered(
  granted: readonly PolicyText[],
  limits: readonly (readonly PolicyText[])[],
): Work<boolean> {
  const meter = new Meter(COVERING_STEPS_MAX)
  const wanted = yield* policiesOf(granted, meter)
  if (wanted === undefined) return false
  for (const limit of limits) {
    const own = yield* policiesOf(limit, meter)
    if (own === undefined || !(yield* covering(own, wanted, meter))) return false
  }
  return true
}

/** Undefined: one of them can't be read, and may hold a Deny. */
function* policiesOf(texts: readonly PolicyText[], meter: Meter): Work<Policy[] | undefined> {
  const policies: Policy[] = []
  for (const { policy } of yield* compilingPolicies(texts, meter)) {
    if (policy === undefined) return undefined
    policies.push(policy)
  }
  return policies
}
