/**
 * The decision about a request, from every policy that applies to it (F29):
 *
 *   1. A Deny in an identity, session or resource policy denies when it applies. It also denies when it is not
 *      known whether it applies. So does a policy that can't be read.
 *   2. A caller of the resource's account: its root may do everything; others may do what an identity policy or the
 *      resource policy allows. A resource policy that only names their account leaves the decision to identity
 *      policies.
 *   3. A caller of another account: both must allow.
 *   4. A caller without a signature: the resource policy decides. So does the trust policy of a role for whoever has a token
 *      of an OIDC provider.
 *      In 2 to 4 a grant of the resource's access control list counts as an Allow of its policy: to everybody as one
 *      that names the caller, to an account as one that only names the account.
 *      Of an object that another account than the bucket's owns, the account in 2 and 3 is its owner, and the bucket's
 *      policy allows nothing.
 *   5. Session policies must allow it in every case.
 *   6. The permissions boundary of a user or role must allow it too, unless a resource policy of the caller's account
 *      gives it to this very user or session, or to everybody. A Deny in it counts as one of rule 1.
 *   7. Otherwise it is denied.
 *
 * The root of the account that owns a bucket may always read and replace the bucket's policy, so that a
 * policy can't lock out all callers for good. A public policy of a bucket that restricts public access allows its
 * account's principals only. Neither does its access control list count for others then. Pure.
 */

import { finish, Meter, type Work } from '../work.ts'
import { grantedBy, type AclGrant } from './acl.ts'
import { isPublicPolicy } from './bucket-policy.ts'
import { statementVerdict } from './evaluate.ts'
import type { Policy, Statement } from './policy.ts'
import { matchPrincipal, type Caller, type PrincipalMatch } from './principal.ts'
import type { ContextValues } from './template.ts'

/** A policy as an explanation names it. Without `policy`: it can't be read, and may have held a deny. */
export interface CompiledPolicy {
  readonly name: string
  readonly policy: Policy | undefined
}

export interface Question {
  readonly caller: Caller
  readonly identityPolicies: readonly CompiledPolicy[]
  /** Absent when there is no session, or one without limits of its own. */
  readonly sessionPolicies?: readonly CompiledPolicy[] | undefined
  /** The permissions boundary of the user or role. */
  readonly boundary?: CompiledPolicy | undefined
  /** The policy of a bucket, or the trust policy of a role. */
  readonly resourcePolicy?: CompiledPolicy | undefined
  /** The access control list that applies to the action. Absent when there is none, or when lists do not count. */
  readonly grants?: readonly AclGrant[] | undefined
  /**
   * The account that decides about the action as owner of the object, where it is not `resourceAccount`. Then the policy of
   * the bucket can deny it, and not allow it.
   */
  readonly objectOwner?: string | undefined
  /** True for roles: identity policies alone let no caller in, not even the account's root. */
  readonly resourceMustAllow?: boolean | undefined
  /** Restricts a public bucket policy to the bucket's account. */
  readonly restrictPublicBuckets?: boolean | undefined
  /** Whose the resource is; the caller's own when nothing is there yet. */
  readonly resourceAccount: string
  /** 's3:GetObject', in any case. */
  readonly action: string
  /** 'arn:aws:s3:::bucket/key'. */
  readonly resource: string
  /**
   * By lower-case key. It may leave out what the question itself tells: aws:PrincipalArn, PrincipalAccount,
   * PrincipalType, userid, username, s3:ResourceAccount.
   */
  readonly context: ContextValues
}

/** Kind of policy. `account`: no policy, the account's root. `acl`: no policy, a grant. */
export type PolicySource = 'identity' | 'session' | 'boundary' | 'resource' | 'account' | 'acl'

export interface Decision {
  readonly allowed: boolean
  readonly kind: 'allow' | 'explicit-deny' | 'default-deny'
  /** The policy that decided. For a default deny: where an Allow was missing first. */
  readonly source: PolicySource
  /** Absent for a default deny, for the root and for a grant. */
  readonly by?: DecidingStatement | undefined
}

