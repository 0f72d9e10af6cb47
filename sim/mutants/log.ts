/** Breaks of the log and its compaction: D6, D7, F1 and F7. */

import { bytesOf } from '../../protocol/bytes.ts'
import { Compaction } from '../../node/log/compaction.ts'
import { Log } from '../../node/log/log.ts'
import { Store } from '../../node/log/store.ts'
import type { NewRecord } from '../../node/log/types.ts'
import { Forgotten } from '../../node/repair/forgotten.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { REMOVAL, StoreWorld } from '../log/store-world.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'
import { deletedThenRebuilt, lostRecord } from './scenarios.ts'

/** One store, compacted all the time, that dies again and again and now and then loses its index. */
const lives: MutantScenario = async ({ seed }) => {
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

/** A removal in a segment that is nearly all dead, with the record that it removed in an older one that stays. */
const removedThenCompacted: MutantScenario = async ({ seed }) => {
  const world = new StoreWorld({ seed, segmentSizeBytes: 16 << 10 })
  const store = await world.open()
  const record = (key: string, type: number, payloadBytes = 0): NewRecord => {
    const payload = payloadBytes === 0 ? undefined : new Uint8Array(payloadBytes)
    return { type, partition: 7, key, body: bytesOf(`${key} version 1 `), payload }
  }
  for (const records of [
    [record('k1', 1), record('stays', 2, 11_000)],
    [record('k1', REMOVAL), record('dead', 2, 11_000)],
    [record('dead', 2, 15_000)],
  ]) {
    await world.clock.settle(store.append(records))
  }
  await world.clock.settle(world.compaction!.compact(2))
  // The first start deletes the segment.
  for (let i = 0; i < 2; i++) {
    world.crash('kill')
    world.indexStore.delete()
    await world.open()
  }
  const again = world.store!
  if (again.hasSegment(2) || !again.hasSegment(1)) throw new Error('the wrong segments are left')
  return again.get(bytesOf('k1')) === undefined ? [] : ['what was removed is back']
}

export const LOG_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'marker-before-data',
    rule: 'F7',
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
    by: 'a removal in a segment that is compacted, and a new index',
    scenario: removedThenCompacted,
    caughtAs: /is back/,
    seedsMax: 1,
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
