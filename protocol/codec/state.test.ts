import { array, assert, boolean, integer, property, record, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteString } from '../bytes.ts'
import type { BlockKey, OperationId, ProposerId } from '../ids.ts'
import { objectOf } from '../object/object.ts'
import {
  ballotOfState,
  bodyPlaceOf,
  decodeState,
  encodeState,
  isTombstoneState,
  StateCodecError,
} from './state.ts'
import { objectCodec, RecordVersionError } from './versioned.ts'

const id = (bytes: number) =>
  uint8Array({ minLength: bytes, maxLength: bytes }).map((each) => byteString(each))
const accepted = record({
  ballot: record({
    counter: integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
    proposer: id(16).map((each) => each as ProposerId),
  }),
  value: record({
    operation: id(16).map((each) => each as OperationId),
    tombstone: boolean(),
    blocks: array(
      id(30).map((each) => each as BlockKey),
      { maxLength: 5 },
    ),
    body: uint8Array({ maxLength: 300 }),
  }),
})

describe('register states as bytes', () => {
  test('come back as they were', () => {
    assert(
      property(accepted, (state) => {
        const bytes = encodeState(state)
        expect(decodeState(bytes)).toEqual(state)
        expect(ballotOfState(bytes)).toEqual(state.ballot)
        expect(isTombstoneState(bytes)).toBe(state.value.tombstone)
      }),
    )
  })

  test('order of counters is order of bytes', () => {
    const counter = integer({ min: 0, max: Number.MAX_SAFE_INTEGER })
    assert(
      property(accepted, counter, counter, (state, a, b) => {
        const bytesOf = (counter: number): Uint8Array =>
          encodeState({ ...state, ballot: { ...state.ballot, counter } }).subarray(2, 10)
        expect(Math.sign(Buffer.compare(bytesOf(a), bytesOf(b)))).toBe(Math.sign(a - b))
      }),
    )
  })

  test('anything else is a StateCodecError, later versions and unknown flags too (F20)', () => {
    assert(
      property(accepted, integer({ min: 0 }), integer({ min: 1, max: 255 }), (state, at, by) => {
        const bytes = encodeState(state)
        bytes[at % bytes.length]! ^= by
        const cut = bytes.subarray(0, at % bytes.length)
        for (const damaged of [bytes, cut]) {
          try {
            decodeState(damaged)
          } catch (error) {
            expect(error).toBeInstanceOf(StateCodecError)
          }
        }
      }),
      { numRuns: 500 },
    )
    const bytes = new Uint8Array(60).fill(0)
    for (const [version, flags] of [
      [0, 0],
      [2, 0],
      [1, 16],
      [1, 32],
      [1, 12],
    ]) {
      bytes[0] = version!
      bytes[1] = flags!
      expect(() => decodeState(bytes)).toThrow(StateCodecError)
    }
  })
})

describe('bodies', () => {
  test('of another version are refused, never misread', () => {
    const bytes = objectCodec.encode({ ...objectOf(undefined), sequence: 3 })
    expect(objectCodec.decode(bytes).sequence).toBe(3)
    bytes[0] = 3
    expect(() => objectCodec.decode(bytes)).toThrow(RecordVersionError)
    expect(() => objectCodec.decode(new Uint8Array(0))).toThrow(RecordVersionError)
  })
})

test('what a change replaced, or began above, comes back (P4)', () => {
  const proposer = 'p'.repeat(16) as ProposerId
  const operation = 'o'.repeat(16) as OperationId
  const origins = [
    {},
    { replaced: 'r'.repeat(16) as OperationId },
    { above: { counter: 0, proposer: '' as ProposerId } },
    { above: { counter: 7, proposer: '' as ProposerId } },
    { above: { counter: 2 ** 40, proposer } },
    { replaced: operation, earlier: ['a'.repeat(16), 'b'.repeat(16)] as OperationId[] },
    {
      replaced: operation,
      earlier: Array.from({ length: 62 }, () => operation),
      above: { counter: 9, proposer },
    },
    { replaced: operation, above: { counter: 0, proposer: '' as ProposerId } },
  ]
  for (const origin of origins) {
    for (const tombstone of [false, true]) {
      const body = new Uint8Array([1, 2, 3])
      const state = {
        ballot: { counter: 5, proposer },
        value: { operation, tombstone, body, blocks: [], ...origin },
      }
      const bytes = encodeState(state)
      expect(decodeState(bytes)).toEqual(state)
      expect(bytes.subarray(bodyPlaceOf(bytes, 0))).toEqual(body)
      // Also behind other bytes.
      const behind = new Uint8Array([9, 9, 9, ...bytes])
      expect(behind.subarray(bodyPlaceOf(behind, 3))).toEqual(body)
    }
  }
})
