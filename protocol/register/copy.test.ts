import { describe, expect, test } from 'vitest'
import type { OperationId, ProposerId } from '../ids.ts'
import { type Ballot, ZERO_BALLOT } from './ballot.ts'
import { collect, install } from './copy.ts'
import type { Accepted } from './types.ts'

const ballot = (counter: number): Ballot => ({ counter, proposer: 'p' as ProposerId })
const pair = (counter: number, tombstone = false): Accepted => ({
  ballot: ballot(counter),
  value: {
    operation: `o${counter}` as OperationId,
    tombstone,
    body: new Uint8Array(0),
    blocks: [],
  },
})

describe('L5, G3: raw copies', () => {
  test('a later pair is installed, and what was promised stays promised', () => {
    expect(install({ promised: ballot(9), accepted: pair(3) }, ZERO_BALLOT, pair(5))).toEqual({
      type: 'installed',
      state: { promised: ballot(9), accepted: pair(5) },
      persist: pair(5),
    })
  })

  test('its ballot is promised with it (A3)', () => {
    const result = install({ promised: ballot(2) }, ZERO_BALLOT, pair(5))
    expect(result).toMatchObject({ state: { promised: ballot(5) } })
  })

  test('the same or a later one is held already', () => {
    const state = { promised: ballot(5), accepted: pair(5) }
    expect(install(state, ZERO_BALLOT, pair(5))).toEqual({ type: 'held', ballot: ballot(5) })
    expect(install(state, ZERO_BALLOT, pair(4)).type).toBe('held')
  })

  test('nothing collected comes back: refused at or below the floor, and that is not synced', () => {
    expect(install({ promised: ballot(9) }, ballot(5), pair(5))).toEqual({ type: 'refused' })
    expect(install({ promised: ballot(9) }, ballot(5), pair(6)).type).toBe('installed')
  })
})

describe('G2: collection', () => {
  const state = { promised: ballot(9), accepted: pair(5, true) }

  test('the floor rises to what was promised, and the register is absent', () => {
    expect(collect(state, ballot(3), ballot(5))).toEqual({
      state: { promised: ballot(9) },
      floor: ballot(9),
    })
    expect(collect(state, ballot(12), ballot(5))?.floor).toEqual(ballot(12))
  })

  test.each([
    ['another ballot', state, 4],
    ['no tombstone', { promised: ballot(9), accepted: pair(5) }, 5],
    ['absent', { promised: ballot(9) }, 5],
  ])('nothing happens upon %s', (_, before, counter) => {
    expect(collect(before, ZERO_BALLOT, ballot(counter))).toBeUndefined()
  })
})
