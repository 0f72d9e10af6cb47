/** D7, D8: whatever byte of whatever record is bad, nothing is dropped in silence by a rebuild. */

import { describe, expect, test } from 'vitest'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { segmentPath } from '../../node/log/segment.ts'
import type { Damage, LogLoss, LogPosition, NewRecord } from '../../node/log/types.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { BATCHES, corruptBody, keyOf, RecordWorld, written } from './record-world.ts'

/** Why a row may be other than it was. */
function isTold(
  row: string,
  found: string | undefined,
  damage: readonly Damage[],
  losses: readonly LogLoss[],
): boolean {
  if (found === 'FAULTY') return true
  const letter = row.charAt(0)
  if (letter === 'k') return losses.some((loss) => loss.mark)
  const partition = letter === 'y' ? 9 : row.charCodeAt(1) * 256 + row.charCodeAt(2)
  const isLost = losses.some(
    ({ partitions }) => partitions === 'all' || partitions.includes(partition),
  )
  // A reader notices a missing block, and its partition is compared.
  const isNamed = damage.some(({ identity }) => identity?.type === RECORD.block)
  return isLost || (letter === 'b' && isNamed)
}

describe('after a bad byte in the log and a rebuild of the index', () => {
  test('every row is as it was, FAULTY, or said to be lost', async () => {
    const { world, positions } = await written()
    await world.open()
    const before = world.rows()
    expect(before.size).toBeGreaterThan(6)
    const places = positions.flatMap(({ offset, lengthBytes }) =>
      Array.from({ length: lengthBytes }, (_, i) => offset + i),
    )
    const silent: string[] = []
    for (const offset of places) {
      const { world: moment } = await written()
      moment.disk.corrupt(segmentPath(1), offset, 1 << (offset % 8))
      await moment.open()
      const after = moment.rows()
      for (const key of new Set([...before.keys(), ...after.keys()])) {
        if (before.get(key) === after.get(key)) continue
        const damage = moment.store.damage()
        if (isTold(key, after.get(key), damage, moment.forgotten)) continue
        const at = positions.findLast((position) => position.offset <= offset)
        silent.push(`${JSON.stringify(key)}: byte ${offset - (at?.offset ?? 0)} of its record`)
      }
    }
    expect(silent).toEqual([])
  })

  for (const [what, is, expected] of [
    ['mark', (each: NewRecord) => each.type === RECORD.mark, { partitions: [], mark: true }],
    [
      'minimum',
      (each: NewRecord) => each.type === RECORD.minimum,
      { partitions: [5], mark: false },
    ],
    [
      'removal',
      (each: NewRecord) => each.type === RECORD.registerGone,
      { partitions: [partitionOfKey(keyOf('c'))], mark: false },
    ],
  ] as const) {
    test(`a bad body of a ${what} is written down as lost`, async () => {
      const log = await written()
      corruptBody(log, is)
      const { world } = log
      await world.open()
      expect(world.forgotten).toMatchObject([{ ...expected, reason: what }])
    })
  }

  test('a register whose removal is damaged is FAULTY: neither there nor gone', async () => {
    const log = await written()
    corruptBody(log, ({ type }) => type === RECORD.registerGone)
    await log.world.open()
    expect(log.world.rows().get(`r${keyOf('c')}`)).toBe('FAULTY')
  })

  test('a bad register, or a bad header of a batch, is no loss', async () => {
    const log = await written()
    corruptBody(log, ({ type }) => type === RECORD.register, 30)
    await log.world.open()
    expect(log.world.forgotten).toEqual([])
    const { world, positions } = await written()
    const header = (positions[0] as LogPosition).offset - 64
    world.disk.corrupt(segmentPath(1), header + 20, 1)
    await world.open()
    expect(world.forgotten).toEqual([])
  })
})

describe('a segment that is missing while the index is good (D8)', () => {
  test.each([3, 5])(
    '%i: what the index knows of it is written again; a rebuild misses the rest',
    async (lost) => {
      // A segment for each batch.
      const world = new RecordWorld(4_200)
      await world.open()
      for (const records of BATCHES) await world.clock.settle(world.store.append(records))
      await world.clock.settle(world.store.commitIndex())
      const before = world.rows()
      expect(world.store.segments()).toHaveLength(5)
      const restart = async (): Promise<string[]> => {
        world.disk.kill()
        world.index.kill()
        world.forgotten = []
        await world.open()
        return world.forgotten.map(({ reason }) => reason)
      }
      world.disk.kill()
      await world.clock.settle(world.disk.remove(segmentPath(lost)))
      expect(await restart()).toEqual(['segment-missing'])
      const kept = world.rows()
      // The mark is raised after a loss (A1).
      expect(kept.get('k')).not.toBe(before.get('k'))
      for (const rows of [before, kept]) rows.delete('k')
      expect(kept).toEqual(before)
      await world.clock.settle(world.store.commitIndex())
      expect(await restart()).toEqual([])
      // The removals that lay there are nowhere else.
      world.index.delete()
      expect(await restart()).toEqual(['segment-missing'])
      const after = world.rows()
      for (const [key, value] of before) {
        // A block comes from a replica.
        if (!key.startsWith('b')) expect([key, after.get(key)]).toEqual([key, value])
      }
      expect(await restart()).toEqual([])
    },
  )
})
