import {
  array,
  assert,
  boolean,
  constantFrom,
  integer,
  option,
  property,
  record,
  tuple,
  uint8Array,
  type Arbitrary,
} from 'fast-check'
import { describe, expect, test } from 'vitest'
import { byteString } from '../bytes.ts'
import type { BlockKey, BucketId, OperationId, ProposerId, RegisterKey } from '../ids.ts'
import type { BlockOwner } from '../keyspace/owner.ts'
import { BALLOT_COUNTER_MAX, type Ballot } from '../register/ballot.ts'
import type { RegisterReply, RegisterRequest } from '../register/types.ts'
import * as wire from './messages.js'
import {
  decodeMessage,
  decodeRegisterAnswer,
  decodeRegisterCall,
  encodeRegisterAnswer,
  encodeRegisterCall,
  MessageError,
} from './message.ts'

function text<T extends string>(bytes: number, most = bytes): Arbitrary<T> {
  return uint8Array({ minLength: bytes, maxLength: most }).map((each) => byteString(each) as T)
}

const counter = integer({ min: 0, max: BALLOT_COUNTER_MAX - 1 })
const ballot: Arbitrary<Ballot> = record({ counter, proposer: text<ProposerId>(16) })
/** A mark or a floor has no proposer. */
const seen: Arbitrary<Ballot> = tuple(ballot, boolean()).map(([each, named]) =>
  named ? each : { ...each, proposer: '' as ProposerId },
)
const blockKey = text<BlockKey>(30)
const payloadBlock = record({
  key: blockKey,
  owner: text<BlockOwner>(4, 60),
  lengthBytes: integer({ min: 0, max: 1 << 20 }),
})
const value = record({
  operation: text<OperationId>(16),
  tombstone: boolean(),
  body: uint8Array({ maxLength: 200 }),
  blocks: array(blockKey, { maxLength: 3 }),
})
const accepted = record({ ballot, value })
const base = {
  key: text<RegisterKey>(4, 60),
  epoch: integer({ min: 0, max: 2 ** 31 }),
  fence: option(record({ bucket: text<BucketId>(16), generation: integer({ min: 0 }) }), {
    nil: undefined,
  }),
}
const requests: Arbitrary<RegisterRequest>[] = [
  record({ type: constantFrom('prepare' as const), ...base, ballot }),
  tuple(
    record({ type: constantFrom('accept' as const), ...base, ballot, value }),
    integer({ min: 0, max: 9 }),
  ).map(([each, more]) => ({
    ...each,
    next: {
      ...each.ballot,
      counter: Math.min(each.ballot.counter + more, BALLOT_COUNTER_MAX),
    },
  })),
  record({ type: constantFrom('read' as const), ...base, want: constantFrom('value', 'ballot') }),
]
const replies: Arbitrary<RegisterReply>[] = [
  record({ type: constantFrom('promised' as const), ballot, accepted }),
  record({
    type: constantFrom('promised' as const),
    ballot,
    floor: seen,
    clockMs: constantFrom(1, 1_800_000_000_000),
  }),
  record({ type: constantFrom('accepted' as const), ballot }),
  accepted.map((state) => ({ type: 'state', ballot: state.ballot, accepted: state }) as const),
  record({ type: constantFrom('state' as const), ballot }),
  record({ type: constantFrom('state' as const) }),
  record({ type: constantFrom('conflict' as const), seen, never: boolean() }),
  record({ type: constantFrom('need-blocks' as const), blocks: array(blockKey, { maxLength: 4 }) }),
  record({ type: constantFrom('stale-epoch' as const), epoch: integer({ min: 0, max: 2 ** 31 }) }),
  record({ type: constantFrom('stale-fence' as const), generation: integer({ min: 0 }) }),
  record({
    type: constantFrom('no-vote' as const),
    reason: constantFrom('faulty', 'full', 'failed', 'not-a-replica'),
  }),
]

