/** A whole cluster changes its members while clients write (F15): the node that leads the change dies, a joiner dies,
 * gossip is lost. */

import { describe, expect, test } from 'vitest'
import { nodeId } from '../../protocol/ids.ts'
import { entryHash } from '../../protocol/layout/entry.ts'
import { lastEntryOf } from '../../node/layout/layout-file.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bytesLike,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  calmUntil,
  view,
} from '../testing/calm-cluster.ts'
import { contentOf, Writers, KEYS } from '../testing/writers.ts'
import { withMethods } from '../testing/changed-ports.ts'

interface Scene {
  readonly cluster: SimulatedCluster
  readonly writers: Writers
  /** Numbers of the members: who leads, and the others. */
  readonly first: number
  readonly others: readonly number[]
}

/** Three members with data under load, and a fourth node that is not started yet. */
function changing(
  seed: number,
  scenario: (scene: Scene) => Promise<void>,
  options: Parameters<typeof onCluster>[2] = {},
): Promise<void> {
  return onCluster(
    4,
    async (cluster) => {
      const writers = new Writers(cluster)
      await calmSleep(cluster, 1_000)
      const byId = [0, 1, 2].toSorted((a, b) => (cluster.idOf(a) < cluster.idOf(b) ? -1 : 1))
      const [first, ...others] = byId as [number, number, number]
      await scenario({ cluster, writers, first, others })
    },
    { ...options, seed, members: 3 },
  )
}

const SEEDS = [1, 2, 3]
const isAtRest = (cluster: SimulatedCluster, number: number): boolean =>
  view(cluster, number).state === 'STABLE' && view(cluster, number).sources.length === 0
const has = (cluster: SimulatedCluster, number: number, count: number): boolean =>
  view(cluster, number).state === 'STABLE' && view(cluster, number).entry.members.length === count

describe('a node joins a cluster that holds data', () => {
  test.each(SEEDS)('under load: seed %i', (seed) =>
    changing(seed, async ({ cluster, writers, first }) => {
      await cluster.start(3)
      expect(has(cluster, 3, 4)).toBe(true)
      await calmUntil(cluster, 'all know', () => [0, 1, 2].every((node) => has(cluster, node, 4)))
      const { count } = writers
      await calmSleep(cluster, 2_000)
      expect(writers.count).toBeGreaterThan(count)
      await writers.check(3)
      // The new member votes and has all blocks, so any one of the others may be lost.
      await calmUntil(cluster, 'moved', () => [0, 1, 2, 3].every((n) => isAtRest(cluster, n)))
      cluster.kill(first, false)
      await writers.check(3)
    }),
  )

  test.each(SEEDS)('without gossip: seed %i', (seed) =>
    changing(
      seed,
      async ({ cluster, writers }) => {
        await cluster.start(3)
        await calmUntil(cluster, 'all know', () => [0, 1, 2].every((node) => has(cluster, node, 4)))
        await writers.check(3)
      },
      {
        adapt: (environment) => ({
          ...environment,
          network: withMethods(environment.network, { publish: () => {} }),
        }),
      },
    ),
  )

  test.each(SEEDS)(
    'it dies while it copies, is dropped, and joins when it is back: seed %i',
    (seed) =>
      changing(seed, async ({ cluster, writers, first }) => {
        const started = cluster.start(3)
        await calmUntil(cluster, 'planned', () => view(cluster, first).state === 'PLANNED')
        cluster.kill(3, seed % 2 === 0)
        await started
        await calmUntil(cluster, 'dropped', () => view(cluster, first).entry.cause === 'abandoned')
        expect(view(cluster, first).entry.members).toHaveLength(3)
        await cluster.start(3)
        await writers.check(3)
      }),
  )

  test.each(SEEDS)('it dies in JOINT, and is a member when it is back: seed %i', (seed) =>
    changing(seed, async ({ cluster, writers, first }) => {
      const started = cluster.start(3)
      await calmUntil(cluster, 'JOINT', () => view(cluster, first).state === 'JOINT')
      cluster.kill(3, seed % 2 === 0)
      await started
      await calmUntil(cluster, 'STABLE', () => view(cluster, first).state === 'STABLE')
      await cluster.start(3)
      await calmUntil(cluster, 'a member', () => has(cluster, 3, 4))
      await writers.check(3)
    }),
  )
})

