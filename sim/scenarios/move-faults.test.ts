/**
 * Nodes are lost, killed, replaced or restored from an old copy while blocks of an earlier change still move. The nodes
 * lead each change themselves. Blocks move so slowly that all of this happens before they have arrived.
 */

import { describe, expect, test } from 'vitest'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { freedButReferenced, thinBlocks } from '../checkers/space-checker.ts'
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
import { Writers } from '../testing/writers.ts'

const OBJECTS = 16
const SIZE = 90_000
/** At this rate the blocks of a joiner take half a minute. */
const MOVE_BYTES_PER_SECOND = 40_000
/** Between two looks at everything on the disks. */
const LOOK_MS = 1_000
const SEEDS = [1]

interface Scene {
  readonly cluster: SimulatedCluster
  readonly writers: Writers
  /** Numbers of the members in the order of their ids: the first one leads. */
  readonly members: readonly number[]
}

function moving(
  seed: number,
  nodes: number,
  members: number,
  scenario: (scene: Scene) => Promise<void>,
): Promise<void> {
  return onCluster(
    nodes,
    async (cluster) => {
      for (let i = 0; i < OBJECTS; i++) {
        await put(backendOf(cluster, 0), `large ${i}`, bytesLike(SIZE, i))
      }
      const writers = new Writers(cluster)
      await calmSleep(cluster, 1_000)
      const numbers = Array.from({ length: members }, (_, number) => number)
      const byId = numbers.toSorted((a, b) => (cluster.idOf(a) < cluster.idOf(b) ? -1 : 1))
      await scenario({ cluster, writers, members: byId })
    },
    { seed, members, moveBytesPerSecond: MOVE_BYTES_PER_SECOND },
  )
}

const waiting = (cluster: SimulatedCluster, number: number): number =>
  nodeOf(cluster, number).moves.mover.waiting().length

/** STABLE with this many sources, and this node still lacks blocks. */
function moves(cluster: SimulatedCluster, number: number, sources = 1): boolean {
  if (cluster.node(number) === undefined) return false
  const { state, sources: known } = view(cluster, number)
  return state === 'STABLE' && known.length === sources && waiting(cluster, number) > 0
}

function isAtRest(cluster: SimulatedCluster, numbers: readonly number[]): boolean {
  return numbers.every((number) => {
    const { state, sources, members } = view(cluster, number)
    return state === 'STABLE' && sources.length === 0 && members.length === numbers.length
  })
}

/** How many registers and blocks of partitions that it does not hold the node keeps. */
function leftOvers(cluster: SimulatedCluster, number: number): number {
  const held = new Set(view(cluster, number).partitionsOf(cluster.idOf(number)))
  let count = 0
  for (const [from, to] of [
    ['b', 'c'],
    ['r', 's'],
  ] as const) {
    nodeOf(cluster, number).store.range(bytesOf(from), bytesOf(to), 1e6, (key) => {
      const name = byteString(key)
      if (!held.has(name.charCodeAt(1) * 256 + name.charCodeAt(2))) count++
    })
  }
  return count
}

/** Checks the end: these are the members, every block is at all R holders, no source is left, no node keeps anything else. */
async function ends({ cluster, writers }: Scene, members: readonly number[]): Promise<void> {
  await calmUntil(cluster, 'all blocks moved', () => isAtRest(cluster, members), LOOK_MS)
  await writers.check(members[0]!)
  const isClean = (): boolean => members.every((number) => leftOvers(cluster, number) === 0)
  await calmUntil(cluster, 'nothing is left over', isClean, LOOK_MS)
  for (const number of cluster.numbers) if (!members.includes(number)) cluster.retire(number)
  const isWhole = (): boolean => thinBlocks(cluster).length === 0
  await calmUntil(cluster, 'all holders have each block', isWhole, LOOK_MS)
  expect(freedButReferenced(cluster)).toEqual([])
  for (const number of members) {
    await cluster.scrub(number)
    const { bad, badRows, left } = nodeOf(cluster, number).upkeep.scrubStatus()
    expect({ number, bad, badRows, left }).toEqual({ number, bad: 0, badRows: 0, left: 0 })
    for (let i = 0; i < OBJECTS; i++) {
      const bytes = await get(backendOf(cluster, number), `large ${i}`)
      expect(Buffer.compare(bytes, bytesLike(SIZE, i))).toBe(0)
    }
    await writers.check(number)
  }
}

