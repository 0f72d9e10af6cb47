/** One more node lets a cluster with full disks take writes at once, before any block has moved. */

import { expect, test } from 'vitest'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import { Patches } from '../mutants/patches.ts'
import {
  backendOf,
  bytesLike,
  codeOf,
  get,
  nodeOf,
  put,
  calmSleep,
} from '../testing/calm-cluster.ts'
import { withHandLayout, type HandLayout } from '../testing/hand-layout.ts'

const CAPACITY = 16 << 20
const SIZE = 120_000
const OPTIONS = {
  segmentSizeBytes: 1 << 20,
  space: { reclaimDelayMs: 1_000, scanPauseMs: 5_000, tombstoneDelayMs: 2_000 },
  upkeep: { compactionIntervalMs: 1_000, compactionGainBytes: 64 << 10 },
}
const keyOf = (i: number): string => `key ${i}`

/** Writes until all these nodes refuse. Returns what they took. */
async function fill(hand: HandLayout, full: readonly number[]): Promise<number[]> {
  const taken: number[] = []
  for (const number of full) hand.cluster.diskOf(number).capacityBytes = CAPACITY
  // The next write looks at the disk again.
  await calmSleep(hand.cluster, 6_000)
  // Refused data is freed again, so a node counts as full only when it still refuses after a while.
  for (let i = 0, refused = 0; refused < 4 * full.length; i++) {
    if (refused > 0) await calmSleep(hand.cluster, 2_000)
    const through = backendOf(hand.cluster, full[i % full.length]!)
    const code = await codeOf(put(through, keyOf(i), bytesLike(SIZE, i)))
    if (code === 'ok') taken.push(i)
    refused = code === 'ok' ? 0 : refused + 1
  }
  return taken
}

/** Lets `joiners` join full members. Returns how long each full node refused PUTs after that, milliseconds. */
async function relieved(members: number, replication: number, joiners = 1): Promise<number[]> {
  const waits: number[] = []
  await withHandLayout(
    members + joiners,
    async (hand) => {
      const { cluster } = hand
      const full = Array.from({ length: members }, (_, number) => number)
      await hand.become(full, false, replication)
      const taken = await fill(hand, full)
      expect(taken.length).toBeGreaterThan(20)
      await hand.become(
        Array.from({ length: cluster.size }, (_, number) => number),
        true,
        replication,
      )
      const sinceMs = cluster.clock.monotonicMs()
      for (const number of full) {
        for (let k = 0; k < 4; k++) {
          const i = 1_000 + 10 * number + k
          for (;;) {
            const code = await codeOf(put(backendOf(cluster, number), keyOf(i), bytesLike(SIZE, i)))
            if (code === 'ok') break
            const waitedMs = cluster.clock.monotonicMs() - sinceMs
            if (waitedMs > 120_000) {
              expect(full.map((one) => nodeOf(cluster, one).store.stats())).toEqual('writable')
            }
            await calmSleep(cluster, 100)
          }
          taken.push(i)
        }
        waits.push(cluster.clock.monotonicMs() - sinceMs)
      }
      expect(hand.view.sources.length).toBe(1)
      for (const i of taken) {
        const bytes = await get(backendOf(cluster, i % cluster.size), keyOf(i))
        expect(Buffer.compare(bytes, bytesLike(SIZE, i))).toBe(0)
      }
    },
    OPTIONS,
  )
  return waits
}

test.each([
  [1, 1],
  [2, 2],
  [3, 3],
])(
  '%i full nodes and %i copies: writes go on within 10 s of the join',
  async (members, copies) => {
    expect(Math.max(...(await relieved(members, copies)))).toBeLessThan(10_000)
  },
  120_000,
)

test('a full node goes on at once where the others are a majority, with no block moved', async () => {
  const patches = new Patches()
  patches.method(BlockMover.prototype, 'start', () => () => {})
  try {
    expect(Math.max(...(await relieved(1, 3, 2)))).toBeLessThan(1_000)
  } finally {
    patches.undo()
  }
}, 120_000)
