import { describe, expect, it } from 'vitest'
import { CALLS } from './calls.ts'
import { RPC } from './message.ts'

describe('the table of calls', () => {
  it('has every call but those on registers, each under its own number', () => {
    const { register: _, ...others } = RPC
    const numbers = Object.entries(CALLS).map(([name, { type }]) => [name, type])
    expect(Object.fromEntries(numbers)).toEqual(others)
  })

  it('writes requests and replies so that they are read back', () => {
    const { request, reply } = CALLS.raise
    const asked = { epoch: 3, bucket: new Uint8Array(16), generation: 4, partitions: [1, 2] }
    expect(request.decode(request.encode(asked))).toEqual(asked)
    const answered = { result: 1, epoch: 5 }
    expect(reply.decode(reply.encode(answered))).toEqual(answered)
  })

  it('has nothing in the replies of calls that only tell something', () => {
    expect(CALLS.hint.reply.encode({})).toHaveLength(0)
    expect(CALLS.readers.reply.decode(new Uint8Array(3))).toBeUndefined()
  })
})
