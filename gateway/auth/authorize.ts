/**
 * Decides whether a caller may do something: the only place where the gateway asks protocol/iam (F30). Used by the
 * gate for the target of a request, by handlers for sources of copies and keys of a list, and by the query API.
 *
 * Work that grows with the policies is counted and takes turns with other requests; a decision that would take longer
 * than its budget is a denial (F27b).
 */

import { compilingPolicies } from '../../protocol/iam/compiled.ts'
import {
  deciding,
  DECISION_STEPS_MAX,
  type CompiledPolicy,
  type Question,
} from '../../protocol/iam/decide.ts'
import type { Caller } from '../../protocol/iam/principal.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketAccess } from '../port/buckets.ts'
import { ConditionValues, type Circumstances } from './condition-values.ts'
import { S3Error } from '../http/errors.ts'
import { denied } from './explain.ts'
import type { InTurns } from '../port/in-turns.ts'

/** The identity of a request without a signature. */
export const ANONYMOUS: Identity = {
  accountId: 'anonymous',
  principalArn: '*',
  principalId: 'anonymous',
  userName: '',
  type: 'Anonymous',
  isRoot: false,
  policies: [],
}

/** One right that a request needs on one resource. */
export interface Access {
  readonly action: string
  /** ARN. */
  readonly resource: string
  /** The bucket that the resource belongs to. Absent for a new bucket and for resources of the caller's account. */
  readonly bucket?: BucketAccess | undefined
  /** s3:VersionId. */
  readonly versionId?: string | undefined
}

/** A request that asks for rights, with the queue for the evaluation of many policies. */
export interface Applicant extends Circumstances {
  readonly inTurns: InTurns
}

/**
 * Throws AccessDenied, or rejects with it, unless `about` may do `access`. Returns nothing at once when the decision
 * needs no turn of the queue, so that the usual request pays for no promise. The error says why only to callers who
 * may know (explain.ts).
 */
export function authorize(access: Access, about: Applicant): void | Promise<void> {
  return about.inTurns(authorizing(access, about))
}

/** The decision without an error: for callers that choose between two answers. */
export function isAllowed(access: Access, about: Applicant): boolean | Promise<boolean> {
  return about.inTurns(allowing(access, about))
}

function* authorizing(access: Access, about: Applicant): Work<void> {
  const meter = new Meter(DECISION_STEPS_MAX)
  try {
    const question = yield* questionOf(access, about, meter)
    const decision = yield* deciding(question, meter)
    if (decision.allowed) return
    throw yield* denied(decision, question, access.bucket?.info, about, meter)
  } catch (error) {
    throw error instanceof BudgetError ? undecided(error) : error
  }
}

function* allowing(access: Access, about: Applicant): Work<boolean> {
  const meter = new Meter(DECISION_STEPS_MAX)
  try {
    return (yield* deciding(yield* questionOf(access, about, meter), meter)).allowed
  } catch (error) {
    if (error instanceof BudgetError) return false
    throw error
  }
}

/** Without a decision the request is denied. It is not a 503, because a retry would take as long. */
function undecided(cause: BudgetError): S3Error {
  return new S3Error(
    'AccessDenied',
    'The policies that apply to this request take longer to evaluate than a request may use',
    { cause },
  )
}

/**
 * The question for protocol/iam. Without a bucket the resource belongs to the caller's account, and no resource
 * policy takes part.
 */
function* questionOf(access: Access, about: Circumstances, meter: Meter): Work<Question> {
  const { identity } = about
  const subject = yield* subjectOf(identity, meter)
  const { bucket } = access
  const { policy, principals } = bucket?.settings ?? {}
  const resourcePolicies =
    policy === undefined
      ? []
      : yield* compilingPolicies(
          [{ name: 'bucket policy', text: policy, principals }],
          meter,
          'resource',
        )
  return {
    caller: subject.caller,
    identityPolicies: subject.policies,
    sessionPolicies: subject.sessionPolicies,
    resourcePolicy: resourcePolicies[0],
    restrictPublicBuckets: bucket?.settings.publicAccessBlock?.restrictPublicBuckets,
    resourceAccount: bucket?.info.ownerAccount ?? identity.accountId,
    action: access.action,
    resource: access.resource,
    context: new ConditionValues(about, access.versionId),
  }
}

/** An identity in the form of protocol/iam, with its policies compiled. */
interface Subject {
  readonly caller: Caller
  readonly policies: readonly CompiledPolicy[]
  readonly sessionPolicies: readonly CompiledPolicy[] | undefined
}

/** Converted once for each identity: the backend caches identities, and they are used often. */
const subjects = new WeakMap<Identity, Subject>()

function* subjectOf(identity: Identity, meter: Meter): Work<Subject> {
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
      policies: yield* compilingPolicies(identity.policies, meter),
      sessionPolicies:
        identity.sessionPolicies && (yield* compilingPolicies(identity.sessionPolicies, meter)),
    }
    subjects.set(identity, subject)
  }
  return subject
}
