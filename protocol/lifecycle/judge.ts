/**
 * What a bucket's lifecycle wants done with the versions of one object. Pure. The change that carries it out asks again
 * (node/lifecycle/expiry.ts), so that an object that was replaced meanwhile is judged as it is then.
 */

import type { PageRefRecord, VersionRecord } from '../codec/versioned.ts'
import { LEGAL_HOLD, LOCK_MODE } from '../object/lock.ts'
import {
  currentDue,
  DAY_MS,
  matchesKey,
  matchesVersion,
  midnightAfter,
  type LifecycleRule,
} from './rule.ts'

/** What is due now: at most one of the two kinds. */
export type Due =
  /** The current version expires: it is deleted as a DELETE without a version id would. */
  | { readonly type: 'expire' }
  /** These versions go for good: noncurrent ones, or the delete marker that is the only version. */
  | {
      readonly type: 'remove'
      readonly what: 'noncurrent' | 'marker'
      readonly sequences: ReadonlySet<number>
    }

export interface Judgement {
  readonly due?: Due | undefined
  /** More is due besides. */
  readonly isMore?: boolean | undefined
  /** When something is due next, if the object stays as it is. Absent: never. */
  readonly nextMs?: number | undefined
}

/** A version of the object, and when a rule wants it to go. */
interface DueTime {
  readonly atMs: number
  readonly version: VersionRecord
  readonly type: 'expire' | 'noncurrent' | 'marker'
}

/**
 * Judges an object by all of its versions, newest first.
 *
 * @param rules what `objectRules` returned
 */
export function judgeObject(
  rules: readonly LifecycleRule[],
  key: string,
  versions: readonly VersionRecord[],
  nowMs: number,
): Judgement {
  let nextMs: number | undefined
  let expires = false
  let what: 'noncurrent' | 'marker' = 'noncurrent'
  const sequences = new Set<number>()
  for (const { atMs, version, type } of dueTimes(matching(rules, key), versions, true)) {
    if (atMs > nowMs) nextMs = Math.min(nextMs ?? Infinity, atMs)
    else if (type === 'expire') expires = true
    else {
      what = type
      sequences.add(version.sequence)
    }
  }
  if (expires) return { due: { type: 'expire' }, isMore: sequences.size > 0, nextMs }
  if (sequences.size > 0) return { due: { type: 'remove', what, sequences }, nextMs }
  return { nextMs }
}

/**
 * An instant before which nothing of the object is due, from what the register itself says. With versions in pages it
 * may be too early, and is at most one day after the last write. Undefined: nothing is ever due.
 */
export function earliestDue(
  rules: readonly LifecycleRule[],
  key: string,
  record: { readonly versions: readonly VersionRecord[]; readonly pages: readonly PageRefRecord[] },
): number | undefined {
  const { versions, pages } = record
  const newest = versions[0]
  const some = matching(rules, key)
  if (newest === undefined || some.length === 0) return undefined
  let atMs = Infinity
  for (const time of dueTimes(some, versions, pages.length === 0)) atMs = Math.min(atMs, time.atMs)
  // A version in a page may be due because of a write that made one more version newer than it.
  if (pages.length > 0 && some.some(({ noncurrentDays }) => noncurrentDays !== undefined)) {
    atMs = Math.min(atMs, midnightAfter(newest.lastModifiedMs, 0))
  }
  return atMs === Infinity ? undefined : atMs
}

/**
 * The midnight from which on object lock lets a version go for good. Undefined while it has a legal hold: the change that
 * lifts it makes a new row of due times. The lock itself is judged by the change (T10).
 */
function heldUntilMs({ lock }: VersionRecord): number | undefined {
  if (lock === undefined) return 0
  if (lock.legalHold === LEGAL_HOLD.on) return undefined
  return lock.mode === LOCK_MODE.none ? 0 : Math.ceil(lock.retainUntilMs / DAY_MS) * DAY_MS
}

function matching(rules: readonly LifecycleRule[], key: string): LifecycleRule[] {
  return rules.filter((rule) => matchesKey(rule, key))
}

/** `isWhole`: there are no older versions than these. */
function* dueTimes(
  rules: readonly LifecycleRule[],
  versions: readonly VersionRecord[],
  isWhole: boolean,
): Generator<DueTime> {
  for (const [index, version] of versions.entries()) {
    if (index > 0) {
      const atMs = noncurrentDue(rules, version, versions[index - 1]!.lastModifiedMs, index - 1)
      const heldMs = heldUntilMs(version)
      if (atMs === undefined || heldMs === undefined) continue
      yield { atMs: Math.max(atMs, heldMs), version, type: 'noncurrent' }
    } else if (!version.deleteMarker) {
      const atMs = least(rules, version, (rule) => currentDue(rule, version.lastModifiedMs))
      if (atMs !== undefined) yield { atMs, version, type: 'expire' }
    } else if (isWhole && versions.length === 1) {
      const atMs = least(rules, version, (rule) => markerDue(rule, version.lastModifiedMs))
      if (atMs !== undefined) yield { atMs, version, type: 'marker' }
    }
  }
}

/** `newer`: how many noncurrent versions are newer than this one. */
function noncurrentDue(
  rules: readonly LifecycleRule[],
  version: VersionRecord,
  sinceMs: number,
  newer: number,
): number | undefined {
  return least(rules, version, ({ noncurrentDays, newerNoncurrent = 0 }) =>
    noncurrentDays === undefined || newer < newerNoncurrent
      ? undefined
      : midnightAfter(sinceMs, noncurrentDays),
  )
}

/** As in AWS, a rule that expires current versions also removes the markers that are left of them. */
function markerDue(rule: LifecycleRule, lastModifiedMs: number): number | undefined {
  return rule.expiredMarkers === true
    ? midnightAfter(lastModifiedMs, 0)
    : currentDue(rule, lastModifiedMs)
}

/** The first instant that a rule with a filter for this version names. */
function least(
  rules: readonly LifecycleRule[],
  version: VersionRecord,
  dueOf: (rule: LifecycleRule) => number | undefined,
): number | undefined {
  let first: number | undefined
  for (const rule of rules) {
    const atMs = dueOf(rule)
    if (atMs === undefined || atMs >= (first ?? Infinity)) continue
    if (matchesVersion(rule, version)) first = atMs
  }
  return first
}
