/** The checkers themselves: what is right passes, what is wrong does not. */

import { describe, expect, test } from 'vitest'
import type { OperationId, ProposerId, RegisterKey } from '../../protocol/ids.ts'
import type { RegisterEvent } from '../../node/quorum/register-events.ts'
import { CheckerA } from './checker-a.ts'
import {
  isLinearizable,
  isLinearizableFor,
  type CheckedCall,
  type HistoryOperation,
} from './linearizability.ts'

const put = (tag: number): HistoryOperation => ({ type: 'put', tag })
const get = (tag?: number): HistoryOperation => ({ type: 'get', tag })
const create = (tag: number, done = true): HistoryOperation => ({ type: 'create', tag, done })
const remove: HistoryOperation = { type: 'delete' }

function call(operation: HistoryOperation, calledMs: number, returnedMs = Infinity): CheckedCall {
  return { operation, calledMs, returnedMs }
}

describe('checker B: histories of one key', () => {
  const good: Record<string, CheckedCall[]> = {
    'nothing at all': [],
    'reads before and after a write': [call(get(), 0, 1), call(put(1), 2, 3), call(get(1), 4, 5)],
    'a read during a write may see either': [
      call(put(1), 0, 10),
      call(get(), 1, 2),
      call(get(1), 3, 4),
    ],
    'concurrent writes in either order': [
      call(put(1), 0, 10),
      call(put(2), 0, 10),
      call(get(1), 11, 12),
    ],
    'an unknown write that never happened': [call(put(1), 0), call(get(), 5, 6)],
    'an unknown write that happened late': [call(put(1), 0), call(get(), 5, 6), call(get(1), 7, 8)],
    'an unknown create that was refused': [
      call(put(1), 0, 1),
      call(create(2), 2),
      call(get(1), 3, 4),
    ],
    'deleted, then created': [
      call(put(1), 0, 1),
      call(create(2, false), 2, 3),
      call(remove, 4, 5),
      call(create(3), 6, 7),
      call(get(3), 8, 9),
    ],
    'an unknown delete between': [call(put(1), 0, 1), call(remove, 2), call(create(2), 3, 4)],
  }
  const bad: Record<string, CheckedCall[]> = {
    'a stale read': [call(put(1), 0, 1), call(put(2), 2, 3), call(get(1), 4, 5)],
    'a lost write': [call(put(1), 0, 1), call(get(), 2, 3)],
    'reads that go back': [call(put(1), 0, 10), call(get(1), 1, 2), call(get(), 3, 4)],
    'a value that nobody wrote': [call(get(7), 0, 1)],
    'two creations': [call(create(1), 0, 5), call(create(2), 0, 5)],
    'refused although nothing was there': [call(create(1, false), 0, 1)],
    'deleted and back again': [call(put(1), 0, 1), call(remove, 2, 3), call(get(1), 4, 5)],
    'an unknown write that happened twice': [
      call(put(1), 0),
      call(get(1), 1, 2),
      call(put(2), 3, 4),
      call(get(1), 5, 6),
    ],
    'a write before it was called': [call(get(1), 0, 1), call(put(1), 2, 3)],
  }
  for (const [name, history] of Object.entries(good)) {
    test(`passes: ${name}`, () => expect(isLinearizable(history)).toBe(true))
  }
  for (const [name, history] of Object.entries(bad)) {
    test(`catches: ${name}`, () => expect(isLinearizable(history)).toBe(false))
  }
})

describe('checker B: the work it takes', () => {
  test('decides with many calls in doubt in few steps', () => {
    let steps = 0
    const inDoubt = Array.from({ length: 40 }, (_, i) => ({
      step: i,
      calledMs: 0,
      returnedMs: Infinity,
    }))
    const isFound = isLinearizableFor(
      [
        ...inDoubt,
        { step: 100, calledMs: 1, returnedMs: 2 },
        // No write stored what this one reads.
        { step: -1, calledMs: 3, returnedMs: 4 },
      ],
      0,
      (step) => {
        if (++steps > 50_000) throw new Error('the search does not end')
        return step < 0 ? undefined : step
      },
    )
    expect(isFound).toBe(false)
  })
})

const KEY = 'key' as RegisterKey

interface Line {
  readonly type: RegisterEvent['type']
  readonly from: number
  readonly to: number
  /** None: absent. */
  readonly at?: number
  readonly id?: string
  readonly base?: string
  readonly tombstone?: boolean
}

