import { beforeEach, describe, expect, it } from 'vitest'
import { blake3 } from '../../protocol/hash.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { VirtualClock } from '../world/virtual-clock.ts'
import type { LogLoss } from '../../node/log/types.ts'
import type { Logger } from '../../node/env/ports.ts'
import { Forgotten, FORGOTTEN_FILE } from '../../node/repair/forgotten.ts'

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const REMOVAL: LogLoss = { partitions: [3, 70], mark: false, reason: 'removal', detail: 'at 7' }
const ALL: LogLoss = { partitions: 'all', mark: true, reason: 'damage', detail: 'at 9' }
const SLOT_BYTES = 24 << 10

let clock: VirtualClock
let disk: SimulatedDisk

beforeEach(() => {
  clock = new VirtualClock()
  disk = new SimulatedDisk({ clock, random: () => 0.5 })
})

function run<T>(work: () => Promise<T>): Promise<T> {
  return clock.settle(work())
}

const open = (): Promise<Forgotten> => Forgotten.open(disk, SILENT)

describe('what was forgotten (D8)', () => {
  it('is there after a restart and a power cut, until it is cleared', () =>
    run(async () => {
      await (await open()).add([REMOVAL])
      disk.crash('lost')
      const second = await open()
      expect([2, 3, 69, 70].map((partition) => second.has(partition))).toEqual([
        false,
        true,
        false,
        true,
      ])
      expect(second.mustRaiseMark).toBe(false)
      expect(await second.clear([3], second.serial)).toBe(true)
      disk.crash('lost')
      const third = await open()
      expect(third.among([2, 3, 69, 70])).toEqual([70])
      expect(third.notes.open).toEqual([{ reason: 'removal', detail: 'at 7' }])
    }))

  it('is not cleared by a comparison that began before the last loss', () =>
    run(async () => {
      const forgotten = await open()
      await forgotten.add([REMOVAL])
      const { serial } = forgotten
      await forgotten.add([REMOVAL])
      expect(await forgotten.clear([3], serial)).toBe(false)
      expect(forgotten.has(3)).toBe(true)
    }))

  it('asks for a higher mark until that is raised', () =>
    run(async () => {
      await (await open()).add([ALL])
      const second = await open()
      expect(second.mustRaiseMark).toBe(true)
      await second.markRaised(4_711)
      const third = await open()
      expect([third.mustRaiseMark, third.mark, third.has(65_535)]).toEqual([false, 4_711, true])
    }))
})

/** What an earlier program would have written. */
async function writeFirst(): Promise<void> {
  await (await open()).add([REMOVAL])
  const slot = disk.contentOf(FORGOTTEN_FILE).slice(0, SLOT_BYTES)
  const first = new Uint8Array(16 << 10)
  first.set(slot.subarray(0, 8_224))
  first.set(slot.subarray(16_416, 16_416 + 8_128), 8_224)
  first[8] = 1
  first.set(blake3(first.subarray(0, first.length - 32)), first.length - 32)
  const both = new Uint8Array(2 * first.length)
  both.set(first)
  both.set(first, first.length)
  await disk.writeFile(FORGOTTEN_FILE, both)
}

const lacking = (forgotten: Forgotten): number[] =>
  [1, 2, 3, 5, 70].filter((partition) => forgotten.lacksBlocks(partition))

describe('blocks of which a node has forgotten something (D8)', () => {
  it('leaves blocks in doubt until they were compared, too, after the last loss', () =>
    run(async () => {
      await (await open()).add([REMOVAL])
      const second = await open()
      // A partition that is still forgotten may lack blocks.
      expect(await second.clearBlocks([3], second.serial)).toBe(true)
      await second.clear([3, 70], second.serial)
      expect([2, 3, 70].map((partition) => second.lacksBlocks(partition))).toEqual([
        false,
        true,
        true,
      ])
      const { serial } = second
      expect(await second.clearBlocks([70], serial)).toBe(true)
      await second.add([{ ...REMOVAL, partitions: [2] }])
      expect(await second.clearBlocks([3], serial)).toBe(false)
      disk.crash('lost')
      const third = await open()
      expect(third.among([2, 3, 70])).toEqual([2])
      expect([2, 3, 70].map((partition) => third.lacksBlocks(partition))).toEqual([
        true,
        true,
        false,
      ])
    }))

  it('is read as an earlier program wrote it: blocks may be missing wherever they still move', () =>
    run(async () => {
      await writeFirst()
      // As often as a start ends before it is known what moves.
      for (let round = 0; round < 2; round++)
        expect(lacking(await open())).toEqual([1, 2, 3, 5, 70])
      const settled = await open()
      await settled.completeEarlierFile(() => [5])
      disk.crash('lost')
      const again = await open()
      await again.completeEarlierFile(() => [1])
      for (const forgotten of [settled, again]) {
        expect(forgotten.among([1, 2, 3, 5, 70])).toEqual([3, 70])
        expect(lacking(forgotten)).toEqual([3, 5, 70])
        expect(forgotten.notes.open).toEqual([{ reason: 'removal', detail: 'at 7' }])
        expect(forgotten.mustRaiseMark).toBe(false)
      }
    }))
})

