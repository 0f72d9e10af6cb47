/** docs/correctness.md, F2 to F8, and D4, D5, D6: one store on a simulated disk, no crowd around it. */

import { describe, expect, test } from 'vitest'
import { bytesOf, byteString } from '../../protocol/bytes.ts'
import type { LogPosition } from '../../node/log/types.ts'
import type { Store } from '../../node/log/store.ts'
import { positionOf, StoreWorld } from './store-world.ts'
import {
  appendTo,
  openedAgain,
  openedStore,
  storeRecord,
  storedKeys,
} from '../testing/one-store.ts'

const PAGE = 4_096

const segment1 = 'log/0000000001.seg'

describe('torn tail (D4)', () => {
  test('the last batch cut at every byte is dropped whole or, when whole, kept', async () => {
    const whole = await openedStore()
    await appendTo(whole, storeRecord('k1'))
    const [last] = await appendTo(whole, storeRecord('k2', 300), storeRecord('k3'))
    const size = whole.disk.contentOf(segment1).length
    const start = (last as LogPosition).offset - 64
    for (let cut = start; cut <= size; cut++) {
      const world = await openedStore()
      await appendTo(world, storeRecord('k1'))
      await appendTo(world, storeRecord('k2', 300), storeRecord('k3'))
      world.crash('kill')
      const file = await world.clock.settle(world.disk.open(segment1, 'write'))
      await world.clock.settle(file.truncate(cut))
      world.indexStore.delete()
      await world.open()
      const expected = cut >= size ? ['k1', 'k2', 'k3'] : ['k1']
      // The last record's padding is no loss.
      if (cut < size && cut > size - 8 && (await storedKeys(world)).length === 3) continue
      expect([cut, await storedKeys(world)]).toEqual([cut, expected])
      expect(world.store?.damage()).toEqual([])
    }
  })

  test('what is missing of what the index reflects is a loss, not a tail', async () => {
    const world = await openedStore()
    await appendTo(world, storeRecord('k1'))
    await appendTo(world, storeRecord('k2'))
    await world.clock.settle((world.store as Store).commitIndex())
    world.crash('kill')
    const file = await world.clock.settle(world.disk.open(segment1, 'write'))
    await world.clock.settle(file.truncate(2 * PAGE))
    await world.open()
    expect(world.store?.damage()).toMatchObject([{ segment: 1, offset: 2 * PAGE }])
    expect(await storedKeys(world)).toEqual(['k1'])
  })
})

async function damaged(offset: number, index: boolean): Promise<StoreWorld> {
  const world = await openedStore()
  await appendTo(world, storeRecord('k1'), storeRecord('k2', 300), storeRecord('k3'))
  await appendTo(world, storeRecord('k4'))
  await appendTo(world, storeRecord('k5'))
  world.disk.corrupt(segment1, PAGE + offset, 0x10)
  await openedAgain(world, { index })
  return world
}

describe('corruption below the flushed end (D4, A4)', () => {
  test('a flipped bit in a record header is reported, the records behind it stay', async () => {
    const world = await damaged(64 + 9, false)
    expect(world.store?.damage()).toMatchObject([{ segment: 1, offset: PAGE + 64 }])
    expect(world.store?.damage()[0]?.identity).toBeUndefined()
    expect(await storedKeys(world)).toEqual(['k2', 'k3', 'k4', 'k5'])
  })

  test('a flipped bit in a body keeps the identity: faulty, not absent', async () => {
    const world = await damaged(64 + 96 + 2 + 3, false)
    expect(world.store?.damage()).toMatchObject([
      { offset: PAGE + 64, identity: { type: 1, partition: 7, key: 'k1' } },
    ])
    const row = world.store?.get(bytesOf('k1')) as Uint8Array
    const reading = world.clock.settle((world.store as Store).readRecord(positionOf(row)))
    await expect(reading).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
  })

  test('a flipped bit in a payload shows when it is read', async () => {
    const world = await damaged(64 + 112 + 112 + 20, true)
    expect(world.store?.damage()).toEqual([])
    const position = positionOf(world.store?.get(bytesOf('k2')) as Uint8Array)
    const reading = world.clock.settle((world.store as Store).readPayload(position))
    await expect(reading).rejects.toMatchObject({ code: 'CHECKSUM_MISMATCH' })
    expect(() => world.store?.readPayloadSync(position)).toThrow(/damaged record/)
  })

  test('a flipped bit in a batch header loses no record', async () => {
    for (let byte = 0; byte < 64; byte++) {
      const world = await openedStore()
      await appendTo(world, storeRecord('k1'))
      await appendTo(world, storeRecord('k2', 300), storeRecord('k3'))
      await appendTo(world, storeRecord('k4'))
      world.disk.corrupt(segment1, 2 * PAGE + byte, 1)
      await openedAgain(world, { index: false })
      expect(await storedKeys(world)).toEqual(['k1', 'k2', 'k3', 'k4'])
      expect(world.store?.damage()).toEqual([])
    }
  })

  test('every flipped bit of the log leaves each record as written, faulty, or reported', async () => {
    const size = (await damaged(0, true)).disk.contentOf(segment1).length
    for (let byte = 0; byte < size; byte += byte % PAGE < 800 ? 3 : 997) {
      const world = await openedStore()
      await appendTo(world, storeRecord('k1'), storeRecord('k2', 300), storeRecord('k3'))
      await appendTo(world, storeRecord('k4'))
      await appendTo(world, storeRecord('k5'))
      await appendTo(world, storeRecord('k6'))
      world.disk.corrupt(segment1, byte, 1 << (byte % 8))
      await openedAgain(world, { index: false })
      const store = world.store as Store
      const there: string[] = []
      for (const key of ['k1', 'k2', 'k3', 'k4', 'k5']) {
        const row = store.get(bytesOf(key))
        if (row === undefined) continue
        await world.clock.settle(store.readRecord(positionOf(row))).then(
          (found) => there.push(byteString(found.body).slice(0, 2)),
          (error: unknown) => expect(error).toMatchObject({ code: 'CHECKSUM_MISMATCH' }),
        )
      }
      // Damage of a payload shows on read only: everything else was reported.
      if (there.length < 4) throw new Error(`byte ${byte}: ${there.join()}`)
      const lost = ['k1', 'k2', 'k3', 'k4', 'k5'].filter(
        (key) => store.get(bytesOf(key)) === undefined,
      )
      expect([byte, lost.length]).toEqual([byte, lost.length === 0 ? 0 : store.damage().length])
    }
  })
})

