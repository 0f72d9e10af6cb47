/**
 * Decides whether a caller may do something: the only place where the gateway asks protocol/iam (F30). Used by the
 * gate for the target of a request, by handlers for sources of copies and keys of a list, and by the query API.
 *
 * Work that grows with the policies is counted and takes turns with other requests; a decision that would take longer
 * than its budget is a denial (F27b).
 */

import { isOwnersAction } from '../../protocol/iam/acl.ts'
import { compilingPolicies, compilingPolicy } from '../../protocol/iam/compiled.ts'
import {
  deciding,
  DECISION_STEPS_MAX,
  type CompiledPolicy,
  type Decision,
  type Question,
} from '../../protocol/iam/decide.ts'
import type { Caller } from '../../protocol/iam/principal.ts'
import { BudgetError, Meter, type Work } from '../../protocol/work.ts'
import type { Identity } from '../port/identity.ts'
import type { BucketAccess } from '../port/buckets.ts'
import { allowsAcls, countingGrants, countingObjectGrants } from './acl-settings.ts'
import {
  ConditionValues,
  type Asked,
  type Circumstances,
  type Fact,
  type KnownFacts,
} from './condition-values.ts'
import { lowerCase } from '../http/ascii.ts'
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

/** One right that a request needs on one resource. `object` is what the resource names, and its version. */
export interface Access extends Asked {
  /** ARN. */
  readonly resource: string
  /** The bucket that the resource belongs to. Absent for a new bucket and for resources of the caller's account. */
  readonly bucket?: BucketAccess | undefined
}

/** A request that asks for rights, with the queue for the evaluation of many policies. */
export interface Applicant extends Circumstances {
  readonly inTurns: InTurns
  /** Fetches what a decision lacks. Left out where there is nothing to fetch: conditions then find no values. */
  readonly fetch?: ((fact: Fact, access: Access) => Promise<KnownFacts>) | undefined
  /**
   * Notes that `access` was allowed as if the bucket's account owned the object, which was not read. Whoever reads it then
   * compares. Left out where nothing is read afterwards.
   */
  readonly assumeOwned?: ((access: Access) => void) | undefined
}

/**
 * Throws AccessDenied, or rejects with it, unless `about` may do `access`. Returns nothing at once when the decision
 * needs no turn of the queue and no fact, so that the usual request pays for no promise. The error says why only to
 * callers who may know (explain.ts). `known` is what the caller knows already.
 */
export function authorize(
  access: Access,
  about: Applicant,
  known?: KnownFacts,
): void | Promise<void> {
  return withFacts(access, about, known, authorizing)
}

/** The decision without an error: for callers that choose between two answers. */
export function isAllowed(
  access: Access,
  about: Applicant,
  known?: KnownFacts,
): boolean | Promise<boolean> {
  return withFacts(access, about, known, allowing)
}

/** Decides. When the decision lacks a fact it does not count: the fact is fetched, and the decision is made again. */
function withFacts<Decided extends boolean | void>(
  access: Access,
  about: Applicant,
  known: KnownFacts = {},
  decide: (access: Access, about: Applicant, known: KnownFacts) => Work<Decided | Fact>,
): Decided | Promise<Decided> {
  const next = (outcome: Decided | Fact): Decided | Promise<Decided> => {
    if (typeof outcome !== 'string') return outcome
    const fetched = about.fetch?.(outcome, access) ?? Promise.resolve(NOTHING)
    return fetched.then((more) => withFacts(access, about, { ...known, ...more }, decide))
  }
  const outcome = about.inTurns(decide(access, about, known))
  return outcome instanceof Promise ? outcome.then(next) : next(outcome)
}

const NOTHING: KnownFacts = { object: null, bodyTags: [], bodyLock: {}, upload: new Map() }

function* authorizing(access: Access, about: Applicant, known: KnownFacts): Work<void | Fact> {
  const meter = new Meter(DECISION_STEPS_MAX)
  const values = new ConditionValues(about, access, known)
  try {
    const question = yield* questionOf(access, about, values, known, meter)
    const decision = yield* deciding(question, meter)
    const lacking = values.lacking ?? lackingAcl(decision, access, about, known)
    if (lacking !== undefined) return lacking
    if (decision.allowed) return undefined
    throw yield* denied(decision, question, access.bucket?.info, about, meter)
  } catch (error) {
    throw error instanceof BudgetError ? undecided(error) : error
  }
}

function* allowing(access: Access, about: Applicant, known: KnownFacts): Work<boolean | Fact> {
  const meter = new Meter(DECISION_STEPS_MAX)
  const values = new ConditionValues(about, access, known)
  try {
    const question = yield* questionOf(access, about, values, known, meter)
    const decision = yield* deciding(question, meter)
    return values.lacking ?? lackingAcl(decision, access, about, known) ?? decision.allowed
  } catch (error) {
    if (error instanceof BudgetError) return false
    throw error
  }
}

/**
 * An object's own list is read only when nothing else has decided. Until it is read, the object counts as one that the bucket's
 * account owns, without grants: an Allow then holds for nearly all objects, and is compared with the object that is answered.
 */
function lackingAcl(
  decision: Decision,
  access: Access,
  about: Applicant,
  known: KnownFacts,
): Fact | undefined {
  if (known.object !== undefined || !dependsOnOwner(access)) return undefined
  if (decision.kind === 'explicit-deny') return undefined
  if (!decision.allowed) return 'object'
  about.assumeOwned?.(access)
  return undefined
}

/** Whether lists count in the bucket, and the owner of the object has a say. */
function dependsOnOwner({ action, bucket, object }: Access): boolean {
  return (
    object !== undefined &&
    bucket !== undefined &&
    allowsAcls(bucket.settings) &&
    isOwnersAction(lowerCase(action))
  )
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
function* questionOf(
  access: Access,
  about: Circumstances,
  context: ConditionValues,
  known: KnownFacts,
  meter: Meter,
): Work<Question> {
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
    boundary: subject.boundary,
    resourcePolicy: resourcePolicies[0],
    ...aclsOf(access, known),
    restrictPublicBuckets: bucket?.settings.publicAccessBlock?.restrictPublicBuckets,
    resourceAccount: bucket?.info.ownerAccount ?? identity.accountId,
    action: access.action,
    resource: access.resource,
    context,
  }
}

/** The list that the action depends on: the object's, or else the bucket's. */
function aclsOf(access: Access, known: KnownFacts): Pick<Question, 'grants' | 'objectOwner'> {
  const { bucket } = access
  if (bucket === undefined) return {}
  const { settings } = bucket
  if (!dependsOnOwner(access)) {
    // The list of a bucket says nothing about its objects.
    return isOwnersAction(lowerCase(access.action)) ? {} : { grants: countingGrants(settings) }
  }
  const { object = null } = known
  return { grants: countingObjectGrants(object, settings), objectOwner: object?.acl?.owner }
}

/** An identity in the form of protocol/iam, with its policies compiled. */
interface Subject {
  readonly caller: Caller
  readonly policies: readonly CompiledPolicy[]
  readonly sessionPolicies: readonly CompiledPolicy[] | undefined
  readonly boundary: CompiledPolicy | undefined
}

/** Converted once for each identity: the backend caches identities, and they are used often. */
const subjects = new WeakMap<Identity, Subject>()

function* subjectOf(identity: Identity, meter: Meter): Work<Subject> {
  let subject = subjects.get(identity)
  if (subject === undefined) {
    const { type, boundary } = identity
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
      boundary: yield* compilingPolicy(boundary, meter),
    }
    subjects.set(identity, subject)
  }
  return subject
}
