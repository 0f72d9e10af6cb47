/** What every Disk must do. The same suite runs on the real and on the simulated one. */

import { expect, test } from 'vitest'
import { utf8, utf8Text } from '../../../protocol/bytes.ts'
import type { Disk } from '../ports.ts'

/** `fresh` gives an empty disk. */
export function diskCompliance(fresh: () => Promise<Disk>): void {
  namesCompliance(fresh)
  filesCompliance(fresh)
  largeWritesCompliance(fresh)
  wholeFilesCompliance(fresh)
}

function namesCompliance(fresh: () => Promise<Disk>): void {
  test('an absent directory lists as empty', async () => {
    const disk = await fresh()
    expect(await disk.list('nowhere')).toEqual([])
  })

  test('files are in directories and are listed by name', async () => {
    const disk = await fresh()
    await disk.makeDirectory('a/b')
    for (const name of ['two', 'one']) await (await disk.open(`a/b/${name}`, 'create')).close()
    await disk.syncDirectory('a/b')
    expect((await disk.list('a/b')).sort()).toEqual(['one', 'two'])
    expect(await disk.list('a')).toEqual(['b'])
  })

  test('create fails on an existing file, write and read on an absent one', async () => {
    const disk = await fresh()
    await (await disk.open('file', 'create')).close()
    await expect(disk.open('file', 'create')).rejects.toMatchObject({ code: 'EEXIST' })
    await expect(disk.open('absent', 'write')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.open('absent', 'read')).rejects.toMatchObject({ code: 'ENOENT' })
    await expect(disk.remove('absent')).rejects.toMatchObject({ code: 'ENOENT' })
  })
}

function filesCompliance(fresh: () => Promise<Disk>): void {
  test('buffers are written one behind the other and read back at any position', async () => {
    const disk = await fresh()
    const file = await disk.open('file', 'create')
    await file.write([utf8('abc'), utf8(''), utf8('defg')], 3)
    await file.flush()
    expect(await file.sizeBytes()).toBe(10)
    const into = new Uint8Array(10)
    expect(await file.read(into, 0)).toBe(10)
    expect(utf8Text(into)).toBe('\0\0\0abcdefg')
    expect(file.readSync(into.subarray(0, 4), 5)).toBe(4)
    expect(utf8Text(into.subarray(0, 4))).toBe('cdef')
    await file.close()
  })

  test('a read is short only at the end of the file', async () => {
    const disk = await fresh()
    const file = await disk.open('file', 'create')
    await file.write([utf8('abc')], 0)
    const into = new Uint8Array(8)
    expect(await file.read(into, 1)).toBe(2)
    expect(await file.read(into, 3)).toBe(0)
    expect(await file.read(into, 100)).toBe(0)
    expect(file.readSync(into, 2)).toBe(1)
    await file.close()
  })

  test('more buffers than one system call takes are written all', async () => {
    const disk = await fresh()
    const file = await disk.open('file', 'create')
    const buffers = Array.from({ length: 3_000 }, (_, i) => Uint8Array.of(i & 255, i >> 8))
    await file.write(buffers, 0)
    const into = new Uint8Array(6_000)
    expect(await file.read(into, 0)).toBe(6_000)
    expect([into[5_998], into[5_999]]).toEqual([2_999 & 255, 2_999 >> 8])
    await file.close()
  })

  test('truncate cuts and extends with zeros', async () => {
    const disk = await fresh()
    const file = await disk.open('file', 'create')
    await file.write([utf8('abcdef')], 0)
    await file.truncate(2)
    await file.truncate(4)
    const into = new Uint8Array(8).fill(1)
    expect(await file.read(into, 0)).toBe(4)
    expect(utf8Text(into.subarray(0, 4))).toBe('ab\0\0')
    await file.close()
  })
}

function largeWritesCompliance(fresh: () => Promise<Disk>): void {
  test('a large write is read back whole, and so are those before and behind it', async () => {
    const disk = await fresh()
    const file = await disk.open('file', 'create')
    const sizes = [70, 1_048_576, 500, 4_096, 3_000_001, 1_048_576]
    const buffers = sizes.map((size, i) => patterned(size, i))
    const whole = Buffer.concat(buffers)
    const at = 4_096
    const behind = at + whole.length
    await file.write([patterned(100, 8)], at - 100)
    await file.write(buffers, at)
    await file.write([patterned(100, 9)], behind)
    await file.flush()
    expect(await file.sizeBytes()).toBe(behind + 100)
    const into = new Uint8Array(whole.length + 200)
    expect(await file.read(into, at - 100)).toBe(into.length)
    const expected = Buffer.concat([patterned(100, 8), whole, patterned(100, 9)])
    expect(expected.equals(into)).toBe(true)
    await file.close()
  })

  test('large writes of several files at the same time do not mix', async () => {
    const disk = await fresh()
    const names = ['a', 'b', 'c']
    const files = await Promise.all(names.map((name) => disk.open(name, 'create')))
    for (let round = 0; round < 2; round++) {
      await Promise.all(
        files.map((file, i) => file.write([patterned(5_000_000, i + 3 * round)], 0)),
      )
      for (const [i, file] of files.entries()) {
        const into = new Uint8Array(5_000_000)
        expect(await file.read(into, 0)).toBe(into.length)
        expect(Buffer.from(into).equals(patterned(5_000_000, i + 3 * round))).toBe(true)
      }
    }
    for (const file of files) await file.close()
  })
}

function wholeFilesCompliance(fresh: () => Promise<Disk>): void {
  test('rename replaces its target, remove removes', async () => {
    const disk = await fresh()
    await disk.writeFile('a', utf8('one'))
    await disk.writeFile('b', utf8('two'))
    await disk.rename('a', 'b')
    expect(await disk.readFile('a')).toBeUndefined()
    expect(utf8Text((await disk.readFile('b')) as Uint8Array)).toBe('one')
    await disk.remove('b')
    expect(await disk.readFile('b')).toBeUndefined()
    expect(await disk.list('.')).toEqual([])
  })

  test('writeFile replaces whole files and leaves nothing else behind', async () => {
    const disk = await fresh()
    await disk.writeFile('file', utf8('a long first text'))
    await disk.writeFile('file', utf8('short'), { mode: 0o600 })
    const bytes = (await disk.readFile('file')) as Uint8Array
    expect(utf8Text(bytes)).toBe('short')
    // A copy, which a Buffer's is not.
    bytes.slice().fill(0)
    expect(utf8Text(bytes)).toBe('short')
    expect(await disk.list('.')).toEqual(['file'])
  })

  test('space tells free and total bytes', async () => {
    const disk = await fresh()
    const space = await disk.space()
    expect(space.totalBytes).toBeGreaterThan(0)
    expect(space.freeBytes).toBeGreaterThan(0)
    expect(space.freeBytes).toBeLessThanOrEqual(space.totalBytes)
  })
}

/** Bytes that differ from page to page, and from one seed to the next. */
function patterned(sizeBytes: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  for (let i = 0; i < sizeBytes; i++) bytes[i] = (i % 251) + seed
  return bytes
}
