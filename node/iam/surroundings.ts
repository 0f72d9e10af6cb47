/**
 * What an account's bucket and trust policies say by name, as far as it tells one of its principals from another.
 * Read for checks of rights (rights.ts): each bucket and role of the account once, as it is now.
 */

import type { RequestContext } from '../../protocol/context.ts'
import { compilingPolicies } from '../../protocol/iam/compiled.ts'
import { entityArn } from '../../protocol/iam/identity.ts'
import type { Policy } from '../../protocol/iam/policy.ts'
import type { ResolvedPrincipal } from '../../protocol/iam/principal.ts'
import { isNameDependent, isPersonal } from '../../protocol/iam/reach.ts'
import type { RoleRecord } from '../../protocol/iam/role-record.ts'
import type { Meter, Work } from '../../protocol/work.ts'
import type { IamCall } from '../../gateway/port/iam-backend.ts'

/** A bucket's policy as it is stored. */
export interface BucketPolicyText {
  readonly policy: string
  /** What the ARNs in it meant when it was stored. */
  readonly principals: readonly ResolvedPrincipal[]
}

/** What has to be read, all of it linearizably. */
export interface SurroundingsOptions {
  /** All buckets of the account that have a policy. */
  readonly bucketPolicies: (
    context: RequestContext,
    accountId: string,
  ) => Promise<readonly BucketPolicyText[]>
  /** All roles of the account that exist. */
  readonly roles: (context: RequestContext, accountId: string) => Promise<readonly RoleRecord[]>
}

/** A role whose trust policy names principals of its account. */
export interface TrustingRole {
  readonly role: RoleRecord
  readonly arn: string
  readonly trust: Policy
}

/**
 * The policies that name some principals and not others. Those that treat all alike give the caller
 * the same, so they change nothing in a comparison.
 */
export interface BucketSurroundings {
  /** A policy that cannot be read denies everything to all principals, so it gives nothing. */
  readonly bucketPolicies: readonly Policy[]
  readonly roles: readonly TrustingRole[]
  /** Do some of these policies compare the caller's name? */
  readonly nameDependent: boolean
}

/**
 * Reads the surroundings of the caller's account. Costs a read for each bucket and role of it. Throws
 * StoreError Unavailable, and BudgetError when parsing takes too many steps.
 */
export async function surroundingsOf(
  { bucketPolicies, roles }: SurroundingsOptions,
  { context, caller: { accountId }, inTurns }: IamCall,
  meter: Meter,
): Promise<BucketSurroundings> {
  const [texts, records] = await Promise.all([
    bucketPolicies(context, accountId),
    roles(context, accountId),
  ])
  return inTurns(reading(texts, records, meter))
}

/** Parses what was read, and leaves out what is not personal. */
function* reading(
  texts: readonly BucketPolicyText[],
  records: readonly RoleRecord[],
  meter: Meter,
): Work<BucketSurroundings> {
  const sources = texts.map(({ policy, principals }) => ({ name: '', text: policy, principals }))
  const policies = (yield* compilingPolicies(sources, meter, 'resource'))
    .map(({ policy }) => policy)
    .filter((policy) => policy !== undefined)
    .filter(isPersonal)
  const trusting: TrustingRole[] = []
  for (const role of records) {
    const source = { name: '', text: role.trust, principals: role.principals }
    const [compiled] = yield* compilingPolicies([source], meter, 'trust')
    const trust = compiled?.policy
    if (trust === undefined || !isPersonal(trust)) continue
    const arn = entityArn(role.accountId, 'role', role.path, role.name)
    trusting.push({ role, trust, arn })
  }
  return {
    bucketPolicies: policies,
    roles: trusting,
    nameDependent:
      policies.some(isNameDependent) || trusting.some(({ trust }) => isNameDependent(trust)),
  }
}
