/** When appends become visible: group commit, and an index that takes no rows. */

import { describe, expect, test } from 'vitest'
import { bytesOf } from '../../protocol/bytes.ts'
import type { Store } from '../../node/log/store.ts'
import { appendTo, openedStore, storeRecord, storedKeys } from '../testing/one-store.ts'

describe('an index that takes no rows', () => {
  test('holds up no append, and catches up later', async () => {
    const world = await openedStore()
    const store = world.store as Store
    world.indexStore.failing = true
    for (let i = 1; i <= 20; i++) await appendTo(world, storeRecord(`k${i}`))
    world.clock.after(5_000, () => {})
    await world.clock.runUntil(() => world.clock.monotonicMs() > 3_000)
    expect(await storedKeys(world)).toHaveLength(20)
    // And the segment's count of dead bytes.
    expect(store.stats().pendingRows).toBe(21)
    world.indexStore.failing = false
    await world.clock.settle(store.commitIndex())
    expect(store.stats().pendingRows).toBe(0)
    expect(await storedKeys(world)).toHaveLength(20)
  })

  test('once too much waits for it, appends are refused, and taken again later', async () => {
    const world = await openedStore()
    world.indexStore.failing = true
    const long = 'k'.repeat(1_600)
    for (let i = 0; i < 15; i++) {
      await appendTo(
        world,
        ...Array.from({ length: 1_000 }, (_, k) => storeRecord(`${long}${i} ${k}`)),
      )
    }
    await expect(appendTo(world, storeRecord('k'))).rejects.toMatchObject({ code: 'DISK_FULL' })
    world.indexStore.failing = false
    await world.clock.settle((world.store as Store).commitIndex())
    await appendTo(world, storeRecord('k'))
  })
})

describe('group commit', () => {
  test('while one flush runs, the next batch gathers', async () => {
    const world = await openedStore()
    const store = world.store as Store
    await appendTo(world, storeRecord('k0'))
    const before = store.stats().flushes
    const first = store.append([storeRecord('k1')])
    await world.clock.runUntil(() => store.stats().flushes > before || world.disk.mutations > 5)
    const rest = Array.from({ length: 50 }, (_, i) => store.append([storeRecord(`k${i + 2}`)]))
    await world.clock.settle(Promise.all([first, ...rest]))
    expect(store.stats().flushes - before).toBe(2)
  })

  test('positions of one append follow each other in its order', async () => {
    const world = await openedStore()
    const positions = await appendTo(
      world,
      storeRecord('k1', 100),
      storeRecord('k2'),
      storeRecord('k3', 50_000),
    )
    for (const [i, position] of positions.entries()) {
      const next = positions[i + 1]
      if (next !== undefined) expect(next.offset).toBe(position.offset + position.lengthBytes)
    }
  })

  test('nothing shows before its flush', async () => {
    const world = await openedStore()
    const store = world.store as Store
    await appendTo(world, storeRecord('k0'))
    world.disk.haltAt = world.disk.mutations + 1
    void store.append([storeRecord('k1')])
    await world.clock.runUntil(() => false)
    expect(store.get(bytesOf('k1'))).toBeUndefined()
    expect(await storedKeys(world).catch(() => ['unreadable'])).not.toContain('k1')
  })
})
