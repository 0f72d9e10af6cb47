/** A row never goes back to a lower ballot, and what is made from a row never hides what is newer (D10). */

import { expect, test } from 'vitest'
import { byteString } from '../protocol/bytes.ts'
import { bucketId, type RegisterKey } from '../protocol/ids.ts'
import { objectRegister } from '../protocol/keyspace/register-key.ts'
import { registerRow } from '../node/metadata/index-rows.ts'
import type { NewRecord } from '../node/data/types.ts'
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
    await world.clock.settle(world.append(world.registerRecord(KEY)))
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
  const [older, newer] = [world.registerRecord(KEY), world.registerRecord(KEY)]
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
  await world.clock.settle(world.store!.settleIndex())
  world.dropRow(registerRow(KEY))
  await world.scrub()
  await world.check()
})

test('compaction takes no dead record for live because its row is damaged', async () => {
  const world = new RowsWorld(1)
  await world.open()
  const fill = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await world.append(world.registerRecord(OTHER))
  }
  const write = async (): Promise<void> => {
    await world.append(world.registerRecord(KEY))
    await fill()
    await world.append(world.registerRecord(KEY))
    await fill()
  }
  await world.clock.settle(write())
  await world.clock.settle(world.store!.settleIndex())
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
