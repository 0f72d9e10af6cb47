/** Breaks of A5 and R4: a lost block is reported as overload, or a block that cannot be reached as lost. */

import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { blockGone } from '../../node/replica/removal-records.ts'
import { LossCheck } from '../../node/objects/loss-check.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { blocksOf } from '../checkers/space-checker.ts'
import {
  backendOf,
  bytesLike,
  codeOf,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

/** All replicas of an object's blocks lose them. With `away`: all but one, which is down. */
const lostEverywhere =
  (away: boolean): MutantScenario =>
  async ({ seed, adapt }) => {
    const found: string[] = []
    await onCluster(
      3,
      async (cluster) => {
        await put(backendOf(cluster, 0), 'key', bytesLike(2 * BLOCK_BYTES))
        await untilLevel(cluster)
        const keys = blocksOf(nodeOf(cluster, 0))
        if (away) cluster.kill(2, false)
        for (const node of away ? [0, 1] : [0, 1, 2]) {
          await nodeOf(cluster, node).store.append(keys.map(blockGone))
        }
        const code = await codeOf(get(backendOf(cluster, 0), 'key'))
        const wanted = away ? 'Unavailable' : 'DataLost'
        if (code !== wanted) found.push(`a GET was answered ${code}`)
        if (!away) return
        await cluster.start(2)
        await untilLevel(cluster)
        await calmSleep(cluster, 1_000)
        const later = await codeOf(get(backendOf(cluster, 0), 'key'))
        if (later !== 'ok') found.push(`with its replica back, a GET was answered ${later}`)
      },
      { seed, adapt },
    )
    return found
  }

export const LOST_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'lost-block-called-overload',
    rule: 'A5',
    breaks: 'a block that no replica has is never known to be lost',
    by: 'a GET of an object whose blocks are gone everywhere',
    scenario: lostEverywhere(false),
    caughtAs: /answered Unavailable/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(LossCheck.prototype, 'isLost', () => () => Promise.resolve(false))
    },
  },
  {
    name: 'block-out-of-reach-called-lost',
    rule: 'R4',
    breaks: 'a replica that does not answer counts as one that has lost the block',
    by: 'a GET of an object whose last replica is away',
    scenario: lostEverywhere(true),
    caughtAs: /answered DataLost/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Peers.prototype,
        'getOwnedBlock',
        (original) =>
          function (this: Peers, to, key, options) {
            return original.call(this, to, key, options).catch(() => undefined)
          },
      )
    },
  },
]
