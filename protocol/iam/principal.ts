/**
 * Principals: whom a statement of a resource policy or of a role's trust policy names, and whether that
 * is who asks. ARNs are compared as they are; the only wildcard is "*", everybody.
 */

/** Who asks. */
export interface Principal {
  readonly accountId: string
  /** 'arn:aws:iam::123456789012:user/ann', '…:root', 'arn:aws:sts::…:assumed-role/role/session'. */
  readonly arn: string
  /** Of a role's session: the role's own ARN. */
  readonly roleArn?: string | undefined
  readonly type: 'Account' | 'User' | 'AssumedRole'
  readonly isRoot: boolean
  /** aws:userid. */
  readonly userId?: string | undefined
  /** aws:username: users only. */
  readonly userName?: string | undefined
}

/** Who asks without a signature. */
export type Caller = Principal | 'anonymous'

export interface PrincipalSet {
  /** "*": everybody, also without a signature. */
  readonly everyone: boolean
  /** Account ids, named as such or by the account's root. */
  readonly accounts: ReadonlySet<string>
  /** Of users, roles and sessions. */
  readonly arns: ReadonlySet<string>
}

/**
 * `account`: only its account is named. The account then decides by identity policies who of it may;
 * `named`: itself, its role, everybody; the root is its account.
 */
export type PrincipalMatch = 'named' | 'account' | 'none'

export function matchPrincipal(set: PrincipalSet, caller: Caller): PrincipalMatch {
  if (set.everyone) return 'named'
  if (caller === 'anonymous') return 'none'
  if (set.arns.has(caller.arn)) return 'named'
  if (caller.roleArn !== undefined && set.arns.has(caller.roleArn)) return 'named'
  if (!set.accounts.has(caller.accountId)) return 'none'
  return caller.isRoot ? 'named' : 'account'
}

const ROOT_ARN = /^arn:aws:iam::(\d{12}):root$/
const NAME = '[\\w+=,.@-]{1,128}'
const ENTITY_ARN = new RegExp(
  `^arn:aws:iam::\\d{12}:(?:user|role)/(?:[!-)+->@-~]{1,510}/)?${NAME}$`,
)
const SESSION_ARN = new RegExp(`^arn:aws:sts::\\d{12}:assumed-role/${NAME}/${NAME}$`)

/**
 * The value of "AWS" in a principal: '*', an account's id, or the ARN of a root, user, role or session.
 * Undefined when it is none of these.
 */
export function parsePrincipal(
  text: string,
): { everyone: true } | { account: string } | { arn: string } | undefined {
  if (text === '*') return { everyone: true }
  if (/^\d{12}$/.test(text)) return { account: text }
  const root = ROOT_ARN.exec(text)
  if (root !== null) return { account: root[1] as string }
  return ENTITY_ARN.test(text) || SESSION_ARN.test(text) ? { arn: text } : undefined
}
