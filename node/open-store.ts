/** The store of a node: the log with what its records mean to the index. */

import { Store } from './data/store.ts'
import type { Damage, Loss, StoreOptions } from './data/types.ts'
import type { Environment } from './env/ports.ts'
import {
  applyDamagedRecord,
  applyRecord,
  INDEX_VERSION,
  isLiveRecord,
  RECORD,
} from './metadata/index-rows.ts'
import { lossOf } from './metadata/losses.ts'
import { ROW_SCHEMA } from './metadata/row-schema.ts'

export interface OpenStoreOptions {
  readonly segmentSizeBytes: number
  readonly reserveBytes?: number | undefined
  /** A record was applied, of so many bytes: in replay, in a rebuild, and ever after. */
  readonly note?: ((lengthBytes: number) => void) | undefined
  /** Bytes of the log that the start has read, of how many. */
  readonly progress?: ((doneBytes: number, totalBytes: number) => void) | undefined
  /** Writes down durably what the log has lost: see StoreOptions.forgot (D8). */
  readonly forgot?: ((losses: readonly Loss[]) => Promise<void>) | undefined
}

type StoreEnvironment = Pick<
  Environment,
  'disk' | 'clock' | 'random' | 'logger' | 'openIndex' | 'fail'
>

export function openStore(env: StoreEnvironment, options: OpenStoreOptions): Promise<Store> {
  return Store.open(storeOptions(env, options))
}

/** Apart from `openStore` for tests that break one of them. */
export function storeOptions(
  env: StoreEnvironment,
  { segmentSizeBytes, reserveBytes, note, progress, forgot }: OpenStoreOptions,
): StoreOptions {
  const { disk, clock, random, logger } = env
  return {
    disk,
    clock,
    random,
    logger,
    segmentSizeBytes,
    reserveBytes,
    openIndex: () => env.openIndex(),
    indexVersion: INDEX_VERSION,
    apply: (record, position, current) => {
      note?.(position.lengthBytes)
      return applyRecord(record, position, current)
    },
    progress: (doneBytes, totalBytes) => progress?.(doneBytes, totalBytes),
    isLive: isLiveRecord,
    compactedType: RECORD.compacted,
    rows: ROW_SCHEMA,
    applyDamaged: ({ identity, ...position }: Damage, current) =>
      identity === undefined
        ? []
        : applyDamagedRecord(identity.type, identity.key, position, current),
    lossOf,
    forgot: async (losses) => forgot?.(losses),
    fail: (reason) => env.fail(reason),
  }
}
