import { expect, it } from 'vitest'
import { stormFigures } from './storm.ts'

it('takes the medians of p50 and of the slowest client, and the sum of failures', () => {
  const rounds = [
    { answeredMs: [10, 20, 900], failed: 0 },
    { answeredMs: [30, 40, 100], failed: 2 },
    { answeredMs: [1, 2, 3000], failed: 1 },
  ]
  expect(stormFigures('shoal', rounds)).toEqual({
    name: 'shoal',
    p50Ms: 20,
    maxMs: 900,
    failed: 3,
  })
  expect(() => stormFigures('shoal', [{ answeredMs: [], failed: 1000 }])).toThrow('not one client')
})
