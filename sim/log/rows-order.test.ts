/** A row never goes back to a lower ballot, and what is made from a row never hides what is newer (D10). */

import { describe, expect, test } from 'vitest'
import { byteString, EMPTY_BYTES } from '../../protocol/bytes.ts'
import { bucketId, dataId, type RegisterKey } from '../../protocol/ids.ts'
import { blockKey } from '../../protocol/keyspace/block-key.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { blockDropped, registerDropped } from '../../node/replica/removal-records.ts'
import { blockRow, registerRow } from '../../node/replica/index-rows.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import type { NewRecord, StoredRecord } from '../../node/log/types.ts'
import { RowsWorld } from './rows-world.ts'

const BUCKET = bucketId('c'.repeat(16))
const [KEY, OTHER] = [0, 1].map((shard) => objectRegister(BUCKET, shard, 'key', 4)) as [
  RegisterKey,
  RegisterKey,
]

async function rebuilt(world: RowsWorld): Promise<void> {
  world.crash()
  world.index.delete()
  await world.open()
  await world.check()
}

test('what a scrub writes again from a row never hides a newer state', async () => {
  const found: string[] = []
  for (let seed = 1; seed <= 40; seed++) {
    const world = new RowsWorld(seed)
    await world.open()
    await world.clock.settle(world.append(world.records.registerRecord(KEY)))
    world.damageRecord(KEY)
    const { counts } = await world.scrub(1, KEY)
    expect(counts.left).toBe(0)
    try {
      await world.check()
      await rebuilt(world)
    } catch (error) {
      found.push(`seed ${seed}: ${String(error).slice(0, 60)}`)
    }
  }
  expect(found).toEqual([])
}, 60_000)

test('an older state on top of the log is no step back, in running, restart and rebuild', async () => {
  const world = new RowsWorld(1)
  await world.open()
  const [older, newer] = [world.records.registerRecord(KEY), world.records.registerRecord(KEY)]
  const write = async (record: NewRecord): Promise<void> => {
    await world.clock.settle(world.append(record))
  }
  await write(older)
  await write(newer)
  // As an earlier version of this program left it.
  await world.clock.settle(world.store!.append([older]))
  await world.check()
  await rebuilt(world)
  // A scrub that has lost the row makes it of the higher one.
  await world.clock.settle(world.store!.commitIndex())
  world.dropRow(registerRow(KEY))
  await world.scrub()
  await world.check()
})

test('compaction takes no dead record for live because its row is damaged', async () => {
  const world = new RowsWorld(1)
  await world.open()
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await world.append(world.records.registerRecord(OTHER))
  }
  const write = async (): Promise<void> => {
    await world.append(world.records.registerRecord(KEY))
    await fill()
    await world.append(world.records.registerRecord(KEY))
    await fill()
  }
  await world.clock.settle(write())
  await world.clock.settle(world.store!.commitIndex())
  const before = world.store!.get(registerRow(KEY))!.slice()
  world.flipRow(registerRow(KEY), 40)
  await world.clock.settle(world.compaction!.work())
  await world.scrub()
  expect(byteString(world.store!.get(registerRow(KEY))!.subarray(18))).toBe(
    byteString(before.subarray(18)),
  )
  await world.check()
  await rebuilt(world)
})

const isThere = (world: RowsWorld, row: Uint8Array) => world.store!.get(row) !== undefined
/** Until compaction has taken the first segments. */
const age = async (world: RowsWorld): Promise<void> => {
  for (let i = 0; i < 120; i++) {
    await world.append(world.records.registerRecord(OTHER))
    await world.compaction!.work()
  }
}

describe('a partition that was left and entered again (L8, L9)', () => {
  test('what was dropped stays away, though only a copy of the drop is left', async () => {
    const world = new RowsWorld(1)
    await world.open()
    await world.clock.settle(world.append(world.records.registerRecord(KEY)))
    await world.clock.settle(world.append(world.records.dropRecord(KEY)))
    await world.clock.settle(age(world))
    expect(isThere(world, registerRow(KEY))).toBe(false)
    await rebuilt(world)
  })

  test('a register that came back at a lower ballot is the one that counts, before and behind copies', async () => {
    const world = new RowsWorld(1)
    await world.open()
    const write = async (): Promise<void> => {
      const [lower, higher] = [world.records.registerRecord(KEY), world.records.registerRecord(KEY)]
      await world.append(higher)
      await world.append(world.records.dropRecord(KEY))
      await world.append(lower)
      // The drop is written again, as compaction does, while the first record is still in the log.
      const drops = await found(world, RECORD.registerDropped)
      expect(await world.store!.move(drops)).toEqual([])
    }
    await world.clock.settle(write())
    await world.check()
    await rebuilt(world)
    await world.clock.settle(age(world))
    await rebuilt(world)
    await world.scrub()
    await world.check()
  })

  test('a FAULTY register is dropped, too, and whatever comes later counts', async () => {
    const world = new RowsWorld(1)
    await world.open()
    const write = async (): Promise<void> => {
      const [lower, higher] = [world.records.registerRecord(KEY), world.records.registerRecord(KEY)]
      await world.append(higher)
      await world.append(registerDropped(KEY, undefined))
      await world.append(lower)
      const drops = await found(world, RECORD.registerDropped)
      expect(await world.store!.move(drops)).toEqual([])
    }
    await world.clock.settle(write())
    await rebuilt(world)
  })
})

describe('drops of a partition that the index or the log has lost', () => {
  test('where the index lost a row, the copy of an older drop does not take its record away', async () => {
    const key = blockKey(3, dataId('d'.repeat(24)), 0)
    const block = { type: RECORD.block, partition: partitionOfKey(key), key, body: EMPTY_BYTES }
    const world = new RowsWorld(1)
    await world.open()
    const write = async (): Promise<void> => {
      await world.append({ ...block, payload: new Uint8Array(100) })
      await world.append(blockDropped(key))
      await world.append({ ...block, payload: new Uint8Array(200) })
      await world.store!.commitIndex()
      world.dropRow(blockRow(key))
      expect(await world.store!.move(await found(world, RECORD.blockDropped))).toEqual([])
    }
    await world.clock.settle(write())
    expect(isThere(world, blockRow(key))).toBe(false)
    await world.scrub()
    expect(isThere(world, blockRow(key))).toBe(true)
    await world.check()
    await rebuilt(world)
  })

  test('a damaged drop is written again, and the register behind it stays', async () => {
    const world = new RowsWorld(1)
    await world.open()
    const [lower, higher] = [world.records.registerRecord(KEY), world.records.registerRecord(KEY)]
    const write = async (): Promise<void> => {
      await world.append(higher)
      while (world.store!.end().end.segment < 3)
        await world.append(world.records.registerRecord(OTHER))
      await world.append(world.records.dropRecord(KEY))
      await world.append(lower)
      const [drop] = await found(world, RECORD.registerDropped)
      await world.store!.commitIndex()
      world.damageAt(drop!.position, KEY.length + 1)
    }
    await world.clock.settle(write())
    expect((await world.scrub()).counts).toMatchObject({ bad: 1, mended: 1, left: 0 })
    await world.check()
    expect((await world.scrub()).counts).toMatchObject({ bad: 0, left: 0 })
  })
})

async function found(world: RowsWorld, type: number): Promise<StoredRecord[]> {
  const records: StoredRecord[] = []
  for (const { segment } of world.store!.segments()) {
    for await (const each of world.store!.walk(segment)) {
      if ('record' in each && each.record.type === type) records.push(each)
    }
  }
  return records
}
