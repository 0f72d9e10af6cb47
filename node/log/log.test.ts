/** Appends to an open log. For what a start makes of the log, see recovery.test.ts. */

import { beforeEach, describe, expect, test } from 'vitest'
import { byteString } from '../../protocol/bytes.ts'
import { diskError } from '../env/testing/memory-disk.ts'
import { readManifest } from './manifest-format.ts'
import { BATCH_HEADER_BYTES, PAGE_BYTES, segmentPath } from './segment.ts'
import { LogLab, labRecord } from './testing/log-lab.ts'

let lab: LogLab

beforeEach(async () => {
  lab = new LogLab()
  await lab.open()
})

/** Holds every flush back until it is called. */
function holdFlushes(): () => void {
  let release = (): void => {}
  const held = new Promise<void>((resolve) => (release = resolve))
  lab.disk.before = (operation) => (operation === 'flush' ? held : undefined)
  return () => {
    lab.disk.before = () => {}
    release()
  }
}

async function isSettled(work: Promise<unknown>): Promise<boolean> {
  let settled = false
  const done = (): void => {
    settled = true
  }
  work.then(done, done)
  await lab.clock.pass(0)
  return settled
}

describe('an append', () => {
  test('resolves only when its records are flushed (A1)', async () => {
    const release = holdFlushes()
    const appended = lab.append('a')
    expect(await isSettled(appended)).toBe(false)
    expect(lab.flushed).toEqual([])
    expect(lab.log.isInFlight('a')).toBe(true)
    release()
    await appended
    expect(lab.flushed).toEqual(['a'])
    expect(lab.log.isInFlight('a')).toBe(false)
  })

  test('reads back as it was written, payload and all', async () => {
    const [position] = await lab.log.append([labRecord('a', 10_000)])
    const { key, body, payload, sequence } = await lab.log.read(position!)
    expect([key, byteString(body), sequence]).toEqual(['a', 'body of a', 0])
    expect(payload).toEqual(new Uint8Array(10_000).fill(1))
  })

  test('that comes while a flush runs goes into the next batch, with all others', async () => {
    await lab.append('first')
    const before = lab.log.stats().flushes
    const release = holdFlushes()
    const one = lab.append('a')
    await lab.clock.pass(0)
    const others = [lab.append('b'), lab.append('c', 'd')]
    release()
    await Promise.all([one, ...others])
    expect(lab.log.stats().flushes - before).toBe(2)
    expect(lab.flushed).toEqual(['first', 'a', 'b', 'c', 'd'])
  })

  test('begins on a page of its own, after all others, and sequences have no gaps', async () => {
    for (const key of ['a', 'b', 'c']) {
      const [position] = await lab.append(key)
      expect((position!.offset - BATCH_HEADER_BYTES) % PAGE_BYTES).toBe(0)
      expect((await lab.log.read(position!)).sequence).toBe(lab.log.end().nextSequence - 1)
    }
    expect(lab.ends.map(({ offset }) => offset / PAGE_BYTES)).toEqual([2, 3, 4])
  })

  test('is refused once the log is closed', async () => {
    await lab.clock.settle(lab.log.close())
    await expect(lab.append('a')).rejects.toMatchObject({ code: 'CLOSED' })
  })

  test('is refused when too much waits for the disk already (D11)', async () => {
    await lab.open({ waitingBytesMax: 10_000 })
    const release = holdFlushes()
    const first = lab.append('a')
    await lab.clock.pass(0)
    const second = lab.log.append([labRecord('b', 9_000)])
    await expect(lab.log.append([labRecord('c', 9_000)])).rejects.toMatchObject({
      code: 'OVERLOADED',
    })
    const urgent = lab.log.append([labRecord('d', 9_000)], true)
    release()
    await Promise.all([first, second, urgent])
    expect(lab.flushed).toEqual(['a', 'b', 'd'])
    expect(lab.log.stats().refused).toBe(1)
  })
})