export interface DecidingStatement {
  readonly policy: string
  /** Index in the policy; absent when the policy can't be read. */
  readonly statement?: number | undefined
  readonly sid?: string | undefined
}

const BY_ACCOUNT: Decision = { allowed: true, kind: 'allow', source: 'account' }
const BY_GRANT: Decision = { allowed: true, kind: 'allow', source: 'acl' }

/**
 * The most steps that a decision can take. It is more than the largest policies that the quotas allow need for
 * resources and values of 1,000 characters: 730,000 characters of policies of a caller, its groups, its session and a
 * bucket. A decision that would take more is a denial.
 */
export const DECISION_STEPS_MAX = 400_000_000

/** Without interruption: for few policies, and for tests. */
export function decide(question: Question): Decision {
  return finish(deciding(question, new Meter()))
}

/** Throws BudgetError of the meter. */
export function* deciding(question: Question, meter: Meter): Work<Decision> {
  const { caller, identityPolicies, sessionPolicies, boundary, resourcePolicy } = question
  const { resourceAccount, objectOwner = resourceAccount } = question
  const known = caller === 'anonymous' ? undefined : caller
  // A bucket that restricts public access lets in nobody from outside, not even the owners of its objects.
  const letsIn = known?.accountId === resourceAccount || !isRestricted(question)
  const own = letsIn && known?.accountId === objectOwner
  const isOwner = own && known.isRoot && question.resourceMustAllow !== true
  const nothingSaid = resourcePolicy === undefined && sessionPolicies === undefined
  if (isOwner && nothingSaid && identityPolicies.length === 0) return BY_ACCOUNT
  const subject: Subject = {
    caller,
    action: question.action.toLowerCase(),
    resource: question.resource,
    context: contextOf(question),
    meter,
  }
  const identity = yield* weigh(identityPolicies, subject)
  const session = sessionPolicies === undefined ? undefined : yield* weigh(sessionPolicies, subject)
  const limit = boundary === undefined ? undefined : yield* weigh([boundary], subject)
  const bucket = resourcePolicy === undefined ? NOTHING : yield* weigh([resourcePolicy], subject)
  if (identity.deny !== undefined) return denied('identity', identity.deny)
  if (session?.deny !== undefined) return denied('session', session.deny)
  if (limit?.deny !== undefined) return denied('boundary', limit.deny)
  const locksOut = !(isOwner && POLICY_ACTIONS.has(subject.action))
  if (bucket.deny !== undefined && locksOut) return denied('resource', bucket.deny)

  const byIdentity: Decision | undefined =
    known?.isRoot === true ? BY_ACCOUNT : allowed('identity', identity.allow)
  const grants = letsIn ? question.grants : undefined
  const counts = letsIn && objectOwner === resourceAccount
  const granted = grants && grantedBy(grants, subject.action, caller)
  const byName =
    (counts ? allowed('resource', bucket.allow) : undefined) ??
    (granted === 'named' ? BY_GRANT : undefined)
  const byRole = counts ? allowed('resource', bucket.allowRole) : undefined
  const byAccount =
    (counts ? allowed('resource', bucket.allowAccount) : undefined) ??
    (granted === 'account' ? BY_GRANT : undefined)
  const decision = combine()
  if (decision.allowed && session !== undefined && session.allow === undefined) {
    return missing('session')
  }
  return decision

  function combine(): Decision {
    if (known === undefined || known.type === 'Federated') return byName ?? missing('resource')
    if (own && question.resourceMustAllow !== true) {
      return within(byIdentity) ?? byName ?? within(byRole) ?? lacking(byIdentity ?? byRole)
    }
    if ((byName ?? byRole ?? byAccount) === undefined) return missing('resource')
    if (own && byName !== undefined) return byName
    const granted = own ? (byRole ?? byIdentity) : byIdentity
    return within(granted) ?? lacking(granted)
  }

  /** What the boundary leaves of it. */
  function within(granted: Decision | undefined): Decision | undefined {
    return limit === undefined || limit.allow !== undefined ? granted : undefined
  }

  function lacking(granted: Decision | undefined): Decision {
    return missing(granted === undefined ? 'identity' : 'boundary')
  }
}