async function drain({ cluster }: Scene, through: number, number: number): Promise<void> {
  const { changes } = nodeOf(cluster, through).layout
  await changes.apply({ kind: 'drain', nodeId: cluster.idOf(number) })
}

async function replace(
  { cluster }: Scene,
  through: number,
  old: number,
  heir: number,
): Promise<void> {
  await cluster.invite(through)
  await cluster.start(heir, { replace: cluster.idOf(old) })
}

describe('while blocks of a join still move', () => {
  test.each([0, 1, 2].map((victim) => [victim, victim + 1] as const))(
    'a member (%i) is lost and replaced: seed %i',
    (victim, seed) =>
      moving(seed, 5, 3, async (scene) => {
        const { cluster, members } = scene
        await cluster.start(3)
        const dead = members[victim]!
        const others = members.filter((number) => number !== dead)
        await calmUntil(cluster, 'blocks move', () => moves(cluster, 3))
        cluster.retire(dead)
        await calmSleep(cluster, 500)
        await replace(scene, others[0]!, dead, 4)
        expect(view(cluster, 4).sources).toHaveLength(2)
        expect(waiting(cluster, 3)).toBeGreaterThan(0)
        await ends(scene, [...others, 3, 4])
      }),
  )

  test.each(SEEDS)('the joiner itself is lost and replaced: seed %i', (seed) =>
    moving(seed, 5, 3, async (scene) => {
      const { cluster, members } = scene
      await cluster.start(3)
      await calmUntil(cluster, 'blocks move', () => moves(cluster, 3))
      cluster.retire(3)
      await calmSleep(cluster, 500)
      await replace(scene, members[0]!, 3, 4)
      await ends(scene, [...members, 4])
    }),
  )

  test.each(SEEDS)('a member is lost and removed: seed %i', (seed) =>
    moving(seed, 4, 3, async (scene) => {
      const { cluster, members } = scene
      const [first, second, dead] = members as [number, number, number]
      await cluster.start(3)
      await calmUntil(cluster, 'blocks move', () => moves(cluster, 3))
      cluster.retire(dead)
      await calmSleep(cluster, 500)
      const { changes } = nodeOf(cluster, first).layout
      await changes.apply({ kind: 'remove', nodeId: cluster.idOf(dead) })
      await calmUntil(cluster, 'removed', () => view(cluster, 3).sources.length === 2)
      await ends(scene, [first, second, 3])
    }),
  )

  test.each(SEEDS)('a replaced node comes back with its old disk: seed %i', (seed) =>
    moving(seed, 5, 3, async (scene) => {
      const { cluster, members } = scene
      const [old, second, third] = members as [number, number, number]
      await cluster.start(3)
      await calmUntil(cluster, 'blocks move', () => moves(cluster, 3))
      cluster.kill(old, true)
      await calmSleep(cluster, 500)
      await replace(scene, second, old, 4)
      // The old disk changes nothing, and serves blocks as long as it belongs to a source.
      await cluster.start(old)
      await calmUntil(cluster, 'it knows', () => !nodeOf(cluster, old).layout.isMember())
      expect(view(cluster, second).isMember(cluster.idOf(old))).toBe(false)
      await ends(scene, [second, third, 3, 4])
    }),
  )
})

