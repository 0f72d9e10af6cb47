/** Object lock: every kind of edit against every kind of lock, in the register and in pages (T10). */

import { describe, expect, test } from 'vitest'
import type { LockRecord, PageRecord, VersionRecord } from '../codec/versioned.ts'
import { dataId, type DataId } from '../ids.ts'
import { pageCodec, objectCodec } from '../codec/versioned.ts'
import { LEGAL_HOLD, LOCK_MODE, lockBroken, lockOfNew, UNLOCKED, type LockRights } from './lock.ts'
import { isLacking, pageIdOf, type Lacking } from './pages.ts'
import { objectOf } from './object.ts'
import { testVersion } from './testing/version.ts'
import {
  VERSIONING,
  wantedOf,
  withDeleteMarker,
  withoutVersion,
  withVersion,
  withVersionChange,
  type Edited,
  type VersionNeighbours,
} from './versions.ts'

const UNTIL = 1_000_000
const LOCKS = {
  governance: { mode: LOCK_MODE.governance, retainUntilMs: UNTIL, legalHold: LEGAL_HOLD.never },
  compliance: { mode: LOCK_MODE.compliance, retainUntilMs: UNTIL, legalHold: LEGAL_HOLD.never },
  hold: { mode: LOCK_MODE.none, retainUntilMs: 0, legalHold: LEGAL_HOLD.on },
}
const NO_ONE: LockRights = { bypassGovernance: false, liftsHold: false }
const BYPASS: LockRights = { bypassGovernance: true, liftsHold: false }
const LIFTS: LockRights = { bypassGovernance: false, liftsHold: true }

/** The register and its pages, changed only by edits that locks allow, as a node does. */
class LockWorld {
  record = objectOf(undefined)
  readonly pages = new Map<DataId, PageRecord>()
  #drawn = 0

