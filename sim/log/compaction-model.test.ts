/** Write amplification of the present plan against the former one, at the same live data. */

import { expect, test } from 'vitest'
import {
  FORMER_POLICY,
  playCompaction,
  PRESENT_POLICY,
  type ModelLoad,
} from './compaction-model.ts'

/** Most data stays. A part of it is overwritten now and then, a small part all the time. */
const MIXED: ModelLoad = {
  classes: [
    { live: 0.1, writes: 0.8 },
    { live: 0.2, writes: 0.2 },
    { live: 0.7, writes: 0 },
  ],
}
const HOT_COLD: ModelLoad = {
  classes: [
    { live: 0.1, writes: 0.9 },
    { live: 0.9, writes: 0.1 },
  ],
}
const UNIFORM: ModelLoad = { classes: [{ live: 1, writes: 1 }] }

const figures = (load: ModelLoad, liveShare: number): [former: number, present: number] => {
  const options = { liveShare, writes: 60_000 }
  const former = playCompaction(FORMER_POLICY, load, options)
  const present = playCompaction(PRESENT_POLICY, load, options)
  const text = ({ amplification, useMean, useMax }: typeof present): string =>
    `${amplification.toFixed(2)} (use ${useMean.toFixed(2)}, at most ${useMax.toFixed(2)})`
  const name = load === MIXED ? 'mixed' : load === HOT_COLD ? 'hot and cold' : 'uniform'
  console.log(`${name}, live ${liveShare}: former ${text(former)}, present ${text(present)}`)
  expect(present.useMax).toBeLessThan(0.99)
  return [former.amplification, present.amplification]
}

test('a mixed load on a disk that is used to four fifths costs half as much again at most', () => {
  const [former, present] = figures(MIXED, 0.5)
  expect(former).toBeGreaterThan(3)
  expect(present).toBeLessThan(1.5)
})

test.each([
  [0.3, 1.4],
  [0.6, 1.7],
  [0.7, 2.6],
  [0.8, 4],
])('a mixed load with %d of the disk live', (live, most) => {
  const [former, present] = figures(MIXED, live)
  expect(present).toBeLessThan(Math.min(most, former))
})

test.each([0.5, 0.6, 0.7, 0.8])('hot and cold data with %d of the disk live', (live) => {
  const [former, present] = figures(HOT_COLD, live)
  expect(present).toBeLessThan(former)
})

test.each([0.5, 0.8])('a load without any pattern, %d of the disk live', (live) => {
  const [former, present] = figures(UNIFORM, live)
  expect(present).toBeLessThan(former)
})
