import { expect, test } from 'vitest'

import { parseCopySourceRange, parseRange } from './range.ts'

test.each([
  ['bytes=0-0', { start: 0, end: 1 }],
  ['bytes=0-', { start: 0, end: 10 }],
  ['bytes=3-5', { start: 3, end: 6 }],
  ['bytes= 3 - 5 ', { start: 3, end: 6 }],
  ['bytes=\t3\t-', { start: 3, end: 10 }],
  ['bytes= - 3', { start: 7, end: 10 }],
  ['BYTES=9-9', { start: 9, end: 10 }],
  ['bytes=5-99999999999999999999999', { start: 5, end: 10 }],
  ['bytes=-3', { start: 7, end: 10 }],
  ['bytes=-10', { start: 0, end: 10 }],
  ['bytes=-99999999999999999999999', { start: 0, end: 10 }],
])('F35: %s of 10 bytes is 206', (header, expected) => {
  expect(parseRange(header, 10)).toEqual(expected)
})

test.each([
  undefined,
  'bytes=0-1,3-4',
  'bytes=5-3',
  'bytes=-',
  'bytes=',
  'bytes=a-b',
  'bytes=1.5-2',
  'bytes=--1',
  'items=0-1',
  '0-1',
])('F35: %s is the whole object with 200', (header) => {
  expect(parseRange(header, 10)).toBeUndefined()
})

test('a suffix of an empty object is the whole object with 200', () => {
  expect(parseRange('bytes=-5', 0)).toBeUndefined()
})

test.each([
  ['bytes=10-', 10],
  ['bytes=10-20', 10],
  ['bytes=99999999999999999999999-', 10],
  ['bytes=-0', 10],
  ['bytes=0-0', 0],
  ['bytes=0-', 0],
])('F35: %s of %d bytes is 416', (header, sizeBytes) => {
  expect(() => parseRange(header, sizeBytes)).toThrow(
    expect.objectContaining({
      code: 'InvalidRange',
      status: 416,
      headers: { 'content-range': `bytes */${sizeBytes}` },
    }),
  )
})

test('ranges of copies need both ends, inside the object', () => {
  expect(parseCopySourceRange('bytes=0-9', 10)).toEqual({ start: 0, end: 10 })
  for (const bad of ['bytes=0-10', 'bytes=5-4', 'bytes=-5', 'bytes=5-', '0-5', 'bytes=0-1,2-3']) {
    expect(() => parseCopySourceRange(bad, 10)).toThrow(
      expect.objectContaining({ code: 'InvalidArgument' }),
    )
  }
})
