/**
 * Principals: whom a statement of a resource policy or of a role's trust policy names, and whether the caller is one of
 * them. The only wildcard is "*", which means all callers.
 *
 * Users and roles are meant by their unique ids, as in AWS: the ARN that a policy was given is resolved when
 * the policy is stored. A user that is renamed keeps what it was given, and another one that takes its old
 * name gets nothing. An ARN that was never resolved grants nothing: it is only ever denied.
 */

/** Who asks. */
export interface Principal {
  readonly accountId: string
  /** 'arn:aws:iam::123456789012:user/ann', '…:root', 'arn:aws:sts::…:assumed-role/role/session'. */
  readonly arn: string
  /** For a role's session: the ARN of the role itself. */
  readonly roleArn?: string | undefined
  /**
   * `Federated`: whoever has a token of an OIDC provider, and no account. `arn` and `userId` are then those of the provider.
   * Only trust policies are asked about it.
   */
  readonly type: 'Account' | 'User' | 'AssumedRole' | 'Federated'
  readonly isRoot: boolean
  /** aws:userid. */
  readonly userId?: string | undefined
  /** aws:username: users only. */
  readonly userName?: string | undefined
}

/** Who asks without a signature. */
export type Caller = Principal | 'anonymous'

/** A user, role or session that a policy names, and who that was when the policy was stored. */
export interface ResolvedPrincipal {
  /** As the policy has it. */
  readonly arn: string
  /** 'AIDA…', 'AROA…', of a session 'AROA…:session'. */
  readonly id: string
}

export interface PrincipalSet {
  /** "*": all callers, also those without a signature. */
  readonly everyone: boolean
  /** Account ids, named as such or by the account's root. */
  readonly accounts: ReadonlySet<string>
  /** Ids of users, roles and sessions (ResolvedPrincipal). */
  readonly ids: ReadonlySet<string>
  /** ARNs whose ids are not known. */
  readonly unresolved: ReadonlySet<string>
}

/**
 * `account`: only the caller's account is named, which then decides by identity policies who may. `role`: the role is
 * named whose session the caller is. `named`: the caller itself or all callers are named, or it is the root of a named
 * account.
 */
export type PrincipalMatch = 'named' | 'role' | 'account' | 'none'

/** @param byName whether an unresolved ARN counts as its present holder: only where that grants nothing */
export function matchPrincipal(set: PrincipalSet, caller: Caller, byName: boolean): PrincipalMatch {
  if (set.everyone) return 'named'
  if (caller === 'anonymous') return 'none'
  const { userId, arn, roleArn } = caller
  if (userId !== undefined && set.ids.has(userId)) return 'named'
  if (byName && set.unresolved.has(arn)) return 'named'
  if (userId !== undefined && set.ids.has(entityIdOf(userId))) return 'role'
  if (byName && roleArn !== undefined && set.unresolved.has(roleArn)) return 'role'
  if (!set.accounts.has(caller.accountId)) return 'none'
  return caller.isRoot ? 'named' : 'account'
}

/** The role's id in an aws:userid such as 'AROA…:session'. */
export function entityIdOf(userId: string): string {
  const colon = userId.indexOf(':')
  return colon < 0 ? userId : userId.slice(0, colon)
}

const ROOT_ARN = /^arn:aws:iam::(\d{12}):root$/

/** The account whose root this ARN names; undefined when it names something else. */
export function rootAccountOf(arn: string): string | undefined {
  return ROOT_ARN.exec(arn)?.[1]
}

const NAME = '[\\w+=,.@-]{1,128}'
const ENTITY_ARN = new RegExp(
  `^arn:aws:iam::(\\d{12}):(user|role)(/(?:[!-)+->@-~]{1,510}/)?)(${NAME})$`,
)
const SESSION_ARN = new RegExp(`^arn:aws:sts::(\\d{12}):assumed-role/(${NAME})/(${NAME})$`)

/**
 * The value of "AWS" in a principal: '*', an account's id, or the ARN of a root, user, role or session.
 * Undefined when it is none of these.
 */
export function parsePrincipal(
  text: string,
): { everyone: true } | { account: string } | { arn: string } | undefined {
  if (text === '*') return { everyone: true }
  if (/^\d{12}$/.test(text)) return { account: text }
  const account = rootAccountOf(text)
  if (account !== undefined) return { account }
  return ENTITY_ARN.test(text) || SESSION_ARN.test(text) ? { arn: text } : undefined
}

/** The parts of a principal's ARN. For a session those of its role, without the path, which its ARN does not have. */
export interface PrincipalName {
  readonly accountId: string
  readonly kind: 'user' | 'role'
  readonly path: string | undefined
  readonly name: string
  readonly session: string | undefined
}

/** Undefined when it is not the ARN of a user, role or session. */
export function principalName(arn: string): PrincipalName | undefined {
  const [, account = '', role, session] = SESSION_ARN.exec(arn) ?? []
  if (role !== undefined) {
    return { accountId: account, kind: 'role', path: undefined, name: role, session }
  }
  const [, accountId = '', kind, path, name] = ENTITY_ARN.exec(arn) ?? []
  if (name === undefined) return undefined
  return { accountId, kind: kind as 'user' | 'role', path, name, session: undefined }
}
