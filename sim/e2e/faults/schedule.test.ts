/** The faults and changes that follow from a seed. */

import { expect, it } from 'vitest'
import {
  CHANGE_KINDS,
  changeLine,
  FAULT_KINDS,
  faultLine,
  plannedChanges,
  plannedFaults,
  type ScheduledChangeKind,
} from './schedule.ts'

function first<T>(count: number, from: Generator<T, never>): T[] {
  return Array.from({ length: count }, () => from.next().value)
}

it('is the same for the same seed, and another one for each lane', () => {
  const lines = (seed: number, lane: number): string[] =>
    first(50, plannedFaults(seed, lane, FAULT_KINDS)).map(faultLine)
  expect(lines(3, 0)).toEqual(lines(3, 0))
  expect(lines(3, 0)).not.toEqual(lines(3, 1))
  expect(lines(3, 0)).not.toEqual(lines(4, 0))
  const changes = (seed: number): string[] =>
    first(50, plannedChanges(seed, CHANGE_KINDS, 6)).map(changeLine)
  expect(changes(3)).toEqual(changes(3))
  expect(changes(3)).not.toEqual(changes(4))
})

it('draws every kind', () => {
  const faults = first(200, plannedFaults(1, 0, FAULT_KINDS))
  expect(new Set(faults.map(({ kind }) => kind))).toEqual(new Set(FAULT_KINDS))
  for (const { kind, lastsMs, offsetMs } of faults) {
    if (kind === 'pause') expect(lastsMs).toBeLessThanOrEqual(20_000)
    expect(Math.abs(offsetMs)).toBeLessThanOrEqual(3_600_000)
  }
  const changes = first(200, plannedChanges(1, CHANGE_KINDS, 6))
  expect(new Set(changes.map(({ kind }) => kind))).toEqual(new Set(CHANGE_KINDS))
})

it('leaves three members at least, and has no more than it may', () => {
  for (const kinds of [
    CHANGE_KINDS,
    ['drain'],
    ['join'],
    ['join', 'remove'],
  ] as ScheduledChangeKind[][]) {
    let size = 3
    for (const change of first(100, plannedChanges(5, kinds, 5))) {
      if (change.kind === 'join') size++
      if (change.kind === 'drain' || change.kind === 'remove') size--
      expect(change.size).toBe(size)
      expect(size).toBeGreaterThanOrEqual(3)
      expect(size).toBeLessThanOrEqual(5)
    }
  }
})
