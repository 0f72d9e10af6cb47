/** What a start makes of the log that it finds. Crashes at every point of many seeds: sim/log/store-crash.test.ts. */

import { beforeEach, describe, expect, test } from 'vitest'
import { byteString } from '../../protocol/bytes.ts'
import { diskError } from '../env/testing/memory-disk.ts'
import type { LogPosition } from './types.ts'
import { FIRST_BATCH_AT, PAGE_BYTES, segmentPath } from './segment.ts'
import { LogLab, labRecord } from './testing/log-lab.ts'

let lab: LogLab

beforeEach(async () => {
  lab = new LogLab()
  await lab.open()
})

/** Spoils a byte in the key of a record: its header does not count any more. */
function spoilHeader({ segment, offset }: LogPosition): void {
  lab.disk.corrupt(segmentPath(segment), offset + 20)
}

/** Spoils a byte in the body of a record: its header can still be read. */
function spoilBody({ segment, offset, lengthBytes }: LogPosition): void {
  const bytes = lab.disk.bytesOf(segmentPath(segment)).subarray(offset, offset + lengthBytes)
  lab.disk.corrupt(segmentPath(segment), offset + byteString(bytes).indexOf('body of'))
}

describe('a start', () => {
  test('replays all that was flushed, in order, and appends after it', async () => {
    await lab.append('a', 'b')
    await lab.append('c')
    await lab.clock.settle(lab.log.close())
    await lab.open()
    expect(lab.replayed).toEqual(['a', 'b', 'c'])
    expect(lab.damage).toEqual([])
    const [position] = await lab.append('d')
    expect((await lab.log.read(position!)).sequence).toBe(3)
  })

  test('finds nothing of a batch that was not flushed', async () => {
    await lab.append('a')
    lab.disk.before = (operation) => (operation === 'flush' ? new Promise(() => {}) : undefined)
    void lab.append('b')
    await lab.clock.pass(0)
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['a'])
    expect(lab.damage).toEqual([])
  })

  test('writes the last batch again, and flushes it, before it counts (D5)', async () => {
    await lab.append('a')
    await lab.append('b')
    lab.crash()
    await lab.open()
    expect(lab.replayed).toEqual(['a'])
    expect(lab.flushed).toEqual(['b'])
    expect(lab.ends[0]?.segment).toBe(2)
    expect(lab.log.segments()[0]?.sizeBytes).toBe(FIRST_BATCH_AT + PAGE_BYTES)
  })

  test('that dies after it wrote the tail again, and before it cut the old copy, leaves one of it', async () => {
    await lab.append('a')
    await lab.append('b')
    lab.crash()
    lab.disk.before = (operation) => {
      if (operation === 'truncate') throw new Error('power cut')
    }
    await expect(lab.open()).rejects.toThrow('power cut')
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['a', 'b'])
    expect(lab.damage).toEqual([])
  })
})

describe('a bad byte', () => {
  test('in the last batch cuts that batch there: it may be torn', async () => {
    await lab.append('a')
    const [, [torn]] = await Promise.all([lab.append('b'), lab.append('c'), lab.append('d')])
    spoilBody(torn!)
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['a', 'b'])
    expect(lab.damage).toEqual([])
  })

  test('in the last batch leaves nothing of an append of which it hit one record', async () => {
    await lab.append('a')
    const [, second] = await lab.append('b', 'c')
    spoilBody(second!)
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['a'])
  })

  test('before the last batch is damage, and names its record (D4)', async () => {
    const [bad] = await lab.append('a')
    await lab.append('b')
    await lab.append('c')
    spoilBody(bad!)
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['b', 'c'])
    expect(lab.damage).toMatchObject([{ ...bad, identity: { key: 'a', partition: 5, type: 1 } }])
  })

  test('in the header of a record is damage that names no record (D7)', async () => {
    const [bad] = await lab.append('a')
    await lab.append('b')
    await lab.append('c')
    spoilHeader(bad!)
    lab.crash()
    await lab.open()
    expect(lab.found).toEqual(['b', 'c'])
    expect(lab.damage).toHaveLength(1)
    expect(lab.damage[0]?.identity).toBeUndefined()
  })

  test('in the last batch is damage too, once the end of the log was proven (D9)', async () => {
    await lab.append('a')
    const [bad] = await lab.append('b')
    await lab.clock.settle(lab.log.close())
    spoilBody(bad!)
    await lab.open()
    expect(lab.found).toEqual(['a'])
    expect(lab.damage).toMatchObject([{ identity: { key: 'b' } }])
  })
})

