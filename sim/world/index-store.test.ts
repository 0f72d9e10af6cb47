import { describe, expect, test } from 'vitest'
import { indexCompliance } from '../../node/env/testing/index.compliance.ts'
import type { Clock, Index } from '../../node/env/ports.ts'
import { SimulatedIndexStore } from './index-store.ts'
import { seededRandom } from './seeded-random.ts'

const promptClock: Clock = {
  nowMs: () => 0,
  monotonicMs: () => 0,
  after: (_delayMs, run) => {
    const timer = setImmediate(run)
    return () => clearImmediate(timer)
  },
}

const stores = new Map<Index, SimulatedIndexStore>()

async function openFrom(store: SimulatedIndexStore): Promise<Index> {
  const index = await store.open()
  stores.set(index, store)
  return index
}

function store(seed = 1): SimulatedIndexStore {
  return new SimulatedIndexStore({ clock: promptClock, random: seededRandom(seed) })
}

describe('simulated index', () => {
  indexCompliance(
    () => openFrom(store()),
    async (index) => {
      await index.close()
      return openFrom(stores.get(index) as SimulatedIndexStore)
    },
  )

  test('a crash leaves a prefix of the batches', async () => {
    const seen = new Set<number>()
    for (let seed = 1; seed <= 60; seed++) {
      const kept = store(seed)
      const index = await kept.open()
      for (let i = 0; i < 6; i++) {
        await index.write([{ key: Uint8Array.of(i), value: Uint8Array.of(i) }])
      }
      kept.crash()
      const after = await kept.open()
      const there = [0, 1, 2, 3, 4, 5].map((i) => after.get(Uint8Array.of(i)) !== undefined)
      const count = there.filter(Boolean).length
      expect(there.slice(0, count).every(Boolean)).toBe(true)
      seen.add(count)
    }
    expect(seen.size).toBeGreaterThan(3)
  })
})
