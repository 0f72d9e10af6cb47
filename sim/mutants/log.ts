/** Breaks of the log and its compaction: D3 to D7, F1 and F7. */

import { bytesOf } from '../../protocol/bytes.ts'
import { Compaction } from '../../node/log/compaction.ts'
import { Log } from '../../node/log/log.ts'
import { LogSegments } from '../../node/log/log-segments.ts'
import { LogRecovery } from '../../node/log/recovery.ts'
import { segmentPath, type LogEnd } from '../../node/log/segment.ts'
import { Store } from '../../node/log/store.ts'
import type { NewRecord } from '../../node/log/types.ts'
import type { WalkedBatch } from '../../node/log/walk.ts'
import { Forgotten } from '../../node/repair/forgotten.ts'
import { RECORD } from '../../node/replica/record-types.ts'
import { REMOVAL, StoreWorld } from '../log/store-world.ts'
import {
  appendTo,
  openedAgain,
  openedStore,
  storeRecord,
  storedKeys,
} from '../testing/one-store.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'
import { deletedThenRebuilt, lostRecord } from './scenarios.ts'

/** One store that is compacted all the time, crashes again and again, and sometimes loses its index. */
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

/** The record of a removal is in a segment that is compacted. What it removed is in an older segment that stays. */
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

/** A bit flips in the first record of a log whose later records are flushed as well. */
const badRecordBelow: MutantScenario = async () => {
  const world = await openedStore()
  const [first] = await appendTo(world, storeRecord('k1'))
  for (const key of ['k2', 'k3']) await appendTo(world, storeRecord(key))
  world.disk.corrupt(segmentPath(first!.segment), first!.offset + 9, 1)
  await openedAgain(world, { index: false })
  const stored = await storedKeys(world)
  const found = ['k2', 'k3'].filter((key) => !stored.includes(key)).map((key) => `${key} is gone`)
  if (world.store!.damage().length === 0) found.push('the damage is not reported')
  return found
}

/** One flush fails, then the disk works again; the power goes, and with it all that was not flushed. */
const oneFlushFails: MutantScenario = async () => {
  const world = await openedStore()
  await appendTo(world, storeRecord('k1'))
  let failures = 0
  world.disk.fault = (operation) => (operation === 'flush' && failures++ === 0 ? 'EIO' : undefined)
  const acknowledged = await appendTo(world, storeRecord('k2')).then(
    () => true,
    () => false,
  )
  world.disk.fault = undefined
  world.crash('cut', 'lost')
  await world.open()
  const isThere = (await storedKeys(world)).includes('k2')
  return acknowledged && !isThere ? ['what was acknowledged after a failed flush is gone'] : []
}

/** Private methods of LogRecovery that a mutant replaces. */
interface RecoverySteps {
  deliver(batch: WalkedBatch): Promise<void>
  cut(at: LogEnd): void
}

export const LOG_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'marker-before-data',
    rule: 'F7',
    breaks: 'a segment is marked as copied before it has been copied, so the next start deletes it',
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
            await store.appendMarker(segment)
            return original.call(this, segment)
          },
      )
    },
  },
  {
    name: 'copy-overtakes-what-is-newer',
    rule: 'D6',
    breaks: 'compaction copies a record although a newer one of its key is on its way to the disk',
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
    breaks: 'compaction drops the record which says that a register was forgotten; then a rebuild',
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
    name: 'bad-record-ends-the-log',
    rule: 'D4',
    breaks: 'a start cuts the log at the first bad record, also where what follows was flushed',
    by: 'a flipped bit below the flushed end',
    scenario: badRecordBelow,
    caughtAs: /is gone/,
    seedsMax: 1,
    patch: (patches) => {
      const ended = new WeakSet<RecoverySteps>()
      patches.method(
        LogRecovery.prototype as unknown as RecoverySteps,
        'deliver',
        (original) =>
          async function (this: RecoverySteps, batch) {
            if (batch.damage.length > 0) ended.add(this)
            if (ended.has(this)) return this.cut(batch.start)
            return original.call(this, batch)
          },
      )
    },
  },
  {
    name: 'failed-flush-tried-again',
    rule: 'D5',
    breaks: 'a flush that fails is tried once more on the same file',
    by: 'a disk of which one flush fails, and a power cut',
    scenario: oneFlushFails,
    caughtAs: /acknowledged after a failed flush/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        LogSegments.prototype,
        'flush',
        (original) =>
          function (this: LogSegments, file) {
            return original.call(this, file).catch(() => original.call(this, file))
          },
      )
    },
  },
  {
    name: 'votes-after-losing-records',
    rule: 'D3',
    breaks: 'a node whose log lost records of unknown keys goes on voting',
    by: 'a value of which the other copy is away',
    scenario: lostRecord,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Forgotten.prototype, 'has', () => () => false)
    },
  },
]