  around(versioning: number): VersionNeighbours {
    const known = this.pages
    const draw = (): DataId => dataId(String(++this.#drawn).padStart(24, '0'))
    const random = new Uint8Array(8)
    return { versioning, random, nowMs: 1, pages: { known, draw }, maySpill: true }
  }

  /** False when a lock forbids it. Pages and record pass through their bytes. */
  edit(edited: Edited | Lacking | undefined, rights = NO_ONE, clockMs = 0): boolean {
    if (edited === undefined || isLacking(edited)) throw new Error('no edit')
    if (lockBroken(this.record, edited, this.pages, rights, clockMs) !== undefined) return false
    for (const { dataId: id, page } of edited.made) {
      this.pages.set(id, pageCodec.decode(pageCodec.encode(page)))
    }
    for (const ref of edited.dropped) this.pages.delete(pageIdOf(ref))
    this.record = objectCodec.decode(objectCodec.encode(edited.record))
    return true
  }

  put(lock?: LockRecord, versioning: number = VERSIONING.enabled): string {
    const version = testVersion(lock === undefined ? {} : { lock })
    expect(this.edit(withVersion(this.record, version, this.around(versioning)))).toBe(true)
    return this.record.versions[0]!.versionId
  }

  remove(id: string, rights?: LockRights, clockMs?: number): boolean {
    const { pages } = this.around(VERSIONING.enabled)
    return this.edit(
      withoutVersion(this.record, wantedOf(this.record, id)!, pages),
      rights,
      clockMs,
    )
  }

  relock(id: string, lock: LockRecord | undefined, rights?: LockRights, clockMs?: number): boolean {
    const around = this.around(VERSIONING.enabled)
    const wanted = wantedOf(this.record, id)!
    return this.edit(withVersionChange(this.record, wanted, { lock }, around), rights, clockMs)
  }

  locked(): VersionRecord[] {
    return [this.record, ...this.pages.values()]
      .flatMap(({ versions }) => versions)
      .filter(({ lock }) => lock !== undefined)
  }
}

/** A version with this lock, in the register or moved into a page by later ones. */
function worldWith(lock: LockRecord, later: number): { world: LockWorld; id: string } {
  const world = new LockWorld()
  for (let i = 0; i < 3; i++) world.put()
  const id = world.put(lock)
  for (let i = 0; i < later; i++) world.put()
  return { world, id }
}

describe.each([0, 60])('a locked version with %i newer ones', (later) => {
  test.each([
    // lock, rights, what the clocks have passed, whether it may be removed
    ['governance', NO_ONE, UNTIL - 1, false],
    ['governance', LIFTS, UNTIL - 1, false],
    ['governance', BYPASS, 0, true],
    ['governance', NO_ONE, UNTIL, true],
    ['compliance', BYPASS, UNTIL - 1, false],
    ['compliance', BYPASS, 0, false],
    ['compliance', NO_ONE, UNTIL, true],
    ['hold', BYPASS, UNTIL, false],
    ['hold', LIFTS, UNTIL, false],
  ] as const)('%s, removed with %o at %i: %s', (lock, rights, clockMs, allowed) => {
    const { world, id } = worldWith(LOCKS[lock], later)
    expect(world.locked()).toHaveLength(1)
    expect(world.remove(id, rights, clockMs)).toBe(allowed)
    expect(world.locked()).toHaveLength(allowed ? 0 : 1)
  })

  test.each([
    ['governance', { ...LOCKS.governance, retainUntilMs: UNTIL + 1 }, NO_ONE, 0, true],
    ['governance', { ...LOCKS.governance, retainUntilMs: UNTIL - 1 }, NO_ONE, 0, false],
    ['governance', { ...LOCKS.governance, retainUntilMs: UNTIL - 1 }, BYPASS, 0, true],
    ['governance', undefined, NO_ONE, 0, false],
    ['governance', undefined, BYPASS, 0, true],
    ['governance', undefined, NO_ONE, UNTIL, true],
    ['governance', { ...LOCKS.compliance }, NO_ONE, 0, false],
    ['governance', { ...LOCKS.compliance }, BYPASS, 0, true],
    ['compliance', { ...LOCKS.compliance, retainUntilMs: UNTIL + 1 }, NO_ONE, 0, true],
    ['compliance', { ...LOCKS.compliance, retainUntilMs: UNTIL - 1 }, BYPASS, 0, false],
    ['compliance', { ...LOCKS.governance, retainUntilMs: UNTIL + 1 }, BYPASS, 0, false],
    ['compliance', undefined, BYPASS, UNTIL - 1, false],
    ['compliance', undefined, NO_ONE, UNTIL, true],
    ['hold', undefined, BYPASS, UNTIL, false],
    ['hold', { ...LOCKS.compliance }, BYPASS, UNTIL, false],
    ['hold', { ...LOCKS.compliance, legalHold: LEGAL_HOLD.on }, NO_ONE, 0, true],
    ['hold', undefined, LIFTS, 0, true],
  ] as const)('%s becomes %o with %o at %i: %s', (lock, next, rights, clockMs, allowed) => {
    const { world, id } = worldWith(LOCKS[lock], later)
    const before = world.locked()[0]
    expect(world.relock(id, next, rights, clockMs)).toBe(allowed)
    const after = world.locked()[0]
    if (!allowed) expect(after).toEqual(before)
    else expect(after?.lock).toEqual(next)
    // A change of a lock is no write: what the version is, when and where, stays.
    if (after !== undefined) expect({ ...after, lock: before?.lock }).toEqual(before)
  })
})

describe.each([0, 60])('around a locked version with %i newer ones', (later) => {
  test('a null version is not written over, and stays as it was', () => {
    const world = new LockWorld()
    world.put(undefined, VERSIONING.never)
    expect(world.relock('null', LOCKS.compliance)).toBe(true)
    for (let i = 0; i < later; i++) world.put()
    const around = world.around(VERSIONING.suspended)
    expect(world.edit(withVersion(world.record, testVersion(), around), BYPASS)).toBe(false)
    expect(world.edit(withDeleteMarker(world.record, around), BYPASS)).toBe(false)
    expect(world.locked()).toHaveLength(1)
    expect(world.edit(withVersion(world.record, testVersion(), around), NO_ONE, UNTIL)).toBe(true)
    expect(world.locked()).toHaveLength(0)
  })

  test('tags change beside the lock, and a delete marker is made above it', () => {
    const { world, id } = worldWith(LOCKS.hold, later)
    const around = world.around(VERSIONING.enabled)
    const tags = [{ name: 'a', value: 'b' }]
    expect(
      world.edit(withVersionChange(world.record, wantedOf(world.record, id)!, { tags }, around)),
    ).toBe(true)
    expect(world.edit(withDeleteMarker(world.record, around))).toBe(true)
    expect(world.locked()).toMatchObject([{ lock: LOCKS.hold, tags }])
  })

  test('its lock survives when other versions around it are removed', () => {
    const { world } = worldWith(LOCKS.compliance, later)
    for (;;) {
      const all = [world.record, ...world.pages.values()].flatMap(({ versions }) => versions)
      const other = all.find(({ lock }) => lock === undefined)
      if (other === undefined) break
      expect(world.remove(other.versionId)).toBe(true)
      expect(world.locked()).toMatchObject([{ lock: LOCKS.compliance }])
    }
    expect(world.record.versions).toHaveLength(1)
  })

  test('an edit that forgets the lock is not proposed', () => {
    const { world, id } = worldWith(LOCKS.hold, later)
    const around = world.around(VERSIONING.enabled)
    const edited = withVersionChange(
      world.record,
      wantedOf(world.record, id)!,
      { tags: [] },
      around,
    )
    if (edited === undefined || isLacking(edited)) throw new Error('no edit')
    const forgetful = (version: VersionRecord): VersionRecord =>
      testVersion({ ...version, lock: UNLOCKED })
    const record = { ...edited.record, versions: edited.record.versions.map(forgetful) }
    const made = edited.made.map(({ dataId: name, page }) => ({
      dataId: name,
      page: { ...page, versions: page.versions.map(forgetful) },
    }))
    expect(world.edit({ ...edited, record, made })).toBe(false)
  })
})

test('new versions get the retention of the bucket unless they bring their own', () => {
  const byDefault = { mode: LOCK_MODE.compliance, periodMs: 500 }
  const given = { mode: LOCK_MODE.compliance, retainUntilMs: 600, legalHold: LEGAL_HOLD.never }
  expect(lockOfNew(undefined, byDefault, 100)).toEqual(given)
  expect(lockOfNew(LOCKS.hold, byDefault, 100)).toEqual({ ...given, legalHold: LEGAL_HOLD.on })
  expect(lockOfNew(LOCKS.governance, byDefault, 100)).toEqual(LOCKS.governance)
  expect(lockOfNew(undefined, undefined, 100)).toBeUndefined()
  const world = new LockWorld()
  const around = { ...world.around(VERSIONING.enabled), lockDefault: byDefault }
  world.edit(withVersion(world.record, testVersion(), around))
  world.edit(withDeleteMarker(world.record, around))
  expect(world.record.versions.map(({ lock }) => lock?.mode)).toEqual([undefined, 2])
})

test('the retention of the bucket begins by the clocks of a majority, where they say', () => {
  const lockDefault = { mode: LOCK_MODE.compliance, periodMs: 500 }
  const until = (clockMs: number): number | undefined => {
    const world = new LockWorld()
    const around = { ...world.around(VERSIONING.enabled), nowMs: 7_000, lockDefault, clockMs }
    world.edit(withVersion(world.record, testVersion(), around))
    return world.record.versions[0]?.lock?.retainUntilMs
  }
  expect([until(1_000), until(9_000), until(0)]).toEqual([1_500, 9_500, 7_500])
})

test('a record with a lock is refused by programs that would lose it', () => {
  const world = new LockWorld()
  world.put()
  expect(objectCodec.encode(world.record)[0]).toBe(1)
  world.put(LOCKS.hold)
  expect(objectCodec.encode(world.record)[0]).toBe(2)
  expect(pageCodec.encode({ versions: world.record.versions, pages: [] })[0]).toBe(2)
})
