/** Blocks move to the present holders and are dropped by the former ones (L5, L8, P7, G5). */

import { afterEach, describe, expect, test } from 'vitest'
import { readU16 } from '../../protocol/bytes.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { WatchedDisk } from '../../node/env/watched-disk.ts'
import { BlockComparison } from '../../node/rebalance/block-comparison.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { seededRandom } from '../world/seeded-random.ts'
import { Patches } from '../mutants/patches.ts'
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
} from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'
import {
  MOVED_OBJECTS,
  MOVED_OBJECT_BYTES,
  foreignRows,
  heldRows,
  incompleteBlocks,
  waitingPartitions,
  withoutMover,
} from '../testing/moved-blocks.ts'

const patches = new Patches()

afterEach(() => patches.undo())

test('blocks are read from the source at once, move, and the source is free to go', async () => {
  await withHandLayout(2, async (hand) => {
    await hand.become([0])
    await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    patches.method(Peers.prototype, 'enumerate', () => () => Promise.reject(new Error('not yet')))
    await hand.become([1], true)
    await readBack(hand.cluster, 1, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    expect(heldRows(hand, 1, 'b').length).toBeLessThan(MOVED_OBJECTS)
    expect(waitingPartitions(hand, 1)).toBeGreaterThan(0)
    const here = new Set(heldRows(hand, 1, 'b'))
    const lacking = heldRows(hand, 0, 'b').filter((key) => !here.has(key))
    const { bits } = nodeOf(hand.cluster, 1).rebalance.progress().whole[0]!
    expect(lacking.length).toBeGreaterThan(0)
    for (const key of lacking) expect(hasBit(bits, readU16(key, 0))).toBe(false)
    patches.undo()
    await hand.until(() => waitingPartitions(hand, 1) === 0)
    expect(heldRows(hand, 1, 'b').length).toBeGreaterThanOrEqual(MOVED_OBJECTS)
    const { move } = nodeOf(hand.cluster, 1).rebalance.progress()
    expect(move.doneBytes).toBeGreaterThanOrEqual(MOVED_OBJECTS * MOVED_OBJECT_BYTES)
    expect(move.pendingBytes).toBe(0)
    const { moves, rebalance } = nodeOf(hand.cluster, 1)
    const gauges = new Map(moves.gauges(rebalance).map(({ name, value }) => [name, value]))
    expect(gauges.get('shoal_move_register_bytes_total')).toBeGreaterThan(0)
    expect(gauges.get('shoal_move_bytes_total')).toBe(move.doneBytes)
    expect(gauges.get('shoal_degraded_partitions')).toBe(0)
    await hand.moved()
    hand.cluster.kill(0, false)
    await readBack(hand.cluster, 1, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
  })
})

test('the mover pauses for clients once for each mebibyte, not for each small block', async () => {
  patches.method(WatchedDisk.prototype, 'silentMs', () => () => 1_000)
  await withHandLayout(2, async (hand) => {
    await hand.become([0])
    const count = 60
    for (let i = 0; i < count; i++) {
      await put(backendOf(hand.cluster, 0), `key ${i}`, bytesLike(70_000, i))
    }
    await hand.become([1], true)
    const sinceMs = hand.cluster.clock.monotonicMs()
    await hand.until(() => waitingPartitions(hand, 1) === 0)
    expect(heldRows(hand, 1, 'b').length).toBeGreaterThanOrEqual(count)
    // With a pause of up to a second for each block, four at a time, it would take 15 s.
    expect(hand.cluster.clock.monotonicMs() - sinceMs).toBeLessThan(6_000)
  })
})

test('a partition that was whole is whole after a restart, unless the node has lost records since (D8)', async () => {
  await withHandLayout(2, async (hand) => {
    const { cluster } = hand
    await hand.become([0])
    await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    await hand.become([1], true)
    await hand.until(() => waitingPartitions(hand, 1) === 0)
    withoutMover(patches)
    cluster.kill(1, false)
    await cluster.start(1)
    expect(waitingPartitions(hand, 1)).toBe(0)
    const { moves } = nodeOf(cluster, 1)
    const partition = hand.view.partitionsOf(cluster.idOf(1))[5]!
    const loss = { partitions: [partition], mark: false, reason: 'damage', detail: 'test' } as const
    await nodeOf(cluster, 1).forgotten.add([loss])
    expect(moves.mover.waiting()).toEqual([partition])
  })
})

test('a grown cluster: every holder gets its blocks, and no node keeps those of others', async () => {
  await withHandLayout(4, async (hand) => {
    await hand.become([0, 1, 2])
    await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    await hand.become([0, 1, 2, 3], true)
    await hand.until(() => [0, 1, 2, 3].every((number) => waitingPartitions(hand, number) === 0))
    expect(incompleteBlocks(hand, [0, 1, 2, 3])).toEqual([])
    const kept = [0, 1, 2].map((number) => foreignRows(hand, number, 'b').length)
    await calmSleep(hand.cluster, 20_000)
    // Still sources.
    expect([0, 1, 2].map((number) => foreignRows(hand, number, 'b').length)).toEqual(kept)
    expect(Math.max(...kept)).toBeGreaterThan(0)
    await hand.moved()
    await hand.until(() =>
      [0, 1, 2, 3].every(
        (number) =>
          foreignRows(hand, number, 'b').length + foreignRows(hand, number, 'r').length === 0,
      ),
    )
    expect(incompleteBlocks(hand, [0, 1, 2, 3])).toEqual([])
    await readBack(hand.cluster, 3, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
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
        await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
        await hand.become([0, 1, 2, 3], true)
        for (let i = 0; i < 5; i++) {
          await calmSleep(cluster, random() * 60)
          await crash()
        }
        const all = [0, 1, 2, 3]
        await hand.until(() => all.every((number) => waitingPartitions(hand, number) === 0))
        await hand.moved()
        for (let i = 0; i < 5; i++) {
          await calmSleep(cluster, random() * 6_000)
          await crash()
        }
        await hand.until(() =>
          all.every(
            (n) => foreignRows(hand, n, 'b').length + foreignRows(hand, n, 'r').length === 0,
          ),
        )
        expect(incompleteBlocks(hand, all)).toEqual([])
        await readBack(hand.cluster, 3, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
      },
      { seed },
    )
  }
}, 60_000)

describe('whole (L5)', () => {
  /** One of three sources answers. */
  async function oneNames(check: (hand: HandLayout) => void): Promise<void> {
    withoutMover(patches)
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
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
    expect(waitingPartitions(hand, 3)).toBe(hand.view.partitions)
  }

  test('is not said without a majority of the source’s names', () => oneNames(notWhole))

  test('mutant: it is', async () => {
    const extra = new Patches()
    extra.method(BlockComparison.prototype, 'isCompared', () => () => true)
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
    for (let i = 0; i < MOVED_OBJECTS; i++) {
      await backendOf(hand.cluster, through).deleteObject(context(), {
        bucket: BUCKET,
        key: `key ${i}`,
      })
    }
  }

  test('is freed on sources, too', async () => {
    withoutMover(patches)
    await withHandLayout(
      2,
      async (hand) => {
        await hand.become([0])
        await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
        await hand.become([1], true)
        await deleteAll(hand, 1)
        await hand.until(() => heldRows(hand, 0, 'b').length === 0, 200_000)
      },
      { space },
    )
  })

  test('does not come back from a source that was away', async () => {
    withoutMover(patches)
    await withHandLayout(
      3,
      async (hand) => {
        const { cluster } = hand
        await hand.become([0])
        await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
        await hand.become([1], true)
        // Some node has a part of it already.
        await readBack(hand.cluster, 1, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
        cluster.kill(0, false)
        await deleteAll(hand, 1)
        await calmSleep(cluster, 30_000)
        patches.undo()
        await cluster.start(0)
        nodeOf(cluster, 1).moves.start()
        await hand.until(() => waitingPartitions(hand, 1) === 0, 200_000)
        await hand.until(
          () => heldRows(hand, 0, 'b').length + heldRows(hand, 1, 'b').length === 0,
          200_000,
        )
      },
      { space },
    )
  })
})
