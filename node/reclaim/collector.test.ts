import { beforeEach, describe, expect, test } from 'vitest'
import { u32 } from '../../protocol/bytes.ts'
import { bucketId, dataId, type BlockKey, type DataId } from '../../protocol/ids.ts'
import { dataIdOf, packedBlockKey } from '../../protocol/keyspace/block-key.ts'
import { ownedByObject } from '../../protocol/keyspace/owner.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { READERS_TOLD_MS } from '../replica/readers.ts'
import { Collector } from './collector.ts'
import { DeadData } from '../replica/dead-data.ts'
import type { Reachability } from './reachability-check.ts'
import type { Released } from '../objects/reclaim.ts'

const OBJECT = objectRegister(bucketId('b'.repeat(16)), 2, 'key', 6)
const owner = ownedByObject(OBJECT)
const DELAY_MS = 30_000

let clock: StreamClock
let freed: BlockKey[]
let checked: DataId[]
let result: (id: DataId) => Promise<Reachability>
let short: boolean
let gone: Set<BlockKey>
let dead: DeadData
let collector: Collector

beforeEach(() => {
  clock = new StreamClock()
  freed = []
  checked = []
  result = () => Promise.resolve('dead')
  short = false
  gone = new Set()
  dead = new DeadData()
  collector = newCollector()
})

function newCollector(waitingMax?: number): Collector {
  return new Collector({
    watermarks: { isOver: () => true },
    reachability: {
      check: (_, id) => {
        checked.push(id)
        return result(id)
      },
    },
    freer: { free: (keys) => void freed.push(...keys) },
    dead,
    clock,
    logger: { debug() {}, info() {}, warn() {}, error() {} },
    partitionBits: () => 6,
    reclaimDelayMs: DELAY_MS,
    isShort: () => short,
    holds: (key) => !gone.has(key),
    waitingMax,
  })
}

function id(number: number): DataId {
  return dataId('d'.repeat(20) + u32(number))
}

function released(number: number, extra: Partial<Released> = {}): Released {
  return { owner, dataId: id(number), sizeBytes: 9, packed: true, mayFree: true, ...extra }
}

async function pass(ms: number): Promise<void> {
  for (let at = 0; at < ms; at += 250) {
    clock.advance(250)
    for (let i = 0; i < 8; i++) await Promise.resolve()
  }
}

describe('data whose attempt was over inside the change', () => {
  test('is freed after the delay, without a check', async () => {
    collector.released([released(1)])
    await pass(DELAY_MS - 1_000)
    expect(freed).toEqual([])
    expect(collector.queueLength).toBe(1)
    await pass(2_000)
    expect(freed).toEqual([packedBlockKey(OBJECT, id(1))])
    expect(checked).toEqual([])
    expect(collector.queueLength).toBe(0)
    expect(dead.has(id(1))).toBe(true)
  })

  test('is freed as soon as its readers are known when the disk is short of space', async () => {
    short = true
    collector.released([released(1)])
    await pass(READERS_TOLD_MS - 500)
    expect(freed).toHaveLength(0)
    await pass(1_000)
    expect(freed).toHaveLength(1)
  })

  test('includes every block', async () => {
    collector.released([released(1, { packed: false, sizeBytes: 2 * BLOCK_BYTES + 1 })])
    await pass(DELAY_MS + 500)
    expect(freed).toHaveLength(3)
    expect(new Set(freed.map(dataIdOf))).toEqual(new Set([id(1)]))
  })
})

describe('other data', () => {
  const open = (number: number): Released => released(number, { mayFree: false })

  test('is checked first, then waits for its readers', async () => {
    collector.released([open(1)])
    await pass(1_000)
    expect(checked).toEqual([id(1)])
    expect(freed).toEqual([])
    await pass(DELAY_MS)
    expect(freed).toHaveLength(1)
  })

  test('stays while a register names it', async () => {
    result = () => Promise.resolve('referenced')
    collector.released([open(1)])
    await pass(10 * DELAY_MS)
    expect(checked).toHaveLength(1)
    expect(freed).toEqual([])
    expect(dead.has(id(1))).toBe(false)
  })

  test.each([
    ['of a running attempt', (): Promise<Reachability> => Promise.resolve('running')],
    [
      'whose registers do not answer',
      (): Promise<Reachability> => Promise.reject(new Error('no majority')),
    ],
  ])('%s is asked about again, a few times', async (_, answer) => {
    result = answer
    collector.released([open(1)])
    await pass(10 * DELAY_MS)
    expect(checked).toHaveLength(3)
    expect(freed).toEqual([])
    expect(collector.counters.dropped).toBe(1)
    result = () => Promise.resolve('dead')
    collector.released([open(1)])
    await pass(2 * DELAY_MS)
    expect(freed).toHaveLength(1)
  })

  test('is checked a few at a time', async () => {
    const waiting: ((result: Reachability) => void)[] = []
    result = () => new Promise((resolve) => waiting.push(resolve))
    collector.released([1, 2, 3, 4, 5, 6].map(open))
    await pass(1_000)
    expect(checked).toHaveLength(4)
    waiting[0]!('dead')
    await pass(250)
    expect(checked).toHaveLength(5)
  })
})

describe('what the scan finds', () => {
  const key = (number: number, index: number): BlockKey =>
    (packedBlockKey(OBJECT, id(number)).slice(0, -4) + u32(index)) as BlockKey

  test('waits for its readers, is checked once, however many blocks are found, and is freed', async () => {
    collector.addCandidate({ owner, dataId: id(1), keys: [key(1, 0)] })
    expect(collector.knows(id(1), [key(1, 1)])).toBe(true)
    await pass(DELAY_MS)
    expect(checked).toEqual([])
    collector.addCandidate({ owner, dataId: id(1), keys: [key(1, 2)] })
    await pass(4_000)
    expect(checked).toHaveLength(1)
    expect(freed).toEqual([key(1, 0), key(1, 1), key(1, 2)])
    // Dead for good: a block that comes back is freed again.
    expect(collector.knows(id(1), [key(1, 0)])).toBe(true)
    await pass(DELAY_MS + 500)
    expect(checked).toHaveLength(1)
    expect(freed.slice(3)).toEqual([key(1, 0)])
  })

  test('costs nothing when another node has freed it meanwhile', async () => {
    collector.addCandidate({ owner, dataId: id(1), keys: [key(1, 0)] })
    collector.addCandidate({ owner, dataId: id(2), keys: [key(2, 0), key(2, 1)] })
    gone.add(key(1, 0)).add(key(2, 1))
    await pass(DELAY_MS + 4_000)
    expect(checked).toEqual([id(2)])
    expect(freed).toEqual([key(2, 0)])
  })

  test('is dropped when too much waits, and is found again', async () => {
    collector = newCollector(2)
    collector.released([1, 2, 3].map((number) => released(number)))
    expect(collector.isFull).toBe(true)
    expect(collector.counters.dropped).toBe(1)
    await pass(DELAY_MS + 500)
    expect(freed).toHaveLength(2)
    expect(collector.isFull).toBe(false)
  })
})

test('a stopped collector does nothing more', async () => {
  collector.released([released(1)])
  collector.stop()
  await pass(2 * DELAY_MS)
  expect(freed).toEqual([])
})
