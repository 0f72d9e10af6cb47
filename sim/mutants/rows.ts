/** Breaks of D10: records that are made from rows of the index, and rows that go back to a lower ballot. */

import { bucketId } from '../../protocol/ids.ts'
import { objectRegister } from '../../protocol/keyspace/register-key.ts'
import { Log } from '../../node/log/log.ts'
import { Store } from '../../node/log/store.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { RowsWorld } from '../log/rows-world.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

const KEY = objectRegister(bucketId('c'.repeat(16)), 0, 'key', 4)
const REGISTER_LETTER = 'r'.charCodeAt(0)

/** A scrub writes a damaged register again while a newer state of it is on its way to the disk. */
const mendedMeanwhile: MutantScenario = async ({ seed }) => {
  const world = new RowsWorld(seed)
  await world.open()
  await world.clock.settle(world.append(world.records.registerRecord(KEY)))
  world.damageRecord(KEY)
  await world.scrub(1, KEY)
  await world.check()
  return world.stepsBack()
}

/** The log of an earlier version: a scrub has written an older state on top of a newer one. */
const olderOnTop: MutantScenario = async ({ seed }) => {
  const world = new RowsWorld(seed)
  await world.open()
  const [older, newer] = [world.records.registerRecord(KEY), world.records.registerRecord(KEY)]
  await world.clock.settle(world.append(older))
  await world.clock.settle(world.append(newer))
  await world.clock.settle(world.store!.append([older]))
  await world.check()
  return []
}

export const ROW_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'mend-passes-queue',
    rule: 'D10',
    breaks: 'a scrub appends what a row says although a newer state is on its way to the disk',
    by: 'the order of ballots in the log',
    scenario: mendedMeanwhile,
    caughtAs: /on top of a newer/,
    seedsMax: 40,
    patch: (patches) => {
      patches.method(Log.prototype, 'isInFlight', () => () => false)
    },
  },
  {
    name: 'row-goes-back',
    rule: 'D10',
    breaks: 'a row takes the latest record of its key, whatever its ballot',
    by: 'a log whose last record of a key has an older state',
    scenario: olderOnTop,
    caughtAs: /must be/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Store, 'open', (original) => (options) => {
        const apply: typeof options.apply = (record, position, current) =>
          record.type !== RECORD.register
            ? options.apply(record, position, current)
            : options.apply(record, position, (key) =>
                key[0] === REGISTER_LETTER ? undefined : current(key),
              )
        return original.call(Store, { ...options, apply })
      })
    },
  },
]
