/**
 * Object lock in memory, written apart from protocol/object/lock.ts: tests compare the two. The store has one clock, which
 * is all of its replicas.
 */

import { StoreError } from '../../protocol/errors.ts'
import type { ObjectLockSetting } from '../port/bucket-documents.ts'
import type { BucketChange, BucketSettings } from '../port/buckets.ts'
import type { ObjectInfo, ObjectLock, Retention } from '../port/objects.ts'

const DAY_MS = 86_400_000

/** What locks depend on of a version. */
interface LockedVersion {
  readonly info: Pick<ObjectInfo, 'lock'>
  readonly sequence: number
}

/** What a change may do to locks. */
export interface MemoryLockRights {
  readonly bypassGovernance?: boolean | undefined
  readonly liftsHold?: boolean | undefined
}

/** Throws ObjectLocked when a version of `before` has gone or changed against its lock. */
export function checkMemoryLocks(
  before: readonly LockedVersion[],
  after: readonly LockedVersion[],
  nowMs: number,
  { bypassGovernance = false, liftsHold = false }: MemoryLockRights,
): void {
  for (const { info, sequence } of before) {
    const { lock } = info
    if (lock === undefined) continue
    const left = after.find((version) => version.sequence === sequence)
    if (lock.legalHold === true) {
      const stays = left !== undefined && (left.info.lock?.legalHold === true || liftsHold)
      if (!stays) throw new StoreError('ObjectLocked')
    }
    const { retention } = lock
    if (retention === undefined || retention.untilMs <= nowMs) continue
    if (retention.mode === 'governance' && bypassGovernance) continue
    const next = left?.info.lock?.retention
    const isLess = next?.mode !== retention.mode || next.untilMs < retention.untilMs
    if (isLess) throw new StoreError('ObjectLocked')
  }
}

/** The lock after a change of it. Null removes retention. */
export function changedMemoryLock(
  lock: ObjectLock | undefined,
  retention: Retention | null | undefined,
  legalHold: boolean | undefined,
): ObjectLock | undefined {
  const kept = retention === undefined ? lock?.retention : (retention ?? undefined)
  const holds = legalHold ?? lock?.legalHold
  if (kept === undefined && holds === undefined) return undefined
  return { retention: kept, legalHold: holds }
}

/** The lock of a new version. */
export function lockOfMemory(
  own: ObjectLock | undefined,
  setting: ObjectLockSetting | undefined,
  madeMs: number,
): ObjectLock | undefined {
  const rule = setting?.defaultRetention
  if (own?.retention !== undefined || rule === undefined) {
    return changedMemoryLock(own, undefined, undefined)
  }
  const days = (rule.days ?? 0) + 365 * (rule.years ?? 0)
  const retention = { mode: rule.mode, untilMs: madeMs + days * DAY_MS }
  return { retention, legalHold: own?.legalHold }
}

/** Throws InvalidBucketState for object lock without versioning. */
export function checkMemoryLockSetting(before: BucketSettings, change: BucketChange): void {
  const versioning = change.versioning ?? before.versioning
  const setting = change.objectLock === undefined ? before.objectLock : change.objectLock
  if (before.objectLock !== undefined && setting === null) {
    throw new StoreError('InvalidBucketState')
  }
  if (setting && versioning !== 'Enabled') throw new StoreError('InvalidBucketState')
}
