import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { VersionRecord } from '../codec/versioned.ts'
import { testVersion } from '../object/testing/version.ts'
import { earliestDue, judgeObject } from './judge.ts'
import { abortOf, DAY_MS, expirationOf, objectRules, type LifecycleRule } from './rule.ts'

const HOUR_MS = DAY_MS / 24

type Tagged = VersionRecord & { readonly tags?: readonly { name: string; value: string }[] }

/** Hours instead of milliseconds, so that midnights are met. */
const version = fc.record({
  deleteMarker: fc.boolean(),
  sizeBytes: fc.nat({ max: 3 }),
  hours: fc.integer({ min: 1, max: 40 }),
  tags: fc.subarray([
    { name: 'a', value: '1' },
    { name: 'b', value: '2' },
  ]),
})

const some = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined })

const rule: fc.Arbitrary<LifecycleRule> = fc
  .record({
    enabled: fc.boolean(),
    prefix: some(fc.constantFrom('', 'k', 'key', 'other')),
    tags: some(fc.constantFrom([{ key: 'a', value: '1' }], [{ key: 'b', value: '1' }])),
    sizeAbove: some(fc.nat({ max: 3 })),
    sizeBelow: some(fc.nat({ max: 3 })),
    expiration: fc.constantFrom('days', 'date', 'markers', 'none'),
    days: fc.integer({ min: 1, max: 4 }),
    date: fc.integer({ min: 0, max: 10 }),
    noncurrentDays: some(fc.integer({ min: 1, max: 4 })),
    newerNoncurrent: some(fc.integer({ min: 1, max: 3 })),
  })
  .map(({ expiration, days, date, ...rest }) => ({
    id: 'r',
    ...rest,
    days: expiration === 'days' ? days : undefined,
    dateMs: expiration === 'date' ? date * DAY_MS : undefined,
    expiredMarkers: expiration === 'markers' ? true : undefined,
    newerNoncurrent: rest.noncurrentDays === undefined ? undefined : rest.newerNoncurrent,
  }))

/** Newest first, with rising times. */
function objectOf(drawn: readonly { hours: number }[]): Tagged[] {
  let lastModifiedMs = 0
  return drawn
    .map(({ hours, ...fields }, at) => {
      lastModifiedMs += hours * HOUR_MS
      return { ...testVersion({ ...fields, sequence: at + 1, lastModifiedMs }) }
    })
    .toReversed()
}

/** Says it version by version and hour by hour, without any of the code that is tested. */
function slowly(rules: readonly LifecycleRule[], all: readonly Tagged[], nowMs: number) {
  const gone: number[] = []
  let expires = false
  const passed = (fromMs: number, days: number): boolean => {
    const begin = new Date(fromMs)
    begin.setUTCHours(24, 0, 0, 0)
    begin.setUTCDate(begin.getUTCDate() + days)
    return begin.getTime() <= nowMs
  }
  all.forEach((one, at) => {
    for (const each of rules) {
      if (!each.enabled || !'key'.startsWith(each.prefix ?? '')) continue
      const narrow = [each.tags, each.sizeAbove, each.sizeBelow].some(
        (value) => value !== undefined,
      )
      if (one.deleteMarker && narrow) continue
      if (each.sizeAbove !== undefined && !(one.sizeBytes > each.sizeAbove)) continue
      if (each.sizeBelow !== undefined && !(one.sizeBytes < each.sizeBelow)) continue
      const tags = new Map((one.tags ?? []).map(({ name, value }) => [name, value]))
      if (each.tags?.some(({ key, value }) => tags.get(key) !== value)) continue
      if (at > 0) {
        if (each.noncurrentDays === undefined) continue
        if (at - 1 < (each.newerNoncurrent ?? 0)) continue
        if (passed(all[at - 1]!.lastModifiedMs, each.noncurrentDays)) gone.push(one.sequence)
        continue
      }
      const old =
        (each.days !== undefined && passed(one.lastModifiedMs, each.days)) ||
        (each.dateMs !== undefined && each.dateMs <= nowMs && passed(one.lastModifiedMs, 0))
      if (!one.deleteMarker) expires ||= old
      else if (
        all.length === 1 &&
        (old || (each.expiredMarkers && passed(one.lastModifiedMs, 0)))
      ) {
        gone.push(one.sequence)
      }
    }
  })
  return { expires, gone: new Set(gone) }
}

