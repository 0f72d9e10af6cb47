/** Breaks of the log and its compaction: D6, D7, faults 1 and 7. */

import { Compaction } from '../../node/data/compaction.ts'
import { Log } from '../../node/data/log.ts'
import { Store } from '../../node/data/store.ts'
import { Forgotten } from '../../node/repair/forgotten.ts'
import { RECORD } from '../../node/metadata/index-rows.ts'
import { REMOVAL, StoreWorld } from '../store-world.ts'
import type { NodeMutant, Scenario } from './mutant.ts'
import { deletedThenRebuilt, lostRecord } from './scenarios.ts'

/** One store, compacted all the time, that dies again and again and now and then loses its index. */
const lives: Scenario = async ({ seed }) => {
  const world = new StoreWorld({ seed, segmentSizeBytes: 24 << 10, payloadBytesMax: 9_000 })
  for (let life = 0; life < 8; life++) {
    await world.open()
    await world.check()
    world.disk.haltAt = world.disk.mutations + 20 + Math.floor(world.random() * 120)
    await world.work(4, 12)
    if (world.random() < 0.4) world.indexStore.delete()
    world.crash('cut')
  }
  await world.open()
  await world.check()
  return world.failures
}

export const LOG_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'marker-before-data',
    rule: 'fault 7',
    breaks: 'a segment is marked as copied before it is: the next start deletes it',
    by: 'crashes of one store under compaction',
    scenario: lives,
    caughtAs: /found|never written|NO_SEGMENT|is gone/,
    seedsMax: 100,
    patch: (patches) => {
      patches.method(
        Compaction.prototype,
        'compact',
        (original) =>
          async function (this: Compaction, segment) {
            const { store } = (this as unknown as { options: { store: Store } }).options
            await store.markCompacted(segment)
            return original.call(this, segment)
          },
      )
    },
  },
  {
    name: 'copy-overtakes-what-is-newer',
    rule: 'D6',
    breaks: 'a record is copied although a newer one of its key is on its way',
    by: 'crashes of one store under compaction',
    scenario: lives,
    caughtAs: /found/,
    seedsMax: 100,
    patch: (patches) => {
      patches.method(Log.prototype, 'isInFlight', () => () => false)
    },
  },
  {
    name: 'removal-forgotten',
    rule: 'D7',
    breaks: 'compaction drops removals while older segments hold what they removed; then a rebuild',
    by: 'crashes of one store under compaction',
    scenario: lives,
    caughtAs: /found/,
    seedsMax: 100,
    patch: (patches) => {
      patches.method(
        Store.prototype,
        'isLive',
        (original) =>
          function (this: Store, record, position) {
            return record.type !== REMOVAL && original.call(this, record, position)
          },
      )
    },
  },
  {
    name: 'tombstone-forgotten-in-rebuild',
    rule: 'D7',
    breaks: 'compaction takes the record of a forgotten register for dead; then a rebuild',
    by: 'a deleted key in an old segment, and a new index',
    scenario: deletedThenRebuilt,
    caughtAs: /is back|known/,
    seedsMax: 3,
    patch: (patches) => {
      patches.method(
        Store.prototype,
        'isLive',
        (original) =>
          function (this: Store, record, position) {
            return record.type !== RECORD.registerGone && original.call(this, record, position)
          },
      )
    },
  },
  {
    name: 'votes-after-losing-records',
    rule: 'D3',
    breaks: 'a node whose log lost records that nobody can name votes as if it had never had them',
    by: 'a value of which the other copy is away',
    scenario: lostRecord,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Forgotten.prototype, 'has', () => () => false)
    },
  },
]
