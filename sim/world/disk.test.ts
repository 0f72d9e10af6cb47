import { describe, expect, test } from 'vitest'
import { diskCompliance } from '../../node/env/testing/disk.compliance.ts'
import type { Clock, Disk } from '../../node/env/ports.ts'
import { SimulatedDisk } from './disk.ts'
import { seededRandom } from './seeded-random.ts'

/** For tests that await the disk directly: events run by themselves. */
const promptClock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: (_delayMs, run) => {
    const timer = setImmediate(run)
    return () => clearImmediate(timer)
  },
}

function simulated(seed = 1, capacityBytes = 1 << 30): SimulatedDisk {
  return new SimulatedDisk({ clock: promptClock, random: seededRandom(seed), capacityBytes })
}

const filled = (length: number, byte: number): Uint8Array => new Uint8Array(length).fill(byte)

async function content(disk: Disk, path: string): Promise<Uint8Array> {
  return (await disk.readFile(path)) ?? new Uint8Array(0)
}

diskCompliance(() => Promise.resolve(simulated()))

describe('simulated disk', () => {
  test('what was flushed and named survives every crash', async () => {
    for (let seed = 1; seed <= 50; seed++) {
      const disk = simulated(seed)
      const file = await disk.open('a', 'create')
      await file.write([filled(10_000, 1)], 0)
      await file.flush()
      await disk.syncDirectory('.')
      await file.write([filled(5_000, 2)], 12_288)
      disk.crash()
      const left = await content(disk, 'a')
      expect(left.subarray(0, 10_000)).toEqual(filled(10_000, 1))
      expect(left.length).toBeLessThanOrEqual(17_288)
    }
  })

  test('unflushed writes are lost, kept, torn and scattered', async () => {
    const seen = new Set<string>()
    for (let seed = 1; seed <= 200; seed++) {
      const disk = simulated(seed)
      const file = await disk.open('a', 'create')
      await disk.syncDirectory('.')
      await file.write([filled(16_384, 7)], 0)
      disk.crash()
      const left = await content(disk, 'a')
      const pages = [0, 1, 2, 3].map((page) => (left[page * 4_096] === 7 ? 'x' : '-')).join('')
      seen.add(pages)
    }
    expect(seen.has('----')).toBe(true)
    expect(seen.has('xxxx')).toBe(true)
    expect(seen.has('xx--')).toBe(true)
    expect(seen.has('-x-x')).toBe(true)
  })

  test('a name that was not synced may be gone', async () => {
    let there = 0
    for (let seed = 1; seed <= 40; seed++) {
      const disk = simulated(seed)
      const file = await disk.open('a', 'create')
      await file.write([filled(10, 1)], 0)
      await file.flush()
      disk.crash()
      if ((await disk.readFile('a')) !== undefined) there++
    }
    expect(there).toBeGreaterThan(0)
    expect(there).toBeLessThan(40)
  })
})

describe('a disk that fails, is full or halts', () => {
  test('after a failed flush the bytes are read, but no later flush makes them durable', async () => {
    let lost = 0
    for (let seed = 1; seed <= 40; seed++) {
      const disk = simulated(seed)
      const file = await disk.open('a', 'create')
      await disk.syncDirectory('.')
      await file.write([filled(4_096, 5)], 0)
      disk.fault = (operation) => (operation === 'flush' ? 'EIO' : undefined)
      await expect(file.flush()).rejects.toMatchObject({ code: 'EIO' })
      disk.fault = undefined
      await file.flush()
      expect(await content(disk, 'a')).toEqual(filled(4_096, 5))
      disk.crash()
      if ((await content(disk, 'a')).length === 0) lost++
    }
    expect(lost).toBeGreaterThan(0)
  })

  test('a full disk takes what fits and says ENOSPC', async () => {
    const disk = simulated(1, 10_000)
    const file = await disk.open('a', 'create')
    await expect(file.write([filled(20_000, 1)], 0)).rejects.toMatchObject({ code: 'ENOSPC' })
    expect(await file.sizeBytes()).toBe(8_192)
    await file.truncate(0)
    await file.write([filled(10_000, 1)], 0)
  })

  test('a halted disk completes nothing more', async () => {
    const disk = simulated()
    const file = await disk.open('a', 'create')
    disk.haltAt = disk.mutations
    let done = false
    const write = file.write([filled(1, 1)], 0).then(() => (done = true))
    await content(simulated(), 'elsewhere')
    expect(done).toBe(false)
    expect(write).toBeInstanceOf(Promise)
  })
})
