import { describe, expect, it } from 'vitest'
import { isLinearizableFor, type HistoryCall } from '../../checkers/linearizability.ts'
import {
  nextOfBucket,
  nextOfKey,
  type BucketState,
  type BucketStep,
  type KeyState,
  type KeyStep,
} from './models.ts'

/** One after the other. */
function line<Step>(...steps: Step[]): HistoryCall<Step>[] {
  return steps.map((step, i) => ({ step, calledMs: 10 * i, returnedMs: 10 * i + 5 }))
}

const keyIsRight = (...steps: KeyStep[]): boolean =>
  isLinearizableFor<KeyStep, KeyState>(line(...steps), { tag: undefined }, nextOfKey)

const bucketIsRight = (...steps: BucketStep[]): boolean =>
  isLinearizableFor<BucketStep, BucketState>(
    line(...steps),
    { live: false, tag: undefined },
    nextOfBucket,
  )

describe('histories of a key', () => {
  it('allow what one copy would answer', () => {
    expect(
      keyIsRight(
        { type: 'read', tag: undefined },
        { type: 'create', tag: 1, done: true },
        { type: 'create', tag: 2, done: false },
        { type: 'swap', before: 1, tag: 3, done: true },
        { type: 'swap', before: 1, tag: 4, done: false },
        { type: 'read', tag: 3 },
        { type: 'delete' },
        { type: 'read', tag: undefined },
      ),
    ).toBe(true)
  })

  it('refuse a stale read, a lost write, a second winner', () => {
    expect(keyIsRight({ type: 'put', tag: 1 }, { type: 'read', tag: undefined })).toBe(false)
    expect(
      keyIsRight({ type: 'put', tag: 1 }, { type: 'put', tag: 2 }, { type: 'read', tag: 1 }),
    ).toBe(false)
    expect(
      keyIsRight({ type: 'create', tag: 1, done: true }, { type: 'create', tag: 2, done: true }),
    ).toBe(false)
    expect(
      keyIsRight({ type: 'put', tag: 1 }, { type: 'swap', before: 1, tag: 2, done: false }),
    ).toBe(false)
  })
})

describe('histories of a bucket', () => {
  it('allow what one copy would answer', () => {
    expect(
      bucketIsRight(
        { type: 'head', answer: 'no-bucket' },
        { type: 'make', answer: 'ok' },
        { type: 'make', answer: 'exists' },
        { type: 'put', tag: 1, answer: 'ok' },
        { type: 'drop', answer: 'not-empty' },
        { type: 'list', tag: 1, answer: 'ok' },
        { type: 'erase', answer: 'ok' },
        { type: 'get', tag: undefined, answer: 'no-key' },
        { type: 'drop', answer: 'ok' },
        { type: 'put', tag: 2, answer: 'no-bucket' },
      ),
    ).toBe(true)
  })

  it('refuse a bucket dropped with its object, and a put into none', () => {
    const made: BucketStep[] = [
      { type: 'make', answer: 'ok' },
      { type: 'put', tag: 1, answer: 'ok' },
    ]
    expect(bucketIsRight(...made, { type: 'drop', answer: 'ok' })).toBe(false)
    expect(bucketIsRight({ type: 'put', tag: 1, answer: 'ok' })).toBe(false)
    expect(bucketIsRight(...made, { type: 'list', tag: undefined, answer: 'ok' })).toBe(false)
    expect(
      bucketIsRight({ type: 'make', answer: 'ok' }, { type: 'put', tag: 1, answer: 'no-bucket' }),
    ).toBe(false)
  })
})
