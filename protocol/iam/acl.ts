/**
 * Access control lists of buckets: what a grant allows, and to whom. A grant is one more reason to allow a request, like
 * an Allow of the resource's policy (decide.ts). It never denies. Which lists count at all: gateway/auth/acl-settings.ts.
 * Pure.
 *
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/acl-overview.html
 */

import { parsePolicy, type Statement } from './policy.ts'
import type { Caller } from './principal.ts'

export const ACL_PERMISSIONS = ['READ', 'WRITE', 'READ_ACP', 'WRITE_ACP', 'FULL_CONTROL'] as const
export type AclPermission = (typeof ACL_PERMISSIONS)[number]

/**
 * Callers that are granted something together. LogDelivery is AWS's service of access logs, which is no caller of
 * Shoal: a grant to it is kept and shown, and lets no request in.
 */
export const ACL_GROUPS = ['AllUsers', 'AuthenticatedUsers', 'LogDelivery'] as const
export type AclGroup = (typeof ACL_GROUPS)[number]

/** One permission for an account or for a group. */
export interface AclGrant {
  /** The account's id, which also is its canonical user id. */
  readonly account?: string | undefined
  readonly group?: AclGroup | undefined
  readonly permission: AclPermission
}

/** The actions on a bucket that each permission allows, as AWS maps them; lower case. */
const ACTIONS: Readonly<Record<Exclude<AclPermission, 'FULL_CONTROL'>, readonly string[]>> = {
  READ: ['s3:listbucket', 's3:listbucketversions', 's3:listbucketmultipartuploads'],
  WRITE: ['s3:putobject'],
  READ_ACP: ['s3:getbucketacl'],
  WRITE_ACP: ['s3:putbucketacl'],
}

const PERMISSION_FOR: ReadonlyMap<string, AclPermission> = new Map(
  Object.entries(ACTIONS).flatMap(([permission, actions]) =>
    actions.map((action): [string, AclPermission] => [action, permission as AclPermission]),
  ),
)

/**
 * How grants let the caller in. `named`: whatever the caller's own policies say, since everybody is meant. `account`: as
 * far as the caller's account allows it as well. Undefined: they do not.
 *
 * `action` in lower case.
 */
export function grantedBy(
  grants: readonly AclGrant[],
  action: string,
  caller: Caller,
): 'named' | 'account' | undefined {
  const needed = PERMISSION_FOR.get(action)
  if (needed === undefined) return undefined
  let found: 'account' | undefined
  for (const { account, group, permission } of grants) {
    if (permission !== needed && permission !== 'FULL_CONTROL') continue
    if (group === 'AllUsers') return 'named'
    if (caller === 'anonymous') continue
    if (group === 'AuthenticatedUsers' || account === caller.accountId) found = 'account'
  }
  return found
}

/** AWS calls a list public when it grants anything to everybody, or to everybody who has an account. */
export function isPublicAcl(grants: readonly AclGrant[]): boolean {
  return grants.some(({ group }) => group === 'AllUsers' || group === 'AuthenticatedUsers')
}

/** Whether grants give the owner alone something. */
export function isOwnersAcl(grants: readonly AclGrant[], owner: string): boolean {
  return grants.every(({ account }) => account === owner)
}

/**
 * The same rights as statements of a bucket policy, for the check that nobody gives more than they have
 * (policy-change.ts). Without what the owner is granted: its account has all rights anyway.
 */
export function aclStatements(
  grants: readonly AclGrant[],
  bucket: string,
  owner: string,
): readonly Statement[] {
  const others = grants.filter(({ account, group }) => account !== owner && group !== 'LogDelivery')
  if (others.length === 0) return []
  const Resource = [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`]
  const Statement = others.map(({ account, permission }) => ({
    Effect: 'Allow',
    Principal: account === undefined ? '*' : { AWS: account },
    Action: permission === 'FULL_CONTROL' ? [...PERMISSION_FOR.keys()] : ACTIONS[permission],
    Resource,
  }))
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), 'resource').statements
}
