import { expect, it } from 'vitest'
import { newKeys } from './load.ts'

it('signs more requests than the target answered a second so far', () => {
  expect(newKeys(0, 4)).toBe(20_000)
  expect(newKeys(6_000, 4)).toBe(49_000)
  expect(newKeys(1.5, 2)).toBe(1_006)
})