describe('lying disk (F5)', () => {
  test('a write that never arrived is reported', async () => {
    const world = await openedStore()
    await appendTo(world, storeRecord('k1'))
    world.disk.lie = () => 'lost'
    await appendTo(world, storeRecord('k2'))
    world.disk.lie = undefined
    await appendTo(world, storeRecord('k3'))
    await openedAgain(world, { index: false })
    expect(world.store?.damage()).toMatchObject([{ segment: 1, offset: 2 * PAGE }])
    expect(await storedKeys(world)).toEqual(['k1', 'k3'])
  })

  test('a write that went elsewhere is found out on read and in recovery', async () => {
    const world = await openedStore()
    await appendTo(world, storeRecord('k1'))
    world.disk.lie = (_path, position) => ({ position: position - PAGE })
    const [position] = await appendTo(world, storeRecord('k2'))
    world.disk.lie = undefined
    await appendTo(world, storeRecord('k3'))
    const store = world.store as Store
    await expect(
      world.clock.settle(store.readRecord(position as LogPosition)),
    ).rejects.toMatchObject({ code: 'MISDIRECTED' })
    const first = positionOf(store.get(bytesOf('k1')) as Uint8Array)
    await expect(world.clock.settle(store.readRecord(first))).rejects.toMatchObject({
      code: 'MISDIRECTED',
    })
    await openedAgain(world, { index: false })
    expect(await storedKeys(world)).toEqual(['k3'])
    expect(world.store?.damage().length).toBeGreaterThan(0)
  })
})

describe('index lost or damaged (F4, D6)', () => {
  test('rebuilt from the segments, sealed ones and the open one, it answers the same', async () => {
    const world = await openedStore({ segmentSizeBytes: 64 << 10 })
    await world.work(4, 40)
    const before = await world.contents()
    expect((world.store as Store).stats().segments).toBeGreaterThan(3)
    await openedAgain(world, { index: false })
    expect(await world.contents()).toEqual(before)
    await world.clock.settle((world.store as Store).close())
    await world.open()
    expect(await world.contents()).toEqual(before)
  })
})

describe('failing disk (D5, F8)', () => {
  test('a failed flush rejects everything that waits, once and for good', async () => {
    const world = await openedStore()
    const store = world.store as Store
    await appendTo(world, storeRecord('k1'))
    world.disk.fault = (operation) => (operation === 'flush' ? 'EIO' : undefined)
    const waiting = [store.append([storeRecord('k2')]), store.append([storeRecord('k3')])]
    const outcomes = await world.clock.settle(Promise.allSettled(waiting))
    world.disk.fault = undefined
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'FAILED' } })
    }
    expect(world.failures).toHaveLength(1)
    await expect(appendTo(world, storeRecord('k4'))).rejects.toMatchObject({ code: 'FAILED' })
    // Reads go on, and nothing that was not flushed shows.
    expect(await storedKeys(world)).toEqual(['k1'])
    expect(store.stats()).toMatchObject({ failed: true })
  })

  test('ENOSPC from a flush is a failed disk, not a full one', async () => {
    const world = await openedStore()
    world.disk.fault = (operation) => (operation === 'flush' ? 'ENOSPC' : undefined)
    await expect(appendTo(world, storeRecord('k1'))).rejects.toMatchObject({ code: 'FAILED' })
    expect(world.failures).toHaveLength(1)
  })

  test('what a failed flush left in the cache counts only once it is written again', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const world = new StoreWorld({ seed, segmentSizeBytes: 1 << 20 })
      await world.open()
      await appendTo(world, storeRecord('k1'))
      world.disk.fault = (operation) => (operation === 'flush' ? 'EIO' : undefined)
      await appendTo(world, storeRecord('k2')).catch(() => {})
      world.disk.fault = undefined
      // The page cache still shows k2, though the disk never took it.
      world.crash('kill')
      await world.open()
      expect(await storedKeys(world)).toEqual(['k1', 'k2'])
      await appendTo(world, storeRecord('k3'))
      world.crash('cut')
      await world.open()
      expect(await storedKeys(world)).toEqual(['k1', 'k2', 'k3'])
    }
  })
})

