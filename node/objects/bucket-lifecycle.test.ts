import { expect, test } from 'vitest'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import type { LifecycleRule } from '../../protocol/lifecycle/rule.ts'
import { isAbortDue, lifecycleOf, objectRulesOf } from './bucket-lifecycle.ts'
import { newBucket, settingsOf, withChange } from './bucket-record.ts'

const DAY_MS = 24 * 3_600_000
const RULES: LifecycleRule[] = [
  { id: 'both', enabled: true, prefix: 'a/', days: 3, abortDays: 2 },
  { id: 'off', enabled: false, prefix: '', noncurrentDays: 1 },
]

const EMPTY = newBucket({
  name: 'bucket',
  incarnation: new Uint8Array(16),
  ownerAccount: '1',
  createdMs: 0,
  region: '',
  shards: 16,
})

test('a record keeps all rules, and aborts uploads by those that say so', () => {
  const record = withChange(EMPTY, { lifecycle: RULES })
  expect(settingsOf(record).lifecycle).toEqual(RULES)
  expect(lifecycleOf(record)).toEqual(RULES)
  expect(objectRulesOf(record).map(({ id }) => id)).toEqual(['both'])
  expect(isAbortDue(record, { key: 'a/x', initiatedMs: 1 }, 3 * DAY_MS)).toBe(true)
  expect(isAbortDue(record, { key: 'a/x', initiatedMs: 1 }, 3 * DAY_MS - 1)).toBe(false)
  expect(isAbortDue(record, { key: 'x', initiatedMs: 1 }, 9 * DAY_MS)).toBe(false)
  expect(settingsOf(withChange(record, { policy: 'x' })).lifecycle).toEqual(RULES)
  expect(settingsOf(withChange(record, { lifecycle: null })).lifecycle).toBeUndefined()
})

test('what an older program has configured counts, and what it replaces or removes counts no more', () => {
  const record = withChange(EMPTY, { lifecycle: RULES })
  const older = (abortRules: BucketRecord['abortRules']): BucketRecord => ({
    ...record,
    generation: record.generation + 1,
    abortRules,
  })
  expect(settingsOf(older([])).lifecycle).toBeUndefined()
  expect(objectRulesOf(older([]))).toEqual([])
  const same = [{ id: 'both', prefix: 'a/', days: 2, enabled: true }]
  const expected = [{ id: 'both', prefix: 'a/', abortDays: 2, enabled: true }]
  expect(settingsOf(older(same)).lifecycle).toEqual(expected)
  expect(objectRulesOf(older(same))).toEqual([])
})
