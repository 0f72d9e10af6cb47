/** Breaks of how a start treats a log that is damaged or incomplete: D4, D7, D8, D9. */

import { bytesOf } from '../../protocol/bytes.ts'
import { Log } from '../../node/log/log.ts'
import { LogLosses } from '../../node/log/losses.ts'
import { Manifest } from '../../node/log/manifest.ts'
import { FIRST_BATCH_AT, PAGE_BYTES, segmentPath } from '../../node/log/segment.ts'
import type { LogLoss } from '../../node/log/types.ts'
import { RECORD, type RecordType } from '../../node/replica/record-types.ts'
import { corruptBody, written } from '../log/record-world.ts'
import { StoreWorld } from '../log/store-world.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

/** Three segments, of which the middle one is gone. */
const missingSegment: MutantScenario = async ({ seed }) => {
  const world = new StoreWorld({ seed, segmentSizeBytes: 16 << 10 })
  await world.open()
  for (let i = 1; i <= 3; i++) await append(world, `k${i}`, 12_000)
  world.crash('kill')
  await world.clock.settle(world.disk.remove(segmentPath(2)))
  world.indexStore.delete()
  await world.open()
  return world.forgotten.length > 0 ? [] : ['k2 is gone, and nobody says so']
}

/** A bad byte in the last record, after the log was closed or was idle for a while. */
function lastBatch(rest: (world: StoreWorld) => Promise<void>): MutantScenario {
  return async ({ seed }) => {
    const world = new StoreWorld({ seed, segmentSizeBytes: 1 << 20 })
    await world.open()
    await append(world, 'k1', 0)
    await append(world, 'k2', 0)
    await rest(world)
    world.crash('kill')
    world.disk.corrupt(segmentPath(1), FIRST_BATCH_AT + PAGE_BYTES + 70, 1)
    world.indexStore.delete()
    const store = await world.open()
    const isThere = store.get(bytesOf('k2')) !== undefined
    return isThere || world.forgotten.length > 0 ? [] : ['k2 is gone, and nobody says so']
  }
}

const stopped = lastBatch(async (world) => {
  await world.clock.settle(world.store!.close())
})

const idle = lastBatch(async (world) => {
  await pass(world, 3_000)
})

/** A segment is compacted, and the process dies. */
const compactedThenKilled: MutantScenario = async ({ seed }) => {
  const world = new StoreWorld({ seed, segmentSizeBytes: 16 << 10 })
  await world.open()
  for (let i = 1; i <= 6; i++) await append(world, 'k1', 15_000)
  await world.clock.settle(world.compaction!.work())
  if (world.compaction!.counters.segments === 0) throw new Error('nothing was compacted')
  world.crash('kill')
  await world.open()
  return world.forgotten.map(({ detail }) => `a loss that is none: ${detail}`)
}

/** The body of a record is damaged, and the index is gone. */
function damaged(type: RecordType): MutantScenario {
  return async () => {
    const log = await written()
    corruptBody(log, (record) => record.type === type)
    await log.world.open()
    return log.world.forgotten.length > 0 ? [] : [`a record of type ${type} is dropped in silence`]
  }
}

async function pass(world: StoreWorld, ms: number): Promise<void> {
  const until = world.clock.monotonicMs() + ms
  world.clock.after(ms, () => {})
  await world.clock.runUntil(() => world.clock.monotonicMs() >= until)
}

async function append(world: StoreWorld, key: string, payloadBytes: number): Promise<void> {
  const payload = new Uint8Array(payloadBytes)
  const body = bytesOf(`${key} version 1 `)
  await world.clock.settle(world.store!.append([{ type: 2, partition: 7, key, body, payload }]))
}

function dropped(reason: LogLoss['reason'], type: RecordType): NodeMutant {
  return {
    name: `damaged-${reason}-dropped`,
    rule: 'D8',
    breaks: `a damaged ${reason} is dropped in replay`,
    by: 'a bad byte in its body, and a new index',
    scenario: damaged(type),
    caughtAs: /dropped in silence/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        LogLosses.prototype,
        'add',
        (original) =>
          function (this: LogLosses, loss) {
            if (loss?.reason !== reason) original.call(this, loss)
          },
      )
    },
  }
}

export const DAMAGE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'missing-segment-unnoticed',
    rule: 'D9',
    breaks: 'a segment that the manifest lists is gone, and the start goes on',
    by: 'a file taken from the middle of the log',
    scenario: missingSegment,
    caughtAs: /nobody says so/,
    seedsMax: 1,
    patch: (patches) => {
      patches.getter(Log.prototype, 'losses', () => [])
    },
  },
  {
    name: 'clean-stop-not-proven',
    rule: 'D9',
    breaks:
      'a clean stop does not prove the last batch, so a bad byte in it passes for a torn tail',
    by: 'a bad byte after a stop, and a new index',
    scenario: stopped,
    caughtAs: /nobody says so/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Manifest.prototype, 'prove', () => () => Promise.resolve())
    },
  },
  {
    name: 'idle-log-not-proven',
    rule: 'D9',
    breaks: 'an idle log does not prove its last batch',
    by: 'a bad byte after a rest, and a new index',
    scenario: idle,
    caughtAs: /nobody says so/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Manifest.prototype, 'prove', () => () => Promise.resolve())
    },
  },
  {
    name: 'removed-segment-stays-listed',
    rule: 'D9',
    breaks: 'a segment is deleted, and the manifest still lists it',
    by: 'compaction, and a restart',
    scenario: compactedThenKilled,
    caughtAs: /struck off the list before its file is deleted/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Manifest.prototype, 'remove', () => () => Promise.resolve())
    },
  },
  {
    name: 'loss-not-written-down',
    rule: 'D8',
    breaks: 'the index moves past the damage before the loss is written down',
    by: 'a file taken from the middle of the log',
    scenario: missingSegment,
    caughtAs: /nobody says so/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(LogLosses.prototype, 'report', () => () => Promise.resolve())
    },
  },
  dropped('mark', RECORD.mark),
  dropped('minimum', RECORD.minimum),
  dropped('removal', RECORD.registerGone),
]
