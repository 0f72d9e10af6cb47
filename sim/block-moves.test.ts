/** Blocks on their way to those who hold them now, and away from those who held them (L5, L8, P7, G5). */

import { afterEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf, readU16 } from '../protocol/bytes.ts'
import type { BlockKey } from '../protocol/ids.ts'
import { partitionOfKey } from '../protocol/keyspace/key.ts'
import { EpochWitness } from '../node/layout/epoch-witness.ts'
import { hasBit } from '../protocol/keyspace/bitmap.ts'
import { Store } from '../node/log/store.ts'
import { WatchedDisk } from '../node/env/watched-disk.ts'
import { BlockMover } from '../node/rebalance/block-mover.ts'
import { Peers } from '../node/quorum/peers.ts'
import { seededRandom } from './seeded-random.ts'
import { Patches } from './mutants/patches.ts'
import {
  backendOf,
  bytesLike,
  context,
  fill,
  nodeOf,
  put,
  readBack,
  calmSleep,
  BUCKET,
} from './testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from './testing/hand-layout.ts'

const OBJECTS = 12
const SIZE = 90_000
const patches = new Patches()
afterEach(() => patches.undo())

function rowsOf(hand: HandLayout, number: number, letter: string): string[] {
  const rows: string[] = []
  const end = String.fromCharCode(letter.charCodeAt(0) + 1)
  nodeOf(hand.cluster, number).store.range(bytesOf(letter), bytesOf(end), 1e6, (key) => {
    rows.push(byteString(key.subarray(1)))
  })
  return rows
}

/** Of partitions that the node does not hold by the layout that node 0 knows. */
function foreign(hand: HandLayout, number: number, letter: string): string[] {
  const held = new Set(hand.view.partitionsOf(hand.cluster.idOf(number)))
  return rowsOf(hand, number, letter).filter((key) => !held.has(readU16(key, 0)))
}

/** Blocks that not every holder has. */
function thin(hand: HandLayout, numbers: readonly number[]): BlockKey[] {
  const on = new Map(
    numbers.map((number) => [hand.cluster.idOf(number), new Set(rowsOf(hand, number, 'b'))]),
  )
  const all = new Set([...on.values()].flatMap((keys) => [...keys])) as Set<BlockKey>
  return [...all].filter((key) =>
    hand.view.replicas(partitionOfKey(key)).some((node) => on.get(node)?.has(key) === false),
  )
}

const waiting = (hand: HandLayout, number: number): number =>
  nodeOf(hand.cluster, number).moves.mover.waiting().length

function withoutMover(): void {
  patches.method(BlockMover.prototype, 'start', () => () => {})
}

test('blocks are read from the source at once, move, and the source is free to go', async () => {
  await withHandLayout(2, async (hand) => {
    await hand.become([0])
    await fill(hand.cluster, 0, OBJECTS, SIZE)
    patches.method(Peers.prototype, 'enumerate', () => () => Promise.reject(new Error('not yet')))
    await hand.become([1], true)
    await readBack(hand.cluster, 1, OBJECTS, SIZE)
    expect(rowsOf(hand, 1, 'b').length).toBeLessThan(OBJECTS)
    expect(waiting(hand, 1)).toBeGreaterThan(0)
    const here = new Set(rowsOf(hand, 1, 'b'))
    const lacking = rowsOf(hand, 0, 'b').filter((key) => !here.has(key))
    const { bits } = nodeOf(hand.cluster, 1).rebalance.progress().whole[0]!
    expect(lacking.length).toBeGreaterThan(0)
    for (const key of lacking) expect(hasBit(bits, readU16(key, 0))).toBe(false)
    patches.undo()
    await hand.until(() => waiting(hand, 1) === 0)
    expect(rowsOf(hand, 1, 'b').length).toBeGreaterThanOrEqual(OBJECTS)
    const { move } = nodeOf(hand.cluster, 1).rebalance.progress()
    expect(move.doneBytes).toBeGreaterThanOrEqual(OBJECTS * SIZE)
    expect(move.pendingBytes).toBe(0)
    const { moves, rebalance } = nodeOf(hand.cluster, 1)
    const gauges = new Map(moves.gauges(rebalance).map(({ name, value }) => [name, value]))
    expect(gauges.get('shoal_move_register_bytes_total')).toBeGreaterThan(0)
    expect(gauges.get('shoal_move_bytes_total')).toBe(move.doneBytes)
    expect(gauges.get('shoal_degraded_partitions')).toBe(0)
    await hand.moved()
    hand.cluster.kill(0, false)
    await readBack(hand.cluster, 1, OBJECTS, SIZE)
  })
})

