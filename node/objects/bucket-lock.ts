/** Object lock of a bucket: what its record says, and which changes of its settings it allows. Pure. */

import type { ObjectLockSetting } from '../../gateway/port/bucket-documents.ts'
import type { BucketChange, BucketSettings } from '../../gateway/port/buckets.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { LOCK_MODE, type LockDefault } from '../../protocol/object/lock.ts'
import { settingsOf } from './bucket-record.ts'

const DAY_MS = 24 * 3_600_000
/** As in AWS. */
const DAYS_OF_A_YEAR = 365

/** By record: every change of an object asks. */
const defaults = new WeakMap<BucketRecord, { readonly lock: LockDefault | undefined }>()

/** The retention that new versions in the bucket get. */
export function lockDefaultOf(record: BucketRecord): LockDefault | undefined {
  if (record.documents.length === 0) return undefined
  let known = defaults.get(record)
  if (known === undefined) {
    known = { lock: defaultOf(settingsOf(record).objectLock) }
    defaults.set(record, known)
  }
  return known.lock
}

function defaultOf(setting: ObjectLockSetting | undefined): LockDefault | undefined {
  const retention = setting?.defaultRetention
  if (retention === undefined) return undefined
  const { mode, days = 0, years = 0 } = retention
  return { mode: LOCK_MODE[mode], periodMs: (days + years * DAYS_OF_A_YEAR) * DAY_MS }
}

/**
 * As in AWS, object lock needs versioning, and versioning stays enabled for as long as there is object lock: for good.
 * Returns InvalidBucketState for another change.
 */
export function lockRefusal(before: BucketSettings, change: BucketChange): StoreError | undefined {
  const versioning = change.versioning ?? before.versioning
  if (change.objectLock === null && before.objectLock !== undefined) {
    return new StoreError('InvalidBucketState', 'Object Lock cannot be disabled on a bucket')
  }
  if (before.objectLock !== undefined && versioning !== 'Enabled') {
    return new StoreError(
      'InvalidBucketState',
      'An Object Lock configuration is present on this bucket, so the versioning state cannot be changed.',
    )
  }
  if (change.objectLock && versioning !== 'Enabled') {
    return new StoreError(
      'InvalidBucketState',
      "Versioning must be 'Enabled' on the bucket to apply a Object Lock configuration",
    )
  }
  return undefined
}
