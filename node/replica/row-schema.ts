/** How records and rows belong together, for scrub and compaction (RowSchema in log/types.ts). */

import { byteString, readU16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import type { LogPosition, LogRecord, RowSchema } from '../log/types.ts'
import { copyOfDrop, dropsRecordAt } from './drop-records.ts'
import {
  floorOfRow,
  floorRow,
  isSoundRow,
  hintOfRow,
  positionOfRow,
  rowKeyOf,
  valueOfRow,
  type Current,
} from './index-rows.ts'
import { isRemoval } from './removal-records.ts'
import { RECORD } from './record-types.ts'
import { decodeFloor, decodeNumber, hasState, isLater, uncheckedStateOfRow } from './row-format.ts'

type Identity = Pick<LogRecord, 'type' | 'partition' | 'key'>

/** Given to the store, which knows records and rows but not their meaning (RowSchema in log/types.ts). */
export const ROW_SCHEMA: RowSchema = {
  isRemoval,
  keyOf: (record) =>
    isRemoval(record) || record.type === RECORD.compacted ? undefined : rowKeyOf(record),
  removedKeyOf: (removal) => (isRemoval(removal) ? rowKeyOf(removal) : undefined),
  isRemovedBy({ record, position }, { record: removal, position: at }) {
    if (isDrop(removal)) return dropsRecordAt(removal, at, position)
    if (removal.type !== RECORD.registerGone) return true
    return compareBallots(ballotOfState(record.body), decodeFloor(removal.body)) <= 0
  },
  isOlder,
  isAbove,
  isSound: isSoundRow,
  positionOf: positionOfRow,
  identityOf,
  restore,
  copiesOf,
}

/** A removal whose key may come back at any ballot (drop-records.ts). */
function isDrop({ type }: Pick<LogRecord, 'type'>): boolean {
  return type === RECORD.registerDropped || type === RECORD.blockDropped
}

/** The copy of a drop names the place of the first one, and is followed by a copy of the register that came after it
 * (drop-records.ts). Undefined when the row does not tell that register. */
function copiesOf(
  record: LogRecord,
  position: LogPosition,
  current: Current,
): readonly LogRecord[] | undefined {
  if (!isDrop(record)) {
    const key = ROW_SCHEMA.keyOf(record)
    const row = key && current(key)
    return key && row && !isSoundRow(key, row) ? undefined : [record]
  }
  const copy = copyOfDrop(record, position)
  if (record.type === RECORD.blockDropped || current(rowKeyOf(record)) === undefined) return [copy]
  const after = restore({ ...record, type: RECORD.register }, current)
  return after === undefined ? undefined : [copy, ...after]
}

/**
 * Whether a record is out of date beside another one of its row, whatever their order in the log: states and minimum
 * generations only rise (D10).
 */
function isOlder({ type, body }: LogRecord, than: LogRecord): boolean {
  if (type === RECORD.minimum) return decodeNumber(body) < decodeNumber(than.body)
  return (
    type === RECORD.register && compareBallots(ballotOfState(body), ballotOfState(than.body)) < 0
  )
}

/**
 * Whether a record that raises a value says more than its row does, or the same at a later place. Then the row is
 * wrong.
 */
function isAbove(record: LogRecord, position: LogPosition, current: Current): boolean {
  const { type, partition, body } = record
  const isFloor = type === RECORD.registerGone
  if (!isFloor && type !== RECORD.minimum && type !== RECORD.mark) return false
  const key = isFloor ? floorRow(partition) : rowKeyOf(record)
  const row = current(key)
  // It is lost, or a later record has removed it: scrub finds out which, as for all other rows.
  if (row === undefined && type === RECORD.minimum) return false
  const at = row === undefined ? undefined : positionOfRow(key, row)
  if (row === undefined || at === undefined) return true
  const order = isFloor
    ? compareBallots(decodeFloor(body), floorOfRow(row))
    : decodeNumber(body) - decodeNumber(row)
  return order > 0 || (order === 0 && isLater(position, at))
}

/** The letter of a key tells which type of record makes the row. */
function identityOf(key: Uint8Array): Identity | undefined {
  const text = byteString(key.subarray(1))
  switch (String.fromCharCode(key[0] ?? 0)) {
    case 'r':
      return { type: RECORD.register, partition: partitionOfKey(text as RegisterKey), key: text }
    case 'b':
      return { type: RECORD.block, partition: readU16(text, 0), key: text }
    case 'g':
      return { type: RECORD.minimum, partition: readU16(text, 0), key: text.slice(2) }
    case 'f':
      // The floor alone: no register has an empty key.
      return { type: RECORD.registerGone, partition: readU16(text, 0), key: '' }
    case 'k':
      return { type: RECORD.mark, partition: 0, key: 'mark' }
    case 'y': {
      const { peer, partition } = hintOfRow(key)
      return { type: RECORD.duty, partition, key: peer }
    }
    default:
      return undefined
  }
}

/** Undefined for blocks, for FAULTY registers, and when the row itself is damaged. */
function restore(
  { type, partition, key }: Identity,
  current: Current,
  at?: LogPosition,
): readonly LogRecord[] | undefined {
  const rowKey = rowKeyOf({ type, partition, key })
  const row = current(rowKey)
  switch (type) {
    case RECORD.register:
      if (row === undefined || !hasState(row) || !isSoundRow(rowKey, row)) return undefined
      return [{ type, partition, key, body: uncheckedStateOfRow(row).slice() }]
    case RECORD.minimum:
    case RECORD.mark:
    case RECORD.duty:
      if (row === undefined || !isSoundRow(rowKey, row)) return undefined
      return [{ type, partition, key, body: valueOfRow(rowKey, row).slice() }]
    case RECORD.registerGone: {
      // If the register is there again, only the floor matters.
      const name = row === undefined ? key : ''
      const floorKey = floorRow(partition)
      const floor = current(floorKey)
      if (floor === undefined || !isSoundRow(floorKey, floor)) return undefined
      return [{ type, partition, key: name, body: valueOfRow(floorKey, floor).slice() }]
    }
    case RECORD.blockGone:
    case RECORD.dutyDone:
    case RECORD.minimumGone:
      return row === undefined ? [{ type, partition, key, body: new Uint8Array(0) }] : undefined
    case RECORD.registerDropped:
    case RECORD.blockDropped:
      // Its bound is lost. At most it took away what came before its own place.
      return at && copiesOf({ type, partition, key, body: new Uint8Array(0) }, at, current)
    default:
      return undefined
  }
}
