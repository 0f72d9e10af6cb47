/**
 * What each log record does to the rows of the index (index-rows.ts). One function serves normal running, replay and
 * rebuild (D6).
 *
 * Invariants:
 *   - to apply a run of records twice gives the same rows as to apply it once
 *   - a register's row never goes back to a lower ballot, whatever the order of the log      (D10)
 *   - among other records of a key the latest wins. Copies by compaction don't change that: only the
 *     latest record is ever copied                                                           (D7)
 *   - a removal takes away only what it was written for, so that its copy does no harm to later records:
 *     the removal of a register has a floor, and later states are above it                   (G2, G3)
 *   - a drop takes away earlier records, which may come back at any ballot: drop-records.ts  (L8, L9)
 */

import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { compareBallots } from '../../protocol/register/ballot.ts'
import {
  dropRegister,
  EMPTY_DIGEST,
  toggleBlock,
  toggleRegister,
} from '../../protocol/sync/digest.ts'
import type { LogPosition, LogRecord, RowWrite } from '../log/types.ts'
import { dropsRecordAt } from './drop-records.ts'
import { dueWrites } from './due-rows.ts'
import {
  blockRow,
  digestRow,
  floorRow,
  registerRow,
  rowShapeOf,
  type Current,
} from './index-rows.ts'
import { RECORD, type RecordType } from './record-types.ts'
import { isRemoval } from './removal-records.ts'
import {
  ballotOfRow,
  decodeFloor,
  decodeNumber,
  encodeRegisterRow,
  encodeRow,
  hasState,
  isLater,
  isSound,
  NUMBER_BYTES,
  replaced,
  replacedRegister,
} from './row-format.ts'

/** What a record does to the index: see StoreOptions.apply. Throws on a type that this version does not
 * know: to skip it could undo what it says (F20). */
export function applyRecord(
  record: LogRecord,
  position: LogPosition,
  current: Current,
): RowWrite[] {
  const type = record.type as RecordType
  switch (type) {
    case RECORD.block:
      return applyBlock(record, position, current)
    case RECORD.register:
      return applyRegister(record, position, current)
    case RECORD.minimum:
    case RECORD.mark:
      return raise(record, position, current)
    case RECORD.duty: {
      const { key } = rowShapeOf(record)
      const value = encodeRow(new Uint8Array(0), position)
      return [{ key, value, replaces: replaced(current(key), 0) }]
    }
    case RECORD.dutyDone:
    case RECORD.minimumGone: {
      const { key, valueBytes } = rowShapeOf(record)
      const row = current(key)
      return row === undefined ? [] : [{ key, replaces: replaced(row, valueBytes) }]
    }
    case RECORD.blockGone:
      return removeBlock(record.key as BlockKey, current)
    case RECORD.registerGone:
      return applyRegisterGone(record, position, current)
    case RECORD.registerDropped:
      return applyRegisterDropped(record, position, current)
    case RECORD.blockDropped: {
      const at = replaced(current(rowShapeOf(record).key), 0)
      return dropsRecordAt(record, position, at) ? removeBlock(record.key as BlockKey, current) : []
    }
    case RECORD.compacted:
      return []
    default:
      throw new Error(`log record of unknown type ${String(type satisfies never)}`)
  }
}

/** A block has one row. A new one also enters the partition's digest. */
function applyBlock(record: LogRecord, position: LogPosition, current: Current): RowWrite[] {
  const key = blockRow(record.key as BlockKey)
  const row = current(key)
  const value = encodeRow(new Uint8Array(0), position)
  if (row !== undefined) return [{ key, value, replaces: replaced(row, 0) }]
  const digest = digestRow(record.partition)
  const before = current(digest) ?? EMPTY_DIGEST
  return [
    { key, value },
    { key: digest, value: toggleBlock(before, record.key as BlockKey, 1) },
  ]
}

/** Takes away the block's row, and takes the block out of the digest. */
function removeBlock(block: BlockKey, current: Current): RowWrite[] {
  const key = blockRow(block)
  const row = current(key)
  if (row === undefined) return []
  const replaces = replaced(row, 0)
  const digest = digestRow(partitionOfKey(block))
  const before = current(digest) ?? EMPTY_DIGEST
  return [
    { key, replaces },
    { key: digest, value: toggleBlock(before, block, -1) },
  ]
}

/** The row gets the state, unless it has a higher ballot (D10). The digest changes with the ballot. */
function applyRegister(record: LogRecord, position: LogPosition, current: Current): RowWrite[] {
  const key = registerRow(record.key as RegisterKey)
  const ballot = ballotOfState(record.body)
  const row = current(key)
  // The next call of `current` may reuse the memory of `row`: take everything from it before.
  const replaces = replacedRegister(row)
  const before = ballotOfRow(row)
  if (row !== undefined && before !== undefined && compareBallots(ballot, before) < 0) {
    // The ballot of a damaged row is unknown.
    if (replaces !== undefined) return [{ key, value: row.slice(), superseded: position }]
  }
  const writes: RowWrite[] = [{ key, value: encodeRegisterRow(position, record.body), replaces }]
  if (before === undefined || compareBallots(ballot, before) !== 0) {
    const digestKey = digestRow(record.partition)
    const digest = current(digestKey) ?? EMPTY_DIGEST
    const value = toggleRegister(digest, record.key as RegisterKey, before, ballot)
    writes.push({ key: digestKey, value })
    writes.push(...dueWrites(record.key as RegisterKey, record.body, current))
  }
  return writes
}