function violations(...lines: Line[]): readonly string[] {
  const checker = new CheckerA()
  for (const { type, from, to, at, id, base, tombstone } of lines) {
    checker.note(
      {
        key: KEY,
        type,
        startedMs: from,
        ...(at !== undefined && { ballot: { counter: at, proposer: 'p' as ProposerId } }),
        operation: id as OperationId | undefined,
        base: base as OperationId | undefined,
        tombstone,
      },
      to,
      'node',
    )
  }
  checker.finish()
  return checker.violations
}

const first: Line = { type: 'written', from: 0, to: 1, at: 1, id: 'a' }

describe('checker A: what proposers and readers learnt', () => {
  test('passes: a chain of writes, reads of it, and doubts', () => {
    expect(
      violations(
        { type: 'read', from: 0, to: 1 },
        first,
        { type: 'read', from: 2, to: 3, at: 1, id: 'a' },
        { type: 'unknown', from: 3, to: 4, id: 'x' },
        { type: 'written', from: 4, to: 5, at: 4, id: 'b', base: 'a' },
        { type: 'kept', from: 6, to: 7, at: 6, id: 'b' },
        // One whose proposer died stood in between.
        { type: 'written', from: 8, to: 9, at: 9, id: 'c', base: 'lost' },
      ),
    ).toEqual([])
  })

  test('passes: a read during a write, of the state below it', () => {
    const write: Line = { type: 'written', from: 2, to: 5, at: 4, id: 'b', base: 'a' }
    expect(violations(first, { type: 'read', from: 3, to: 4, at: 1, id: 'a' }, write)).toEqual([])
  })

  test('catches: two values at one ballot (P1)', () => {
    expect(violations(first, { type: 'read', from: 2, to: 3, at: 1, id: 'b' })).toHaveLength(1)
  })

  test('catches: absence after presence, and a ballot below one that was known', () => {
    expect(violations(first, { type: 'read', from: 2, to: 3 })).toHaveLength(1)
    const second: Line = { type: 'written', from: 2, to: 3, at: 4, id: 'b', base: 'a' }
    expect(
      violations(first, second, { type: 'read', from: 4, to: 5, at: 1, id: 'a' }),
    ).toHaveLength(1)
    expect(violations(first, { ...first, from: 2, to: 3 }).length).toBeGreaterThan(0)
  })
})

describe('checker A: tombstones, and what a write replaced', () => {
  describe('tombstones that were forgotten (G2)', () => {
    const proposed: Line = { type: 'proposed', from: 2, to: 2, id: 't', tombstone: true }
    const buried: Line = {
      type: 'written',
      from: 2,
      to: 3,
      at: 4,
      id: 't',
      base: 'a',
      tombstone: true,
    }
    const absent: Line = { type: 'read', from: 8, to: 9 }
    const again: Line = { type: 'written', from: 10, to: 11, at: 12, id: 'b' }

    test('passes: absence and a new beginning after one, also while it was written', () => {
      expect(violations(first, proposed, buried, absent, again)).toEqual([])
      expect(violations(first, proposed, buried, { ...absent, from: 2 })).toEqual([])
    })

    test('passes: after one of which only the proposal is known', () => {
      expect(violations(first, proposed, absent, again)).toEqual([])
      const doubt: Line = { type: 'unknown', from: 2, to: 6, id: 't' }
      expect(violations(first, proposed, doubt, absent, again)).toEqual([])
    })

    test('catches: absence after what was written since', () => {
      const late: Line = { type: 'read', from: 20, to: 21 }
      expect(violations(first, proposed, buried, absent, again, late)).toHaveLength(1)
      const over: Line = { type: 'written', from: 5, to: 6, at: 7, id: 'b', base: 'a' }
      expect(violations(first, proposed, over, late)).toHaveLength(1)
    })

    test('catches: absence when nothing but a value was proposed', () => {
      expect(violations(first, { ...proposed, tombstone: false }, absent)).toHaveLength(1)
    })
  })

  test('catches: a write that replaced another state than the one below it', () => {
    const second: Line = { type: 'written', from: 0, to: 3, at: 4, id: 'b', base: 'a' }
    const third: Line = { type: 'written', from: 0, to: 3, at: 6, id: 'c', base: 'a' }
    expect(violations(first, second, third)).toHaveLength(1)
    expect(violations(first, { ...second, base: undefined as never })).toHaveLength(1)
  })
})
