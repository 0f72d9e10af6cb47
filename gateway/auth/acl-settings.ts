/** Whether the access control lists of a bucket count, by its ownership setting and its public access block. */

import { isPublicAcl, type AclGrant } from '../../protocol/iam/acl.ts'
import type { BucketSettings } from '../port/buckets.ts'

/** False with BucketOwnerEnforced, which is the default: lists can then neither be set nor do they count. */
export function allowsAcls({ ownership }: Pick<BucketSettings, 'ownership'>): boolean {
  return ownership !== undefined && ownership !== 'BucketOwnerEnforced'
}

/** The grants on a bucket that count. As in AWS, IgnorePublicAcls makes a public list count for nobody. */
export function countingGrants(settings: BucketSettings): readonly AclGrant[] | undefined {
  const { acl, publicAccessBlock } = settings
  if (acl === undefined || !allowsAcls(settings)) return undefined
  return publicAccessBlock?.ignorePublicAcls === true && isPublicAcl(acl) ? undefined : acl
}
