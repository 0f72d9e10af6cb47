import { describe, expect, test } from 'vitest'
import { dataId, type BlockKey } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { StreamClock } from '../net/testing/fake-stream.ts'
import { readBlocks, type Piece } from './block-reader.ts'
import { BufferPool } from '../tools/buffer-pool.ts'
import { poisonPools } from '../tools/poison.ts'
import { ReadRoom } from './read-room.ts'

/** Small blocks, so that tests with many readers are quick. */
const BLOCK = 64 << 10
const ID = dataId('d'.repeat(24))

class World {
  readonly clock = new StreamClock()
  readonly room: ReadRoom
  readonly pool = new BufferPool(BLOCK)
  readonly fetched: BlockKey[] = []
  /** Blocks that are being read or that a reader holds, and the most there ever were. */
  live = 0
  most = 0
  readonly controller = new AbortController()

  constructor(sizeBytes: number) {
    poisonPools(true)
    this.room = new ReadRoom(this.clock, BLOCK, sizeBytes)
    const give = this.pool.give.bind(this.pool)
    this.pool.give = (bytes) => {
      this.live--
      give(bytes)
    }
  }

  read(blocks: number, fail = false): AsyncGenerator<Uint8Array> {
    const pieces = Array.from({ length: blocks }, (_, index): Piece => {
      const key = blockKey(0, ID, index)
      return { key, from: 0, to: BLOCK }
    })
    return readBlocks(pieces.values(), {
      room: this.room,
      pool: this.pool,
      signal: this.controller.signal,
      fetch: async (key) => {
        this.fetched.push(key)
        this.most = Math.max(this.most, ++this.live)
        await Promise.resolve()
        if (fail) {
          this.live--
          throw new Error('no replica answers')
        }
        return this.pool.take().fill(this.fetched.length)
      },
    })
  }
}

async function lengthOf(chunks: AsyncIterable<Uint8Array>): Promise<number> {
  let sum = 0
  for await (const chunk of chunks) sum += chunk.length
  return sum
}

/** Takes the next chunk and asks for none behind it. */
async function chunkOf(reader: AsyncGenerator<Uint8Array>): Promise<number> {
  const { value } = (await reader.next()) as IteratorResult<Uint8Array, undefined>
  return value?.length ?? 0
}

