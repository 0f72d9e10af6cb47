/** Breaks of lifecycles: what a client has just written must not be deleted by the age of what was there before. */

import { isLacking } from '../../protocol/object/pages.ts'
import { wantedOf, withoutVersion } from '../../protocol/object/versions.ts'
import { spaceOf } from '../../protocol/keyspace/register-key.ts'
import type { ObjectRecord } from '../../protocol/codec/versioned.ts'
import { MajorityClock } from '../../node/quorum/majority-clock.ts'
import { Objects } from '../../node/objects/objects.ts'
import {
  backendOf,
  BUCKET,
  bytesLike,
  calmSleep,
  context,
  fill,
  keysOf,
  nodeOf,
  put,
} from '../testing/calm-cluster.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

const DAY_MS = 24 * 3_600_000
const OBJECTS = 20
const LOOKS = 12

/** Stores objects that expire after a day, and waits until their due times are indexed. */
async function expiring(cluster: SimulatedCluster): Promise<void> {
  await backendOf(cluster, 0).changeBucket(context(), {
    bucket: BUCKET,
    change: { lifecycle: [{ id: 'all', enabled: true, prefix: '', days: 1 }] },
  })
  await fill(cluster, 0, OBJECTS, 10)
  await calmSleep(cluster, 60_000)
}

/** Each object is put again a few milliseconds after a node has begun to let it expire. */
const putMeanwhile = scene(3, async ({ cluster, found }) => {
  await expiring(cluster)
  const nowMs = cluster.clock.nowMs.bind(cluster.clock)
  cluster.clock.nowMs = () => nowMs() + 2 * DAY_MS
  const putting = new Map<string, Promise<void>>()
  for (let number = 0; number < cluster.size; number++) {
    const { registers } = nodeOf(cluster, number)
    const real = registers.change.bind(registers)
    registers.change = (own, asked) => {
      const name = asked.key.slice(asked.key.indexOf('key '))
      if (spaceOf(asked.key) === 'object' && !putting.has(name)) {
        const again = calmSleep(cluster, putting.size).then(() =>
          put(backendOf(cluster, (number + 1) % 3), name, bytesLike(11)),
        )
        putting.set(name, again)
      }
      return real(own, asked)
    }
  }
  await calmSleep(cluster, 60_000)
  await Promise.all(putting.values())
  if (putting.size !== OBJECTS) found.push(`only ${putting.size} objects were met`)
  const left = await keysOf(backendOf(cluster, 0))
  if (left.length !== OBJECTS) found.push('an object that was put meanwhile is gone')
})

/** The clock of one node after the other is days ahead. */
const clockAhead = scene(3, async ({ cluster, found }) => {
  await expiring(cluster)
  for (let number = 0; number < cluster.size; number++) {
    cluster.jumpClock(number, 10 * DAY_MS)
    await calmSleep(cluster, 60_000)
    cluster.jumpClock(number, 0)
  }
  const left = await keysOf(backendOf(cluster, 0))
  if (left.length !== OBJECTS) found.push('an object expired before its day')
})

export const LIFECYCLE_MUTANTS: readonly NodeMutant[] = [
  {
    name: '901-judged-before-the-change',
    rule: 'T3',
    breaks: 'a lifecycle judges an object by a look at it, and then removes what is there.',
    by: 'a scenario in which each object is put again meanwhile',
    scenario: putMeanwhile,
    caughtAs: /put meanwhile is gone/,
    seedsMax: 3,
    patch: (patches) =>
      patches.method(
        Objects.prototype,
        'edit',
        (original) =>
          async function (this: Objects, own, bucket, key, edit) {
            let seen: ObjectRecord | undefined
            // Some looks, so that there is time for a put: the first one counts.
            for (let look = 0; look < LOOKS; look++) {
              await original.call(this, own, bucket, key, ({ record }) => {
                seen ??= record
                return undefined
              })
            }
            return original.call(this, own, bucket, key, (input, around) => {
              const judged = edit({ ...input, record: seen! }, around)
              if (judged === undefined || isLacking(judged)) return judged
              const wanted = wantedOf(input.record, 'null')
              return wanted && withoutVersion(input.record, wanted, input.pages)
            })
          },
      ),
  },
  {
    name: '902-own-clock-alone',
    rule: 'G4',
    breaks: 'a lifecycle believes the clock of its own node.',
    by: 'a scenario in which one clock after the other is ahead',
    scenario: clockAhead,
    caughtAs: /before its day/,
    seedsMax: 1,
    patch: (patches) =>
      patches.method(
        MajorityClock.prototype,
        'nowMs',
        () =>
          function (this: MajorityClock) {
            return Promise.resolve(this.ownMs())
          },
      ),
  },
]