describe('the file of what was forgotten (D8)', () => {
  it('grows in the file of an earlier program while there is no room for a larger one', () =>
    run(async () => {
      await writeFirst()
      const capacity = disk.capacityBytes
      disk.capacityBytes = disk.usedBytes()
      const full = await open()
      await full.add([{ ...REMOVAL, partitions: [1] }])
      await full.completeEarlierFile(() => [5])
      await full.clear([3], full.serial)
      disk.crash('lost')
      const again = await open()
      // Where blocks may be missing everything is compared once more.
      expect(again.among([1, 2, 3, 5, 70])).toEqual([1, 3, 5, 70])
      disk.capacityBytes = capacity
      await again.completeEarlierFile(() => [])
      await again.clear([3], again.serial)
      disk.crash('lost')
      const roomy = await open()
      expect([roomy.has(3), lacking(roomy)]).toEqual([false, [1, 3, 5, 70]])
    }))

  it('survives a bad byte in either copy', () =>
    run(async () => {
      await (await open()).add([REMOVAL])
      for (const offset of [50, SLOT_BYTES + 50]) {
        disk.corrupt(FORGOTTEN_FILE, offset, 1)
        const forgotten = await open()
        expect(forgotten.among([2, 3, 70])).toEqual([3, 70])
      }
    }))

  it('is everything when both copies are bad, or the file is gone beside a log', () =>
    run(async () => {
      await (await open()).add([REMOVAL])
      for (const offset of [50, SLOT_BYTES + 50]) disk.corrupt(FORGOTTEN_FILE, offset, 1)
      const damaged = await open()
      expect([damaged.has(0), damaged.mustRaiseMark]).toEqual([true, true])
      await damaged.clear([0], damaged.serial)
      expect((await open()).has(0)).toBe(false)
      await disk.makeDirectory('log')
      await disk.writeFile('log/manifest', new Uint8Array(1))
      disk.lose(FORGOTTEN_FILE)
      const missing = await open()
      expect([missing.has(0), missing.mustRaiseMark]).toEqual([true, true])
    }))
})

describe('damage that was forgotten and is known again (D8)', () => {
  it('knows damage again that was repaired: just this one, of this log', () =>
    run(async () => {
      const place = { segment: 2, offset: 64, lengthBytes: 128 }
      const first = await open()
      await first.add([{ ...REMOVAL, place }])
      expect(first.isRepaired(place)).toBe(false)
      expect(await first.clear([3], first.serial)).toBe(true)
      expect(first.isRepaired(place)).toBe(false)
      expect(await first.clear([70], first.serial)).toBe(true)
      const second = await open()
      expect(second.isRepaired(place)).toBe(true)
      expect(second.isRepaired({ ...place, lengthBytes: 136 })).toBe(false)
      await second.add([{ ...REMOVAL, place: { ...place, offset: 192 } }])
      expect(second.isRepaired(place)).toBe(true)
      await second.add([{ ...ALL, reason: 'log-missing' }])
      expect((await open()).isRepaired(place)).toBe(false)
    }))

  it('has room for the places and a note when both are many', () =>
    run(async () => {
      const first = await open()
      const detail = 'x'.repeat(150)
      for (let round = 0; round < 2; round++) {
        const losses = Array.from({ length: 90 }, (_, i) => ({
          ...REMOVAL,
          detail: `${i} ${detail}`,
          place: { segment: 4e9 + round, offset: 2 ** 31 + i, lengthBytes: 2 ** 31 },
        }))
        await first.add(losses)
        if (round === 0) await first.clear([3, 70], first.serial)
      }
      const second = await open()
      expect(second.has(70)).toBe(true)
      expect(second.isRepaired({ segment: 4e9, offset: 2 ** 31, lengthBytes: 2 ** 31 })).toBe(true)
      expect(second.notes.open.length).toBeGreaterThan(0)
    }))

  it('is written where there is no room', () =>
    run(async () => {
      await open()
      disk.capacityBytes = disk.usedBytes()
      await (await open()).add([ALL])
      expect((await open()).has(5)).toBe(true)
    }))

  it('keeps for good what no other node had', () =>
    run(async () => {
      const forgotten = await open()
      await forgotten.add([ALL])
      await forgotten.clearAsLost([1, 2], forgotten.serial)
      await forgotten.closeNotes()
      const { notes } = await open()
      expect(notes).toEqual({
        open: [],
        lostPartitions: 2,
        lost: [{ reason: 'damage', detail: 'at 9' }],
      })
    }))
})
