/** Whether what a change of a bucket was checked against still holds when the change is made. */

import { StoreError } from '../../protocol/errors.ts'
import type { BucketSettings } from './buckets.ts'

/** Throws Conflict when a bucket that `ownerAccount` had is somebody else's by now. Absent: anybody's. */
export function requireOwner(
  found: { readonly ownerAccount: string },
  ownerAccount: string | undefined,
): void {
  if (ownerAccount === undefined || found.ownerAccount === ownerAccount) return
  throw new StoreError('Conflict', 'the bucket has another owner by now')
}

/** Whether two settings of a bucket give access to the same callers. */
export function sameAccess(a: BucketSettings, b: BucketSettings): boolean {
  return accessOf(a) === accessOf(b)
}

function accessOf(settings: BucketSettings): string {
  const { policy, principals, publicAccessBlock, acl, ownership } = settings
  return JSON.stringify([
    policy ?? null,
    (acl ?? []).map(({ account, group, permission }) => [account, group, permission]),
    ownership ?? null,
    (principals ?? []).map(({ arn, id }) => [arn, id]),
    publicAccessBlock === undefined
      ? null
      : Object.entries(publicAccessBlock).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
}