const POLICY_ACTIONS: ReadonlySet<string> = new Set([
  's3:getbucketpolicy',
  's3:putbucketpolicy',
  's3:deletebucketpolicy',
])

function isRestricted({ restrictPublicBuckets, resourcePolicy }: Question): boolean {
  const policy = resourcePolicy?.policy
  return restrictPublicBuckets === true && policy !== undefined && isPublicPolicy(policy)
}

interface Subject {
  readonly caller: Caller
  readonly action: string
  readonly resource: string
  readonly context: ContextValues
  readonly meter: Meter
}

/** What policies of one kind say: the first of each. */
interface Weighed {
  readonly deny?: DecidingStatement | undefined
  readonly allow?: DecidingStatement | undefined
  /** Allows it to the role whose session asks. */
  readonly allowRole?: DecidingStatement | undefined
  /** Allows only what the caller's account allows as well. */
  readonly allowAccount?: DecidingStatement | undefined
}

const NOTHING: Weighed = {}
/** What a statement takes besides its patterns. */
const STATEMENT_STEPS = 64

function* weigh(policies: readonly CompiledPolicy[], subject: Subject): Work<Weighed> {
  const { action, resource, context, meter } = subject
  let allow: DecidingStatement | undefined
  let allowRole: DecidingStatement | undefined
  let allowAccount: DecidingStatement | undefined
  for (const { name, policy } of policies) {
    if (policy === undefined) return { deny: { policy: name } }
    for (const [index, statement] of policy.statements.entries()) {
      if (statement.effect === 'Allow' && allow !== undefined) continue
      const match = principalMatch(statement, subject.caller)
      meter.take(STATEMENT_STEPS)
      if (meter.isDue()) yield
      if (match === 'none') continue
      const verdict = yield* statementVerdict(statement, action, resource, context, meter)
      const where = { policy: name, statement: index, sid: statement.sid }
      if (statement.effect === 'Deny') {
        if (verdict !== 'no') return { deny: where }
      } else if (verdict === 'yes') {
        if (match === 'named') allow = where
        else if (match === 'role') allowRole ??= where
        else allowAccount ??= where
      }
    }
  }
  return { allow, allowRole, allowAccount }
}

/** NotPrincipal: an account in it means its root only, and a user of that account is not excepted. */
function principalMatch(statement: Statement, caller: Caller): PrincipalMatch {
  if (statement.principals === undefined) return 'named'
  // Whom an unresolved ARN means is not known: it denies, and it does not except from a Deny.
  const byName = (statement.effect === 'Deny') !== statement.exceptPrincipals
  const match = matchPrincipal(statement.principals, caller, byName)
  if (!statement.exceptPrincipals) return match
  return match === 'named' || match === 'role' ? 'none' : 'named'
}

/** The request's own values, and what the question tells of who asks for what. */
function contextOf(question: Question): ContextValues {
  const { caller, resourceAccount, context } = question
  const told = new Map<string, readonly string[]>([
    ['s3:resourceaccount', [resourceAccount]],
    ['aws:resourceaccount', [resourceAccount]],
  ])
  if (caller === 'anonymous') {
    told.set('aws:principaltype', ['Anonymous']).set('aws:userid', ['anonymous'])
  } else if (caller.type !== 'Federated') {
    told.set('aws:principaltype', [caller.type])
    told.set('aws:principalaccount', [caller.accountId])
    told.set('aws:principalarn', [caller.roleArn ?? caller.arn])
    if (caller.userId !== undefined) told.set('aws:userid', [caller.userId])
    if (caller.userName !== undefined) told.set('aws:username', [caller.userName])
  }
  return {
    get: (key) => context.get(key) ?? told.get(key),
    has: (key) => context.has(key) || told.has(key),
  }
}

function allowed(source: PolicySource, by: DecidingStatement | undefined): Decision | undefined {
  return by === undefined ? undefined : { allowed: true, kind: 'allow', source, by }
}

function denied(source: PolicySource, by: DecidingStatement): Decision {
  return { allowed: false, kind: 'explicit-deny', source, by }
}

function missing(source: PolicySource): Decision {
  return { allowed: false, kind: 'default-deny', source }
}
