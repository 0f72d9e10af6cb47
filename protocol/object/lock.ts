/**
 * Object lock: retention and legal hold of a version. Pure. `lockBroken` is asked about every edit of an object's register
 * before it is proposed (node/objects/object-changes.ts), so no edit has to think of locks (T10).
 *
 * Invariants:
 *   - a version is not taken out, and its lock is neither shortened nor removed, before its lock allows it (T10)
 *   - retention has ended only when a majority of the replicas' clocks have passed it; an unknown time has passed nothing
 */

import type { LockRecord, ObjectRecord, PageRecord, VersionRecord } from '../codec/versioned.ts'
import type { DataId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { pageIdOf, type PagesEdit } from './pages.ts'

/** LockRecord.mode. */
export const LOCK_MODE = { none: 0, governance: 1, compliance: 2 } as const

/** LockRecord.legalHold. That there was one is remembered: it is shown as off. */
export const LEGAL_HOLD = { never: 0, on: 1, off: 2 } as const

/** What a change may do to locks. */
export interface LockRights {
  /** It may shorten and remove retention in governance mode. */
  readonly bypassGovernance: boolean
  /** It may remove legal holds. */
  readonly liftsHold: boolean
}

/** Those of every change that is not about locks. */
export const NO_LOCK_RIGHTS: LockRights = { bypassGovernance: false, liftsHold: false }

/** What new versions of a bucket are locked with, unless their request says otherwise. */
export interface LockDefault {
  /** governance or compliance. */
  readonly mode: number
  readonly periodMs: number
}

/** Absent on versions without a lock. */
export const UNLOCKED: LockRecord = {
  mode: LOCK_MODE.none,
  retainUntilMs: 0,
  legalHold: LEGAL_HOLD.never,
}

/**
 * The lock that a version begins with: retention of its own, or that of the bucket, which begins at `startMs`. Undefined for
 * none. The start is what the clocks of a majority say: one clock that is behind or ahead must not make it shorter or longer.
 */
export function lockOfNew(
  own: LockRecord | undefined,
  byDefault: LockDefault | undefined,
  startMs: number,
): LockRecord | undefined {
  if (byDefault === undefined || (own !== undefined && own.mode !== LOCK_MODE.none)) return own
  const retainUntilMs = startMs + byDefault.periodMs
  return { mode: byDefault.mode, retainUntilMs, legalHold: own?.legalHold ?? LEGAL_HOLD.never }
}

/** The form in which records have it. */
export function storedLock(lock: LockRecord): LockRecord | undefined {
  const { mode, legalHold } = lock
  return mode === LOCK_MODE.none && legalHold === LEGAL_HOLD.never ? undefined : lock
}

/** Whether the version may be taken out for good. `clockMs`: what a majority of the replicas' clocks have passed. */
export function mayRemove(lock: LockRecord, rights: LockRights, clockMs: number): boolean {
  if (lock.legalHold === LEGAL_HOLD.on) return false
  if (!isRetained(lock, clockMs)) return true
  return lock.mode === LOCK_MODE.governance && rights.bypassGovernance
}

/** Whether the lock may become another one. */
export function mayBecome(
  lock: LockRecord,
  next: LockRecord,
  rights: LockRights,
  clockMs: number,
): boolean {
  const isLifted = lock.legalHold === LEGAL_HOLD.on && next.legalHold !== LEGAL_HOLD.on
  if (isLifted && !rights.liftsHold) return false
  if (!isRetained(lock, clockMs)) return true
  if (lock.mode === LOCK_MODE.governance && rights.bypassGovernance) return true
  // As in AWS, another mode counts as less, even a stricter one.
  return next.mode === lock.mode && next.retainUntilMs >= lock.retainUntilMs
}

/**
 * The first locked version that an edit takes out, or whose lock it changes, against that lock; undefined when the edit
 * may be proposed. `known` has the pages that the edit has read: what it drops is among them.
 */
export function lockBroken(
  before: Pick<ObjectRecord, 'versions'>,
  edited: Pick<PagesEdit, 'made' | 'dropped'> & { readonly record: Pick<ObjectRecord, 'versions'> },
  known: ReadonlyMap<DataId, PageRecord>,
  rights: LockRights,
  clockMs: number,
): VersionRecord | undefined {
  const locked = before.versions.filter(isLocked)
  for (const ref of edited.dropped) {
    const page = known.get(pageIdOf(ref))
    checkInput(page !== undefined, 'an edit drops only pages that it has read')
    locked.push(...page.versions.filter(isLocked))
  }
  if (locked.length === 0) return undefined
  const after = new Map(edited.record.versions.map((version) => [version.sequence, version]))
  for (const { page } of edited.made) {
    for (const version of page.versions) after.set(version.sequence, version)
  }
  return locked.find((version) => {
    const { lock = UNLOCKED } = version
    const left = after.get(version.sequence)
    return left === undefined || left.versionId !== version.versionId
      ? !mayRemove(lock, rights, clockMs)
      : !mayBecome(lock, left.lock ?? UNLOCKED, rights, clockMs)
  })
}

function isLocked({ lock }: VersionRecord): boolean {
  return lock !== undefined
}

function isRetained({ mode, retainUntilMs }: LockRecord, clockMs: number): boolean {
  return mode !== LOCK_MODE.none && retainUntilMs > clockMs
}
