/** Breaks of notifications: what was acknowledged must be told, whatever happens to its node next. */

import { Notifications } from '../../node/notifications/notifications.ts'
import { backendOf, bytesLike, calmSleep, put } from '../testing/calm-cluster.ts'
import { configureHook, ToldEvents } from '../testing/told.ts'
import type { NodeMutant } from './mutant.ts'
import { scene } from './scene.ts'

/** The power of a node fails at the very moment at which it has answered. */
const powerFails = scene(3, async ({ cluster, found }) => {
  const told = new ToldEvents(cluster)
  await configureHook(cluster)
  told.answer = 503
  for (let round = 0; round < 3; round++) {
    await put(backendOf(cluster, round), `key ${round}`, bytesLike(10))
    cluster.kill(round, true)
    await cluster.start(round)
  }
  told.answer = 204
  await calmSleep(cluster, 120_000)
  for (let round = 0; round < 3; round++) {
    // A form writes a space as a plus.
    if (!told.keys.includes(`key+${round}`)) found.push('an acknowledged write was never told')
  }
})

export const NOTIFICATION_MUTANTS: readonly NodeMutant[] = [
  {
    name: '911-answered-before-the-event',
    rule: 'A1',
    breaks: 'a write is answered while its event is on its way to the disk.',
    by: 'a scenario in which the power of a node fails as soon as it has answered',
    scenario: powerFails,
    caughtAs: /was never told/,
    seedsMax: 3,
    patch: (patches) =>
      patches.method(
        Notifications.prototype,
        'tell',
        (original) =>
          async function (this: Notifications, ...all) {
            void original.apply(this, all)
          },
      ),
  },
]