describe('judgeObject', () => {
  const given = fc.record({
    rules: fc.array(rule, { maxLength: 4 }),
    drawn: fc.array(version, { maxLength: 6 }),
    now: fc.nat({ max: 24 * 14 }),
  })

  test('says what a slow model says', () => {
    fc.assert(
      fc.property(given, ({ rules, drawn, now }) => {
        const all = objectOf(drawn)
        const { due, isMore = false } = judgeObject(objectRules(rules), 'key', all, now * HOUR_MS)
        const { expires, gone } = slowly(rules, all, now * HOUR_MS)
        if (expires) expect([due?.type, isMore]).toEqual(['expire', gone.size > 0])
        else if (gone.size === 0) expect(due).toBeUndefined()
        else expect(due).toMatchObject({ type: 'remove', sequences: gone })
      }),
      { numRuns: 5_000 },
    )
  })

  test('names the next instant: before it nothing becomes due, and then something does', () => {
    fc.assert(
      fc.property(given, ({ rules, drawn, now }) => {
        const all = objectOf(drawn)
        const some = objectRules(rules)
        const nowMs = now * HOUR_MS
        const { due, nextMs } = judgeObject(some, 'key', all, nowMs)
        if (due !== undefined) return
        const last = nextMs ?? nowMs + 40 * DAY_MS
        for (let ms = nowMs; ms < last; ms += 6 * HOUR_MS) {
          expect(judgeObject(some, 'key', all, ms).due).toBeUndefined()
        }
        if (nextMs !== undefined) expect(judgeObject(some, 'key', all, nextMs).due).toBeDefined()
      }),
    )
  })

  test('the earliest instant of a register is never too late, however many versions are in pages', () => {
    fc.assert(
      fc.property(given, fc.nat({ max: 5 }), ({ rules, drawn, now }, paged) => {
        const all = objectOf(drawn)
        const some = objectRules(rules)
        const inline = Math.max(1, all.length - paged)
        const pages = all.length > inline ? [{ count: all.length - inline }] : []
        const record = { versions: all.slice(0, inline), pages: pages as never }
        const earliest = earliestDue(some, 'key', record)
        const nowMs = now * HOUR_MS
        // Versions in pages had their row when they were in the register: what counts is the day of the last write.
        const sinceMs = (all[0]?.lastModifiedMs ?? 0) + DAY_MS
        if (judgeObject(some, 'key', all, nowMs).due === undefined) return
        expect(earliest).toBeDefined()
        if (pages.length === 0 || nowMs > sinceMs) expect(earliest).toBeLessThanOrEqual(nowMs)
      }),
      { numRuns: 2_000 },
    )
  })
})

test('expirations and aborts name the rule that comes first', () => {
  const at = (hours: number) => ({
    deleteMarker: false,
    sizeBytes: 5,
    lastModifiedMs: hours * HOUR_MS,
  })
  const rules: LifecycleRule[] = [
    { id: 'late', enabled: true, days: 9, abortDays: 9 },
    { id: 'first', enabled: true, prefix: 'k', days: 3, abortDays: 3 },
    { id: 'off', enabled: false, days: 1, abortDays: 1 },
    { id: 'large', enabled: true, days: 1, sizeAbove: 5 },
    { id: 'markers', enabled: true, expiredMarkers: true },
  ]
  // As in AWS's example: 10:30 and three days is the midnight behind the third day.
  expect(expirationOf(rules, 'key', at(10.5))).toEqual({ ruleId: 'first', atMs: 4 * DAY_MS })
  expect(expirationOf(rules, 'x', at(24))).toEqual({ ruleId: 'late', atMs: 11 * DAY_MS })
  expect(expirationOf(rules, 'key', { ...at(1), deleteMarker: true })).toBeUndefined()
  expect(abortOf(rules, { key: 'key', initiatedMs: HOUR_MS })).toEqual({
    ruleId: 'first',
    atMs: 4 * DAY_MS,
  })
  const dated: LifecycleRule[] = [{ id: 'dated', enabled: true, dateMs: 5 * DAY_MS }]
  expect(expirationOf(dated, 'key', at(1))?.atMs).toBe(5 * DAY_MS)
  expect(expirationOf(dated, 'key', at(24 * 9))?.atMs).toBe(10 * DAY_MS)
})
