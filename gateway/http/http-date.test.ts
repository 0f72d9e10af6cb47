import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import {
  basicDate,
  extendedDate,
  parseBasicDate,
  parseExtendedDate,
  parseHttpDate,
} from './http-date.ts'

const NOV_6 = Date.UTC(1994, 10, 6, 8, 49, 37)

test.each([
  'Sun, 06 Nov 1994 08:49:37 GMT',
  'Sun, 6 Nov 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 08:49:37 +0000',
  'Sun, 06 Nov 1994 08:49:37 UTC',
  'Sun, 06 Nov 1994 09:49:37 +0100',
  'Sun, 06 Nov 1994 04:19:37 -0430',
  'Sunday, 06-Nov-94 08:49:37 GMT',
  'Sun Nov  6 08:49:37 1994',
])('%s', (text) => {
  expect(parseHttpDate(text)).toBe(NOV_6)
})

test.each([
  '',
  '0',
  '1994',
  '1994-11-06T08:49:37Z',
  'Sun, 06 Nov 1994 08:49:37',
  'Sun, 06 Nov 1994 08:49:37 PST',
  'Sun, 06 Nov 1994',
  'Sun, 31 Feb 1994 08:49:37 GMT',
  'Sun, 00 Nov 1994 08:49:37 GMT',
  'Sun, 06 Foo 1994 08:49:37 GMT',
  'Sun, 06 Nov 1994 24:49:37 GMT',
  'Sun, 06 Nov 1994 08:60:37 GMT',
  'Sun, 06 Nov 1994 08:49:37 GMT\u00a0',
  'Sun, 06 Nov 1994 08:49:37 +9900',
])('%j is not an HTTP date', (text) => {
  expect(parseHttpDate(text)).toBe(undefined)
})

test('any second survives both forms of ISO 8601 and the HTTP date', () => {
  const last = Date.UTC(9999, 11, 31, 23, 59, 59) / 1000
  fc.assert(
    fc.property(fc.integer({ min: 0, max: last }), (seconds) => {
      const timeMs = seconds * 1000
      expect(parseBasicDate(basicDate(timeMs))).toBe(timeMs)
      expect(parseExtendedDate(extendedDate(timeMs))).toBe(timeMs)
      expect(parseHttpDate(new Date(timeMs).toUTCString())).toBe(timeMs)
    }),
  )
})

test.each([
  '20260230T000000Z',
  '20261121T240000Z',
  '2026112T120000Z',
  '20261121T120000',
  '20261121',
])('%s is not a date of SigV4', (text) => {
  expect(parseBasicDate(text)).toBe(undefined)
})
