/** Compaction, crashes and rebuilds with the real rows: D6, D7, F1, F4 and F7. */

import { describe, expect, test } from 'vitest'
import type { LogRecord, RowSchema } from '../../node/log/types.ts'
import { isLiveRecord } from '../../node/replica/record-liveness.ts'
import { isRemoval, registerGone } from '../../node/replica/removal-records.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { rowKeyOf } from '../../node/replica/index-rows.ts'
import { ROW_SCHEMA } from '../../node/replica/row-schema.ts'
import { sleep } from '../../node/tools/sleep.ts'
import { bucketId, proposerId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { RowsWorld, type Breaks } from './rows-world.ts'

const BUCKET = bucketId('c'.repeat(16))
const PROPOSER = proposerId('p'.repeat(16))

/** Lives of one store, each ended by a crash anywhere, in recovery and compaction too. */
async function lives(seed: number, count: number, breaks: Breaks = {}): Promise<RowsWorld> {
  const world = new RowsWorld(seed, breaks)
  for (let life = 0; life < count; life++) {
    world.disk.haltAt =
      world.disk.mutations + Math.floor(world.random() * (life % 3 === 2 ? 12 : 1e9))
    if (await world.open()) {
      world.disk.haltAt = Number.POSITIVE_INFINITY
      await world.check()
      world.disk.haltAt = world.disk.mutations + Math.floor(world.random() * 250)
      await world.work(20 + Math.floor(world.random() * 120))
    }
    world.crash()
  }
  world.disk.haltAt = Number.POSITIVE_INFINITY
  await world.open()
  await world.check()
  return world
}

/** One register is collected, then others are written until compaction has rewritten everything. */
async function onlyFloorIsLeft(seed: number, _count: number, breaks?: Breaks): Promise<RowsWorld> {
  const world = new RowsWorld(seed, breaks)
  await world.open()
  const [gone, other] = [0, 1].map((shard) => objectRegister(BUCKET, shard, 'key', 4))
  const write = async (): Promise<void> => {
    await world.append(world.records.registerRecord(gone!))
    await world.append(registerGone(gone!, { counter: 1_000, proposer: PROPOSER }))
    for (let i = 0; i < 120; i++) {
      await world.append(world.records.registerRecord(other!))
      await world.compaction?.work()
    }
  }
  await world.clock.settle(write())
  expect(world.store?.hasSegment(1)).toBe(false)
  world.crash()
  world.index.delete()
  await world.open()
  await world.check()
  return world
}

/** Changes what compaction appends for the drop of a register that is there again. */
function copyingDrops(change: (copies: readonly LogRecord[]) => readonly LogRecord[]): Breaks {
  const rows: RowSchema = {
    ...ROW_SCHEMA,
    copiesOf: (record, position, current) => {
      const copies = ROW_SCHEMA.copiesOf(record, position, current)
      return copies !== undefined && copies.length > 1 ? change(copies) : copies
    },
  }
  return { options: (options) => ({ ...options, rows }) }
}

/** A drop as it is written first: it acts on everything before it. */
function unbound(record: LogRecord): LogRecord {
  return record.type === RECORD.registerDropped ? { ...record, body: new Uint8Array(0) } : record
}

/** A register is dropped and comes back at a lower ballot; the segment of the drop is compacted, the one of the
 * first record is not. */
async function lowerAfterDrop(seed: number, _count: number, breaks?: Breaks): Promise<RowsWorld> {
  const world = new RowsWorld(seed, breaks)
  await world.open()
  const store = world.store!
  const [key, other] = [0, 1].map((shard) => objectRegister(BUCKET, shard, 'key', 4))
  const [lower, higher] = [world.records.registerRecord(key!), world.records.registerRecord(key!)]
  const fillUpTo = async (segment: number): Promise<void> => {
    while (store.end().end.segment < segment)
      await world.append(world.records.registerRecord(other!))
  }
  const write = async (): Promise<void> => {
    await world.append(higher)
    await fillUpTo(2)
    await world.append(world.records.dropRecord(key!))
    await fillUpTo(3)
    await world.append(lower)
    await fillUpTo(4)
    expect(await world.compaction!.compact(2)).toBe(true)
    while (store.hasSegment(2)) await sleep(world.clock, 10)
  }
  await world.clock.settle(write())
  expect([1, 2].map((segment) => store.hasSegment(segment))).toEqual([true, false])
  world.crash()
  world.index.delete()
  await world.open()
  await world.check()
  return world
}

async function problemOf(
  seeds: number,
  breaks: Breaks,
  scenario: typeof lives = lives,
): Promise<string | undefined> {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      await scenario(seed, 10, breaks)
    } catch (error) {
      return String(error)
    }
  }
  return undefined
}

