/** Requests to registers as messages: encoded once for a round, and never taken for another request's. */

import { expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { dataId, operationId, proposerId, type RegisterKey } from '../../protocol/ids.ts'
import { packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import type { AcceptRequest } from '../../protocol/register/types.ts'
import { decodeRegisterCall } from '../../protocol/rpc/message.ts'
import { RegisterMessages } from './register-messages.ts'

const KEY = '\0\u0001okey' as RegisterKey
const OWNER = KEY as unknown as BlockOwner
const ballot = { counter: 3, proposer: proposerId('p'.repeat(16)) }

function acceptOf(text: string): AcceptRequest {
  const operation = operationId(text.padEnd(16, '-'))
  const value = { operation, tombstone: false, blocks: [], body: bytesOf(text) }
  return { type: 'accept', key: KEY, epoch: 1, fence: undefined, ballot, value, next: ballot }
}

function blockOf(letter: string): {
  key: ReturnType<typeof packedBlockKey>
  bytes: Uint8Array
  owner: BlockOwner
} {
  return {
    key: packedBlockKey(KEY, dataId(letter.repeat(24))),
    bytes: bytesOf(letter),
    owner: OWNER,
  }
}

test('the same request with the same blocks is one message', () => {
  const messages = new RegisterMessages()
  const request = acceptOf('one')
  const blocks = [blockOf('a'), blockOf('b')]
  const first = messages.of(request, { blocks })
  expect(messages.of(request, { blocks })).toBe(first)
  expect(first.payload).toEqual(bytesOf('ab'))
  expect(decodeRegisterCall(first.body)).toMatchObject({
    request: { value: { body: bytesOf('one') } },
    payload: [{ lengthBytes: 1 }, { lengthBytes: 1 }],
  })
})

test('another request, other blocks, or a read that wants the block is another message', () => {
  const messages = new RegisterMessages()
  const request = acceptOf('one')
  const first = messages.of(request, { blocks: [blockOf('a')] })
  expect(messages.of(request, { blocks: [blockOf('b')] }).payload).toEqual(bytesOf('b'))
  expect(messages.of(request, {}).payload).toBeUndefined()
  expect(messages.of(acceptOf('two'), {}).body).not.toEqual(first.body)
  const read = { type: 'read', key: KEY, epoch: 1, fence: undefined, want: 'value' } as const
  const plain = messages.of(read, { withBlock: false })
  expect(messages.of(read, { withBlock: true }).body).not.toEqual(plain.body)
})
