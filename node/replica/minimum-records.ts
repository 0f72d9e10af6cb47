/** Minima of buckets: their names in memory, and their records (T8). */

import type { RegisterRequest } from '../../protocol/register/types.ts'
import type { NewRecord } from '../log/types.ts'
import { RECORD } from './record-types.ts'
import { encodeNumber } from './row-format.ts'

/** Above every generation of a bucket's record: the minimum of a bucket that is gone for good (T8). */
export const FINAL_GENERATION = Number.MAX_SAFE_INTEGER

/** On its way to the disk. */
export interface Rise {
  readonly generation: number
  readonly flushed: Promise<unknown>
}

export function minimumName(
  partition: number,
  fence: NonNullable<RegisterRequest['fence']>,
): string {
  return String.fromCharCode(partition) + fence.bucket
}

export function minimumRecord(
  partition: number,
  fence: NonNullable<RegisterRequest['fence']>,
): NewRecord {
  return {
    type: RECORD.minimum,
    partition,
    key: fence.bucket,
    body: encodeNumber(fence.generation),
  }
}