test('whatever is compacted, crashed and rebuilt, the rows are those of the history', async () => {
  const seeds = Number(process.env['ROWS_SEEDS'] ?? 12)
  let compacted = 0
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      compacted += (await lives(seed, 10)).compacted
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
  expect(compacted).toBeGreaterThan(seeds)
}, 600_000)

test('what the index lost or has wrong comes back from the log, under traffic (F4)', async () => {
  for (let seed = 1; seed <= 6; seed++) {
    try {
      const world = new RowsWorld(seed)
      await world.open()
      await world.work(150)
      for (let round = 0; round < 3; round++) {
        const damaged = await world.damageIndex(12)
        const { counts } = await world.scrub(40)
        expect(counts.badRows).toBeGreaterThan(0)
        expect(counts.badRows).toBeLessThanOrEqual(2 * damaged)
        expect(counts.left).toBe(0)
        // A second one finds nothing, and compaction goes on where it had to wait.
        expect((await world.scrub()).counts).toMatchObject({ bad: 0, badRows: 0, left: 0 })
        await world.check()
        world.compaction?.retry()
        await world.work(40)
      }
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error })
    }
  }
}, 120_000)

describe('each of these breaks is seen', () => {
  test('a removal that compaction forgets comes undone in a rebuild (D7)', async () => {
    const breaks: Breaks = {
      options: (options) => ({
        ...options,
        isLive: (record, position, current, oldest) =>
          !isRemoval(record) && isLiveRecord(record, position, current, oldest),
      }),
    }
    expect(await problemOf(25, breaks)).toMatch(/must be/)
  })

  test('a floor that goes with its removal', async () => {
    const breaks: Breaks = {
      options: (options) => ({
        ...options,
        isLive: (record, position, current, oldest) =>
          record.type === RECORD.registerGone
            ? !oldest && isLiveRecord(record, position, current, false)
            : isLiveRecord(record, position, current, oldest),
      }),
    }
    expect(await problemOf(1, {}, onlyFloorIsLeft)).toBeUndefined()
    expect(await problemOf(1, breaks, onlyFloorIsLeft)).toMatch(/must be/)
  })

  test('a drop that is dead as soon as its register is there again: the higher ballot is back', async () => {
    const breaks: Breaks = {
      options: (options) => ({
        ...options,
        isLive: (record, position, current, oldest) =>
          record.type === RECORD.registerDropped
            ? !oldest && current(rowKeyOf(record)) === undefined
            : isLiveRecord(record, position, current, oldest),
      }),
    }
    expect(await problemOf(1, {}, lowerAfterDrop)).toBeUndefined()
    expect(await problemOf(1, breaks, lowerAfterDrop)).toMatch(/must be/)
  })

  test('a copy of a drop without the register that came after it: the register vanishes', async () => {
    const breaks = copyingDrops((copies) => copies.slice(0, 1))
    expect(await problemOf(1, breaks, lowerAfterDrop)).toMatch(/must be/)
  })

  test('the register in front of the copy of its drop', async () => {
    const breaks = copyingDrops((copies) => copies.toReversed().map((each) => unbound(each)))
    expect(await problemOf(25, breaks)).toMatch(/must be/)
  })

  test('the marker before what it vouches for', async () => {
    const breaks: Breaks = {
      compaction: (compaction, store) => {
        const compact = compaction.compact.bind(compaction)
        compaction.compact = async (segment) => {
          await store.appendMarker(segment)
          return compact(segment)
        }
      },
    }
    expect(await problemOf(25, breaks)).toBeDefined()
  })
})
