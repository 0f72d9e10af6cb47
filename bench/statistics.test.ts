import { expect, it } from 'vitest'
import { median, roundsOf } from './statistics.ts'

it('takes the one in the middle, whatever the order', () => {
  expect(median([10, 9, 200])).toBe(10)
  expect(median([4, 1, 3, 2])).toBe(2.5)
  expect(median([7])).toBe(7)
  expect(() => median([])).toThrow('no values')
})

it('gives the spread as a share of the median', () => {
  expect(roundsOf([90, 120, 100])).toEqual({ median: 100, spread: 0.3 })
  expect(roundsOf([5])).toEqual({ median: 5, spread: 0 })
  expect(roundsOf([0, 0])).toEqual({ median: 0, spread: 0 })
})
