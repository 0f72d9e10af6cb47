/** Records of minimum generations (T8). */

import type { Fence } from '../../protocol/register/types.ts'
import type { NewRecord } from '../log/types.ts'
import { RECORD } from './record-types.ts'
import { encodeNumber } from './row-format.ts'

/** The minimum generation of a bucket that is gone for good. It is above every generation of a bucket's record (T8). */
export const FINAL_GENERATION = Number.MAX_SAFE_INTEGER

export function minimumGenerationRecord(partition: number, fence: Fence): NewRecord {
  return {
    type: RECORD.minimum,
    partition,
    key: fence.bucket,
    body: encodeNumber(fence.generation),
  }
}
