/** Sources whose nodes have lost something: which nodes are witnesses, and what ends a source (L5, L8, D8). */

import { afterEach, describe, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { EpochWitness } from '../../node/layout/epoch-witness.ts'
import { LostBlocks } from '../../node/quorum/lost-blocks.ts'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import { MOVE_FILE } from '../../node/rebalance/move-file.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { Forgotten } from '../../node/repair/forgotten.ts'
import { Patches } from '../mutants/patches.ts'
import { flipBits, placesOf } from '../world/places.ts'
import {
  backendOf,
  bytesLike,
  context,
  fill,
  get,
  nodeOf,
  put,
  readBack,
  calmSleep,
  BUCKET,
} from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'
import { cutBetween } from '../testing/cuts.ts'

const OBJECTS = 8
const SIZE = 90_000
const ALL = { partitions: 'all', mark: false, reason: 'damage', detail: 'test' } as const
const patches = new Patches()
afterEach(() => patches.undo())

const waiting = (hand: HandLayout, number: number): number =>
  nodeOf(hand.cluster, number).moves.mover.waiting().length

function blocksOf(hand: HandLayout, number: number): string[] {
  const keys: string[] = []
  nodeOf(hand.cluster, number).store.range(bytesOf('b'), bytesOf('c'), 1e6, (key) => {
    keys.push(byteString(key.subarray(1)))
  })
  return keys
}

function withoutMover(): void {
  patches.method(BlockMover.prototype, 'start', () => () => {})
}

describe('a source of which nodes have forgotten something (D8)', () => {
  /** Two of three former members have forgotten something. */
  async function twoForgot(
    check: (hand: HandLayout) => Promise<void>,
    dead = false,
  ): Promise<void> {
    withoutMover()
    await withHandLayout(4, async (hand) => {
      const { cluster } = hand
      await hand.become([0, 1, 2])
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.become([3], true)
      for (const number of [0, 1]) await nodeOf(cluster, number).forgotten.add([ALL])
      if (dead) cluster.kill(2, false)
      patches.undo()
      nodeOf(cluster, 3).moves.start()
      await calmSleep(cluster, 60_000)
      await check(hand)
    })
  }

  test('goes once all of its nodes have said what they have left', () =>
    twoForgot(async (hand) => {
      expect(waiting(hand, 3)).toBe(0)
      await hand.moved()
      for (const number of [0, 1, 2]) hand.cluster.kill(number, false)
      await readBack(hand.cluster, 3, OBJECTS, SIZE)
    }))

  const stays = (hand: HandLayout): Promise<void> => {
    expect(waiting(hand, 3)).toBe(hand.view.partitions)
    return Promise.resolve()
  }

  test('stays while one of its nodes is away: it may have the only copy', () =>
    twoForgot(stays, true))

  test('mutant: a node that has forgotten counts as a witness', async () => {
    const extra = new Patches()
    extra.method(Forgotten.prototype, 'lacksBlocks', () => () => false)
    try {
      await expect(twoForgot(stays, true)).rejects.toThrow(/expected/)
    } finally {
      extra.undo()
    }
  })
})

describe('a node that votes again and lacks blocks (D8)', () => {
  test('is not whole before its blocks were compared again, however late it lost them', async () => {
    await withHandLayout(2, async (hand) => {
      await hand.become([0])
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      await hand.become([1], true)
      await hand.until(() => waiting(hand, 1) === 0)
      const { forgotten, moves, rebalance, recall } = nodeOf(hand.cluster, 1)
      const isWhole = (): boolean => hasBit(rebalance.progress().whole[0]!.bits, 5)
      expect(isWhole()).toBe(true)
      moves.mover.stop()
      await forgotten.add([{ ...ALL, partitions: [5] }])
      await hand.until(() => recall.forgotten().length === 0)
      expect(isWhole()).toBe(false)
      expect(moves.mover.waiting()).toEqual([5])
      hand.cluster.kill(1, false)
      await hand.cluster.start(1)
      await hand.until(() => waiting(hand, 1) === 0)
      expect(hasBit(nodeOf(hand.cluster, 1).rebalance.progress().whole[0]!.bits, 5)).toBe(true)
    })
  })

  test('is a witness again of a partition that it left, once it enters it again', async () => {
    await withHandLayout(4, async (hand) => {
      await hand.become([0, 1, 2])
      // Nothing that was compared clears it: the partitions are moving.
      patches.method(Forgotten.prototype, 'clearBlocks', () => () => Promise.resolve(true))
      await nodeOf(hand.cluster, 1).forgotten.add([ALL])
      await hand.until(() => nodeOf(hand.cluster, 1).recall.forgotten().length === 0)
      await hand.become([0, 1, 2, 3], true)
      const { forgotten } = nodeOf(hand.cluster, 1)
      const held = new Set(hand.view.partitionsOf(hand.cluster.idOf(1)))
      const all = Array.from({ length: hand.view.partitions }, (_, partition) => partition)
      const lacking = (): number[] =>
        all.filter((partition) => !held.has(partition) && forgotten.lacksBlocks(partition))
      expect(lacking().length).toBeGreaterThan(0)
      const before = lacking()
      patches.undo()
      await calmSleep(hand.cluster, 10_000)
      // While there is a source, the node is asked what it had.
      expect(lacking()).toEqual(before)
      await hand.moved()
      await hand.until(() => lacking().length === 0)
    })
  })
})

describe('a node that lost everything after it left a partition (D8)', () => {
  test('is one and votes there, too, when a loss of everything came after it left', async () => {
    await withHandLayout(4, async (hand) => {
      const { cluster } = hand
      await hand.become([0, 1, 2])
      await fill(cluster, 0, OBJECTS, SIZE)
      await hand.become([0, 1, 2, 3], true)
      await hand.until(() => [0, 1, 2, 3].every((number) => waiting(hand, number) === 0))
      await hand.moved()
      const held = new Set(hand.view.partitionsOf(cluster.idOf(1)))
      const all = Array.from({ length: hand.view.partitions }, (_, partition) => partition)
      const left = all.filter((partition) => !held.has(partition))
      expect(left.length).toBeGreaterThan(0)
      cluster.kill(1, false)
      for (const offset of [100, (48 << 10) + 100]) {
        cluster.diskOf(1).corrupt(MOVE_FILE, offset, 1)
      }
      // No node has said yet that no later layout is in force: this node may be an old copy.
      patches.method(EpochWitness.prototype, 'isLatest', () => () => false)
      await cluster.start(1)
      const { forgotten, recall, rebalance } = nodeOf(cluster, 1)
      await hand.until(() => recall.forgotten().length === 0)
      await calmSleep(cluster, 10_000)
      expect(forgotten.among(left)).toEqual(left)
      expect(left.every((partition) => rebalance.serves(partition))).toBe(true)
      patches.undo()
      await hand.until(() => left.every((partition) => !forgotten.lacksBlocks(partition)))
      // Otherwise what it has of them would count as accepted by it (L9).
      expect(left.filter((partition) => rebalance.serves(partition))).toEqual([])
    })
  })
})

/** All blocks are with nodes 0 and 1 alone. Node 0 loses its copies, and votes again without having them back. Node 1
 * is away when node 3 takes over. */
async function onlyCopyAway(check: (hand: HandLayout) => Promise<void>): Promise<void> {
  withoutMover()
  const noBlocks = new Patches()
  try {
    await withHandLayout(4, async (hand) => {
      const { cluster } = hand
      await hand.become([0, 1, 2])
      cutBetween(cluster, [2], [0, 1])
      await calmSleep(cluster, 100)
      await fill(hand.cluster, 0, OBJECTS, SIZE)
      // The last records of a log would look like a torn tail (D4).
      for (const key of ['one', 'two']) await put(backendOf(cluster, 0), key, bytesLike(0))
      await nodeOf(cluster, 0).store.commitIndex()
      cluster.kill(0, false)
      const disk = cluster.diskOf(0)
      const headers = placesOf(disk).filter(
        ({ kind, type, inLastBatch }) =>
          kind === 'record-header' && type === 'block' && !inLastBatch,
      )
      for (const place of headers) flipBits(disk, place, 20, 1)
      await cluster.rebuildIndex(0)
      // No node gives a block from here on.
      noBlocks.method(Peers.prototype, 'getOwnedBlock', () => () => Promise.resolve(undefined))
      noBlocks.method(LostBlocks.prototype, 'noteIfLost', () => () => Promise.resolve(false))
      cluster.wires.mend()
      await cluster.start(0)
      await hand.until(() => nodeOf(cluster, 0).recall.forgotten().length === 0)
      const had = new Set(blocksOf(hand, 1))
      for (const number of [0, 2]) {
        const has = new Set(blocksOf(hand, number))
        expect([...had].filter((key) => !has.has(key)).length).toBe(OBJECTS)
      }
      cluster.kill(1, false)
      await hand.become([3], true)
      noBlocks.undo()
      patches.undo()
      nodeOf(cluster, 3).moves.start()
      await calmSleep(cluster, 60_000)
      await check(hand)
    })
  } finally {
    noBlocks.undo()
  }
}

const nothingIsLost = async (hand: HandLayout): Promise<void> => {
  if (waiting(hand, 3) < OBJECTS) throw new Error('it says that it has all blocks')
  await hand.cluster.start(1)
  await hand.until(() => waiting(hand, 3) === 0)
  await hand.moved()
  for (const number of [0, 1, 2]) hand.cluster.kill(number, false)
  await readBack(hand.cluster, 3, OBJECTS, SIZE)
}

describe('the only copy of a block (D8)', () => {
  test('is no witness of what there is', () => onlyCopyAway(nothingIsLost), 60_000)

  test('mutant: it is, as soon as it votes', async () => {
    const extra = new Patches()
    extra.method(
      Forgotten.prototype,
      'lacksBlocks',
      () =>
        function (this: Forgotten, partition) {
          return this.has(partition)
        },
    )
    try {
      await expect(onlyCopyAway(nothingIsLost)).rejects.toThrow(/has all blocks/)
    } finally {
      extra.undo()
    }
  }, 60_000)
})

describe('what clients read while blocks move (R4)', () => {
  const space = { reclaimDelayMs: 2_000, scanPauseMs: 30_000, tombstoneDelayMs: 3_000 }
  const BYTES = bytesLike(4 * BLOCK_BYTES + 77)

  test('is kept by the source that has it, although the object is deleted meanwhile', async () => {
    withoutMover()
    await withHandLayout(
      2,
      async (hand) => {
        const { cluster } = hand
        await hand.become([0])
        await put(backendOf(cluster, 0), 'key', BYTES)
        await hand.become([1], true)
        const request = { bucket: BUCKET, key: 'key', withData: true }
        const reader = await backendOf(cluster, 1).getObject(context(), request)
        const chunks: Uint8Array[] = []
        for await (const chunk of reader.read(0, BYTES.length)) {
          chunks.push(chunk.slice())
          if (chunks.length === 1) {
            await backendOf(cluster, 1).deleteObject(context(), { bucket: BUCKET, key: 'key' })
          }
          await calmSleep(cluster, 30_000)
        }
        expect(Buffer.compare(Buffer.concat(chunks), BYTES)).toBe(0)
        await hand.until(() => blocksOf(hand, 0).length === 0, 120_000)
      },
      { space },
    )
  })

  test('is found at any of several sources, whichever of their nodes is dead', async () => {
    for (const dead of [0, 1, 2]) {
      withoutMover()
      await withHandLayout(6, async (hand) => {
        const { cluster } = hand
        await hand.become([0, 1, 2])
        await fill(hand.cluster, 0, OBJECTS, SIZE)
        await hand.become([1, 2, 3], true)
        for (let i = OBJECTS; i < 2 * OBJECTS; i++) {
          await put(backendOf(cluster, 3), `key ${i}`, bytesLike(SIZE, i))
        }
        await hand.become([3, 4, 5], true)
        cluster.kill(dead, false)
        for (const through of [3, 4, 5]) {
          for (let i = 0; i < 2 * OBJECTS; i++) {
            const bytes = await get(backendOf(cluster, through), `key ${i}`)
            expect(Buffer.compare(bytes, bytesLike(SIZE, i))).toBe(0)
          }
        }
      })
      patches.undo()
    }
  })
})
