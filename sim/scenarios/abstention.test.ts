/** A member that may have forgotten its vote on the next layout gets it back by itself (D8), before another one is
 * lost. */

import { describe, expect, test } from 'vitest'
import { VOTE_FILE } from '../../node/layout/layout-store.ts'
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

const SEEDS = [1, 2, 3]
const LONG_MS = 900_000

const abstains = (cluster: SimulatedCluster, number: number): boolean =>
  nodeOf(cluster, number).layout.status().abstainsFrom !== undefined

/** Kills the node with -9 and removes its vote file. */
async function loseVotes(cluster: SimulatedCluster, ...numbers: number[]): Promise<void> {
  for (const number of numbers) {
    cluster.kill(number, false)
    cluster.diskOf(number).lose(VOTE_FILE)
  }
  await Promise.all(numbers.map((number) => cluster.start(number)))
  for (const number of numbers) expect(abstains(cluster, number)).toBe(true)
}

const untilVoting = (cluster: SimulatedCluster, ...numbers: number[]): Promise<void> =>
  calmUntil(cluster, 'nobody abstains', () => numbers.every((number) => !abstains(cluster, number)))

/** Node 3 takes the place of `lost`, which is gone for good. */
async function replaces(cluster: SimulatedCluster, lost: number): Promise<void> {
  cluster.kill(lost, true)
  const left = [0, 1, 2].filter((number) => number !== lost)
  await calmSleep(cluster, 15_000)
  await cluster.invite(left[0]!)
  await cluster.start(3, { replace: cluster.idOf(lost) })
  const isIn = (number: number): boolean => {
    const { state, members, sources } = view(cluster, number)
    const ids = members.map(({ nodeId }) => nodeId)
    const isSettled = state === 'STABLE' && sources.length === 0
    return isSettled && ids.includes(cluster.idOf(3)) && !ids.includes(cluster.idOf(lost))
  }
  await calmUntil(cluster, 'it is replaced', () => [...left, 3].every(isIn))
  expect(Buffer.compare(await get(backendOf(cluster, 3), 'key'), bytesLike(70_000))).toBe(0)
}

function ofThree(
  seed: number,
  scenario: (cluster: SimulatedCluster) => Promise<void>,
): Promise<void> {
  return onCluster(
    4,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', bytesLike(70_000))
      await scenario(cluster)
    },
    { seed, members: 3 },
  )
}

describe('of three members', () => {
  test.each(SEEDS)('one loses its vote file, and another one dies for good: seed %i', (seed) =>
    ofThree(seed, async (cluster) => {
      await loseVotes(cluster, 1)
      const status = await nodeOf(cluster, 1).admin.status()
      expect(status.warnings.join('\n')).toMatch(
        /^this node lost its vote file.* 2 others decide an entry that changes nothing/m,
      )
      expect(status.canLoseANode).toBe(false)
      const shown = await nodeOf(cluster, 1).admin.layoutTable()
      expect(shown.abstains).toBe(status.warnings[0])
      await untilVoting(cluster, 1)
      const { warnings } = await nodeOf(cluster, 1).admin.status()
      expect(warnings).toEqual([])
      await replaces(cluster, 2)
    }),
  )

  test.each(SEEDS)('an old copy of one is put back, and another one dies: seed %i', (seed) =>
    ofThree(seed, async (cluster) => {
      const old = cluster.imageOf(1)
      cluster.kill(1, false)
      await cluster.start(1)
      // The others have heard of its later start, which shows that the copy is old (D2).
      await calmSleep(cluster, 6_000)
      cluster.kill(1, false)
      cluster.restore(1, old)
      await cluster.start(1)
      await calmUntil(cluster, 'it is noticed', () => abstains(cluster, 1))
      await untilVoting(cluster, 1)
      // It stays so, whatever epoch the others tell later on.
      const { epoch } = view(cluster, 1)
      await calmSleep(cluster, 60_000)
      expect([abstains(cluster, 1), view(cluster, 1).epoch]).toEqual([false, epoch])
      await calmUntil(cluster, 'level', () => nodeOf(cluster, 1).recall.forgotten().length === 0)
      await replaces(cluster, 2)
    }),
  )

  test.each(SEEDS)('two lose theirs: all say that the layout is stuck: seed %i', (seed) =>
    ofThree(seed, async (cluster) => {
      const { epoch } = view(cluster, 0)
      await loseVotes(cluster, 1, 2)
      await calmSleep(cluster, LONG_MS)
      for (const number of [0, 1, 2]) {
        const { warnings, canLoseANode } = await nodeOf(cluster, number).admin.status()
        expect(warnings).toEqual([
          expect.stringMatching(/^2 of 3 members \(.+, .+\) lost their vote files.* can’t change/),
        ])
        expect(canLoseANode).toBe(false)
        expect(view(cluster, number).epoch).toBe(epoch)
      }
      await put(backendOf(cluster, 1), 'another key', bytesLike(10))
    }),
  )

  test('it waits for the others to be up', () =>
    ofThree(1, async (cluster) => {
      cluster.kill(2, false)
      await loseVotes(cluster, 1)
      await calmSleep(cluster, LONG_MS)
      expect(abstains(cluster, 1)).toBe(true)
      await cluster.start(2)
      await untilVoting(cluster, 1)
    }))
})

test('when two of five lose their votes, one entry is decided and no second one', () =>
  onCluster(5, async (cluster) => {
    const { epoch } = view(cluster, 0)
    await loseVotes(cluster, 1, 2)
    await untilVoting(cluster, 1, 2)
    await calmSleep(cluster, LONG_MS)
    expect([0, 1, 2, 3, 4].map((number) => view(cluster, number).epoch)).toEqual(
      Array.from({ length: 5 }, () => epoch + 1),
    )
  }))
