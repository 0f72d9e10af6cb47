/**
 * Nobody gives rights on a bucket that they do not have, by its policy or its access control list (F31).
 * protocol/iam/policy-change.ts decides; this file collects what it needs to know. Called for each change of what decides
 * about access to a bucket (access-change.ts).
 */

import { isPublicPolicy } from '../../protocol/iam/bucket-policy.ts'
import { compiledPolicy, compilingPolicies } from '../../protocol/iam/compiled.ts'
import { aclStatements, objectAclStatements } from '../../protocol/iam/acl.ts'
import type { CompiledPolicy } from '../../protocol/iam/decide.ts'
import type { Statement } from '../../protocol/iam/policy.ts'
import { forbiddenChange } from '../../protocol/iam/policy-change.ts'
import { entityIdOf } from '../../protocol/iam/principal.ts'
import { COVERING_STEPS_MAX } from '../../protocol/iam/rights.ts'
import { Meter, type Work } from '../../protocol/work.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketInfo, BucketSettings } from '../port/buckets.ts'
import { allowsAcls, countingGrants } from '../auth/acl-settings.ts'
import { S3Error } from '../http/errors.ts'

/** The ends of the error texts, by what forbidden change was found. */
const REASONS = {
  gives: 'because it would give rights that the caller does not have',
  lifts: 'because it would lift a Deny, which only administrators may',
} as const

/**
 * Checks a change of a bucket's settings from `before` to `after` by `identity`: of its policy, its access control list,
 * and of what makes these count. A comparison that takes too many steps counts as forbidden. Throws AccessDenied.
 */
export function* judgingChange(
  identity: Identity,
  { name, ownerAccount }: Pick<BucketInfo, 'name' | 'ownerAccount'>,
  before: BucketSettings,
  after: BucketSettings,
): Work<void> {
  const { accountId, principalId, isRoot, policies, sessionPolicies, boundary } = identity
  const meter = new Meter(COVERING_STEPS_MAX)
  // The identity policies of a caller from another account do not say what this account may give.
  const own = accountId === ownerAccount
  const forbidden = yield* forbiddenChange(
    {
      who: { accountId, id: entityIdOf(principalId), userId: principalId },
      isRoot: own && isRoot,
      identityPolicies: yield* compilingPolicies(own ? policies : [], meter),
      sessionPolicies: sessionPolicies && (yield* compilingPolicies(sessionPolicies, meter)),
      boundary: boundary && (yield* compilingPolicies([boundary], meter)),
      before: rightsOf(before, name, ownerAccount),
      after: rightsOf(after, name, ownerAccount)?.policy,
      // What a list grants to another account its root has, whatever policies that account has.
      held: !own && isRoot ? statementsFor(before, name, ownerAccount, accountId) : [],
      // Which grants the objects have is not known: at most these.
      begun: objectLists(after) > objectLists(before) ? objectAclStatements(name) : [],
      wasRestricted: isRestricted(before) && !isRestricted(after),
    },
    meter,
  )
  if (forbidden === undefined) return
  throw new S3Error(
    'AccessDenied',
    `User: ${identity.principalArn} is not authorized to change who may use the bucket, ${REASONS[forbidden]}`,
  )
}

/** What the policy and the list of the bucket say, as one policy. Undefined when the bucket has neither. */
function rightsOf(
  settings: BucketSettings,
  bucket: string,
  owner: string,
): CompiledPolicy | undefined {
  const compiled = policyOf(settings)
  const granted = aclStatements(countingGrants(settings) ?? [], bucket, owner)
  if (granted.length === 0 || (compiled !== undefined && compiled.policy === undefined)) {
    return compiled
  }
  const statements = [...(compiled?.policy?.statements ?? []), ...granted]
  return { name: 'bucket policy', policy: { kind: 'resource', statements } }
}

/** What the list of the bucket grants to this account, or to all. */
function statementsFor(
  settings: BucketSettings,
  bucket: string,
  owner: string,
  accountId: string,
): readonly Statement[] {
  const grants = isRestricted(settings) ? [] : (countingGrants(settings) ?? [])
  const own = grants.filter(({ account, group }) => group !== undefined || account === accountId)
  return aclStatements(own, bucket, owner)
}

/** How much the lists of the bucket's objects count: the higher, the more of their grants do. */
function objectLists(settings: BucketSettings): number {
  if (!allowsAcls(settings)) return 0
  if (isRestricted(settings)) return 1
  return settings.publicAccessBlock?.ignorePublicAcls === true ? 2 : 3
}

/** The compiled policy, from the cache of compiled policies; undefined when the bucket has none. */
function policyOf({ policy, principals }: BucketSettings) {
  if (policy === undefined) return undefined
  return compiledPolicy('bucket policy', policy, 'resource', principals)
}

/** Whether the bucket has a public policy that applies only within its own account. */
function isRestricted(settings: BucketSettings): boolean {
  const policy = policyOf(settings)?.policy
  return (
    settings.publicAccessBlock?.restrictPublicBuckets === true &&
    policy !== undefined &&
    isPublicPolicy(policy)
  )
}
