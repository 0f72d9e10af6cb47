/** Scrub, compaction and the account of dead bytes. F2, F6 and F7. */

import { describe, expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import type { Compaction } from '../../node/log/compaction.ts'
import { scrubOf, type Scrub } from '../../node/log/scrub.ts'
import type { Store } from '../../node/log/store.ts'
import type { LogPosition, NewRecord } from '../../node/log/types.ts'
import { StoreWorld } from './store-world.ts'

function record(key: string, payloadBytes: number): NewRecord {
  const payload = Uint8Array.from({ length: payloadBytes }, (_, i) => (31 + i) & 255)
  return { type: 2, partition: 7, key, body: bytesOf(`${key} version 1 `), payload }
}

/** Three segments: k1 to k3 in the first, then k4 to k9; k1 and k2 are overwritten at the end. */
async function aged(): Promise<StoreWorld> {
  const world = new StoreWorld({ seed: 3, segmentSizeBytes: 40 << 10 })
  const store = await world.open()
  for (const key of ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9', 'k1', 'k2']) {
    await world.clock.settle(store.append([record(key, 9_000)]))
  }
  return world
}

const firstSegment = 'log/0000000001.seg'
const ALL = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8', 'k9']

describe('dead bytes', () => {
  test('are counted as records are replaced, and survive restart and rebuild', async () => {
    const world = await aged()
    const expected = world.store?.segments().map(({ segment, deadBytes }) => [segment, deadBytes])
    expect(expected?.[0]?.[1]).toBeGreaterThan(18_000)
    // Padding only: each of these appends begins on a page of its own.
    expect(expected?.[1]?.[1]).toBeLessThan(4 * 4_096)
    const counts = (): unknown =>
      world.store
        ?.segments()
        .slice(0, expected?.length)
        .map((info) => [info.segment, info.deadBytes])
    await world.clock.settle((world.store as Store).close())
    await world.open()
    expect(counts()).toEqual(expected)
    world.crash('kill')
    world.indexStore.delete()
    await world.open()
    expect((counts() as unknown[])[0]).toEqual(expected?.[0])
  })
})

describe('compaction', () => {
  test('moves what lives and deletes the segment', async () => {
    const world = await aged()
    const before = world.disk.usedBytes()
    const compaction = world.compaction as Compaction
    expect(compaction.plan()).toEqual({ compact: [1] })
    await world.clock.settle(compaction.work())
    expect(world.disk.usedBytes()).toBeLessThan(before)
    expect(await world.clock.settle(world.disk.readFile(firstSegment))).toBeUndefined()
    expect([...(await world.contents()).keys()]).toEqual(ALL)
    expect(compaction.plan()).toBeUndefined()
  })

  test('works on a full disk, which takes no other appends', async () => {
    const world = await aged()
    const store = world.store as Store
    world.disk.capacityBytes = world.disk.usedBytes() + (20 << 10)
    await expect(world.clock.settle(store.append([record('k10', 30_000)]))).rejects.toMatchObject({
      code: 'DISK_FULL',
    })
    await world.clock.settle((world.compaction as Compaction).work())
    world.clock.after(1_000, () => {})
    await world.clock.runUntil(() => world.clock.idle)
    expect([...(await world.contents()).keys()]).toEqual(ALL)
    await world.clock.settle(store.append([record('k10', 9_000)]))
  })

  test('a disk that fills up during it leaves the old segment intact', async () => {
    const world = await aged()
    world.disk.capacityBytes = world.disk.usedBytes() + 4_096
    await expect(world.clock.settle((world.compaction as Compaction).work())).rejects.toThrow()
    expect([...(await world.contents()).keys()]).toEqual(ALL)
    expect(world.disk.contentOf(firstSegment).length).toBeGreaterThan(0)
  })

  test('a segment with a damaged live record stays', async () => {
    const world = await aged()
    const row = world.store?.get(bytesOf('k3')) as Uint8Array
    const offset = Number(String.fromCharCode(...row).split(',')[1])
    world.disk.corrupt(firstSegment, offset + 200, 1)
    expect(await world.clock.settle((world.compaction as Compaction).compact(1))).toBe(false)
    expect(world.disk.contentOf(firstSegment).length).toBeGreaterThan(0)
  })

  test('so does one with a record whose key can not be read any more', async () => {
    const world = await aged()
    world.disk.corrupt(firstSegment, 4_096 + 64 + 20, 1)
    expect(await world.clock.settle((world.compaction as Compaction).compact(1))).toBe(false)
  })
})

describe('scrub', () => {
  async function scrubbed(
    world: StoreWorld,
    fetch: (key: string) => void = () => {},
  ): Promise<{ scrub: Scrub; asked: string[] }> {
    const asked: string[] = []
    const scrub = scrubOf(world.store as Store, {
      patienceMs: 3_000,
      fetch: ({ key }) => {
        asked.push(key)
        fetch(key)
      },
    })
    await world.clock.settle(scrub.pass())
    return { scrub, asked: [...new Set(asked)].sort() }
  }

  test('finds every live record that went bad, and no dead one', async () => {
    const world = await aged()
    const clean = await scrubbed(world)
    expect(clean.asked).toEqual([])
    expect(clean.scrub.counts).toMatchObject({ records: ALL.length, bad: 0, badRows: 0, left: 0 })

    const positions = new Map<string, LogPosition>()
    for await (const found of walked(world)) positions.set(found.key, found.position)
    const at = (key: string): number => positions.get(key)?.offset ?? 0
    // A payload, a body and a header; and the payload of k1's dead record.
    world.disk.corrupt(firstSegment, at('k3') + 5_000, 1)
    world.disk.corrupt('log/0000000002.seg', at('k4') + 96 + 2 + 4, 1)
    world.disk.corrupt('log/0000000002.seg', at('k5') + 30, 1)
    world.disk.corrupt(firstSegment, 4_096 + 64 + 5_000, 1)
    const { scrub, asked } = await scrubbed(world)
    // The last one cannot be read, but its row says whose it was.
    expect(asked).toEqual(['k3', 'k4', 'k5'])
    expect(scrub.counts).toMatchObject({ bad: 3, mended: 0, left: 3 })

    const again = await scrubbed(world, (key) => {
      void (world.store as Store).append([record(key, 9_000)])
    })
    expect(again.scrub.counts).toMatchObject({ bad: 3, mended: 3, left: 0 })
    expect((await scrubbed(world)).scrub.counts).toMatchObject({ bad: 0, left: 0 })
    expect([...(await world.contents()).keys()]).toEqual(ALL)
  })

  test('makes rows again that the index lost, and none that were removed', async () => {
    const world = await aged()
    const store = world.store as Store
    const gone: NewRecord = { type: 9, partition: 7, key: 'k4', body: bytesOf('k4 version 1 ') }
    await world.clock.settle(store.append([gone]))
    await world.clock.settle(store.commitIndex())
    const before = await world.contents()
    const lost = ['k1', 'k6', 'k9']
    world.indexStore.tamper(lost.map((key) => ({ key: bytesOf(key) })))
    expect([...(await world.contents()).keys()]).not.toContain('k6')
    // Their records are in segments that compaction would take for dead.
    await world.clock.settle((world.compaction as Compaction).compact(1))
    await world.clock.settle((world.compaction as Compaction).compact(2))
    const { scrub } = await scrubbed(world)
    expect(scrub.counts).toMatchObject({ badRows: 3, mended: 3, left: 0 })
    expect(await world.contents()).toEqual(before)
  })
})

async function* walked(world: StoreWorld): AsyncGenerator<{ key: string; position: LogPosition }> {
  for (const segment of [1, 2]) {
    const found: { key: string; position: LogPosition }[] = []
    const walk = async (): Promise<void> => {
      for await (const one of (world.store as Store).walk(segment)) {
        if ('record' in one) found.push({ key: one.record.key, position: one.position })
      }
    }
    await world.clock.settle(walk())
    yield* found
  }
}
