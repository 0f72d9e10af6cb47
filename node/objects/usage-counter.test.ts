import { expect, test } from 'vitest'
import { bucketId } from '../../protocol/ids.ts'
import type { Clock } from '../env/ports.ts'
import type { Pages } from './pages.ts'
import { UsageCounter } from './usage-counter.ts'

const BUCKET = bucketId('b'.repeat(16))
const clock = {
  monotonicMs: () => 0,
  after(delayMs: number, run: () => void) {
    if (delayMs === 0) setImmediate(run)
    return () => {}
  },
} as unknown as Clock

function counter(range: () => void): UsageCounter {
  const pages = {} as Pages
  return new UsageCounter({ store: { range }, clock, pages, partitionBits: () => 6 })
}

test('a shard that cannot be read is not counted, and nothing is rejected', async () => {
  const broken = counter(() => {
    throw new Error('the index is closed')
  })
  expect(await broken.of(BUCKET, [0, 1])).toMatchObject({ counted: 0, bytes: 0, objects: 0 })
  const empty = counter(() => {})
  expect(await empty.of(BUCKET, [0, 1])).toMatchObject({ counted: 2, bytes: 0, objects: 0 })
})

test('what no peer asks for is refused', async () => {
  const empty = counter(() => {})
  await expect(empty.of(BUCKET, [2 ** 16])).rejects.toThrow('a shard is a number of 16 bits')
  await expect(empty.of(BUCKET, Array<number>(5_000).fill(0))).rejects.toThrow('too many shards')
})