test('the mover gives way once for each mebibyte, not for each small block', async () => {
  patches.method(WatchedDisk.prototype, 'silentMs', () => () => 1_000)
  await withHandLayout(2, async (hand) => {
    await hand.become([0])
    const count = 60
    for (let i = 0; i < count; i++) {
      await put(backendOf(hand.cluster, 0), `key ${i}`, bytesLike(70_000, i))
    }
    await hand.become([1], true)
    const sinceMs = hand.cluster.clock.monotonicMs()
    await hand.until(() => waiting(hand, 1) === 0)
    expect(rowsOf(hand, 1, 'b').length).toBeGreaterThanOrEqual(count)
    // Giving way to each block, four at a time and up to a second for each, would take 15 s.
    expect(hand.cluster.clock.monotonicMs() - sinceMs).toBeLessThan(6_000)
  })
})

test('what a restart finds whole stays whole; what was forgotten since does not (D8)', async () => {
  await withHandLayout(2, async (hand) => {
    const { cluster } = hand
    await hand.become([0])
    await fill(hand.cluster, 0, OBJECTS, SIZE)
    await hand.become([1], true)
    await hand.until(() => waiting(hand, 1) === 0)
    withoutMover()
    cluster.kill(1, false)
    await cluster.start(1)
    expect(waiting(hand, 1)).toBe(0)
    const { moves } = nodeOf(cluster, 1)
    const partition = hand.view.partitionsOf(cluster.idOf(1))[5]!
    const loss = { partitions: [partition], mark: false, reason: 'damage', detail: 'test' } as const
    await nodeOf(cluster, 1).forgotten.add([loss])
    expect(moves.mover.waiting()).toEqual([partition])
  })
})

test('a grown cluster: every holder gets its blocks, and nobody keeps what is for others', async () => {
  await withHandLayout(4, async (hand) => {
    await hand.become([0, 1, 2])
    await fill(hand.cluster, 0, OBJECTS, SIZE)
    await hand.become([0, 1, 2, 3], true)
    await hand.until(() => [0, 1, 2, 3].every((number) => waiting(hand, number) === 0))
    expect(thin(hand, [0, 1, 2, 3])).toEqual([])
    const kept = [0, 1, 2].map((number) => foreign(hand, number, 'b').length)
    await calmSleep(hand.cluster, 20_000)
    // Still sources.
    expect([0, 1, 2].map((number) => foreign(hand, number, 'b').length)).toEqual(kept)
    expect(Math.max(...kept)).toBeGreaterThan(0)
    await hand.moved()
    await hand.until(() =>
      [0, 1, 2, 3].every(
        (number) => foreign(hand, number, 'b').length + foreign(hand, number, 'r').length === 0,
      ),
    )
    expect(thin(hand, [0, 1, 2, 3])).toEqual([])
    await readBack(hand.cluster, 3, OBJECTS, SIZE)
  })
})

test('nodes that die and come back while blocks move and are dropped lose nothing', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    await withHandLayout(
      4,
      async (hand) => {
        const { cluster } = hand
        const random = seededRandom(seed)
        const crash = async (): Promise<void> => {
          const number = Math.floor(random() * 4)
          cluster.kill(number, random() < 0.5)
          await calmSleep(cluster, random() * 300)
          await cluster.start(number)
        }
        await hand.become([0, 1, 2])
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.become([0, 1, 2, 3], true)
        for (let i = 0; i < 5; i++) {
          await calmSleep(cluster, random() * 60)
          await crash()
        }
        const all = [0, 1, 2, 3]
        await hand.until(() => all.every((number) => waiting(hand, number) === 0))
        await hand.moved()
        for (let i = 0; i < 5; i++) {
          await calmSleep(cluster, random() * 6_000)
          await crash()
        }
        await hand.until(() =>
          all.every((n) => foreign(hand, n, 'b').length + foreign(hand, n, 'r').length === 0),
        )
        expect(thin(hand, all)).toEqual([])
        await readBack(hand.cluster, 3, OBJECTS, SIZE)
      },
      { seed },
    )
  }
}, 60_000)

