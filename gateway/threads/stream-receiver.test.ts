import { expect, test } from 'vitest'
import { createBlockMemory, blockHolder, SharedBlocks } from './blocks.ts'
import { STOP, TAKEN, type Message } from './messages.ts'
import { StreamReceiver } from './stream-receiver.ts'

const owner = blockHolder(1, 'core')

function receiver(): { stream: StreamReceiver; blocks: SharedBlocks; posted: Message[] } {
  const blocks = new SharedBlocks(createBlockMemory(2))
  const posted: Message[] = []
  const stream = new StreamReceiver({
    id: 7,
    blocks,
    owner,
    post: (message) => void posted.push(message),
    begin: () => {},
    over: () => {},
  })
  return { stream, blocks, posted }
}

test('a body whose end has arrived is not taken for whole when its sender dies before all was read', async () => {
  const { stream, blocks } = receiver()
  const first = stream.next()
  for (let piece = 0; piece < 2; piece++) stream.take([blocks.take(owner)!, 5])
  stream.end()
  expect((await first).value).toHaveLength(5)
  const gone = new Error('gone')
  stream.cut(gone)
  expect(blocks.free).toBe(1)
  await expect(stream.next()).rejects.toBe(gone)
  expect(blocks.free).toBe(2)
})

test('a failure reaches the reader after what arrived before it, and once', async () => {
  const { stream } = receiver()
  const first = stream.next()
  stream.take(new Uint8Array(3))
  const broken = new Error('broken')
  stream.fail(broken)
  expect((await first).value).toHaveLength(3)
  await expect(stream.next()).rejects.toBe(broken)
  expect(await stream.next()).toEqual({ done: true, value: undefined })
})

test('each chunk is let go of when the next is asked for, and all when the reader ends', async () => {
  const { stream, blocks, posted } = receiver()
  const first = stream.next()
  for (let piece = 0; piece < 2; piece++) stream.take([blocks.take(owner)!, 1])
  await first
  expect([posted, blocks.free]).toEqual([[], 0])
  await stream.next()
  expect([posted, blocks.free]).toEqual([[[TAKEN, 7]], 1])
  await stream.return()
  expect([posted.at(-1), blocks.free]).toEqual([[STOP, 7], 2])
  // What was on its way is dropped.
  stream.take([blocks.take(owner)!, 1])
  expect(blocks.free).toBe(2)
})