/** Raises the floor, then takes the row away if its ballot is not above that floor (G2). */
function applyRegisterGone(record: LogRecord, position: LogPosition, current: Current): RowWrite[] {
  const writes = raise(record, position, current, floorRow(record.partition), compareFloors)
  const key = registerRow(record.key as RegisterKey)
  const row = current(key)
  const before = ballotOfRow(row)
  // A FAULTY row stays: the damaged state may have been accepted later than this (A4). Repair replaces it (D3).
  if (row === undefined || before === undefined) return writes
  if (compareBallots(before, decodeFloor(record.body)) > 0) return writes
  const replaces = replacedRegister(row)
  const digestKey = digestRow(record.partition)
  const digest = current(digestKey) ?? EMPTY_DIGEST
  const value = dropRegister(digest, record.key as RegisterKey, before)
  return [...writes, { key, replaces }, { key: digestKey, value }]
}

/** Takes the row away if the record that made it comes before the drop (drop-records.ts). */
function applyRegisterDropped(
  record: LogRecord,
  position: LogPosition,
  current: Current,
): RowWrite[] {
  const key = registerRow(record.key as RegisterKey)
  const row = current(key)
  if (row === undefined) return []
  const replaces = replacedRegister(row)
  if (!dropsRecordAt(record, position, replaces)) return []
  const before = ballotOfRow(row)
  // No digest contains a FAULTY register.
  if (before === undefined) return [{ key, replaces }]
  const digestKey = digestRow(record.partition)
  const digest = current(digestKey) ?? EMPTY_DIGEST
  const value = dropRegister(digest, record.key as RegisterKey, before)
  return [
    { key, replaces },
    { key: digestKey, value },
  ]
}

/** Minima, the mark and floors only rise. Among equal ones the latest record is kept. */
function raise(
  record: LogRecord,
  position: LogPosition,
  current: Current,
  key: Uint8Array = rowShapeOf(record).key,
  compare: (a: Uint8Array, b: Uint8Array) => number = compareNumbers,
): RowWrite[] {
  const { body } = record
  const row = current(key)
  if (row !== undefined && isSound(row, body.length) && compare(row, body) > 0) {
    // A removal is counted as a removal. Other records count as dead here, or they would never be counted.
    return isRemoval(record) ? [] : [{ key, value: row.slice(), superseded: position }]
  }
  const before = replaced(row, body.length)
  const value = encodeRow(body, position)
  // The removal that held the lower floor is not dead yet: it is one like any other now.
  if (isRemoval(record)) return [{ key, value, holds: { demoted: before } }]
  return [{ key, value, replaces: before }]
}

function compareFloors(a: Uint8Array, b: Uint8Array): number {
  return compareBallots(decodeFloor(a), decodeFloor(b))
}

function compareNumbers(a: Uint8Array, b: Uint8Array): number {
  return decodeNumber(a.subarray(0, NUMBER_BYTES)) - decodeNumber(b.subarray(0, NUMBER_BYTES))
}

/** A damaged register gets a row without a state: FAULTY (A4). It leaves the digest, so that the next comparison with a peer
 * finds it (D3). A damaged block keeps its row: the next read finds it bad, and it is fetched from a replica. */
export function applyDamagedRecord(
  type: number,
  key: string,
  position: LogPosition,
  current: Current,
): RowWrite[] {
  const isRemoved = type === RECORD.registerGone || type === RECORD.registerDropped
  if (type !== RECORD.register && !isRemoved) return []
  const rowKey = registerRow(key as RegisterKey)
  const row = current(rowKey)
  // The floor or bound of a damaged removal is lost: the state here may be the one that it removed, or a later one.
  if (row === undefined && isRemoved) return []
  const writes: RowWrite[] = []
  let replaces: LogPosition | undefined
  if (row !== undefined && hasState(row)) {
    replaces = replacedRegister(row)
    // A later, sound state is here: the damaged one does not matter any more.
    if (replaces !== undefined && isLater(replaces, position)) return []
    const before = ballotOfRow(row)
    if (before !== undefined) {
      const digestKey = digestRow(partitionOfKey(key as RegisterKey))
      const digest = current(digestKey) ?? EMPTY_DIGEST
      writes.push({ key: digestKey, value: dropRegister(digest, key as RegisterKey, before) })
    }
  }
  writes.push({ key: rowKey, value: encodeRegisterRow(position, new Uint8Array(0)), replaces })
  return writes
}