describe('a disk that turns read-only or unreadable', () => {
  test('a disk that turns read-only refuses appends and serves reads', async () => {
    const world = await openedStore()
    await appendTo(world, storeRecord('k1'))
    world.disk.fault = (operation) => (operation === 'write' ? 'EROFS' : undefined)
    await expect(appendTo(world, storeRecord('k2'))).rejects.toMatchObject({ code: 'READ_ONLY' })
    expect(await storedKeys(world)).toEqual(['k1'])
    expect(world.failures).toEqual([])
  })

  test('an unreadable page in replay is damage, not the end', async () => {
    const world = await openedStore()
    await appendTo(world, storeRecord('k1'))
    await appendTo(world, storeRecord('k2'))
    await appendTo(world, storeRecord('k3'))
    world.crash('kill')
    world.indexStore.delete()
    world.disk.fault = (operation, path, place) => {
      if (operation !== 'read' || path !== segment1 || place === undefined) return undefined
      const { position, length } = place
      return position < 3 * PAGE && position + length > 2 * PAGE ? 'EIO' : undefined
    }
    await world.open()
    expect(await storedKeys(world)).toEqual(['k1', 'k3'])
    expect(world.store?.damage()).toMatchObject([{ segment: 1, offset: 2 * PAGE }])
  })
})

describe('full disk (F6)', () => {
  test('what finds no room leaves nothing behind; appends go on when room comes back', async () => {
    const world = await openedStore()
    const store = world.store as Store
    await appendTo(world, storeRecord('k1', 1_000))
    world.disk.capacityBytes = world.disk.usedBytes() + 2 * PAGE
    const waiting = [
      store.append([storeRecord('k2', 40_000)]),
      store.append([storeRecord('k3')]),
      store.append([storeRecord('k4')]),
    ]
    const outcomes = await world.clock.settle(Promise.allSettled(waiting))
    for (const outcome of outcomes) {
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'DISK_FULL' } })
    }
    expect(await storedKeys(world)).toEqual(['k1'])
    expect(store.stats()).toMatchObject({ full: true, failed: false })
    await expect(appendTo(world, storeRecord('k5'))).rejects.toMatchObject({ code: 'DISK_FULL' })
    // Deletes and compaction may still try.
    const urgent = store.append([storeRecord('k6')], { urgent: true })
    await world.clock.settle(urgent)

    world.disk.capacityBytes = 1 << 30
    world.clock.after(1_000, () => {})
    await world.clock.runUntil(() => world.clock.idle)
    await appendTo(world, storeRecord('k7')).catch(() => {})
    await world.clock.runUntil(() => world.clock.idle)
    await appendTo(world, storeRecord('k8', 40_000))
    expect(await storedKeys(world)).toEqual(['k1', 'k6', 'k8'])
    await openedAgain(world, { index: false })
    expect(await storedKeys(world)).toEqual(['k1', 'k6', 'k8'])
    expect(world.store?.damage()).toEqual([])
    expect(world.failures).toEqual([])
  })

  test('what was refused does not come back after a restart', async () => {
    const world = await openedStore()
    const store = world.store as Store
    await appendTo(world, storeRecord('k1'))
    world.disk.capacityBytes = world.disk.usedBytes() + 3 * PAGE
    const waiting = [store.append([storeRecord('k2')]), store.append([storeRecord('k3', 40_000)])]
    await world.clock.settle(Promise.allSettled(waiting))
    expect(store.stats()).toMatchObject({ full: true })
    await openedAgain(world, { index: false })
    expect(await storedKeys(world)).toEqual(['k1'])
  })

  test('a full disk at the start of a segment is stepped back from, too', async () => {
    const world = await openedStore({ segmentSizeBytes: 16 << 10 })
    await appendTo(world, storeRecord('k1', 10_000))
    world.disk.capacityBytes = world.disk.usedBytes() + 500
    await expect(appendTo(world, storeRecord('k2', 10_000))).rejects.toMatchObject({
      code: 'DISK_FULL',
    })
    world.disk.capacityBytes = 1 << 30
    await world.clock.settle(
      (world.store as Store).append([storeRecord('k3', 10_000)], { urgent: true }),
    )
    await openedAgain(world, { index: false })
    expect(await storedKeys(world)).toEqual(['k1', 'k3'])
    expect(world.store?.damage()).toEqual([])
  })
})
