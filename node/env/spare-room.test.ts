import { mkdtempSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { giveSpareRoom, SPARE_FILE, takeSpareRoom } from './spare-room.ts'

const RANDOM = { float: () => 0.5, bytes: (length: number) => new Uint8Array(length).fill(7) }

test('room is kept, taken again where some was given, and not given while there is enough', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'shoal-spare-'))
  try {
    const path = join(directory, SPARE_FILE)
    giveSpareRoom(directory)
    expect(await takeSpareRoom(directory, RANDOM)).toBe(true)
    const { size } = statSync(path)
    expect(size).toBe(2 << 20)
    truncateSync(path, size - (256 << 10))
    expect(await takeSpareRoom(directory, RANDOM)).toBe(true)
    giveSpareRoom(directory)
    expect(statSync(path).size).toBe(size)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})
