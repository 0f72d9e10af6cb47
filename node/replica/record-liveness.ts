/**
 * Tells by the rows of the index which records compaction has to keep (StoreOptions.isLive). Called for each record of a segment
 * that is compacted.
 *
 *   made the row of its key           live: a block, a state, a minimum generation, a mark, a hint
 *   was overtaken by a later record   dead
 *   took something away               live while an older segment may still hold what it took away, unless the key has a row again  (D7)
 *
 * Invariants:
 *   - when a damaged row leaves it open whether a record is live, it is kept
 *   - a removal that holds its partition's floor is kept as long as it does                                     (G2)
 */

import { unreachable } from '../../protocol/assert.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import type { LogPosition, LogRecord } from '../log/types.ts'
import { outranks } from './drop-records.ts'
import { floorRow, registerRow, rowShapeOf, type Current } from './index-rows.ts'
import { RECORD, type RecordType } from './record-types.ts'
import { FLOOR_BYTES, isAt, isSound, isSoundRegister, readPosition } from './row-format.ts'

/**
 * Whether compaction keeps a record. `current` looks up rows; `oldest`: there is no older segment, so a removal has
 * nothing left to keep away.
 */
export function isLiveRecord(
  record: LogRecord,
  position: LogPosition,
  current: Current,
  oldest: boolean,
): boolean {
  const type = record.type as RecordType
  switch (type) {
    case RECORD.block:
    case RECORD.minimum:
    case RECORD.mark:
    case RECORD.duty: {
      const { key, valueBytes } = rowShapeOf(record)
      const row = current(key)
      if (row === undefined) return false
      return !isSound(row, valueBytes) || isAt(readPosition(row, valueBytes), position)
    }
    case RECORD.register: {
      const row = current(registerRow(record.key as RegisterKey))
      if (row === undefined) return false
      return !isSoundRegister(row) || isAt(readPosition(row, 0), position)
    }
    case RECORD.blockGone:
    case RECORD.dutyDone:
    case RECORD.minimumGone:
    case RECORD.blockDropped:
      return !oldest && current(rowShapeOf(record).key) === undefined
    case RECORD.registerGone: {
      const floor = current(floorRow(record.partition))
      if (floor === undefined || !isSound(floor, FLOOR_BYTES)) return true
      if (isAt(readPosition(floor, FLOOR_BYTES), position)) return true
      return !oldest && current(rowShapeOf(record).key) === undefined
    }
    case RECORD.registerDropped: {
      const row = oldest ? undefined : current(rowShapeOf(record).key)
      return !oldest && (row === undefined || outranks(record, row))
    }
    case RECORD.compacted:
      return false
    default:
      return unreachable(type)
  }
}
