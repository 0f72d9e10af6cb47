/** An identity as policies are asked about it. */

import type { Identity, PolicyText } from '../../gateway/backend.ts'
import { compiledPolicy } from '../../protocol/iam/compiled.ts'
import type { CompiledPolicy } from '../../protocol/iam/decide.ts'
import type { Principal } from '../../protocol/iam/principal.ts'

export interface Subject {
  readonly caller: Principal
  readonly identityPolicies: readonly CompiledPolicy[]
  readonly sessionPolicies: readonly CompiledPolicy[] | undefined
}

export function subjectOf(identity: Identity): Subject {
  return {
    caller: principalOf(identity),
    identityPolicies: compiledPolicies(identity.policies),
    sessionPolicies: identity.sessionPolicies && compiledPolicies(identity.sessionPolicies),
  }
}

export function principalOf(identity: Identity): Principal {
  const { type, accountId, principalArn, roleArn, isRoot, principalId, userName } = identity
  if (type === 'Anonymous') throw new Error('who is anonymous has no identity')
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

export function compiledPolicies(texts: readonly PolicyText[]): CompiledPolicy[] {
  return texts.map(({ name, text }) => compiledPolicy(name, text))
}
