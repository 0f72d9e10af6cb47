/**
 * Rights that are held by name (F31): what the bucket and trust policies of an account grant and deny to one of its
 * users or roles. The result is two bounds: the rights in any request are between them.
 *
 * The bounds are written as identity policies, so that rights.ts can compare what the granting caller surely has with
 * what the other one may have. A policy that treats all principals of the account alike makes no difference between
 * the two, and is left out (`isPersonal`).
 */

import type { Meter, Work } from '../work.ts'
import { isPrincipalKey } from './condition-keys.ts'
import { statementVerdict } from './evaluate.ts'
import type { Policy, Statement } from './policy.ts'
import { hasVariables } from './template.ts'

/** A user or role of the account whose policies are looked at. */
export interface Bearer {
  readonly accountId: string
  /** 'AIDA…' or 'AROA…'. Absent when any caller is meant, whose present rights do not matter. */
  readonly id?: string | undefined
  /** aws:userid of a session, when it is known. */
  readonly userId?: string | undefined
}

/** `account`: as one of its account; `maybe`: it depends on what is not known here. */
type Match = 'yes' | 'maybe' | 'account' | 'no'

/** Does the policy tell one principal of an account from another one? */
export function isPersonal({ statements, kind }: Policy): boolean {
  // A trust policy for all callers lets one in without a right of its own.
  return statements.some(
    (each) => tellsApart(each) || (kind === 'trust' && each.principals?.everyone === true),
  )
}

function tellsApart(statement: Statement): boolean {
  const { principals, exceptPrincipals } = statement
  return (
    exceptPrincipals ||
    (principals !== undefined && (principals.ids.size > 0 || principals.unresolved.size > 0)) ||
    asksForName(statement)
  )
}

/** Does its meaning depend on the name of a principal? */
export function isNameDependent({ statements }: Policy): boolean {
  return statements.some((each) => asksForName(each) || (each.principals?.unresolved.size ?? 0) > 0)
}

function asksForName({ resources, conditions }: Statement): boolean {
  return (
    resources.some(({ fields }) => fields.some(hasVariables)) ||
    conditions.some(
      ({ key, values }) =>
        (isPrincipalKey(key) && !OF_ACCOUNT.has(key)) || values.some(hasVariables),
    )
  )
}

/** The same for all principals of an account. */
const OF_ACCOUNT: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalisawsservice',
  'aws:principalorgid',
])

/** What the policy of a bucket of its account surely allows it, and all that it may deny it. */
export function leastRights({ statements }: Policy, who: Bearer): Policy {
  return identityPolicy(
    statements.filter((statement) => {
      const match = matchOf(statement, who)
      return statement.effect === 'Allow' ? match === 'yes' : match !== 'no'
    }),
  )
}

/** All that the policy of a bucket of its account may allow it, and what it surely denies it. */
export function mostRights({ statements }: Policy, who: Bearer): Policy {
  return identityPolicy(
    statements.filter((statement) => {
      const match = matchOf(statement, who)
      if (statement.effect === 'Deny') return match === 'yes' || match === 'account'
      return who.id !== undefined && (match === 'yes' || match === 'maybe')
    }),
  )
}

/**
 * May it assume the role with this trust policy by a right that a principal with the same identity policies would not
 * have? What the trust policy denies is left out: that only takes away.
 *
 * @param own its identity policies, which decide where the role trusts its account
 */
export function* assuming(
  trust: Policy,
  roleArn: string,
  who: Bearer,
  own: readonly Policy[],
  meter: Meter,
): Work<boolean> {
  const uneven = trust.statements.some((each) => each.effect === 'Deny' && tellsApart(each))
  for (const statement of trust.statements) {
    if (statement.effect !== 'Allow') continue
    if (!(yield* isAbout(statement, roleArn, meter))) continue
    const match = matchOf(statement, who)
    if (match === 'account') {
      if (!uneven && !asksForName(statement)) continue
      if (yield* mayAllowAssuming(own, roleArn, meter)) return true
    } else if (match !== 'no' && who.id !== undefined) {
      // Whom it names needs no right of its own: a right that is given to anybody opens nothing.
      return true
    }
  }
  return false
}

/** Do identity policies say anything that may allow to take on this role? */
function* mayAllowAssuming(
  policies: readonly Policy[],
  roleArn: string,
  meter: Meter,
): Work<boolean> {
  for (const { statements } of policies) {
    for (const each of statements) {
      if (each.effect === 'Allow' && (yield* isAbout(each, roleArn, meter))) return true
    }
  }
  return false
}

/** Whatever its conditions are. */
function* isAbout(statement: Statement, roleArn: string, meter: Meter): Work<boolean> {
  const plain = { ...statement, conditions: [] }
  return (yield* statementVerdict(plain, 'sts:assumerole', roleArn, new Map(), meter)) !== 'no'
}

function matchOf(statement: Statement, who: Bearer): Match {
  const { principals, exceptPrincipals } = statement
  if (principals === undefined) return 'yes'
  const match = namedBy(principals, who)
  if (!exceptPrincipals) {
    // An ARN that is not resolved allows no principal.
    const namesake = principals.unresolved.size > 0 && statement.effect === 'Deny'
    return namesake && (match === 'no' || match === 'account') ? 'maybe' : match
  }
  if (match === 'yes') return 'no'
  return match === 'maybe' || principals.unresolved.size > 0 ? 'maybe' : 'yes'
}

function namedBy(
  { everyone, ids, accounts }: NonNullable<Statement['principals']>,
  { id, userId, accountId }: Bearer,
): Match {
  if (everyone) return 'yes'
  if (id !== undefined) {
    if (ids.has(id) || (userId !== undefined && ids.has(userId))) return 'yes'
    // A session of the role, of another name or of one that is not known.
    for (const each of ids) if (each.startsWith(`${id}:`)) return 'maybe'
  }
  return accounts.has(accountId) ? 'account' : 'no'
}

function identityPolicy(statements: readonly Statement[]): Policy {
  return {
    kind: 'identity',
    statements: statements.map((statement) => ({
      ...statement,
      principals: undefined,
      exceptPrincipals: false,
    })),
  }
}
