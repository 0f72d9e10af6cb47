/** The codec by hand and the generated one agree, in both directions. */

import { array, assert, boolean, integer, option, property, record, uint8Array } from 'fast-check'
import { describe, expect, test } from 'vitest'
import { WireRegisterReply, WireRegisterRequest } from './messages.js'
import { registerReplyCodec, registerRequestCodec } from './register-codec.ts'

const bytes = uint8Array({ maxLength: 300 })
const number = integer({ min: 0, max: 2 ** 31 }).map((each) => each * 4_194_301)
const small = integer({ min: 0, max: 2 ** 32 - 1 })
const ballot = record({ counter: number, proposer: uint8Array({ maxLength: 16 }) })
const maybeBallot = option(ballot, { nil: undefined })

const request = record({
  key: bytes,
  epoch: number,
  fenceBucket: bytes,
  fenceGeneration: number,
  ballot: maybeBallot,
  state: bytes,
  next: maybeBallot,
  want: small,
  kind: small,
  payload: array(record({ key: bytes, owner: bytes, lengthBytes: small }), { maxLength: 3 }),
})

const reply = record({
  kind: small,
  ballot: maybeBallot,
  state: bytes,
  epoch: number,
  generation: number,
  blocks: array(bytes, { maxLength: 3 }),
  reason: small,
  payloadKey: bytes,
  absent: boolean(),
  never: boolean(),
  floor: maybeBallot,
  clockMs: number,
})

describe.each([
  ['request', request, registerRequestCodec, WireRegisterRequest],
  ['reply', reply, registerReplyCodec, WireRegisterReply],
] as const)('a %s', (_name, messages, byHand, generated) => {
  test('has the same bytes, and is read the same', () => {
    assert(
      property(messages, (message) => {
        const given = message as never
        const encoded = generated.encode(given)
        expect(byHand.encode(given)).toEqual(encoded)
        expect(byHand.decode(encoded)).toEqual(generated.decode(encoded))
      }),
    )
  })

  test('an empty one, and one with an unknown field', () => {
    expect(byHand.encode({})).toEqual(generated.encode({}))
    const unknown = Uint8Array.of(15 * 8 + 2, 1, 7, 14 * 8, 5)
    expect(byHand.decode(unknown)).toEqual(generated.decode(unknown))
  })

  test('one that is cut short, or damaged, gives a message or throws, and never hangs', () => {
    assert(
      property(
        messages,
        integer({ min: 0 }),
        uint8Array({ maxLength: 4 }),
        (message, at, noise) => {
          const encoded = generated.encode(message as never)
          const cut = encoded.slice(0, encoded.length === 0 ? 0 : at % encoded.length)
          for (const broken of [cut, Uint8Array.of(...cut, ...noise)]) {
            try {
              byHand.decode(broken)
            } catch (error) {
              expect(error).toBeInstanceOf(RangeError)
            }
          }
        },
      ),
    )
  })
})
