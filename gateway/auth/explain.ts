/**
 * Explains why a request was denied. Callers are told which policy and statement decided only if they may read that
 * policy. For identity and session policies, the caller must be allowed to simulate itself. For a bucket policy, it
 * must belong to the bucket's account and be allowed to get the policy.
 */

import type { Meter, Work } from '../../protocol/work.ts'
import {
  deciding,
  type Decision,
  type PolicySource,
  type Question,
} from '../../protocol/iam/decide.ts'
import type { BucketInfo } from '../port/buckets.ts'
import { ConditionValues, type Circumstances } from './condition-values.ts'
import { S3Error } from '../http/errors.ts'

/** How AWS's text names the policies of each source. */
const KINDS: Readonly<Record<PolicySource, readonly [kind: string, article: string]>> = {
  account: ['identity-based policy', 'an'],
  identity: ['identity-based policy', 'an'],
  session: ['session policy', 'a'],
  boundary: ['permissions boundary', 'a'],
  resource: ['resource-based policy', 'a'],
  acl: ['access control list', 'an'],
}

/**
 * AccessDenied, with AWS's text and the deciding policy when the caller may know it, else with nothing but the code.
 * `bucket` is the one whose policy was evaluated. `meter` is that of the decision: explaining uses the rest of its
 * budget.
 */
export function* denied(
  decision: Decision,
  question: Question,
  bucket: BucketInfo | undefined,
  about: Circumstances,
  meter: Meter,
): Work<S3Error> {
  if (!(yield* mayExplain(decision, question, bucket, about, meter)))
    return new S3Error('AccessDenied')
  const { action, resource } = question
  const { by, source } = decision
  const who = `User: ${about.identity.principalArn} is not authorized to perform: ${action} on resource: "${resource}"`
  const [kind, article] = KINDS[source]
  if (by === undefined) {
    return new S3Error('AccessDenied', `${who} because no ${kind} allows the ${action} action`, {
      details: { Reason: 'no-allow' },
    })
  }
  const place = by.statement === undefined ? 'cannot be read' : `Statement[${by.statement}]`
  return new S3Error(
    'AccessDenied',
    `${who} with an explicit deny in ${article} ${kind}: ${by.policy}, ${place}`,
    {
      details: {
        Reason: 'explicit-deny',
        DecidingPolicy: by.policy,
        DecidingStatement: place,
        ...(by.sid === undefined ? {} : { DecidingSid: by.sid }),
      },
    },
  )
}

/**
 * Whether the caller may read the policy that decided, by a decision of its own. Never for requests without a
 * signature.
 */
function* mayExplain(
  { source }: Decision,
  question: Question,
  bucket: BucketInfo | undefined,
  about: Circumstances,
  meter: Meter,
): Work<boolean> {
  const { identity } = about
  if (question.caller === 'anonymous') return false
  // The version of the object means nothing for the right to read a policy.
  const context = new ConditionValues(about)
  if (source === 'resource') {
    if (bucket === undefined || bucket.ownerAccount !== identity.accountId) return false
    const resource = `arn:aws:s3:::${bucket.name}`
    const asked = { ...question, action: 's3:GetBucketPolicy', resource, context }
    return (yield* deciding(asked, meter)).allowed
  }
  const asked = {
    ...question,
    resourcePolicy: undefined,
    restrictPublicBuckets: undefined,
    grants: undefined,
    resourceAccount: identity.accountId,
    action: 'iam:SimulatePrincipalPolicy',
    resource: identity.roleArn ?? identity.principalArn,
    context,
  }
  return (yield* deciding(asked, meter)).allowed
}
