/** What the manifest of the log keeps, and what a bad byte, a torn write or a full disk leaves of it (D9). */

import { beforeEach, expect, test } from 'vitest'
import { diskError, MemoryDisk } from '../env/testing/memory-disk.ts'
import { LISTS_AT, MANIFEST_PATH, readManifest, type ReadManifest } from './manifest-format.ts'
import { Manifest } from './manifest.ts'
import { PAGE_BYTES } from './segment.ts'

const LOG_ID = new Uint8Array(16).fill(7)
/** Where the second list slot begins in a manifest of a few segments. */
const SECOND_LIST_AT = LISTS_AT + 4 * PAGE_BYTES

let disk: MemoryDisk
let manifest: Manifest

beforeEach(() => {
  disk = new MemoryDisk()
  manifest = new Manifest(disk, LOG_ID, undefined)
})

async function found(): Promise<ReadManifest> {
  const read = await readManifest(disk)
  if (typeof read === 'string') throw new Error(`the manifest is ${read}`)
  return read
}

function endAt(offset: number, nextSequence: number) {
  return { end: { segment: 1, offset }, nextSequence }
}

test('lists segments, and remembers the highest number when its segment is gone', async () => {
  await manifest.add(1)
  await manifest.add(2)
  await manifest.remove(2)
  expect(await found()).toMatchObject({ segments: new Set([1]), highest: 2, isWhole: true })
  expect(() => manifest.add(2)).toThrow('no number of a segment is used again')
})

test('a bad byte in either list leaves the other one, and the next write mends it', async () => {
  await manifest.add(1)
  for (const at of [LISTS_AT, SECOND_LIST_AT]) {
    disk.corrupt(MANIFEST_PATH, at + 70)
    const left = await found()
    expect(left).toMatchObject({ segments: new Set([1]), isWhole: false })
    await new Manifest(disk, LOG_ID, left).prove(endAt(at, at))
    expect((await found()).isWhole).toBe(true)
  }
})

test('bad bytes in both lists leave none', async () => {
  await manifest.add(1)
  for (const at of [LISTS_AT, SECOND_LIST_AT]) disk.corrupt(MANIFEST_PATH, at + 70)
  expect(await readManifest(disk)).toBe('damaged')
})

test('ends are written in turns: a bad byte in the last one leaves the one before', async () => {
  await manifest.add(1)
  await manifest.prove(endAt(4_096, 1))
  await manifest.prove(endAt(8_192, 3))
  expect((await found()).proven).toEqual(endAt(8_192, 3))
  // The first end went into slot 1, the second one into slot 0.
  disk.corrupt(MANIFEST_PATH, 20)
  expect((await found()).proven).toEqual(endAt(4_096, 1))
})

test('an earlier end than the one that is noted changes nothing', async () => {
  await manifest.add(1)
  await manifest.prove(endAt(8_192, 3))
  await manifest.prove(endAt(4_096, 1))
  expect((await found()).proven).toEqual(endAt(8_192, 3))
})

test('a later end with fewer records is a fault of this program', async () => {
  await manifest.add(1)
  await manifest.prove(endAt(4_096, 3))
  await expect(manifest.prove(endAt(8_192, 2))).rejects.toThrow('is not given out again')
  expect((await found()).proven).toEqual(endAt(4_096, 3))
})

test('a full disk takes no new segment, and the list stays as it was', async () => {
  await manifest.add(1)
  disk.before = (operation) => {
    if (operation === 'write') throw diskError('ENOSPC', MANIFEST_PATH)
  }
  await expect(manifest.add(2)).rejects.toThrow('ENOSPC')
  expect(manifest.has(2)).toBe(false)
  disk.before = () => {}
  await manifest.add(3)
  expect((await found()).segments).toEqual(new Set([1, 3]))
})

test('after a failed flush the file is not written again (D5)', async () => {
  await manifest.add(1)
  disk.before = (operation) => {
    if (operation === 'flush') throw diskError('EIO', MANIFEST_PATH)
  }
  await expect(manifest.add(2)).rejects.toThrow('EIO')
  disk.before = () => {}
  await expect(manifest.add(3)).rejects.toMatchObject({ code: 'FAILED' })
})