describe('what is dropped (L8)', () => {
  /** The source goes although nothing has moved: what the holders lack is given to them first. */
  async function tooSoon(check: (hand: HandLayout) => Promise<void>): Promise<void> {
    withoutMover()
    await withHandLayout(2, async (hand) => {
      await hand.become([0], false, 1)
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      // One copy of each, before and after.
      await hand.become([0, 1], true, 1)
      expect(foreign(hand, 0, 'b').length).toBeGreaterThan(OBJECTS / 4)
      await hand.moved()
      await hand.until(() => foreign(hand, 0, 'b').length === 0)
      await check(hand)
    })
  }

  const allThere = async (hand: HandLayout): Promise<void> => {
    expect(thin(hand, [0, 1])).toEqual([])
    await readBack(hand.cluster, 1, OBJECTS, SIZE)
  }

  test('is what each holder has; one that lacks it gets it first', () => tooSoon(allThere))

  test('mutant: dropped before the holders were asked', async () => {
    patches.method(
      Peers.prototype,
      'holds',
      () => (_to, _epoch, keys) => Promise.resolve(keys.map(() => true)),
    )
    await expect(tooSoon(allThere)).rejects.toThrow()
  })

  test('nothing, while a holder does not answer', async () => {
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.become([0, 1, 2, 3], true)
      await hand.until(() => [0, 1, 2, 3].every((number) => waiting(hand, number) === 0))
      hand.cluster.kill(3, false)
      await hand.moved([0, 1, 2])
      const of3 = new Set(hand.view.partitionsOf(hand.cluster.idOf(3)))
      const kept = (number: number): string[] =>
        foreign(hand, number, 'b').filter((key) => of3.has(readU16(key, 0)))
      const before = [0, 1, 2].map(kept)
      await calmSleep(hand.cluster, 30_000)
      expect([0, 1, 2].map(kept)).toEqual(before)
      expect(before.flat().length).toBeGreaterThan(0)
    })
  })

  async function untold(check: (hand: HandLayout, before: number) => void): Promise<void> {
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.plan([0, 1, 2, 3])
      await hand.untilCaughtUp(0, 1, 2, 3)
      await hand.joint()
      await hand.untilSynced(0, 1, 2, 3)
      // Only node 0 knows that the former layout is over.
      patches.method(EpochWitness.prototype, 'hear', () => () => {})
      await hand.synced(false, [0])
      const before = foreign(hand, 0, 'r').length
      expect(before).toBeGreaterThan(0)
      await calmSleep(hand.cluster, 12_000)
      check(hand, before)
    })
  }

  test('no register before a majority of each set holds the epoch', () =>
    untold((hand, before) => expect(foreign(hand, 0, 'r').length).toBe(before)))

  test('mutant: registers go before a majority holds the epoch', async () => {
    patches.method(EpochWitness.prototype, 'settled', () => () => true)
    await expect(
      untold((hand, before) => expect(foreign(hand, 0, 'r').length).toBe(before)),
    ).rejects.toThrow()
  })
})

