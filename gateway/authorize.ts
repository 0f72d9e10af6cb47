/**
 * May this caller do this: the one place where the gateway asks protocol/iam (row 30).
 *
 * A denied caller learns that it was denied; which policy and statement decided it learns only who has
 * the right to read that policy: of identity and session policies the caller that may simulate itself,
 * of a bucket policy a caller of the bucket's account that may get it.
 */

import { compiledPolicy } from '../protocol/iam/compiled.ts'
import {
  decide,
  type CompiledPolicy,
  type Decision,
  type Question,
} from '../protocol/iam/decide.ts'
import type { Caller } from '../protocol/iam/principal.ts'
import type { BucketAccess, Identity } from './backend.ts'
import { ConditionValues, type Circumstances } from './condition-values.ts'
import { S3Error } from './errors.ts'

/** Who sends a request without a signature. */
export const ANONYMOUS: Identity = {
  accountId: 'anonymous',
  principalArn: '*',
  principalId: 'anonymous',
  userName: '',
  type: 'Anonymous',
  isRoot: false,
  policies: [],
}

export interface Access {
  readonly action: string
  /** ARN. */
  readonly resource: string
  /** Whose the resource is, and what its policy says. Absent: nobody's yet, or the caller's account's. */
  readonly bucket?: BucketAccess | undefined
  /** s3:VersionId, when the request's own does not name it. */
  readonly versionId?: string | undefined
}

/** Throws AccessDenied. */
export function authorize(access: Access, about: Circumstances): void {
  const question = questionOf(access, about)
  const decision = decide(question)
  if (!decision.allowed) throw denied(decision, question, access, about)
}

export function isAllowed(access: Access, about: Circumstances): boolean {
  return decide(questionOf(access, about)).allowed
}

function questionOf(access: Access, about: Circumstances): Question {
  const { identity } = about
  const subject = subjectOf(identity)
  const { bucket } = access
  const policy = bucket?.settings.policy
  return {
    caller: subject.caller,
    identityPolicies: subject.policies,
    sessionPolicies: subject.sessionPolicies,
    resourcePolicy:
      policy === undefined ? undefined : compiledPolicy('bucket policy', policy, 'resource'),
    restrictPublicBuckets: bucket?.settings.publicAccessBlock?.restrictPublicBuckets,
    resourceAccount: bucket?.info.ownerAccount ?? identity.accountId,
    action: access.action,
    resource: access.resource,
    context: new ConditionValues(about, access.versionId),
  }
}

interface Subject {
  readonly caller: Caller
  readonly policies: readonly CompiledPolicy[]
  readonly sessionPolicies: readonly CompiledPolicy[] | undefined
}

/** Identities are cached by the backend and asked often. */
const subjects = new WeakMap<Identity, Subject>()

function subjectOf(identity: Identity): Subject {
  let subject = subjects.get(identity)
  if (subject === undefined) {
    const { type } = identity
    subject = {
      caller:
        type === 'Anonymous'
          ? 'anonymous'
          : {
              accountId: identity.accountId,
              arn: identity.principalArn,
              roleArn: identity.roleArn,
              type,
              isRoot: identity.isRoot,
              userId: identity.principalId,
              userName: type === 'User' ? identity.userName : undefined,
            },
      policies: identity.policies.map(({ name, text }) => compiledPolicy(name, text)),
      sessionPolicies: identity.sessionPolicies?.map(({ name, text }) =>
        compiledPolicy(name, text),
      ),
    }
    subjects.set(identity, subject)
  }
  return subject
}

function denied(
  decision: Decision,
  question: Question,
  access: Access,
  about: Circumstances,
): S3Error {
  if (!mayExplain(decision, question, access, about)) return new S3Error('AccessDenied')
  const { by, source } = decision
  const kinds = {
    identity: 'an identity-based',
    session: 'a session',
    resource: 'a resource-based',
  }
  const kind = kinds[source === 'account' ? 'identity' : source]
  const why =
    by === undefined
      ? `because no ${kind.replace(/^an? /, '')} policy allows the ${access.action} action`
      : `with an explicit deny in ${kind} policy`
  const details: Record<string, string> = {}
  if (by !== undefined) {
    details['DecidingPolicy'] = by.policy
    details['DecidingStatement'] =
      by.statement === undefined ? 'the policy can not be read' : `Statement[${by.statement}]`
    if (by.sid !== undefined) details['DecidingSid'] = by.sid
  }
  return new S3Error(
    'AccessDenied',
    `User: ${about.identity.principalArn} is not authorized to perform: ${access.action} on resource: "${access.resource}" ${why}`,
    { details: { ...details, Reason: by === undefined ? 'no-allow' : 'explicit-deny' } },
  )
}

/** Has the caller the right to read the policies that decided? */
function mayExplain(
  { source }: Decision,
  question: Question,
  { bucket }: Access,
  about: Circumstances,
): boolean {
  const { identity } = about
  if (question.caller === 'anonymous') return false
  if (source === 'resource') {
    if (bucket === undefined || bucket.info.ownerAccount !== identity.accountId) return false
    return decide({
      ...question,
      action: 's3:GetBucketPolicy',
      resource: `arn:aws:s3:::${bucket.info.name}`,
      context: new ConditionValues(about),
    }).allowed
  }
  return decide({
    ...question,
    resourcePolicy: undefined,
    restrictPublicBuckets: undefined,
    resourceAccount: identity.accountId,
    action: 'iam:SimulatePrincipalPolicy',
    resource: identity.roleArn ?? identity.principalArn,
    context: new ConditionValues(about),
  }).allowed
}
