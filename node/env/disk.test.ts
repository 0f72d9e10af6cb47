import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { diskCompliance } from './testing/disk.compliance.ts'
import { createDisk, withoutFirstBytes } from './disk.ts'

const directories: string[] = []

function directory(): string {
  const made = mkdtempSync(join(tmpdir(), 'shoal-disk-'))
  directories.push(made)
  return made
}

afterAll(() => {
  for (const made of directories) rmSync(made, { recursive: true, force: true })
})

describe('disk over node:fs', () => {
  diskCompliance(async () => createDisk(directory()))

  test('files are private to their owner', async () => {
    const root = directory()
    const disk = createDisk(root)
    await disk.writeFile('secret', Uint8Array.of(1))
    await (await disk.open('segment', 'create')).close()
    for (const name of ['secret', 'segment']) {
      expect(statSync(join(root, name)).mode & 0o777).toBe(0o600)
    }
  })

  test('a file is closed once its reads have ended, and is not read any more then', async () => {
    const file = await createDisk(directory()).open('file', 'create')
    const sizeBytes = 64 << 20
    await file.truncate(sizeBytes)
    const ended: string[] = []
    const read = file.read(new Uint8Array(sizeBytes), 0).then(() => ended.push('read'))
    const closed = file.close().then(() => ended.push('closed'))
    await expect(file.read(new Uint8Array(1), 0)).rejects.toMatchObject({ code: 'EBADF' })
    await Promise.all([read, closed])
    expect(ended).toEqual(['read', 'closed'])
  })

  test('a short write goes on behind what it wrote', () => {
    const buffers = [Uint8Array.of(1, 2), Uint8Array.of(3), Uint8Array.of(4, 5)]
    const rest = (count: number): number[][] =>
      withoutFirstBytes(buffers, count).map((buffer) => [...buffer])
    expect(rest(0)).toEqual([[1, 2], [3], [4, 5]])
    expect(rest(1)).toEqual([[2], [3], [4, 5]])
    expect(rest(2)).toEqual([[3], [4, 5]])
    expect(rest(4)).toEqual([[5]])
    expect(rest(5)).toEqual([])
  })
})