describe('a node that is nearly full', () => {
  const onlyNode0IsFull = (hand: HandLayout): void => {
    const { store } = nodeOf(hand.cluster, 0)
    patches.method(
      Store.prototype,
      'stats',
      (real) =>
        function stats(this: Store) {
          return { ...real.call(this), full: this === store }
        },
    )
  }

  /** Blocks move from node 0 to others, one copy of each, or three. */
  async function given(
    replication: number,
    check: (hand: HandLayout, all: readonly number[]) => Promise<void>,
  ): Promise<void> {
    await withHandLayout(replication + 1, async (hand) => {
      const all = Array.from({ length: replication + 1 }, (_, number) => number)
      await hand.become(all.slice(0, -1), false, replication)
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.become(all, true, replication)
      await check(hand, all)
    })
  }

  test.each([1, 3])('drops what %i holders have, before its source is over', (replication) =>
    given(replication, async (hand, all) => {
      await hand.until(() => all.every((number) => waiting(hand, number) === 0))
      const before = [foreign(hand, 0, 'b'), foreign(hand, 0, 'r')]
      expect(Math.min(...before.map((rows) => rows.length))).toBeGreaterThan(0)
      onlyNode0IsFull(hand)
      await hand.until(() => foreign(hand, 0, 'b').length === 0)
      // Registers stay until the source is over; what it holds stays for good.
      expect(foreign(hand, 0, 'r')).toEqual(before[1])
      expect(hand.view.sources.length).toBe(1)
      expect(thin(hand, all)).toEqual([])
      await readBack(hand.cluster, all.at(-1)!, OBJECTS, SIZE)
      await hand.moved()
      await hand.until(() => foreign(hand, 0, 'r').length === 0)
      await readBack(hand.cluster, 0, OBJECTS, SIZE)
    }),
  )

  test('keeps what one of them lacks', async () => {
    patches.method(Peers.prototype, 'enumerate', () => () => Promise.reject(new Error('not yet')))
    await given(1, async (hand) => {
      const before = foreign(hand, 0, 'b')
      expect(before.length).toBeGreaterThan(0)
      onlyNode0IsFull(hand)
      await calmSleep(hand.cluster, 20_000)
      expect(foreign(hand, 0, 'b')).toEqual(before)
    })
  })

  test('the next node learns from the present holders what it has dropped', () =>
    given(1, async (hand) => {
      await hand.until(() => waiting(hand, 1) === 0)
      onlyNode0IsFull(hand)
      await hand.until(() => foreign(hand, 0, 'b').length === 0)
      // Another change, while the source of the first one is still there.
      await hand.become([0, 1], true, 2)
      await hand.until(() => [0, 1].every((number) => waiting(hand, number) === 0))
      expect(thin(hand, [0, 1])).toEqual([])
      await readBack(hand.cluster, 0, OBJECTS, SIZE)
      hand.cluster.kill(1, false)
      for (const key of rowsOf(hand, 0, 'b')) expect(key).toBeTruthy()
      expect(rowsOf(hand, 0, 'b').length).toBeGreaterThanOrEqual(OBJECTS)
    }))
})

describe('whole (L5)', () => {
  /** Of three sources one answers. */
  async function oneNames(check: (hand: HandLayout) => void): Promise<void> {
    withoutMover()
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.become([3], true)
      hand.cluster.kill(1, false)
      hand.cluster.kill(2, false)
      patches.undo()
      nodeOf(hand.cluster, 3).moves.start()
      await calmSleep(hand.cluster, 60_000)
      check(hand)
    })
  }
  const notWhole = (hand: HandLayout): void => {
    expect(waiting(hand, 3)).toBe(hand.view.partitions)
  }

  test('is not said without a majority of the source’s names', () => oneNames(notWhole))

  test('mutant: it is', async () => {
    const extra = new Patches()
    extra.method(BlockMover.prototype, 'isCompared', () => () => true)
    try {
      await expect(oneNames(notWhole)).rejects.toThrow()
    } finally {
      extra.undo()
    }
  })
})

describe('data that is freed meanwhile (G5)', () => {
  const space = { reclaimDelayMs: 3_000, scanPauseMs: 5_000 }
  const deleteAll = async (hand: HandLayout, through: number): Promise<void> => {
    for (let i = 0; i < OBJECTS; i++) {
      await backendOf(hand.cluster, through).deleteObject(context(), {
        bucket: BUCKET,
        key: `key ${i}`,
      })
    }
  }

  test('is freed on sources, too', async () => {
    withoutMover()
    await withHandLayout(
      2,
      async (hand) => {
        await hand.become([0])
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.become([1], true)
        await deleteAll(hand, 1)
        await hand.until(() => rowsOf(hand, 0, 'b').length === 0, 200_000)
      },
      { space },
    )
  })

  test('does not come back from a source that was away', async () => {
    withoutMover()
    await withHandLayout(
      3,
      async (hand) => {
        const { cluster } = hand
        await hand.become([0])
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.become([1], true)
        // Somebody has some of it already.
        await readBack(hand.cluster, 1, OBJECTS, SIZE)
        cluster.kill(0, false)
        await deleteAll(hand, 1)
        await calmSleep(cluster, 30_000)
        patches.undo()
        await cluster.start(0)
        nodeOf(cluster, 1).moves.start()
        await hand.until(() => waiting(hand, 1) === 0, 200_000)
        await hand.until(
          () => rowsOf(hand, 0, 'b').length + rowsOf(hand, 1, 'b').length === 0,
          200_000,
        )
      },
      { space },
    )
  })
})
