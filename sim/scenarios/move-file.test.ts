import { beforeEach, describe, expect, it, test } from 'vitest'
import type { Logger } from '../../node/env/ports.ts'
import { bitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { prepareMoveFile, type Chain } from '../../node/rebalance/entering.ts'
import { MOVE_FILE, MoveFile } from '../../node/rebalance/move-file.ts'
import { SimulatedDisk } from '../world/disk.ts'
import { VirtualClock } from '../world/virtual-clock.ts'

const SILENT: Logger = { debug() {}, info() {}, warn() {}, error() {} }
const SLOT_BYTES = 48 << 10
const PARTITIONS = [0, 7, 8, 65_535]

let clock: VirtualClock
let disk: SimulatedDisk

beforeEach(() => {
  clock = new VirtualClock()
  disk = new SimulatedDisk({ clock, random: () => 0.5 })
})

function run<T>(work: () => Promise<T>): Promise<T> {
  return clock.settle(work())
}

const open = (): Promise<MoveFile> => MoveFile.open(disk, SILENT)

/** The file of a node that was in no layout before epoch 3. */
async function opened(): Promise<MoveFile> {
  const file = await open()
  file.follow(3, bitmapOf([]), [])
  return file
}

function held(file: MoveFile): number[] {
  return PARTITIONS.filter((partition) => file.isHeld(partition))
}

describe('how far a node has come', () => {
  it('is everything that a new directory may hold, and nothing that is synced or whole', () =>
    run(async () => {
      const file = await open()
      expect([file.found, file.epoch, held(file)]).toEqual(['none', 0, PARTITIONS])
      expect([file.isSynced(0, 7), file.isWhole(1, 7)]).toEqual([false, false])
    }))

  it('outlives a power cut once it is written, and counts no sooner', () =>
    run(async () => {
      const file = await opened()
      expect(held(file)).toEqual([])
      const holding = file.hold([7, 65_535])
      expect(held(file)).toEqual([])
      await holding
      await file.addSynced(5, [8])
      await file.addWhole(2, [0, 8])
      disk.crash('lost')
      const again = await open()
      expect([again.found, again.epoch, held(again)]).toEqual(['sound', 3, [7, 65_535]])
      expect([again.isSynced(5, 8), again.isSynced(5, 7), again.isSynced(6, 8)]).toEqual([
        true,
        false,
        false,
      ])
      expect([again.isWhole(2, 8), again.isWhole(2, 7), again.isWhole(3, 8)]).toEqual([
        true,
        false,
        false,
      ])
    }))

  it('at another JOINT epoch begins with nothing (L6), and an older one does not come back', () =>
    run(async () => {
      const file = await opened()
      await file.addSynced(5, [7])
      await file.addSynced(8, [8])
      expect([file.isSynced(5, 7), file.isSynced(8, 7), file.isSynced(8, 8)]).toEqual([
        false,
        false,
        true,
      ])
      await file.addSynced(5, [0])
      expect([file.isSynced(5, 0), file.isSynced(8, 8)]).toEqual([false, true])
    }))
})

describe('how far a node has come, after a change or damage', () => {
  it('is taken away at once, also by an entry that comes while something is written (L9)', () =>
    run(async () => {
      const file = await opened()
      await file.hold([7, 8])
      await file.addWhole(2, [7, 8])
      const holding = file.hold([0])
      file.follow(4, bitmapOf([8]), [2])
      expect(held(file)).toEqual([8])
      await holding
      expect(held(file)).not.toContain(7)
      expect([file.isWhole(2, 7), file.isWhole(2, 8)]).toEqual([false, true])
      // The source is gone.
      file.follow(5, bitmapOf([8]), [])
      expect(file.isWhole(2, 8)).toBe(false)
    }))

  it('is left over once that is said, durably', () =>
    run(async () => {
      const file = await opened()
      await file.hold([7, 8])
      const releasing = file.release([0, 7])
      expect(held(file)).toEqual([8])
      await releasing
      disk.crash('lost')
      expect(held(await open())).toEqual([8])
    }))

  it('survives a bad byte in either copy, and both bad are said', () =>
    run(async () => {
      await (await opened()).hold([7])
      for (const offset of [100, SLOT_BYTES + 100]) {
        disk.corrupt(MOVE_FILE, offset, 1)
        const file = await open()
        expect([file.found, held(file)]).toEqual(['sound', [7]])
      }
      for (const offset of [100, SLOT_BYTES + 100]) disk.corrupt(MOVE_FILE, offset, 1)
      expect((await open()).found).toBe('unreadable')
    }))
})

test('a forgotten file of an earlier program is told what moves and is not whole here', () =>
  run(async () => {
    const file = await opened()
    await file.addWhole(2, [7, 8])
    await file.addWhole(4, [8])
    const sources = [
      { epoch: 2, movedTo: () => [7, 8, 9] },
      { epoch: 4, movedTo: () => [7, 8] },
    ]
    const chain = { current: () => ({ moved: () => [1], sources }), entriesAfter: () => [] }
    let told: number[] = []
    const forgotten = {
      add: () => Promise.resolve(),
      completeEarlierFile: (partitions: () => Iterable<number>) =>
        Promise.resolve(void (told = [...partitions()])),
    }
    await prepareMoveFile(file, chain as unknown as Chain, forgotten, SILENT)
    expect(told.toSorted((a, b) => a - b)).toEqual([1, 7, 9])
  }))

describe('without the file', () => {
  const entry = (state: string, sources?: unknown[]) => ({ entry: { state, sources } })
  const chainOf = (entries: unknown[]): Chain =>
    ({ current: () => undefined, entriesAfter: () => entries }) as unknown as Chain
  const losses = async (entries: unknown[]): Promise<unknown[]> => {
    const found: unknown[] = []
    const file = await open()
    const forgotten = {
      add: (some: readonly unknown[]) => Promise.resolve(void found.push(...some)),
      completeEarlierFile: () => Promise.resolve(),
    }
    await prepareMoveFile(file, chainOf(entries), forgotten, SILENT)
    // It is not known what is left over, so nothing is thrown away here.
    expect(held(file)).toEqual(PARTITIONS)
    return found
  }

  it('a new directory, and one of a program that moved nothing, have lost nothing', () =>
    run(async () => {
      expect(await losses([])).toEqual([])
      disk = new SimulatedDisk({ clock, random: () => 0.5 })
      expect(await losses([entry('STABLE'), entry('JOINT'), entry('STABLE')])).toEqual([])
    }))

  it('where data may have moved, everything is to be compared first (D8)', () =>
    run(async () => {
      const all = [expect.objectContaining({ partitions: 'all' })]
      expect(await losses([entry('STABLE'), entry('PLANNED')])).toEqual(all)
      disk = new SimulatedDisk({ clock, random: () => 0.5 })
      expect(await losses([entry('STABLE', [{}])])).toEqual(all)
      for (const offset of [100, SLOT_BYTES + 100]) disk.corrupt(MOVE_FILE, offset, 1)
      expect(await losses([entry('STABLE')])).toEqual(all)
    }))
})