describe('register calls and answers', () => {
  test('requests come back as they were', () => {
    for (const request of requests) {
      assert(
        property(
          request,
          array(payloadBlock, { maxLength: 3 }),
          boolean(),
          (request, payload, withBlock) => {
            const call = decodeRegisterCall(encodeRegisterCall({ request, payload, withBlock }))
            expect(call.request).toEqual(request)
            if (request.type === 'accept') expect(call.payload).toEqual(payload)
            if (request.type === 'read') {
              expect(call.withBlock).toBe(withBlock && request.want === 'value')
            }
          },
        ),
      )
    }
  })

  test('replies come back as they were: a mark keeps its counter without a proposer (A1, P6)', () => {
    for (const reply of replies) {
      assert(
        property(reply, (reply) => {
          expect(decodeRegisterAnswer(encodeRegisterAnswer({ reply })).reply).toEqual(reply)
        }),
      )
    }
    const refused = {
      type: 'conflict',
      seen: { counter: 1_048_581, proposer: '' as ProposerId },
    } as const
    expect(decodeRegisterAnswer(encodeRegisterAnswer({ reply: refused })).reply).toMatchObject(
      refused,
    )
  })

  test('the key of the packed block travels with the value', () => {
    const reply = { type: 'state' } as const
    const payloadKey = 'k'.repeat(30) as BlockKey
    expect(decodeRegisterAnswer(encodeRegisterAnswer({ reply, payloadKey })).payloadKey).toBe(
      payloadKey,
    )
  })

  test('what contradicts itself, or no proposer sends, is refused', () => {
    const request = {
      type: 'accept',
      key: 'k'.repeat(10) as RegisterKey,
      epoch: 1,
      ballot: { counter: 5, proposer: 'p'.repeat(16) as ProposerId },
      value: {
        operation: 'o'.repeat(16) as OperationId,
        tombstone: false,
        body: new Uint8Array(0),
        blocks: [],
      },
      next: { counter: 4, proposer: 'p'.repeat(16) as ProposerId },
    } as const
    expect(() => decodeRegisterCall(encodeRegisterCall({ request }))).toThrow(MessageError)
    const promised = wire.WireRegisterReply.encode({ kind: 1 })
    expect(() => decodeRegisterAnswer(promised)).toThrow(MessageError)
    const reason = wire.WireRegisterReply.encode({ kind: 8, reason: 99 })
    expect(() => decodeRegisterAnswer(reason)).toThrow(MessageError)
  })
})

describe('garbage', () => {
  const codecs = Object.entries(wire).filter(([name]) => name.startsWith('Wire'))

  function typedOnly(work: () => unknown): void {
    try {
      work()
    } catch (error) {
      expect(error).toBeInstanceOf(MessageError)
    }
  }

  test('of any bytes there are messages and MessageErrors, nothing else', () => {
    const bytes = uint8Array({ maxLength: 120 })
    assert(
      property(bytes, (bytes) => {
        typedOnly(() => decodeRegisterCall(bytes))
        typedOnly(() => decodeRegisterAnswer(bytes))
        for (const [, codec] of codecs) typedOnly(() => decodeMessage(codec as never, bytes))
      }),
      { numRuns: 600 },
    )
  })

  test('nor of true messages with some bytes changed or cut off', () => {
    for (const request of requests) {
      assert(
        property(
          request,
          integer({ min: 0 }),
          integer({ min: 1, max: 255 }),
          boolean(),
          (request, at, by, cut) => {
            const bytes = encodeRegisterCall({ request })
            bytes[at % bytes.length]! ^= by
            typedOnly(() => decodeRegisterCall(cut ? bytes.subarray(0, at % bytes.length) : bytes))
          },
        ),
        { numRuns: 300 },
      )
    }
    for (const reply of replies) {
      assert(
        property(reply, integer({ min: 0 }), integer({ min: 1, max: 255 }), (reply, at, by) => {
          const bytes = encodeRegisterAnswer({ reply })
          bytes[at % bytes.length]! ^= by
          typedOnly(() => decodeRegisterAnswer(bytes))
        }),
      )
    }
  })
})
