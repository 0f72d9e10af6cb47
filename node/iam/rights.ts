/**
 * Never more than the creator has (row 31): whoever gives policies to somebody, or makes somebody able to
 * use them, must be allowed all that they allow, by its own identity policies and within the policies of
 * its session. The root of an account and administrators are.
 */

import { compiledPolicy } from '../../protocol/iam/compiled.ts'
import type { Policy } from '../../protocol/iam/policy.ts'
import { covers } from '../../protocol/iam/rights.ts'
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
export function mustCover(call: IamCall, granted: readonly PolicyText[]): Promise<void> {
  return new Promise((resolve) => {
    check(call, granted)
    resolve()
  })
}

export const RIGHTS: RightsCheck = { mustCover }

/** Does the policy hold a Deny? One that can't be read counts as one. */
export function denies(text: string): boolean {
  const { policy } = compiledPolicy('', text)
  return policy === undefined || policy.statements.some(({ effect }) => effect === 'Deny')
}

function check({ caller, action }: IamCall, granted: readonly PolicyText[]): void {
  if (granted.length === 0) return
  const { isRoot, sessionPolicies } = caller
  if (isRoot && sessionPolicies === undefined) return
  const wanted = policiesOf(granted)
  const limits = [
    ...(isRoot ? [] : [policiesOf(caller.policies)]),
    ...(sessionPolicies === undefined ? [] : [policiesOf(sessionPolicies)]),
  ]
  const covered =
    wanted !== undefined && limits.every((own) => own !== undefined && covers(own, wanted))
  if (covered) return
  const names = granted.map(({ name }) => name).slice(0, 5)
  throw accessDenied(
    `User: ${caller.principalArn} is not authorized to perform: iam:${action} because it would give rights that the caller does not have: ${names.join(', ')}`,
  )
}

/** Undefined: one of them can't be read, and may hold a Deny. */
function policiesOf(texts: readonly PolicyText[]): Policy[] | undefined {
  const policies = texts.map(({ name, text }) => compiledPolicy(name, text).policy)
  return policies.some((policy) => policy === undefined) ? undefined : (policies as Policy[])
}