describe('while blocks of a join still move, all nodes or an old copy', () => {
  test.each(SEEDS)('all nodes are killed, again and again: seed %i', (seed) =>
    moving(seed, 4, 3, async (scene) => {
      const { cluster, members } = scene
      await cluster.start(3)
      for (let i = 0; i < 3; i++) {
        await calmUntil(cluster, 'blocks move', () => moves(cluster, 3))
        for (const number of [...members, 3]) cluster.kill(number, i % 2 === 0)
        await Promise.all([...members, 3].map((number) => cluster.start(number)))
        await calmSleep(cluster, 1_000)
      }
      await ends(scene, [...members, 3])
    }),
  )

  describe('an old copy of a data directory is put back', () => {
    const image = async (scene: Scene, number: number, before: () => boolean): Promise<void> => {
      const { cluster, members } = scene
      if (number === 3) await calmUntil(cluster, 'it is known', () => cluster.node(3) !== undefined)
      const old = cluster.imageOf(number)
      cluster.kill(number, false)
      await cluster.start(number)
      await calmUntil(cluster, 'the point at which it goes back', before)
      // The others have heard of its later start, which shows that the copy is old (D2).
      await calmSleep(cluster, 6_000)
      cluster.kill(number, false)
      cluster.restore(number, old)
      await cluster.start(number)
      await ends(scene, [...members, 3])
    }

    test.each(SEEDS)('of a member, from before the join: seed %i', (seed) =>
      moving(seed, 4, 3, async (scene) => {
        const { cluster, members } = scene
        const started = image(scene, members[1]!, () => moves(cluster, 3))
        await cluster.start(3)
        await started
      }),
    )

    test.each(SEEDS)('of the joiner, from a moment ago: seed %i', (seed) =>
      moving(seed, 4, 3, async (scene) => {
        const { cluster } = scene
        await cluster.start(3)
        await image(scene, 3, () => moves(cluster, 3))
      }),
    )
  })
})

describe('while a node is drained', () => {
  test.each(SEEDS)('it is killed and starts again: seed %i', (seed) =>
    moving(seed, 4, 4, async (scene) => {
      const { cluster, members } = scene
      const [leaver, ...others] = members as [number, number, number, number]
      await drain(scene, others[0]!, leaver)
      let kills = 0
      for (; kills < 3; kills++) {
        await calmUntil(
          cluster,
          'blocks move, or have moved',
          () => isAtRest(cluster, others) || others.some((number) => moves(cluster, number)),
        )
        if (isAtRest(cluster, others)) break
        cluster.kill(leaver, kills % 2 === 0)
        await calmSleep(cluster, 1_000)
        await cluster.start(leaver)
      }
      expect(kills).toBeGreaterThan(0)
      await ends(scene, others)
    }),
  )

  test.each(SEEDS)('it is lost for good: the others have two copies of all: seed %i', (seed) =>
    moving(seed, 4, 4, async (scene) => {
      const { cluster, members } = scene
      const [leaver, ...others] = members as [number, number, number, number]
      await drain(scene, others[0]!, leaver)
      await calmUntil(cluster, 'blocks move', () => others.some((n) => moves(cluster, n)))
      cluster.retire(leaver)
      await ends(scene, others)
    }),
  )
})

const STEPS = ['PLANNED', 'JOINT', 'STABLE'] as const

describe('the node that leads a change is killed', () => {
  const cases = SEEDS.flatMap((seed) => STEPS.map((step) => [step, seed] as const))

  test.each(cases)('a drain in %s: seed %i', (step, seed) =>
    moving(seed, 5, 5, async (scene) => {
      const { cluster, members } = scene
      const [first, second, leaver, ...others] = members as [number, number, number, number]
      const { epoch } = view(cluster, second)
      await drain(scene, second, leaver)
      await calmUntil(
        cluster,
        step,
        () => view(cluster, second).state === step && view(cluster, second).epoch > epoch,
      )
      cluster.kill(first, seed % 2 === 0)
      await calmUntil(
        cluster,
        'drained',
        () =>
          view(cluster, second).state === 'STABLE' &&
          !view(cluster, second).isMember(cluster.idOf(leaver)),
      )
      await cluster.start(first)
      await ends(scene, [first, second, ...others])
    }),
  )

  test.each(cases)('a replacement in %s: seed %i', (step, seed) =>
    moving(seed, 4, 3, async (scene) => {
      const { cluster, members } = scene
      const [first, second, dead] = members as [number, number, number]
      const { epoch } = view(cluster, second)
      cluster.retire(dead)
      await calmSleep(cluster, 500)
      const replaced = replace(scene, second, dead, 3)
      await calmUntil(
        cluster,
        step,
        () => view(cluster, second).state === step && view(cluster, second).epoch > epoch,
      )
      cluster.kill(first, seed % 2 === 0)
      await calmSleep(cluster, 3_000)
      await cluster.start(first)
      await replaced
      await ends(scene, [first, second, 3])
    }),
  )
})
