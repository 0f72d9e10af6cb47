/** Compaction of one store. Under crashes of many seeds: sim/log/store-crash.test.ts, sim/log/rows-crash.test.ts. */

import { beforeEach, describe, expect, test } from 'vitest'
import { diskError } from '../env/testing/memory-disk.ts'
import { segmentPath } from './segment.ts'
import { labRecord } from './testing/log-lab.ts'
import { StoreLab } from './testing/store-lab.ts'
import type { LogPosition } from './types.ts'

let lab: StoreLab

/** Segment 1 holds `kept`, and 20 KB of a key that is written again in segment 2. */
beforeEach(async () => {
  lab = new StoreLab()
  await lab.open()
  await lab.put('kept', 2_000)
  await lab.put('again', 20_000)
  await lab.put('again', 20_000)
  expect(lab.placeOf('kept')?.segment).toBe(1)
  expect(lab.placeOf('again')?.segment).toBe(2)
})

function compact(segment: number): Promise<boolean> {
  return lab.clock.settle(lab.compaction.compact(segment))
}

function spoilPayload({ segment, offset, lengthBytes }: LogPosition): void {
  lab.disk.corrupt(segmentPath(segment), offset + lengthBytes - 100)
}

describe('a segment that is compacted', () => {
  test('gives its room back; its live records are in a later segment, whole', async () => {
    expect(await compact(1)).toBe(true)
    await lab.clock.pass(1_500)
    expect(lab.disk.paths()).not.toContain(segmentPath(1))
    expect(lab.placeOf('kept')?.segment).toBeGreaterThan(1)
    expect(await lab.contents()).toEqual(['again', 'kept'])
    const payload = await lab.store.readPayload(lab.placeOf('kept')!)
    expect(payload).toEqual(new Uint8Array(2_000).fill(4))
    expect(lab.compaction.counters).toMatchObject({ segments: 1 })
  })

  test('stays for a while, for readers that have looked a place up', async () => {
    const place = lab.placeOf('kept')!
    await compact(1)
    expect((await lab.clock.settle(lab.store.readRecord(place))).key).toBe('kept')
    await lab.clock.pass(1_500)
    await expect(lab.store.readRecord(place)).rejects.toMatchObject({ code: 'NO_SEGMENT' })
  })

  test('is chosen by what it gives', async () => {
    expect(lab.compaction.plan()).toEqual({ compact: [1] })
    await lab.clock.settle(lab.compaction.work())
    expect(lab.store.hasSegment(1)).toBe(false)
    expect(await lab.contents()).toEqual(['again', 'kept'])
  })
})

describe('a crash (F7)', () => {
  test('before the marker leaves the old segment, and the same rows', async () => {
    lab.store.appendMarker = () => Promise.reject(new Error('power cut'))
    await expect(compact(1)).rejects.toThrow('power cut')
    lab.crash()
    await lab.open()
    expect(lab.store.hasSegment(1)).toBe(true)
    expect(await lab.contents()).toEqual(['again', 'kept'])
  })

  test('after the marker: the next start deletes the segment', async () => {
    await compact(1)
    expect(lab.store.hasSegment(1)).toBe(true)
    lab.crash()
    await lab.open()
    expect(lab.store.hasSegment(1)).toBe(false)
    expect(lab.disk.paths()).not.toContain(segmentPath(1))
    expect(await lab.contents()).toEqual(['again', 'kept'])
  })

  test('after the segment is gone: a rebuilt index has the same rows', async () => {
    await compact(1)
    await lab.clock.pass(1_500)
    await lab.clock.settle(lab.store.close())
    lab.index.rows.clear()
    await lab.open()
    expect(lab.store.stats().indexRebuilt).toBe(true)
    expect(await lab.contents()).toEqual(['again', 'kept'])
  })
})

describe('a segment stays', () => {
  test('when one of its live records can’t be read', async () => {
    spoilPayload(lab.placeOf('kept')!)
    expect(await compact(1)).toBe(false)
    expect(lab.store.hasSegment(1)).toBe(true)
    expect(lab.compaction.stuckCount).toBe(1)
  })

  test('when the index has lost a row of it: the record may be all that is left (F4)', async () => {
    await lab.spoilRow('kept')
    expect(await compact(1)).toBe(false)
    expect(lab.suspected).toEqual([1])
    expect(lab.store.hasSegment(1)).toBe(true)
  })

  test('when nothing can be copied, because the disk is full', async () => {
    lab.disk.before = (operation, path) => {
      if (operation === 'write' && path.endsWith('.seg')) throw diskError('ENOSPC', path)
    }
    await expect(compact(1)).rejects.toMatchObject({ code: 'DISK_FULL' })
    lab.disk.before = () => {}
    expect(lab.store.hasSegment(1)).toBe(true)
    expect(await lab.contents()).toEqual(['again', 'kept'])
  })
})

test('a segment without a marker is never deleted: the node is stopped', async () => {
  lab.store.appendMarker = () => Promise.resolve()
  await compact(1)
  await lab.clock.pass(1_500)
  expect(lab.store.hasSegment(1)).toBe(true)
  expect(lab.failures).toHaveLength(1)
  expect(lab.failures[0]).toContain('a segment has its marker before it is deleted')
})

describe('records', () => {
  test('a removal is copied while an older segment is there, and not once it is the oldest (D7)', async () => {
    await lab.remove('kept')
    await lab.put('other', 20_000)
    await lab.put('other', 20_000)
    const removals = async (): Promise<number> => {
      let count = 0
      for (const { segment } of lab.store.segments()) {
        for await (const found of lab.store.walk(segment)) {
          if ('record' in found && found.record.type === 9) count++
        }
      }
      return count
    }
    expect(await compact(2)).toBe(true)
    await lab.clock.pass(1_500)
    expect(await removals()).toBe(1)
    await lab.clock.settle(lab.store.sealSegment())
    for (const { segment, sealed } of lab.store.segments()) {
      if (!sealed) continue
      await compact(segment)
      await lab.clock.pass(1_500)
    }
    expect(await removals()).toBe(0)
    lab.index.rows.clear()
    lab.crash()
    await lab.open()
    expect(await lab.contents()).toEqual(['again', 'other'])
  })

  test('one whose key is in flight is not copied: the copy would replace the newer record (D6)', async () => {
    const place = lab.placeOf('kept')!
    const old = await lab.clock.settle(lab.store.readRecord(place))
    const newer = lab.store.append([labRecord('kept', 10)])
    const left = await lab.clock.settle(lab.store.move([{ record: old, position: place }]))
    expect(left).toHaveLength(1)
    await lab.clock.settle(newer)
    const { payload } = await lab.clock.settle(lab.store.readRecord(lab.placeOf('kept')!))
    expect(payload).toHaveLength(10)
  })
})
