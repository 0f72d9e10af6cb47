/** The store of a node: the log with what its records mean to the index. */

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

export interface OpenStoreOptions {
  readonly segmentSizeBytes: number
  readonly reserveBytes?: number | undefined
  /** A record was applied, of so many bytes: in replay, in a rebuild, and ever after. */
  readonly note?: ((lengthBytes: number) => void) | undefined
  /** Bytes of the log that the start has read, of how many. */
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined
  /** Hex: the log that this node had before. Without it an empty directory is a new log. Where it is gone,
   * a LogError LOG_MISSING says so. */
  readonly expectedLogId?: string | undefined
  /** A log that is gone is begun anew, and everything counts as forgotten (D8). */
  readonly acceptLostLog?: boolean | undefined
  /** Where it is written down what the log has lost (D8). */
  readonly forgotten?: Forgotten | undefined
  /** How many records the log ever had, before anything is appended to it. */
  readonly opened?: ((nextSequence: number) => void) | undefined
  /** Told of losses besides. */
  readonly forgot?: ((losses: readonly LogLoss[]) => Promise<void>) | undefined
}

type StoreEnvironment = Pick<
  Environment,
  'disk' | 'clock' | 'random' | 'logger' | 'openIndex' | 'fail'
>

/** As the node does it, and as every command on a stopped node has to: what is found lost is written
 * down, and a lost mark is raised, before anybody can ask. */
export async function openStore(env: StoreEnvironment, options: OpenStoreOptions): Promise<Store> {
  const forgotten = options.forgotten ?? (await Forgotten.open(env.disk, env.logger))
  const store = await Store.open(storeOptions(env, { ...options, forgotten }))
  options.opened?.(store.end().nextSequence)
  await raiseLostMark(store, env.clock, forgotten)
  return store
}

/** Apart from `openStore` for tests that break one of them. */
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
