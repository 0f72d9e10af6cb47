/** Small blocks that are kept in memory after a read: what is served, and what the disk is still asked for (F2, F5). */

import { expect, test } from 'vitest'
import { dataId, type BlockKey } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'
import { segmentPath } from '../../node/log/segment.ts'
import { blockRow } from '../../node/replica/index-rows.ts'
import { blockRecord, BlockStore, type OwnedBlock } from '../../node/replica/blocks.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import { RowsWorld } from './rows-world.ts'

const blockOf = (n: number, sizeBytes = 4_000): OwnedBlock => ({
  key: blockKey(3, dataId(String(n).padStart(24, '0')), 0),
  bytes: Uint8Array.from({ length: sizeBytes }, (_, i) => (i + n) & 255),
  owner: 'owner' as BlockOwner,
})
const BLOCK = blockOf(1)

async function opened(bytesMax: number) {
  const world = new RowsWorld(1)
  await world.open()
  const store = world.store!
  const damaged: BlockKey[] = []
  const blocks = new BlockStore(store, (key) => damaged.push(key), undefined, bytesMax)
  const { clock } = world
  await clock.settle(blocks.put(BLOCK))
  let reads = 0
  const readRecord = store.readRecord.bind(store)
  store.readRecord = (position, into) => {
    reads++
    return readRecord(position, into)
  }
  const read = async ({ key }: OwnedBlock): Promise<Uint8Array | undefined> =>
    clock.settle(Promise.resolve(blocks.read(key)))
  /** Flips a bit of the block's bytes on the disk. */
  const flip = (): void => {
    const { segment, offset, lengthBytes } = decodePosition(store.get(blockRow(BLOCK.key))!)
    world.disk.corrupt(segmentPath(segment), offset + lengthBytes - 1_000, 1)
  }
  return { clock, store, blocks, read, flip, damaged, reads: () => reads }
}

test('a small block is read once; without memory for it, each time', async () => {
  for (const [bytesMax, expected] of [
    [1 << 20, 1],
    [0, 3],
  ] as const) {
    const { read, reads } = await opened(bytesMax)
    for (let i = 0; i < 3; i++) expect(await read(BLOCK)).toEqual(BLOCK.bytes)
    expect(reads()).toBe(expected)
  }
})

test('damage on the disk is found by everything that asks the disk, and ends what is kept', async () => {
  const { clock, blocks, read, flip, damaged } = await opened(1 << 20)
  await read(BLOCK)
  flip()
  expect(await read(BLOCK)).toEqual(BLOCK.bytes)
  expect(await clock.settle(blocks.isBad(BLOCK.key))).toBe(true)
  expect(await clock.settle(blocks.readOwned(BLOCK.key))).toBeUndefined()
  expect(damaged).toEqual([BLOCK.key])
  expect(await read(BLOCK)).toBeUndefined()
  await clock.settle(blocks.put(BLOCK))
  expect(await read(BLOCK)).toEqual(BLOCK.bytes)
})

test('damage that a scrub has found ends what is kept', async () => {
  const { blocks, read, flip } = await opened(1 << 20)
  await read(BLOCK)
  flip()
  blocks.noteDamage(BLOCK.key)
  expect(await read(BLOCK)).toBeUndefined()
})

test('bytes that changed in memory are not served', async () => {
  const { read, reads } = await opened(1 << 20)
  const kept = (await read(BLOCK))!
  kept[17]! ^= 1
  expect(await read(BLOCK)).toEqual(BLOCK.bytes)
  expect(reads()).toBe(2)
})

test('a block that was removed is gone, and one that was moved is read from its new place', async () => {
  const { clock, store, blocks, read, reads } = await opened(1 << 20)
  await read(BLOCK)
  await clock.settle(store.append([blockRecord(BLOCK)]))
  expect(await read(BLOCK)).toEqual(BLOCK.bytes)
  expect(await read(BLOCK)).toEqual(BLOCK.bytes)
  expect(reads()).toBe(2)
  await clock.settle(blocks.forget([BLOCK.key]))
  expect(await read(BLOCK)).toBeUndefined()
})

test('what is kept is bounded: large blocks are not, and what was not used lately is let go', async () => {
  const { clock, blocks, read, reads } = await opened(60_000)
  const large = blockOf(2, 20_000)
  await clock.settle(blocks.put(large))
  await read(large)
  await read(large)
  expect(reads()).toBe(2)
  const many = Array.from({ length: 30 }, (_, i) => blockOf(10 + i))
  for (const block of many) {
    await clock.settle(blocks.put(block))
    await read(block)
    expect(await read(BLOCK)).toEqual(BLOCK.bytes)
  }
  // BLOCK was used all the time.
  expect(reads()).toBe(2 + 30 + 1)
  await read(many[29]!)
  expect(reads()).toBe(2 + 30 + 1)
  await read(many[0]!)
  expect(reads()).toBe(2 + 30 + 2)
})
