/** A pass over one store. What replicas do with what it asks for: sim/log/store-upkeep.test.ts, sim/log/scrub-removals.test.ts. */

import { beforeEach, describe, expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import { segmentPath } from './segment.ts'
import { StoreLab } from './testing/store-lab.ts'
import type { LogPosition } from './types.ts'

let lab: StoreLab

beforeEach(async () => {
  lab = new StoreLab()
  await lab.open()
  for (const key of ['a', 'b', 'c']) await lab.put(key, 1_000)
  await lab.put('a', 1_000)
})

function spoilPayload({ segment, offset, lengthBytes }: LogPosition): void {
  lab.disk.corrupt(segmentPath(segment), offset + lengthBytes - 100)
}

async function pass(handlers: Parameters<StoreLab['scrub']>[0] = {}) {
  const scrub = lab.scrub(handlers)
  expect(await lab.clock.settle(scrub.pass())).toBe(true)
  return scrub.counts
}

describe('a scrub', () => {
  test('reads every record that lives, and finds a sound store sound', async () => {
    const counts = await pass()
    expect(counts).toMatchObject({ records: 3, bad: 0, badRows: 0, mended: 0, left: 0 })
    expect(counts.doneBytes).toBe(counts.totalBytes)
    expect(lab.fetched).toEqual([])
  })

  test('ends early when it is stopped', async () => {
    const scrub = lab.scrub()
    await lab.spoilRow('a')
    scrub.stop()
    expect(await lab.clock.settle(scrub.pass())).toBe(false)
    expect(scrub.counts).toMatchObject({ records: 0, badRows: 0 })
  })
})

describe('rows (F4)', () => {
  test('one that is missing is made again from its record', async () => {
    const place = lab.placeOf('a')
    await lab.spoilRow('a')
    expect(await pass()).toMatchObject({ badRows: 1, mended: 1 })
    expect(lab.placeOf('a')).toEqual(place)
  })

  test('one that is damaged is made again from its record', async () => {
    const place = lab.placeOf('b')
    await lab.spoilRow('b', 'nonsense')
    expect(await pass()).toMatchObject({ badRows: 1, mended: 1 })
    expect(lab.placeOf('b')).toEqual(place)
  })

  test('one that a removal took away is not made again', async () => {
    await lab.remove('b')
    expect(await pass()).toMatchObject({ badRows: 0 })
    expect(lab.store.get(bytesOf('b'))).toBeUndefined()
  })

  test('what a lost row pointed to counts as dead, so that compaction can take its segment', async () => {
    await lab.put('b', 1_000)
    const before = lab.store.replacedBytes(1)
    await lab.spoilRow('c')
    await lab.put('c', 1_000)
    expect(lab.store.replacedBytes(1)).toBe(before)
    await pass()
    expect(lab.store.replacedBytes(1)).toBeGreaterThan(before)
  })
})

describe('damaged records (F2 to F5)', () => {
  test('are asked for; once they are written again they are mended', async () => {
    spoilPayload(lab.placeOf('c')!)
    const counts = await pass({ fetch: ({ key }) => void lab.put(key, 1_000) })
    expect(counts).toMatchObject({ bad: 1, mended: 1, left: 0 })
    expect(await lab.contents()).toEqual(['a', 'b', 'c'])
  })

  test('are counted as left when no replica has them', async () => {
    spoilPayload(lab.placeOf('c')!)
    expect(await pass()).toMatchObject({ bad: 1, mended: 0, left: 1 })
    expect(new Set(lab.fetched)).toEqual(new Set(['c']))
  })

  test('do not matter once no row points to them', async () => {
    const old = lab.placeOf('a')!
    await lab.put('a', 1_000)
    spoilPayload(old)
    expect(await pass()).toMatchObject({ bad: 0, left: 0 })
  })
})

describe('stretches in which no record can be read (D7)', () => {
  test('are not needed once no row points into them', async () => {
    const { segment, offset } = lab.placeOf('b')!
    // Its header: the walk can't tell whose it was.
    lab.disk.corrupt(segmentPath(segment), offset + 20)
    const counts = await pass({ fetch: ({ key }) => void lab.put(key, 1_000) })
    expect(counts).toMatchObject({ bad: 1, mended: 1, left: 0 })
    expect(await lab.contents()).toEqual(['a', 'b', 'c'])
    const stretches = []
    for await (const found of lab.store.walk(segment))
      if (!('record' in found)) stretches.push(found)
    expect(stretches.map((damage) => lab.store.isObsolete(damage))).toEqual([true])
  })
})
