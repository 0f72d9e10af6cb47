import { beforeEach, expect, test } from 'vitest'
import { u32 } from '../../protocol/bytes.ts'
import type { BlockKey, NodeId } from '../../protocol/ids.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { FreeQueue, FREED_MAX } from './free-queue.ts'

const [A, B, C] = ['a', 'b', 'c'] as NodeId[]

let clock: StreamClock
let sent: { to: NodeId; keys: readonly BlockKey[] }[]
let down: Set<NodeId>
let freer: FreeQueue

beforeEach(() => {
  clock = new StreamClock()
  sent = []
  down = new Set()
  freer = new FreeQueue({
    peers: {
      free: (to, keys) => {
        sent.push({ to, keys })
        return down.has(to) ? Promise.reject(new Error('down')) : Promise.resolve(keys.length)
      },
    },
    placement: {
      epoch: () => 1,
      sets: (partition) =>
        partition === 1
          ? [
              [A!, B!],
              [B!, C!],
            ]
          : [[A!]],
    },
    clock,
  })
})

const key = (partition: number, number: number): BlockKey =>
  (`\0${String.fromCharCode(partition)}` + 'd'.repeat(24) + u32(number)) as BlockKey

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 500) {
    clock.advance(500)
    for (let i = 0; i < 20; i++) await Promise.resolve()
  }
}

test('every node of every active set is told once', async () => {
  freer.free([key(1, 1), key(1, 2), key(0, 1)])
  await pass(500)
  expect(sent.map(({ to, keys }) => [to, keys.length])).toEqual([
    [A, 3],
    [B, 2],
    [C, 2],
  ])
  expect(freer.pending).toBe(0)
})

test('many blocks go in several messages', async () => {
  freer.freeOn(
    A!,
    Array.from({ length: FREED_MAX + 1 }, (_, number) => key(1, number)),
  )
  await pass(500)
  expect(sent.map(({ keys }) => keys.length)).toEqual([FREED_MAX, 1])
})

test('a node that does not answer is asked a few times, and then left to the scan', async () => {
  down.add(B!)
  freer.free([key(1, 1)])
  await pass(60_000)
  expect(sent.filter(({ to }) => to === B)).toHaveLength(3)
  expect(freer.unsent).toBe(1)
  expect(freer.pending).toBe(0)
  down.clear()
  freer.free([key(1, 2)])
  await pass(500)
  expect(sent.at(-2)?.keys).toEqual([key(1, 2)])
})

test('blocks that come while a message is on its way go into the next one', async () => {
  down.add(A!)
  freer.freeOn(A!, [key(1, 1)])
  await pass(500)
  down.clear()
  freer.freeOn(A!, [key(1, 2)])
  await pass(5_000)
  expect(sent.at(-1)?.keys).toEqual([key(1, 1), key(1, 2)])
  expect(freer.unsent).toBe(0)
})
