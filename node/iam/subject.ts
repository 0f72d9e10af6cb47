/**
 * An identity in the form in which policies are asked about it. For the checks that this room makes
 * itself; the gate has its own for requests (gateway/auth/authorize.ts).
 */

import type { Identity } from '../../gateway/port/identity.ts'
import { compilingPolicies, compilingPolicy } from '../../protocol/iam/compiled.ts'
import {
  deciding,
  DECISION_STEPS_MAX,
  type CompiledPolicy,
  type Decision,
  type Question,
} from '../../protocol/iam/decide.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { Principal } from '../../protocol/iam/principal.ts'

/** What a question to the policies says about the caller. */
interface Subject {
  readonly caller: Principal
  readonly identityPolicies: readonly CompiledPolicy[]
  /** Undefined for credentials without limits of their own. */
  readonly sessionPolicies: readonly CompiledPolicy[] | undefined
  readonly boundary: CompiledPolicy | undefined
}

/**
 * What the policies decide about a request of `identity`. A decision that takes more steps than the
 * meter has left is Deny.
 */
export function* decidingFor(
  identity: Identity,
  question: Omit<Question, keyof Subject>,
  meter = new Meter(DECISION_STEPS_MAX),
): Work<Decision> {
  try {
    const { policies, sessionPolicies, boundary } = identity
    const subject: Subject = {
      caller: principalOf(identity),
      identityPolicies: yield* compilingPolicies(policies, meter),
      sessionPolicies: sessionPolicies && (yield* compilingPolicies(sessionPolicies, meter)),
      boundary: yield* compilingPolicy(boundary, meter),
    }
    return yield* deciding({ ...question, ...subject }, meter)
  } catch (error) {
    if (!(error instanceof BudgetError)) throw error
    return { allowed: false, kind: 'explicit-deny', source: 'identity' }
  }
}

/** The caller as conditions and principals of policies see it. */
export function principalOf(identity: Identity): Principal {
  const { type, accountId, principalArn, roleArn, isRoot, principalId, userName } = identity
  if (type === 'Anonymous') throw new Error('an anonymous caller has no identity')
  return {
    accountId,
    arn: principalArn,
    roleArn,
    type,
    isRoot,
    userId: principalId,
    userName: type === 'User' ? userName : undefined,
  }
}
