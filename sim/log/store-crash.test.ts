/** docs/correctness.md, F1: crashes at every point, torn and reordered writes, again in recovery. */

import { describe, expect, test } from 'vitest'
import type { Compaction } from '../../node/log/compaction.ts'
import type { Store } from '../../node/log/store.ts'
import { crashPoints } from './crash-points.ts'
import { StoreWorld } from './store-world.ts'

/** Lives of one store, each ended by a crash at a random instant. */
async function lives(seed: number, count: number): Promise<StoreWorld> {
  const world = new StoreWorld({ seed })
  for (let life = 0; life < count; life++) {
    // A crash in every second recovery, too.
    if (life % 2 === 1) {
      world.disk.haltAt = world.disk.mutations + Math.floor(world.random() * 8)
      if (!(await world.tryOpen())) {
        world.crash(world.random() < 0.7 ? 'cut' : 'kill')
        continue
      }
    } else {
      await world.open()
    }
    if (!world.disk.halted) {
      world.disk.haltAt = Number.POSITIVE_INFINITY
      await world.check()
    }
    world.disk.haltAt = world.disk.mutations + Math.floor(world.random() * 60)
    await world.work(1 + Math.floor(world.random() * 6), 1 + Math.floor(world.random() * 12))
    if (world.random() < 0.2) world.indexStore.delete()
    world.crash(world.random() < 0.7 ? 'cut' : 'kill')
  }
  await world.open()
  await world.check()
  return world
}

describe('crashes', () => {
  test('dead segments are compacted meanwhile', async () => {
    const world = await lives(1, 12)
    for (let i = 0; i < 3; i++) await world.work(4, 30)
    await world.clock.settle((world.compaction as Compaction).work())
    expect(world.compaction?.counters.segments).toBeGreaterThan(3)
    const { deadBytes, logBytes } = (world.store as Store).stats()
    // Much of it is padding: these segments are of ten pages.
    expect(deadBytes).toBeLessThan(logBytes * 0.6)
    await world.check()
    // Everything from the log alone, once more.
    world.crash('kill')
    world.indexStore.delete()
    await world.open()
    await world.check()
  })

  test('acknowledged appends survive, others are whole or absent', async () => {
    for (let seed = 1; seed <= 60; seed++) {
      try {
        const world = await lives(seed, 6)
        expect(world.failures).toEqual([])
        expect(world.store?.damage()).toEqual([])
        expect(world.store?.losses()).toEqual([])
      } catch (error) {
        throw new Error(`seed ${seed}`, { cause: error })
      }
    }
  })

  test('at every point of a life, and of the recovery from it', async () => {
    // All of them by CRASH_SEEDS=15: over 50,000 states.
    const seeds = Number(process.env['CRASH_SEEDS'] ?? 0)
    let states = 0
    for (let seed = 1; seed <= Math.max(1, seeds); seed++) {
      const { first, second } = await crashPoints(1_000 * seed, seeds === 0 ? 7 : 1)
      states += first + second
    }
    expect(states).toBeGreaterThan(seeds === 0 ? 300 : 3_000 * seeds)
  }, 3_600_000)
})