describe('a segment', () => {
  test('is sealed when the next batch has no room in it', async () => {
    await lab.open({ segmentSizeBytes: 32 << 10 })
    const positions = []
    for (const key of ['a', 'b', 'c'])
      positions.push(...(await lab.log.append([labRecord(key, 20_000)])))
    expect(positions.map(({ segment }) => segment)).toEqual([1, 2, 3])
    expect(lab.log.segments().map(({ sealed }) => sealed)).toEqual([true, true, false])
    const found = await readManifest(lab.disk)
    expect(found).toMatchObject({ segments: new Set([1, 2, 3]), highest: 3 })
  })

  test('that is removed is struck off the manifest before its file goes (D9)', async () => {
    await lab.open({ segmentSizeBytes: 32 << 10 })
    for (const key of ['a', 'b']) await lab.log.append([labRecord(key, 20_000)])
    const listed: unknown[] = []
    lab.disk.before = async (operation) => {
      if (operation === 'remove') listed.push(await readManifest(lab.disk))
    }
    await lab.log.removeSegment(1)
    expect(listed).toMatchObject([{ segments: new Set([2]) }])
    expect(lab.disk.paths()).not.toContain(segmentPath(1))
    await expect(async () => lab.log.file(1)).rejects.toMatchObject({ code: 'NO_SEGMENT' })
  })
})

describe('a disk that fails', () => {
  test('a flush that failed is never tried again, and the node is stopped (D5)', async () => {
    let flushes = 0
    lab.disk.before = (operation, path) => {
      if (operation !== 'flush') return
      flushes++
      throw diskError('EIO', path)
    }
    await expect(lab.append('a')).rejects.toMatchObject({ code: 'FAILED' })
    await expect(lab.append('b')).rejects.toMatchObject({ code: 'FAILED' })
    expect(flushes).toBe(1)
    expect(lab.failures).toHaveLength(1)
    expect(lab.failures[0]).toContain('the disk failed')
    expect(lab.flushed).toEqual([])
  })

  test.each([1, 2])(
    'no room for batch %i: it is refused, what was flushed stays (F6)',
    async (nth) => {
      for (let i = 1; i < nth; i++) await lab.append(`k${i}`)
      const end = lab.log.end()
      let full = true
      lab.disk.before = (operation, path) => {
        if (operation === 'write' && path.endsWith('.seg') && full) throw diskError('ENOSPC', path)
      }
      const refused = [lab.append('a'), lab.append('b')]
      for (const each of refused) await expect(each).rejects.toMatchObject({ code: 'DISK_FULL' })
      expect(lab.log.end()).toEqual(end)
      expect(lab.failures).toEqual([])
      full = false
      const [position] = await lab.log.append([labRecord('c')], true)
      expect((await lab.log.read(position!)).sequence).toBe(end.nextSequence)
    },
  )

  test('a disk that takes no writes refuses appends, and reads go on (F8)', async () => {
    const [position] = await lab.append('a')
    lab.disk.before = (operation, path) => {
      if (operation === 'write') throw diskError('EROFS', path)
    }
    await expect(lab.append('b')).rejects.toMatchObject({ code: 'READ_ONLY' })
    expect((await lab.log.read(position!)).key).toBe('a')
    expect(lab.failures).toEqual([])
  })
})

describe('an assertion that fails', () => {
  test('stops the node with one line, and nothing more is appended', async () => {
    await lab.append('a')
    const wrong = { ...labRecord('b'), type: 0 }
    await expect(lab.log.append([wrong])).rejects.toMatchObject({ code: 'FAILED' })
    expect(lab.failures).toEqual([
      expect.stringMatching(
        /^assertion failed in encodeRecordMeta .*: a record type is 1\.\.255\. This is a bug in Shoal/,
      ) as string,
    ])
    await expect(lab.append('c')).rejects.toMatchObject({ code: 'FAILED' })
    expect(lab.flushed).toEqual(['a'])
  })
})

describe('the proof of the end (D9)', () => {
  test('is written once the log is idle, and at a clean stop', async () => {
    await lab.append('a')
    expect(await readManifest(lab.disk)).toMatchObject({ proven: { nextSequence: 0 } })
    await lab.clock.pass(1_500)
    expect(await readManifest(lab.disk)).toMatchObject({ proven: lab.log.end() })
    await lab.append('b')
    await lab.clock.settle(lab.log.close())
    expect(await readManifest(lab.disk)).toMatchObject({ proven: { nextSequence: 2 } })
  })
})
