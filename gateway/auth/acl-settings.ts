/** Whether the access control lists of a bucket and its objects count, by its ownership setting and its public access block. */

import { isPublicAcl, type AclGrant } from '../../protocol/iam/acl.ts'
import type { BucketSettings } from '../port/buckets.ts'
import type { ObjectFacts } from '../port/objects.ts'

/** False with BucketOwnerEnforced, which is the default: lists can then neither be set nor do they count. */
export function allowsAcls({ ownership }: Pick<BucketSettings, 'ownership'>): boolean {
  return ownership !== undefined && ownership !== 'BucketOwnerEnforced'
}

/** The grants on a bucket that count. */
export function countingGrants(settings: BucketSettings): readonly AclGrant[] | undefined {
  return allowsAcls(settings) ? unlessIgnored(settings.acl, settings) : undefined
}

/** The grants on an object that count, in a bucket that allows lists. */
export function countingObjectGrants(
  object: ObjectFacts,
  settings: BucketSettings,
): readonly AclGrant[] | undefined {
  return unlessIgnored(object?.acl?.grants, settings)
}

/** As in AWS, IgnorePublicAcls makes a public list count for nobody. */
function unlessIgnored(
  grants: readonly AclGrant[] | undefined,
  { publicAccessBlock }: BucketSettings,
): readonly AclGrant[] | undefined {
  if (grants === undefined || publicAccessBlock?.ignorePublicAcls !== true) return grants
  return isPublicAcl(grants) ? undefined : grants
}
