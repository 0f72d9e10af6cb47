import { expect, test } from 'vitest'
import { InputError } from '../input.ts'
import { sliceOf, SLICES } from './slice.ts'

test.each([8, 14, 15, 16])(
  'with %i bits the first and the last partition are in the first and the last slice',
  (bits) => {
    expect(sliceOf(0, bits)).toBe(0)
    expect(sliceOf(2 ** bits - 1, bits)).toBe(SLICES - 1)
    expect(sliceOf(2 ** (bits - 1), bits)).toBe(SLICES / 2)
    expect(() => sliceOf(2 ** bits, bits)).toThrow(InputError)
  },
)

test('a small keyspace has a slice for each partition', () => {
  expect([0, 1, 2, 3].map((partition) => sliceOf(partition, 2))).toEqual([0, 1, 2, 3])
})
