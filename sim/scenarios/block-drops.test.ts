/** Blocks and registers that former holders drop, and what a nearly full node drops early (L8). */

import { afterEach, describe, expect, test } from 'vitest'
import { readU16 } from '../../protocol/bytes.ts'
import { EpochWitness } from '../../node/layout/epoch-witness.ts'
import { Store } from '../../node/log/store.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { fill, nodeOf, readBack, calmSleep } from '../testing/calm-cluster.ts'
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
import { Patches } from '../mutants/patches.ts'

const patches = new Patches()
afterEach(() => patches.undo())

/** The source drops its blocks although nothing has moved. It must first give the holders what they lack. */
async function tooSoon(check: (hand: HandLayout) => Promise<void>): Promise<void> {
  withoutMover(patches)
  await withHandLayout(2, async (hand) => {
    await hand.become([0], false, 1)
    await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    // One copy of each, before and after.
    await hand.become([0, 1], true, 1)
    expect(foreignRows(hand, 0, 'b').length).toBeGreaterThan(MOVED_OBJECTS / 4)
    await hand.moved()
    await hand.until(() => foreignRows(hand, 0, 'b').length === 0)
    await check(hand)
  })
}

const allThere = async (hand: HandLayout): Promise<void> => {
  expect(incompleteBlocks(hand, [0, 1])).toEqual([])
  await readBack(hand.cluster, 1, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
}

describe('blocks that are dropped (L8)', () => {
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
      await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
      await hand.become([0, 1, 2, 3], true)
      await hand.until(() => [0, 1, 2, 3].every((number) => waitingPartitions(hand, number) === 0))
      hand.cluster.kill(3, false)
      await hand.moved([0, 1, 2])
      const of3 = new Set(hand.view.partitionsOf(hand.cluster.idOf(3)))
      const kept = (number: number): string[] =>
        foreignRows(hand, number, 'b').filter((key) => of3.has(readU16(key, 0)))
      const before = [0, 1, 2].map(kept)
      await calmSleep(hand.cluster, 30_000)
      expect([0, 1, 2].map(kept)).toEqual(before)
      expect(before.flat().length).toBeGreaterThan(0)
    })
  })
})

describe('registers that are dropped (L8)', () => {
  async function untold(check: (hand: HandLayout, before: number) => void): Promise<void> {
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
      await hand.plan([0, 1, 2, 3])
      await hand.untilCaughtUp(0, 1, 2, 3)
      await hand.joint()
      await hand.untilSynced(0, 1, 2, 3)
      // Only node 0 knows that the former layout is over.
      patches.method(EpochWitness.prototype, 'hear', () => () => {})
      await hand.synced(false, [0])
      const before = foreignRows(hand, 0, 'r').length
      expect(before).toBeGreaterThan(0)
      await calmSleep(hand.cluster, 12_000)
      check(hand, before)
    })
  }

  test('no register before a majority of each set holds the epoch', () =>
    untold((hand, before) => expect(foreignRows(hand, 0, 'r').length).toBe(before)))

  test('mutant: registers go before a majority holds the epoch', async () => {
    patches.method(EpochWitness.prototype, 'isHeld', () => () => true)
    await expect(
      untold((hand, before) => expect(foreignRows(hand, 0, 'r').length).toBe(before)),
    ).rejects.toThrow()
  })
})

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
    await fill(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    await hand.become(all, true, replication)
    await check(hand, all)
  })
}

describe('a node that is nearly full', () => {
  test.each([1, 3])('drops what %i holders have, before its source is over', (replication) =>
    given(replication, async (hand, all) => {
      await hand.until(() => all.every((number) => waitingPartitions(hand, number) === 0))
      const before = [foreignRows(hand, 0, 'b'), foreignRows(hand, 0, 'r')]
      expect(Math.min(...before.map((rows) => rows.length))).toBeGreaterThan(0)
      onlyNode0IsFull(hand)
      await hand.until(() => foreignRows(hand, 0, 'b').length === 0)
      // Registers stay until the source is over. What the node still holds stays for good.
      expect(foreignRows(hand, 0, 'r')).toEqual(before[1])
      expect(hand.view.sources.length).toBe(1)
      expect(incompleteBlocks(hand, all)).toEqual([])
      await readBack(hand.cluster, all.at(-1)!, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
      await hand.moved()
      await hand.until(() => foreignRows(hand, 0, 'r').length === 0)
      await readBack(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
    }),
  )

  test('keeps what one of them lacks', async () => {
    patches.method(Peers.prototype, 'enumerate', () => () => Promise.reject(new Error('not yet')))
    await given(1, async (hand) => {
      const before = foreignRows(hand, 0, 'b')
      expect(before.length).toBeGreaterThan(0)
      onlyNode0IsFull(hand)
      await calmSleep(hand.cluster, 20_000)
      expect(foreignRows(hand, 0, 'b')).toEqual(before)
    })
  })

  test('the next node learns from the present holders what it has dropped', () =>
    given(1, async (hand) => {
      await hand.until(() => waitingPartitions(hand, 1) === 0)
      onlyNode0IsFull(hand)
      await hand.until(() => foreignRows(hand, 0, 'b').length === 0)
      // Another change, while the source of the first one is still there.
      await hand.become([0, 1], true, 2)
      await hand.until(() => [0, 1].every((number) => waitingPartitions(hand, number) === 0))
      expect(incompleteBlocks(hand, [0, 1])).toEqual([])
      await readBack(hand.cluster, 0, MOVED_OBJECTS, MOVED_OBJECT_BYTES)
      hand.cluster.kill(1, false)
      for (const key of heldRows(hand, 0, 'b')) expect(key).toBeTruthy()
      expect(heldRows(hand, 0, 'b').length).toBeGreaterThanOrEqual(MOVED_OBJECTS)
    }))
})
