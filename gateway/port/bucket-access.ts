/**
 * Whether two settings of a bucket give access to the same callers. A change is checked against the settings that
 * were read, and is made only if these still hold.
 */

import type { BucketSettings } from './buckets.ts'

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
