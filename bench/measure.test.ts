import { expect, it } from 'vitest'
import { measuredOf } from './measure.ts'

const round = (perSecond: number, p99Ms: number) => ({
  requests: perSecond,
  seconds: 1,
  perSecond,
  bytesRead: 0,
  p50Ms: p99Ms / 2,
  p99Ms,
})

it('compares each round with the same round of the floor', () => {
  // The machine was slower in the second round: both were.
  const floor = [round(1000, 1), round(500, 2), round(1000, 1)]
  const shoal = [round(300, 4), round(150, 20), round(400, 6)]
  const summary = measuredOf('shoal', shoal, floor)
  expect(summary.ratio.median).toBeCloseTo(0.3)
  expect(summary.ratio.spread).toBeCloseTo(1 / 3)
  expect(summary.perSecond.median).toBe(300)
  expect(summary).toMatchObject({ p50Ms: 3, p99Ms: 6 })
  expect(summary).not.toHaveProperty('cpuMsPerRequest')
})

it('takes the median of CPU time and the most of memory', () => {
  const rounds = [1, 3, 2].map((n) => ({ ...round(1, 1), cpuMsPerRequest: n, rssBytesMax: n * 10 }))
  expect(measuredOf('floor', rounds, rounds)).toMatchObject({ cpuMsPerRequest: 2, rssBytesMax: 30 })
})
