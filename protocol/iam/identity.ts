/** Names, ids and ARNs of identities: what they may look like, and how they are written. */

export const ACCOUNT_ID = /^[0-9]{12}$/
/** The alias of an account: no dash at either end, and no two in a row. AWS's pattern. */
export const ACCOUNT_ALIAS = /^[a-z0-9](?:[a-z0-9]|-(?!-)){1,61}[a-z0-9]$/
/** Names of users and roles; names of roles have at most 64 characters. */
export const USER_NAME = /^[A-Za-z0-9_+=,.@-]{1,64}$/
export const GROUP_NAME = /^[A-Za-z0-9_+=,.@-]{1,128}$/
/** Names of inline and managed policies. */
export const POLICY_NAME = /^[A-Za-z0-9_+=,.@-]{1,128}$/
/** Drawn ones are 20 letters and digits. Administrators who move from MinIO bring root's with dots and dashes. */
export const ACCESS_KEY_ID = /^[A-Za-z0-9_.+@-]{3,128}$/
/** Begins and ends with a slash. */
export const PATH = /^\/(?:[!-~]{1,510}\/)?$/
/** AIDA…, AGPA…, AROA…, ANPA…: four letters for the kind, 16 or 17 drawn. Never used again. */
export const UNIQUE_ID = /^[A-Z]{4}[A-Z0-9]{16,17}$/
/** 'arn:aws:iam::123456789012:policy/path/name'; of those that every account finds there, 'aws'. */
export const POLICY_ARN =
  /^arn:aws:iam::([0-9]{12}|aws):policy(\/(?:[!-~]{1,510}\/)?)([A-Za-z0-9_+=,.@-]{1,128})$/

/**
 * The URL of an OIDC issuer without 'https://': a host with a dot in it, and a path, which may end in a slash. No port, as in
 * AWS.
 */
export const PROVIDER_NAME =
  /^(?=.{4,247}$)[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+(?:\/[A-Za-z0-9._~!$&'()*+,;=@%/-]*)?$/
const PROVIDER_ARN = /^arn:aws:iam::([0-9]{12}):oidc-provider\/(.{4,247})$/

/** What AWS puts before a unique id, by kind. */
export const ID_PREFIXES = {
  user: 'AIDA',
  group: 'AGPA',
  role: 'AROA',
  policy: 'ANPA',
  key: 'AKIA',
  /** AWS shows no ids of identity providers. */
  provider: 'AOIP',
} as const

export type EntityKind = 'user' | 'group' | 'role' | 'policy'

/** 'arn:aws:iam::123456789012:user/path/ann'. */
export function entityArn(accountId: string, kind: EntityKind, path: string, name: string): string {
  return `arn:aws:iam::${accountId}:${kind}${path}${name}`
}

/** The ARN of a user at '/', or of the root when there is no name. */
export function principalArn(accountId: string, userName: string | undefined): string {
  return userName === undefined
    ? `arn:aws:iam::${accountId}:root`
    : entityArn(accountId, 'user', '/', userName)
}

/** 'arn:aws:iam::123456789012:oidc-provider/idp.example.org/path'. */
export function providerArn(accountId: string, name: string): string {
  return `arn:aws:iam::${accountId}:oidc-provider/${name}`
}

/** The account and the name in the ARN of an OIDC provider. Undefined when it is not one. */
export function providerOfArn(
  arn: string,
): { readonly accountId: string; readonly name: string } | undefined {
  const [, accountId = '', name = ''] = PROVIDER_ARN.exec(arn) ?? []
  return PROVIDER_NAME.test(name) ? { accountId, name } : undefined
}