/** Node 3 has the layout of `number`, durably. */
async function untilKept(cluster: SimulatedCluster, number: number): Promise<void> {
  await calmUntil(cluster, 'it has the layout', () => {
    const bytes = cluster.diskOf(3).image().get('layout.json')
    return bytes !== undefined && lastEntryOf(bytes).epoch >= view(cluster, number).epoch
  })
  // Its directory is flushed after the file.
  await calmSleep(cluster, 10)
}

describe('a joiner that is back without its token', () => {
  const STEPS = ['PLANNED', 'JOINT', 'STABLE'] as const
  test.each(SEEDS.flatMap((seed) => STEPS.map((step) => [step, seed] as const)))(
    'goes on where it died in %s: seed %i',
    (step, seed) =>
      changing(seed, async ({ cluster, writers, first }) => {
        const started = cluster.start(3)
        await calmUntil(
          cluster,
          step,
          () => view(cluster, first).state === step && view(cluster, first).epoch > 4,
        )
        await untilKept(cluster, first)
        cluster.kill(3, seed % 2 === 0)
        await started
        await cluster.start(3, { hasToken: false })
        await calmUntil(cluster, 'a member', () => has(cluster, 3, 4))
        await writers.check(3)
      }),
  )

  test.each(SEEDS)('and was dropped is told to give one: seed %i', (seed) =>
    changing(seed, async ({ cluster, writers, first }) => {
      const started = cluster.start(3)
      await calmUntil(cluster, 'planned', () => view(cluster, first).state === 'PLANNED')
      await untilKept(cluster, first)
      cluster.kill(3, seed % 2 === 0)
      await started
      await calmUntil(cluster, 'dropped', () => view(cluster, first).entry.cause === 'abandoned')
      await expect(cluster.start(3, { hasToken: false })).rejects.toThrow(
        /was left out while it was away: give it a token with --join-file$/,
      )
      cluster.kill(3, false)
      await cluster.start(3)
      await calmUntil(cluster, 'a member', () => has(cluster, 3, 4))
      await writers.check(3)
    }),
  )
})

test.each(SEEDS)('the only member dies while another node learns, and goes on: seed %i', (seed) =>
  onCluster(
    2,
    async (cluster) => {
      for (let i = 0; i < KEYS; i++) await put(backendOf(cluster, 0), `key ${i}`, contentOf(i))
      const joined = cluster.start(1)
      await calmUntil(cluster, 'planned', () => view(cluster, 0).state === 'PLANNED')
      cluster.kill(0, seed % 2 === 0)
      await cluster.start(0)
      await joined
      await calmUntil(cluster, 'two members', () => has(cluster, 0, 2) && has(cluster, 1, 2))
      for (let i = 0; i < KEYS; i++) {
        expect(new Uint8Array(await get(backendOf(cluster, 1), `key ${i}`))).toEqual(contentOf(i))
      }
    },
    { seed, members: 1 },
  ),
)

describe('who leads it dies', () => {
  const STEPS = ['PLANNED', 'JOINT', 'STABLE'] as const
  test.each(SEEDS.flatMap((seed) => STEPS.map((step) => [step, seed] as const)))(
    'in %s: another one goes on: seed %i',
    (step, seed) =>
      changing(seed, async ({ cluster, writers, first, others }) => {
        const [second] = others as [number]
        const started = cluster.start(3)
        await calmUntil(
          cluster,
          step,
          () => view(cluster, second).state === step && view(cluster, second).epoch > 4,
        )
        cluster.kill(first, seed % 2 === 0)
        await started
        await calmUntil(cluster, 'done', () => has(cluster, second, 4))
        await cluster.start(first)
        await calmUntil(cluster, 'all know', () =>
          [0, 1, 2, 3].every((node) => has(cluster, node, 4)),
        )
        await writers.check(first)
      }),
  )
})

