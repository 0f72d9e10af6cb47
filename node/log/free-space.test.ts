import { describe, expect, it } from 'vitest'
import type { Disk } from '../env/ports.ts'
import { SystemClock } from '../env/system.ts'
import { FreeSpace } from './free-space.ts'

const MIB = 1 << 20

/** A disk of which only the space is asked. */
async function space(totalBytes: number, freeBytes: number, reserve?: number): Promise<FreeSpace> {
  const disk = { space: () => Promise.resolve({ totalBytes, freeBytes }) } as unknown as Disk
  const free = new FreeSpace(disk, new SystemClock(), reserve)
  await free.poll()
  return free
}

describe('the reserve of a disk (F6)', () => {
  it('is two per cent, but at least what the index needs to grow, and at most 256 MiB', async () => {
    expect((await space(10 * 2 ** 30, 201 * MIB)).full).toBe(true)
    expect((await space(10 * 2 ** 30, 210 * MIB)).full).toBe(false)
    expect((await space(64 * MIB, 7 * MIB)).full).toBe(true)
    expect((await space(64 * MIB, 9 * MIB)).full).toBe(false)
    expect((await space(400 * MIB, 15 * MIB)).full).toBe(true)
    expect((await space(2 ** 42, 255 * MIB)).full).toBe(true)
    expect((await space(2 ** 42, 257 * MIB)).full).toBe(false)
  })

  it('is kept between two looks at the disk', async () => {
    const free = await space(64 * MIB, 20 * MIB)
    free.used(11 * MIB)
    expect(free.full).toBe(false)
    free.used(2 * MIB)
    expect(free.full).toBe(true)
  })

  it('is kept by what has not been written yet', async () => {
    const free = await space(64 * MIB, 20 * MIB)
    expect(free.hasRoomFor(15 * MIB)).toBe(true)
    expect(free.hasRoomFor(17 * MIB)).toBe(false)
  })

  it('may be none: the disk itself says when it is full', async () => {
    const free = await space(64 * MIB, MIB, 0)
    expect(free.hasRoomFor(2 * MIB)).toBe(true)
    free.exhausted()
    expect(free.hasRoomFor(0)).toBe(false)
  })
})