/** Lets time pass until the work is done. */
async function passing<T>(world: World, work: Promise<T>): Promise<T> {
  let isOver = false
  void work.finally(() => (isOver = true))
  while (!isOver) {
    await new Promise((resolve) => void setImmediate(resolve))
    world.clock.advance(20)
  }
  return work
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

describe('one reader', () => {
  test('reads ahead only once its client has taken a block, and quickly', async () => {
    const world = new World(64 * BLOCK)
    const reader = world.read(20)
    await chunkOf(reader)
    await settle()
    expect(world.fetched).toHaveLength(1)
    await chunkOf(reader)
    await settle()
    expect(world.fetched).toHaveLength(4)
    world.clock.advance(10_000)
    await chunkOf(reader)
    await settle()
    expect(world.fetched).toHaveLength(4)
    world.clock.advance(10_000)
    await chunkOf(reader)
    world.clock.advance(10_000)
    await chunkOf(reader)
    await settle()
    expect(world.fetched).toHaveLength(5)
    await reader.return(undefined)
    await settle()
    expect([world.room.usedBytes, world.live]).toEqual([0, 0])
  })

  test('gives all back when it is over, whatever ended it', async () => {
    const world = new World(64 * BLOCK)
    expect(await lengthOf(world.read(9))).toBe(9 * BLOCK)
    const left = world.read(9)
    await chunkOf(left)
    await chunkOf(left)
    await left.return(undefined)
    await expect(lengthOf(world.read(9, true))).rejects.toThrow('no replica')
    await settle()
    expect([world.room.usedBytes, world.live]).toEqual([0, 0])
  })
})

const BUDGET = 64 * BLOCK

describe('many readers', () => {
  test('that take nothing stay within the budget, and another one is served', async () => {
    const world = new World(BUDGET)
    const stuck = Array.from({ length: 500 }, () => world.read(8))
    const sizes = await passing(world, Promise.all(stuck.map(chunkOf)))
    world.clock.advance(1_000)
    expect(world.most * BLOCK).toBeLessThanOrEqual(BUDGET)
    expect(world.live * BLOCK).toBeLessThanOrEqual(BUDGET / 2)
    const pieces = sizes.filter((size) => size < BLOCK)
    expect(pieces.length).toBeGreaterThan(400)
    expect(await lengthOf(world.read(8))).toBe(8 * BLOCK)
    await Promise.all(stuck.map((reader) => reader.return(undefined)))
    await settle()
    expect([world.room.usedBytes, world.room.readersInTurns, world.live]).toEqual([0, 0, 0])
  })

  test('that are slow are all served, in turns', async () => {
    const world = new World(BUDGET)
    const slow = async (): Promise<number> => {
      let sum = 0
      for await (const chunk of world.read(8)) {
        sum += chunk.length
        await new Promise<void>((resolve) => void world.clock.after(300, resolve))
      }
      return sum
    }
    const sums = await passing(world, Promise.all(Array.from({ length: 200 }, slow)))
    expect(sums).toEqual(Array<number>(200).fill(8 * BLOCK))
    expect(world.most * BLOCK).toBeLessThanOrEqual(BUDGET)
    await settle()
    expect([world.room.usedBytes, world.room.readersInTurns, world.live]).toEqual([0, 0, 0])
  })

  test('in turns, a quick one reads each block once, and a slow one gives it back meanwhile', async () => {
    const world = new World(2 * BLOCK)
    const holders = [world.read(1)]
    await Promise.all(holders.map(chunkOf))
    // There is no room for a whole block: the pieces are half a block.
    const before = world.fetched.length
    expect(await lengthOf(world.read(3))).toBe(3 * BLOCK)
    expect(world.fetched.length - before).toBe(3)
    const slow = world.read(1)
    expect(await chunkOf(slow)).toBeLessThan(BLOCK)
    expect(world.live).toBe(2)
    world.clock.advance(100)
    expect(world.live).toBe(1)
    expect(await lengthOf(slow)).toBeGreaterThan(0)
    expect(world.fetched.length - before).toBe(5)
  })

  test('in turns, one copies all its pieces into one buffer', async () => {
    const world = new World(2 * BLOCK)
    await chunkOf(world.read(1))
    const buffers = new Set<ArrayBufferLike>()
    const values: number[] = []
    for await (const chunk of world.read(3)) {
      buffers.add(chunk.buffer)
      values.push(chunk[0] as number, chunk.at(-1) as number)
    }
    expect(buffers.size).toBe(1)
    expect(values).toEqual([2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4])
  })
})

describe('resources of many readers', () => {
  test('few blocks are read at the same time', async () => {
    const world = new World(256 * BLOCK)
    let now = 0
    let most = 0
    const all = Array.from({ length: 60 }, () =>
      lengthOf(
        readBlocks([{ key: blockKey(0, ID, 0), from: 0, to: BLOCK }].values(), {
          room: world.room,
          pool: world.pool,
          signal: world.controller.signal,
          fetch: async () => {
            most = Math.max(most, ++now)
            await settle()
            now--
            return new Uint8Array(BLOCK)
          },
        }),
      ),
    )
    expect(await Promise.all(all)).toEqual(Array<number>(60).fill(BLOCK))
    expect(most).toBe(16)
  })

  test('buffers are returned to the system a while after the readers ended', async () => {
    const clock = new StreamClock()
    let idle = 0
    const room = new ReadRoom(clock, BLOCK, 8 * BLOCK, () => idle++)
    room.takeWhole()
    room.takeWhole()
    room.giveWhole()
    clock.advance(20_000)
    expect(idle).toBe(0)
    room.giveWhole()
    clock.advance(9_000)
    expect(idle).toBe(0)
    clock.advance(1_000)
    expect([idle, clock.timers]).toEqual([1, 0])
  })

  test('readers that end while they wait leave the queue', async () => {
    const world = new World(2 * BLOCK)
    const holders = [world.read(1)]
    await Promise.all(holders.map(chunkOf))
    const turn = world.read(1)
    await chunkOf(turn)
    const waiting = expect(world.read(1).next()).rejects.toThrow('gone')
    await settle()
    world.controller.abort(new Error('gone'))
    await waiting
    await Promise.all([turn, ...holders].map((reader) => reader.return(undefined)))
    await settle()
    expect([world.room.usedBytes, world.room.readersInTurns, world.live]).toEqual([0, 0, 0])
  })
})
