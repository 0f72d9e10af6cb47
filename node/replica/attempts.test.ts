import { describe, expect, test } from 'vitest'
import { storageId, type DataId } from '../../protocol/ids.ts'
import { InputError } from '../../protocol/input.ts'
import { Attempts, RUNNING_MAX, storageOf } from './attempts.ts'

const A = storageId('ab'.repeat(12))
const B = storageId('cd'.repeat(12))

describe('own attempts (G5)', () => {
  test('have ids of their own: storage, boot, number', () => {
    const attempts = new Attempts(A, 7)
    const ids = [attempts.begin().id, attempts.begin().id]
    expect(new Set(ids).size).toBe(2)
    for (const id of ids) {
      expect(id).toHaveLength(24)
      expect(storageOf(id)).toBe('\xab'.repeat(12))
      expect(id.slice(12, 16)).toBe('\0\0\0\x07')
    }
  })

  test('are not asked for by an id of another length, which a damaged record may have', () => {
    expect(() => new Attempts(A, 7).isOver('short' as DataId)).toThrow(InputError)
  })

  test('are over once ended, whatever still runs besides', () => {
    const attempts = new Attempts(A, 1)
    const [first, second, third] = [attempts.begin(), attempts.begin(), attempts.begin()]
    second.end()
    second.end()
    expect([first, second, third].map(({ id }) => attempts.isOver(id))).toEqual([
      false,
      true,
      false,
    ])
  })

  test('of an earlier boot are over; of a later one, or not begun yet, they are not', () => {
    const before = new Attempts(A, 1)
    const old = before.begin().id
    const now = new Attempts(A, 2)
    const running = now.begin().id
    expect(now.isOver(old)).toBe(true)
    expect(before.isOver(running)).toBe(false)
    const ahead = new Attempts(A, 2)
    ahead.begin()
    expect(now.isOver(ahead.begin().id)).toBe(false)
  })
})

test('none begins before its node is in P, nor after it has left (G5)', () => {
  const attempts = new Attempts(A, 1)
  let isEstablished = false
  attempts.hold(() => isEstablished)
  attempts.release(2)
  expect(() => attempts.begin()).toThrow(/no member/)
  isEstablished = true
  const { id } = attempts.begin()
  isEstablished = false
  expect(() => attempts.begin()).toThrow(/no member/)
  expect(attempts.isOver(id)).toBe(false)
})

describe('attempts of another node', () => {
  test('are over as its mark says, and nothing is known beyond it', () => {
    const theirs = new Attempts(B, 3)
    const [a, b] = [theirs.begin(), theirs.begin()]
    const mine = new Attempts(A, 1)
    b.end()
    expect(mine.isOver(b.id)).toBe(false)
    mine.learn(theirs.watermark())
    const c = theirs.begin()
    c.end()
    expect([a, b, c].map(({ id }) => mine.isOver(id))).toEqual([false, true, false])
    a.end()
    mine.learn(theirs.watermark())
    expect([a, b, c].map(({ id }) => mine.isOver(id))).toEqual([true, true, true])
  })

  test('a later boot ends all of the boot before; a late message of that one changes nothing', () => {
    const before = new Attempts(B, 3)
    const old = before.begin()
    const late = before.watermark()
    const after = new Attempts(B, 4)
    const mine = new Attempts(A, 1)
    mine.learn(late)
    expect(mine.isOver(old.id)).toBe(false)
    mine.learn(after.watermark())
    mine.learn(late)
    expect(mine.isOver(old.id)).toBe(true)
    expect(mine.isOver(after.begin().id)).toBe(false)
  })

  test('a mark names at most so many, and covers no more than those', () => {
    const theirs = new Attempts(B, 1)
    const all = Array.from({ length: RUNNING_MAX + 3 }, () => theirs.begin())
    const mine = new Attempts(A, 1)
    all.at(-1)!.end()
    mine.learn(theirs.watermark())
    expect(theirs.watermark().running).toHaveLength(RUNNING_MAX)
    expect(all.filter(({ id }) => mine.isOver(id))).toEqual([])
    all[4]!.end()
    mine.learn(theirs.watermark())
    expect(all.filter(({ id }) => mine.isOver(id))).toEqual([all[4]])
  })

  test('an older mark does not make unknown what was known', () => {
    const theirs = new Attempts(B, 1)
    const early = theirs.watermark()
    const attempt = theirs.begin()
    attempt.end()
    const mine = new Attempts(A, 1)
    mine.learn(theirs.watermark())
    mine.learn(early)
    expect(mine.isOver(attempt.id)).toBe(true)
  })
})
