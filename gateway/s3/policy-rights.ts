/**
 * A bucket policy may not give rights that its writer does not have (F31). protocol/iam/policy-change.ts decides;
 * this file collects what it needs to know. Called for each change of a policy or of a public access block
 * (policy.ts).
 */

import { isPublicPolicy } from '../../protocol/iam/bucket-policy.ts'
import { compiledPolicy, compilingPolicies } from '../../protocol/iam/compiled.ts'
import { forbiddenChange } from '../../protocol/iam/policy-change.ts'
import { entityIdOf } from '../../protocol/iam/principal.ts'
import { COVERING_STEPS_MAX } from '../../protocol/iam/rights.ts'
import { Meter, type Work } from '../../protocol/work.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketSettings } from '../port/buckets.ts'
import { S3Error } from '../http/errors.ts'

/** The ends of the error texts, by what forbidden change was found. */
const REASONS = {
  gives: 'because it would give rights that the caller does not have',
  lifts: 'because it would lift a Deny, which only administrators may',
} as const

/**
 * Checks a change of a bucket's settings from `before` to `after` by `identity`. `ownerAccount` is the bucket's. A
 * comparison that takes too many steps counts as forbidden. Throws AccessDenied.
 */
export function* judgingChange(
  identity: Identity,
  ownerAccount: string,
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
      before: policyOf(before),
      after: policyOf(after)?.policy,
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
