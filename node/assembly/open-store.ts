/** Opens the store of a node: the log, and what its records mean for the index. */

import { bytesOfHex } from '../../protocol/bytes.ts'
import { Store } from '../log/store.ts'
import type { Damage, LogLoss, StoreOptions } from '../log/types.ts'
import type { Environment } from '../env/ports.ts'
import { applyDamagedRecord, applyRecord } from '../replica/apply-record.ts'
import { INDEX_VERSION } from '../replica/index-rows.ts'
import { isLiveRecord } from '../replica/record-liveness.ts'
import { RECORD } from '../replica/record-types.ts'
import { lossOf } from '../replica/losses.ts'
import { ROW_SCHEMA } from '../replica/row-schema.ts'
import { Forgotten } from '../repair/forgotten.ts'
import { raiseLostMark } from '../repair/lost-mark.ts'

/** What differs between a node and a command on a stopped node. */
export interface OpenStoreOptions {
  /** At this size a segment is closed and a new one begun. */
  readonly segmentSizeBytes: number
  /** Free space that is kept back for deletes and compaction. Default: see log/free-space.ts. */
  readonly reserveBytes?: number | undefined
  /** Called with the length of each record that is applied to the index: in replay, in a rebuild, and afterwards. */
  readonly note?: ((lengthBytes: number) => void) | undefined
  /** How many bytes of the log the start has read. */
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined
  /**
   * Hex: id of the log that this node had before. Throws LogError LOG_MISSING when that log is gone. Without an id an
   * empty directory becomes a new log.
   */
  readonly expectedLogId?: string | undefined
  /** Begin a new log when the old one is gone. Everything counts as forgotten then (D8). */
  readonly acceptLostLog?: boolean | undefined
  /** Records durably what the log has lost (D8). */
  readonly forgotten?: Forgotten | undefined
  /** Takes the sequence of the next record, before anything is appended. */
  readonly opened?: ((nextSequence: number) => void) | undefined
  /** Called with losses as well. */
  readonly forgot?: ((losses: readonly LogLoss[]) => Promise<void>) | undefined
}

type StoreEnvironment = Pick<
  Environment,
  'disk' | 'clock' | 'random' | 'logger' | 'openIndex' | 'fail'
>

/**
 * Opens the log, and the index, which it brings up to date or rebuilds (D6). Used by the node and by
 * every command on a stopped node. What the log has lost is written down, and a lost mark is raised,
 * before any request is answered (D8).
 *
 * @throws LogError LOG_MISSING when the expected log is gone
 */
export async function openStore(env: StoreEnvironment, options: OpenStoreOptions): Promise<Store> {
  const forgotten = options.forgotten ?? (await Forgotten.open(env.disk, env.logger))
  const store = await Store.open(storeOptions(env, { ...options, forgotten }))
  options.opened?.(store.end().nextSequence)
  await raiseLostMark(store, env.clock, forgotten)
  return store
}

/**
 * The options of the log that say what records mean: how each changes the index, which are still
 * needed, and what a damaged one leaves unknown. Separate from `openStore` for tests that replace one
 * of them.
 */
export function storeOptions(env: StoreEnvironment, options: OpenStoreOptions): StoreOptions {
  const { disk, clock, random, logger } = env
  const { segmentSizeBytes, reserveBytes, expectedLogId, acceptLostLog } = options
  return {
    disk,
    clock,
    random,
    logger,
    segmentSizeBytes,
    reserveBytes,
    expected: expectedLogId === undefined ? undefined : { logId: bytesOfHex(expectedLogId) },
    acceptLost: acceptLostLog,
    openIndex: () => env.openIndex(),
    indexVersion: INDEX_VERSION,
    apply: (record, position, current) => {
      options.note?.(position.lengthBytes)
      return applyRecord(record, position, current)
    },
    progress: (doneBytes, totalBytes) => options.progress?.(doneBytes, totalBytes),
    isLive: isLiveRecord,
    compactedType: RECORD.compacted,
    rows: ROW_SCHEMA,
    applyDamaged: ({ identity, ...position }: Damage, current) =>
      identity === undefined
        ? []
        : applyDamagedRecord(identity.type, identity.key, position, current),
    lossOf,
    forgot: async (losses) => {
      await options.forgotten?.add(losses)
      await options.forgot?.(losses)
    },
    isRepaired: (damage) => options.forgotten?.isRepaired(damage) === true,
    fail: (reason) => env.fail(reason),
  }
}
