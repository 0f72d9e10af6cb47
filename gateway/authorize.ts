/** May this caller do this: the one place where the gateway asks protocol/iam (row 30). */

import { compiledPolicy } from '../protocol/iam/compiled.ts'
import { decide, type CompiledPolicy, type Question } from '../protocol/iam/decide.ts'
import type { Caller } from '../protocol/iam/principal.ts'
import type { BucketAccess, Identity } from './backend.ts'
import { ConditionValues, type Circumstances } from './condition-values.ts'
import { denied } from './explain.ts'

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
  if (!decision.allowed) throw denied(decision, question, access.bucket?.info, about)
}

export function isAllowed(access: Access, about: Circumstances): boolean {
  return decide(questionOf(access, about)).allowed
}

function questionOf(access: Access, about: Circumstances): Question {
  const { identity } = about
  const subject = subjectOf(identity)
  const { bucket } = access
  const { policy, principals } = bucket?.settings ?? {}
  return {
    caller: subject.caller,
    identityPolicies: subject.policies,
    sessionPolicies: subject.sessionPolicies,
    resourcePolicy:
      policy === undefined
        ? undefined
        : compiledPolicy('bucket policy', policy, 'resource', principals),
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
