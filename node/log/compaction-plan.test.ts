import { expect, test } from 'vitest'
import {
  allowedDeadShare,
  planCompaction,
  type PlannedSegment,
  type PlanLimits,
} from './compaction-plan.ts'

const KIB = 1 << 10
const LIMITS: PlanLimits = {
  deadShareMax: 0.1,
  gainBytesMin: 100 * KIB,
  short: false,
  roomBytes: 1e9,
  segmentBytes: 1_000 * KIB,
}

/** Segments of 1,000 KiB, numbered from 1, the last one open. */
function segments(...deadKib: number[]): PlannedSegment[] {
  return deadKib.map((deadBytes, i) => ({
    segment: i + 1,
    sizeBytes: 1_000 * KIB,
    deadBytes: deadBytes * KIB,
    removalBytes: 0,
    sealed: i + 1 < deadKib.length,
    stuck: false,
  }))
}

test('takes at once what is nearly all dead, and else waits until dead bytes are too many', () => {
  const most = { ...LIMITS, deadShareMax: 0.5 }
  expect(planCompaction(segments(950, 0, 0), most)).toEqual({ compact: [1] })
  expect(planCompaction(segments(800, 300, 300, 0), most)).toBeUndefined()
  expect(planCompaction(segments(800, 800, 800, 300), most)).toEqual({ compact: [1] })
  expect(planCompaction([], LIMITS)).toBeUndefined()
})

test('of equal shares the older one goes first, and an old one before a somewhat emptier young one', () => {
  expect(planCompaction(segments(150, 150, 150, 0), LIMITS)).toEqual({ compact: [1] })
  expect(planCompaction(segments(350, 0, 0, 0, 400, 0), LIMITS)).toEqual({ compact: [1] })
  expect(planCompaction(segments(100, 0, 0, 0, 800, 0), LIMITS)).toEqual({ compact: [5] })
})

test('takes several together, until a segment is full of what lives in them', () => {
  expect(planCompaction(segments(600, 600, 600, 600, 0), LIMITS)).toEqual({ compact: [1, 2, 3] })
  const { compact } = planCompaction(segments(600, 600, 600, 600, 0), {
    ...LIMITS,
    short: true,
  }) as { compact: number[] }
  expect(compact).toHaveLength(1)
})

test('the fuller the disk, the less may be dead', () => {
  const at = (free: number): number =>
    allowedDeadShare(0.5, { totalBytes: 1_000, freeBytes: free }, 10)
  expect(at(500)).toBe(0.5)
  expect(at(150)).toBeLessThan(0.45)
  expect(at(60)).toBeLessThan(at(150))
  expect(at(0)).toBe(0.067)
  expect(allowedDeadShare(0.05, { totalBytes: 1_000, freeBytes: 100 }, 10)).toBe(0.05)
})

test('keeps all segments together within bounds, where none is worth it alone', () => {
  expect(planCompaction(segments(100, 90, 80, 70), LIMITS)).toBeUndefined()
  expect(planCompaction(segments(140, 150, 130, 20), LIMITS)).toEqual({ compact: [1] })
})

test('leaves little gains alone, unless the disk is short', () => {
  const few = segments(70, 0).map((each) => ({ ...each, sizeBytes: 100 * KIB }))
  expect(planCompaction(few, LIMITS)).toBeUndefined()
  expect(planCompaction(few, { ...LIMITS, short: true })).toEqual({ compact: [1] })
  expect(planCompaction(segments(0, 0), { ...LIMITS, short: true })).toBeUndefined()
})

test('seals the open segment when most of the gain is in it', () => {
  expect(planCompaction(segments(0, 800), LIMITS)).toEqual({ seal: 2 })
  expect(planCompaction(segments(800), LIMITS)).toEqual({ seal: 1 })
  expect(planCompaction(segments(0, 0, 0, 0, 0, 0, 600), LIMITS)).toBeUndefined()
})

test('rewrites what is older than many removals, the oldest segment first', () => {
  const some = segments(0, 0, 0).map((each, i) => ({
    ...each,
    removalBytes: i === 1 ? 200 * KIB : 0,
  }))
  expect(planCompaction(some, LIMITS)).toEqual({ compact: [1] })
  // Nothing is older: the removals are dead themselves.
  expect(planCompaction(some.slice(1), LIMITS)).toEqual({ compact: [2] })
})

test('passes over what has to stay', () => {
  const stuck = segments(310, 500, 0).map((each) => ({ ...each, stuck: each.segment === 2 }))
  expect(planCompaction(stuck, LIMITS)).toEqual({ compact: [1] })
})

test('takes nothing for whose live bytes there is no room', () => {
  const tight = { ...LIMITS, short: true, roomBytes: 550 * KIB }
  expect(planCompaction(segments(400, 500, 0), tight)).toEqual({ compact: [2] })
  expect(planCompaction(segments(400, 430, 0), tight)).toBeUndefined()
})
