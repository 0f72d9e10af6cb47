/**
 * Access control lists of buckets and objects: what a grant allows, and to whom. A grant is one more reason to allow a request, like
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

/** The account that owns what requests without a signature write. AWS documents this id for it. */
export const ANONYMOUS_OWNER = '65a011a29cdf8ec533ec3d1ccaae921c'

type ActionsByPermission = Readonly<
  Record<Exclude<AclPermission, 'FULL_CONTROL'>, readonly string[]>
>

/** The actions on a bucket that each permission allows, as AWS maps them. */
const BUCKET_ACTIONS: ActionsByPermission = {
  READ: ['s3:ListBucket', 's3:ListBucketVersions', 's3:ListBucketMultipartUploads'],
  WRITE: ['s3:PutObject'],
  READ_ACP: ['s3:GetBucketAcl'],
  WRITE_ACP: ['s3:PutBucketAcl'],
}

/** Those on an object. WRITE means nothing on one: the list of the bucket says who writes. */
const OBJECT_ACTIONS: ActionsByPermission = {
  READ: ['s3:GetObject', 's3:GetObjectVersion'],
  WRITE: [],
  READ_ACP: ['s3:GetObjectAcl', 's3:GetObjectVersionAcl'],
  WRITE_ACP: ['s3:PutObjectAcl', 's3:PutObjectVersionAcl'],
}

const PERMISSION_FOR: ReadonlyMap<string, AclPermission> = new Map(
  [...Object.entries(BUCKET_ACTIONS), ...Object.entries(OBJECT_ACTIONS)].flatMap(
    ([permission, actions]) =>
      actions.map((action): [string, AclPermission] => [
        action.toLowerCase(),
        permission as AclPermission,
      ]),
  ),
)

/** What only the owner of an object can allow, by its list or by policies of its account. Lower case. */
const OWNERS_ACTIONS: ReadonlySet<string> = new Set(
  [
    ...Object.values(OBJECT_ACTIONS).flat(),
    's3:GetObjectAttributes',
    's3:GetObjectVersionAttributes',
  ].map((action) => action.toLowerCase()),
)

/**
 * Whether the owner of the object decides about this action, where lists count. Others on an object, as to write over it, to
 * delete or to tag it, are for the bucket's account to allow. `action` in lower case.
 */
export function isOwnersAction(action: string): boolean {
  return OWNERS_ACTIONS.has(action)
}

/** The actions on an object that this permission allows. */
export function objectActions(permission: AclPermission): readonly string[] {
  return permission === 'FULL_CONTROL'
    ? Object.values(OBJECT_ACTIONS).flat()
    : OBJECT_ACTIONS[permission]
}

/**
 * How grants let the caller in. `named`: whatever the caller's own policies say, since everybody is meant. `account`: as
 * far as the caller's account allows it as well. Undefined: they do not.
 *
 * `action` in lower case; of those on objects `grants` are the object's, of others the bucket's.
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
    if (caller === 'anonymous') {
      if (account === ANONYMOUS_OWNER) return 'named'
      continue
    }
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
 * What the list of a bucket grants, as statements of a bucket policy, for the check that nobody gives more than they have
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
    Action:
      permission === 'FULL_CONTROL'
        ? Object.values(BUCKET_ACTIONS).flat()
        : BUCKET_ACTIONS[permission],
    Resource,
  }))
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), 'resource').statements
}

/** What the lists of a bucket's objects can grant at most, in the same form: to everybody, on every object. */
export function objectAclStatements(bucket: string): readonly Statement[] {
  const Statement = [
    {
      Effect: 'Allow',
      Principal: '*',
      Action: objectActions('FULL_CONTROL'),
      Resource: `arn:aws:s3:::${bucket}/*`,
    },
  ]
  return parsePolicy(JSON.stringify({ Version: '2012-10-17', Statement }), 'resource').statements
}
