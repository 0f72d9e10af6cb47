/** Dropping a partition's registers and blocks: in slices, on a full disk, and out of the digests (L8, L9). */

import { expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { bucketId, dataId, type NodeId } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { EMPTY_DIGEST } from '../../protocol/sync/digest.ts'
import { BlockStore } from '../../node/replica/blocks.ts'
import { dropRegisters } from '../../node/replica/drop-registers.ts'
import { digestRow } from '../../node/replica/index-rows.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import { RowsWorld } from './rows-world.ts'

const BUCKET = bucketId('c'.repeat(16))
const COUNT = 900
const keys = Array.from({ length: COUNT }, (_, i) => objectRegister(BUCKET, 1, `key ${i}`, 4))
const PARTITION = partitionOfKey(keys[0]!)

async function filled() {
  const world = new RowsWorld(1)
  await world.open()
  const store = world.store!
  const blocks = new BlockStore(store)
  const host = new AcceptorHost({
    nowMs: () => 1,
    store,
    blocks,
    epoch: () => 1,
    isReplica: () => true,
    self: 'self' as NodeId,
  })
  const records = keys.map((key) => world.records.registerRecord(key))
  await world.clock.settle(Promise.all(records.map((record) => store.append([record]))))
  const left = (): number => {
    let count = 0
    store.range(bytesOf('r'), bytesOf('s'), 1e6, () => void count++)
    return count
  }
  return { world, store, host, blocks, left }
}

test('all registers of a partition go, in slices, and the digest is empty', async () => {
  const { world, store, host, left } = await filled()
  let most = 0
  const append = store.append.bind(store)
  let under = 0
  store.append = (records, options) => {
    expect(options?.urgent).toBe(true)
    most = Math.max(most, ++under)
    return append(records, options).finally(() => under--)
  }
  const dropping = dropRegisters(PARTITION, {
    store,
    host,
    clock: world.clock,
    isAllowed: () => true,
  })
  expect(await world.clock.settle(dropping)).toEqual({
    dropped: COUNT,
    isDone: true,
  })
  expect(most).toBeLessThanOrEqual(200)
  expect(left()).toBe(0)
  expect(store.get(digestRow(PARTITION))).toEqual(EMPTY_DIGEST)
  expect(host.peek(keys[0]!)).toBeUndefined()
})

test('some may stay, and it ends where it is allowed no more', async () => {
  const { world, store, host, left } = await filled()
  const { clock } = world
  const kept = new Set(keys.slice(0, 10))
  let asked = 0
  const isAllowed = (): boolean => ++asked < 250
  const first = dropRegisters(PARTITION, { store, host, clock, isAllowed })
  expect(await clock.settle(first)).toMatchObject({ isDone: false })
  expect(left()).toBeGreaterThan(COUNT / 2)
  const keep = (key: (typeof keys)[number]): boolean => kept.has(key)
  const rest = dropRegisters(PARTITION, {
    store,
    host,
    clock,
    isAllowed: () => true,
    keep,
  })
  expect(await clock.settle(rest)).toMatchObject({ isDone: true })
  expect(left()).toBeLessThanOrEqual(10)
})

test('a block that was dropped comes back', async () => {
  const { world, blocks } = await filled()
  const key = blockKey(3, dataId('d'.repeat(24)), 0)
  const block = { key, bytes: bytesOf('bytes'), owner: 'owner' as never }
  await world.clock.settle(blocks.put(block))
  expect(await world.clock.settle(blocks.drop([key]))).toMatchObject({
    blocks: 1,
  })
  expect(blocks.has(key)).toBe(false)
  await world.clock.settle(blocks.put(block))
  expect(blocks.has(key)).toBe(true)
})
