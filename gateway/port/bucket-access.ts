/** What decides who may use a bucket, compared: a change is judged against it and made only while it stands. */

import type { BucketSettings } from './buckets.ts'

export function sameAccess(a: BucketSettings, b: BucketSettings): boolean {
  return accessOf(a) === accessOf(b)
}

function accessOf({ policy, principals, publicAccessBlock }: BucketSettings): string {
  return JSON.stringify([
    policy ?? null,
    (principals ?? []).map(({ arn, id }) => [arn, id]),
    publicAccessBlock === undefined
      ? null
      : Object.entries(publicAccessBlock).sort(([a], [b]) => (a < b ? -1 : 1)),
  ])
}
