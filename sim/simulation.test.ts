/** Whole simulations: the same seed is the same run, and faults do no harm. mutants/ shows that it would notice. */

import { describe, expect, test } from 'vitest'
import { simulate } from './simulation.ts'

describe('a seed', () => {
  test('twice gives the same run to the last byte; another gives another', async () => {
    const options = { seed: 11, nodes: 3, minutes: 0.03 }
    const [first, again] = [await simulate(options), await simulate(options)]
    expect(again).toEqual(first)
    expect((await simulate({ ...options, seed: 12 })).digest).not.toBe(first.digest)
  })

  test.each([
    [1, 3],
    [2, 5],
  ])(
    '%i with %i nodes: work goes on through faults, and nothing is violated',
    async (seed, nodes) => {
      const result = await simulate({ seed, nodes, minutes: 0.3 })
      expect(result.violations).toEqual([])
      expect(result.operations).toBeGreaterThan(50)
      expect(result.faults).toBeGreaterThan(0)
    },
  )

  test('power cuts of all machines at once lose nothing that was acknowledged (F14)', async () => {
    const result = await simulate({ seed: 1, nodes: 3, minutes: 0.3, faults: 'power' })
    expect(result.violations).toEqual([])
    expect(result.operations).toBeGreaterThan(50)
  })

  test('without faults hardly anything stays in doubt', async () => {
    const result = await simulate({ seed: 5, nodes: 3, minutes: 0.03, faults: 'none' })
    expect(result.violations).toEqual([])
    expect(result.unknown / result.operations).toBeLessThan(0.02)
  })
})