describe('what is missing (D8, D9)', () => {
  test('the end of a log that was proven is lost', async () => {
    await lab.append('a')
    await lab.append('b')
    await lab.clock.settle(lab.log.close())
    const file = await lab.disk.open(segmentPath(1), 'write')
    await file.truncate(FIRST_BATCH_AT + PAGE_BYTES)
    await file.flush()
    await lab.open()
    expect(lab.found).toEqual(['a'])
    expect(lab.losses).toMatchObject([{ reason: 'end-lost', partitions: 'all', mark: true }])
  })

  test('a segment that the manifest lists is lost, and its number is never used again', async () => {
    await lab.open({ segmentSizeBytes: 32 << 10 })
    for (const key of ['a', 'b', 'c']) await lab.log.append([labRecord(key, 20_000)])
    await lab.clock.settle(lab.log.close())
    await lab.disk.remove(segmentPath(3))
    await lab.disk.remove(segmentPath(2))
    await lab.open()
    expect(lab.found).toEqual(['a'])
    expect(lab.losses.map(({ reason }) => reason)).toContain('segment-missing')
    const [position] = await lab.append('d')
    expect(position?.segment).toBeGreaterThan(3)
  })

  test('an expected log that is gone is not begun again silently', async () => {
    await lab.append('a')
    const { logId } = lab.log
    lab.crash()
    for (const path of lab.disk.paths()) await lab.disk.remove(path)
    const expected = { logId }
    await expect(lab.open({ expected })).rejects.toMatchObject({ code: 'LOG_MISSING' })
    await lab.open({ expected, acceptLost: true })
    expect(lab.losses).toMatchObject([{ reason: 'log-missing' }])
  })
})

describe('before a lost segment, in one without a footer, a bad byte is damage and no torn tail (D4)', () => {
  /** Segment 1 holds a, then b and c in one batch. It was sealed on a full disk, before segment 2 began. */
  async function twoSegments(): Promise<LogPosition[]> {
    await lab.open({ segmentSizeBytes: 32 << 10 })
    await lab.append('a')
    const [[b], [c]] = await Promise.all([lab.append('b'), lab.append('c')])
    lab.disk.before = (operation, path) => {
      if (operation === 'write' && path === segmentPath(1)) throw diskError('ENOSPC', path)
    }
    await lab.log.append([labRecord('d', 30_000)])
    lab.disk.before = () => {}
    return [b!, c!]
  }

  test('in a record, when the end of the lost segment was proven', async () => {
    const [bad] = await twoSegments()
    await lab.clock.settle(lab.log.close())
    await lab.disk.remove(segmentPath(2))
    spoilBody(bad!)
    await lab.open()
    expect(lab.found).toEqual(['a', 'c'])
    expect(lab.damage).toMatchObject([{ ...bad, identity: { key: 'b' } }])
    expect(lab.losses).toMatchObject([{ reason: 'segment-missing' }])
    const [position] = await lab.append('e')
    expect(position?.segment).toBe(3)
    expect((await lab.log.read(position!)).sequence).toBe(4)
  })

  test('in a record, when the manifest only lists the lost segment', async () => {
    const [bad] = await twoSegments()
    lab.crash()
    await lab.disk.remove(segmentPath(2))
    spoilBody(bad!)
    await lab.open()
    expect(lab.found).toEqual(['a', 'c'])
    expect(lab.damage).toMatchObject([{ ...bad, identity: { key: 'b' } }])
  })

  test('in the header of a batch: its records are found, and none of its bytes are cut', async () => {
    const [b, c] = await twoSegments()
    await lab.clock.settle(lab.log.close())
    await lab.disk.remove(segmentPath(2))
    lab.disk.corrupt(segmentPath(1), FIRST_BATCH_AT + PAGE_BYTES + 20)
    for (let start = 0; start < 2; start++) {
      await lab.open()
      expect(lab.found).toEqual(['a', 'b', 'c'])
      expect(lab.damage.map(({ offset }) => offset)).toEqual([
        FIRST_BATCH_AT + PAGE_BYTES,
        c!.offset + c!.lengthBytes,
      ])
      expect((await lab.log.read(b!)).key).toBe('b')
      await lab.clock.settle(lab.log.close())
    }
  })
})

describe('no number is given out twice (D9)', () => {
  test('after the loss of the last segment, which was proven', async () => {
    await lab.open({ segmentSizeBytes: 32 << 10 })
    for (const key of ['a', 'b', 'c']) await lab.log.append([labRecord(key, 20_000)])
    await lab.clock.settle(lab.log.close())
    await lab.disk.remove(segmentPath(3))
    await lab.open()
    expect(lab.found).toEqual(['a', 'b'])
    const [position] = await lab.append('d')
    expect(position?.segment).toBe(4)
    expect((await lab.log.read(position!)).sequence).toBe(3)
  })

  test('after the loss of every segment', async () => {
    await lab.append('a', 'b')
    await lab.clock.settle(lab.log.close())
    await lab.disk.remove(segmentPath(1))
    await lab.open()
    expect(lab.losses).toMatchObject([{ reason: 'segment-missing' }])
    const [position] = await lab.append('c')
    expect(position?.segment).toBe(2)
    expect((await lab.log.read(position!)).sequence).toBe(2)
  })

  test('after an old image of the last segment is put back', async () => {
    await lab.append('a')
    const image = lab.disk.bytesOf(segmentPath(1))
    await lab.append('b')
    await lab.clock.settle(lab.log.close())
    await lab.disk.writeFile(segmentPath(1), image)
    await lab.open()
    expect(lab.found).toEqual(['a'])
    expect(lab.losses).toMatchObject([{ reason: 'end-lost' }])
    const [position] = await lab.append('c')
    expect(position?.segment).toBe(2)
    expect((await lab.log.read(position!)).sequence).toBe(2)
  })
})
