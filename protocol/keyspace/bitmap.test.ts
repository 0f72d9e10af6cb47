import { expect, test } from 'vitest'
import { bitmapOf, emptyBitmap, partitionsIn, unionOf } from './bitmap.ts'

test('partitions of one set, and of either of two, ascend and are named once', () => {
  const one = bitmapOf([3, 8, 65_535])
  const other = bitmapOf([0, 8, 9])
  expect(partitionsIn(one)).toEqual([3, 8, 65_535])
  expect(partitionsIn(one, other)).toEqual([0, 3, 8, 9, 65_535])
  expect(partitionsIn(emptyBitmap(), other)).toEqual([0, 8, 9])
  expect(partitionsIn(emptyBitmap())).toEqual([])
})

test('a union has what is in one of the two, and changes neither', () => {
  const one = bitmapOf([3, 8])
  const other = bitmapOf([0, 8])
  expect(partitionsIn(unionOf(one, other))).toEqual([0, 3, 8])
  expect(partitionsIn(one)).toEqual([3, 8])
  expect(partitionsIn(other)).toEqual([0, 8])
})