describe('a node leaves', () => {
  test.each(SEEDS)('drained under load: seed %i', (seed) =>
    changing(seed, async ({ cluster, writers, first, others }) => {
      await cluster.start(3)
      const { layout, nodeId: leaver } = nodeOf(cluster, first)
      await nodeOf(cluster, 3).layout.changes.apply({
        kind: 'drain',
        nodeId: leaver,
      })
      await calmUntil(cluster, 'drained', () => others.every((node) => has(cluster, node, 3)))
      await calmUntil(cluster, 'it knows', () => !layout.isMember())
      expect(layout.role()).toBe('source')
      await expect(put(backendOf(cluster, first), 'x', bytesLike(10))).rejects.toThrow()
      await calmUntil(cluster, 'moved', () => [...others, 3].every((n) => isAtRest(cluster, n)))
      // No node tells it, so it asks.
      await calmUntil(cluster, 'it has left', () => layout.role() === undefined)
      expect(nodeOf(cluster, first).admin.notReadyReason()).toMatch(
        /^this node has left the cluster/,
      )
      cluster.kill(first, false)
      await writers.check(3)
    }),
  )

  test.each(SEEDS)('lost, and replaced by another one: seed %i', (seed) =>
    changing(seed, async ({ cluster, writers, first, others }) => {
      const old = nodeId(cluster.idOf(first))
      const before = view(cluster, others[0]!).placement
      cluster.kill(first, true)
      await calmSleep(cluster, 1_000)
      await cluster.invite(others[0]!)
      await cluster.start(3, { replace: old })
      await calmUntil(cluster, 'replaced', () => others.every((node) => has(cluster, node, 3)))
      const { placement, partitions } = view(cluster, 3)
      for (let p = 0; p < partitions; p++) {
        const renamed = before.replicas(p).map((node) => (node === old ? cluster.idOf(3) : node))
        expect(placement.replicas(p)).toEqual(renamed)
      }
      await writers.check(3)
      // The old one comes back: it changes nothing, and serves blocks until they have moved.
      await cluster.start(first)
      await calmUntil(cluster, 'it knows', () => !nodeOf(cluster, first).layout.isMember())
      expect(has(cluster, 3, 3)).toBe(true)
      await calmUntil(cluster, 'moved', () => [...others, 3].every((n) => isAtRest(cluster, n)))
    }),
  )
})

test.each(SEEDS)('two changes at two members at once are one plan or two: seed %i', (seed) =>
  changing(seed, async ({ cluster, writers, first, others }) => {
    const [second, third] = others as [number, number]
    await cluster.start(3)
    const leaver = nodeOf(cluster, first).nodeId
    const outcomes = await Promise.allSettled([
      nodeOf(cluster, second).layout.changes.apply({
        kind: 'drain',
        nodeId: leaver,
      }),
      nodeOf(cluster, third).layout.changes.apply({
        kind: 'set',
        nodeId: nodeOf(cluster, third).nodeId,
        name: 'third',
      }),
    ])
    expect(outcomes.some(({ status }) => status === 'fulfilled')).toBe(true)
    await calmUntil(cluster, 'settled', () =>
      [second, third, 3].every(
        (node) =>
          view(cluster, node).state === 'STABLE' &&
          view(cluster, node).epoch === view(cluster, second).epoch,
      ),
    )
    const entries = [second, third, 3].map((node) => entryHash(view(cluster, node).entry))
    expect(new Set(entries).size).toBe(1)
    await writers.check(3)
  }),
)
