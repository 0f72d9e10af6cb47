import { expect, test } from 'vitest'

import {
  deleteCondition,
  evaluateCopySource,
  evaluateRead,
  rangeApplies,
  writeCondition,
} from './conditions.ts'

const TARGET = { etag: 'abc', lastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5, 678) }
const SAME = 'Fri, 02 Jan 2026 03:04:05 GMT'
const EARLIER = 'Fri, 02 Jan 2026 03:04:04 GMT'
const LATER = 'Fri, 02 Jan 2026 03:04:06 GMT'

const NOW_MS = Date.UTC(2026, 5, 1)

type Headers = Record<string, string>

test.each<[Headers]>([
  [{}],
  [{ 'if-match': '"abc"' }],
  [{ 'if-match': 'abc' }],
  [{ 'if-match': '"x", "abc"' }],
  [{ 'if-match': '*' }],
  [{ 'if-none-match': '"x"' }],
  [{ 'if-unmodified-since': SAME }],
  [{ 'if-unmodified-since': LATER }],
  [{ 'if-modified-since': EARLIER }],
  [{ 'if-modified-since': 'yesterday' }],
  [{ 'if-unmodified-since': '12' }],
  // An empty value counts as absent.
  [{ 'if-match': '' }],
  [{ 'if-none-match': '', 'if-modified-since': '' }],
  [{ 'if-unmodified-since': '', 'if-match': '' }],
  // S3's precedence.
  [{ 'if-match': 'abc', 'if-unmodified-since': EARLIER }],
  [{ 'if-none-match': 'x', 'if-modified-since': LATER }],
])('read proceeds: %j', (headers) => {
  expect(evaluateRead(headers, TARGET, NOW_MS)).toBe('proceed')
})

test.each<[Headers]>([
  [{ 'if-none-match': '"abc"' }],
  [{ 'if-none-match': 'W/"abc"' }],
  [{ 'if-none-match': 'x,abc' }],
  [{ 'if-none-match': '*' }],
  [{ 'if-modified-since': SAME }],
  [{ 'if-modified-since': LATER }],
  [{ 'if-none-match': 'abc', 'if-modified-since': EARLIER }],
])('read is 304: %j', (headers) => {
  expect(evaluateRead(headers, TARGET, NOW_MS)).toBe('not-modified')
})

test.each<[Headers]>([
  [{ 'if-match': '"x"' }],
  [{ 'if-match': 'W/"abc"' }],
  [{ 'if-unmodified-since': EARLIER }],
  [{ 'if-match': 'x', 'if-unmodified-since': LATER }],
  [{ 'if-match': 'x', 'if-none-match': 'abc' }],
])('read is 412: %j', (headers) => {
  expect(() => evaluateRead(headers, TARGET, NOW_MS)).toThrow(
    expect.objectContaining({ code: 'PreconditionFailed', status: 412 }),
  )
})

test('If-Modified-Since in the future is ignored', () => {
  const headers = { 'if-modified-since': LATER }
  const laterMs = Date.parse(LATER)
  expect(evaluateRead(headers, TARGET, laterMs - 1_000)).toBe('proceed')
  expect(evaluateRead(headers, TARGET, laterMs)).toBe('not-modified')
  const source = { 'x-amz-copy-source-if-modified-since': LATER }
  evaluateCopySource(source, TARGET, laterMs - 1_000)
  expect(() => evaluateCopySource(source, TARGET, laterMs)).toThrow('pre-conditions')
  // If-Unmodified-Since may be in the future.
  const unmodified = { 'if-unmodified-since': LATER }
  expect(evaluateRead(unmodified, TARGET, laterMs - 1_000)).toBe('proceed')
})

test('conditions of copy sources only fail with 412', () => {
  evaluateCopySource({ 'x-amz-copy-source-if-match': 'abc', 'if-match': 'other' }, TARGET, NOW_MS)
  for (const headers of [
    { 'x-amz-copy-source-if-match': 'x' },
    { 'x-amz-copy-source-if-match': '' },
    { 'x-amz-copy-source-if-none-match': '"abc"' },
    { 'x-amz-copy-source-if-modified-since': LATER },
    { 'x-amz-copy-source-if-unmodified-since': EARLIER },
  ]) {
    expect(() => evaluateCopySource(headers, TARGET, NOW_MS)).toThrow(
      expect.objectContaining({ status: 412 }),
    )
  }
})

test('If-Range uses the strong comparison', () => {
  expect(rangeApplies({}, TARGET)).toBe(true)
  expect(rangeApplies({ 'if-range': '' }, TARGET)).toBe(true)
  expect(rangeApplies({ 'if-range': '"abc"' }, TARGET)).toBe(true)
  expect(rangeApplies({ 'if-range': 'W/"abc"' }, TARGET)).toBe(false)
  expect(rangeApplies({ 'if-range': SAME }, TARGET)).toBe(true)
  expect(rangeApplies({ 'if-range': LATER }, TARGET)).toBe(false)
})

test('writes accept If-None-Match: * and If-Match: etag', () => {
  expect(writeCondition({})).toBeUndefined()
  expect(writeCondition({ 'if-none-match': '*' })).toEqual({ ifNoneMatch: ['*'] })
  expect(writeCondition({ 'if-match': '"abc"' })).toEqual({ ifMatch: ['abc'] })
  expect(writeCondition({ 'if-match': 'abc' })).toEqual({ ifMatch: ['abc'] })
})

test.each<[Headers]>([
  [{ 'if-none-match': '"abc"' }],
  [{ 'if-none-match': '' }],
  [{ 'if-match': '*' }],
  [{ 'if-match': '"a", "b"' }],
  [{ 'if-match': 'W/"a"' }],
  [{ 'if-match': '' }],
  [{ 'if-modified-since': LATER }],
  [{ 'if-unmodified-since': LATER }],
])('other conditions on a write get 501 and are not ignored: %j', (headers) => {
  expect(() => writeCondition(headers)).toThrow(
    expect.objectContaining({ code: 'NotImplemented', status: 501 }),
  )
})

test('deletes accept an ETag, a size and a time', () => {
  expect(deleteCondition({})).toBeUndefined()
  expect(deleteCondition({ 'if-match': '*' })).toEqual({ ifMatch: ['*'] })
  expect(
    deleteCondition({
      'if-match': '"abc"',
      'x-amz-if-match-size': '12',
      'x-amz-if-match-last-modified-time': SAME,
    }),
  ).toEqual({
    ifMatch: ['abc'],
    ifMatchSizeBytes: 12,
    ifMatchLastModifiedMs: Date.UTC(2026, 0, 2, 3, 4, 5),
  })
  for (const headers of [
    { 'x-amz-if-match-size': '-1' },
    { 'x-amz-if-match-last-modified-time': '12' },
    { 'if-none-match': '*' },
  ]) {
    expect(() => deleteCondition(headers)).toThrow()
  }
})
