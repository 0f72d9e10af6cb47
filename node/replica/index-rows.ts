/**
 * The rows of the index, and what each log record does to them. One function serves normal running,
 * replay and rebuild (D6).
 *
 * ```
 * 'r' ‖ register key    position (14) ‖ CRC-32 (4) ‖ state (codec/state.ts); without a state: FAULTY (A4)
 * 'b' ‖ block key       position (14) ‖ CRC-32 (4)
 * 'g' ‖ partition ‖ bucket id    lowest generation still obeyed, u64 (T8) ‖ position ‖ CRC-32
 * 'f' ‖ partition       floor: counter u64 ‖ proposer (16) (G2) ‖ position ‖ CRC-32
 * 'k'                   the mark: promises in memory stay below it, u64 (A1) ‖ position ‖ CRC-32
 * 'd' ‖ partition       digest of what this node holds of the partition (digest.ts)
 * 'y' ‖ node ‖ partition    a duty: the node may lack something of the partition (P7): position ‖ CRC-32
 * ```
 *
 * A position says where the record lies that made the row, so that compaction knows what is live. The
 * CRC-32 goes over key, position and value: LMDB has no checksums of its own (F4). The log's records
 * have BLAKE3 checksums; this one only guards the copy in the index.
 *
 * Invariants:
 *   - applying a run of records twice gives what applying it once gives
 *   - a register's row never goes back to a lower ballot, whatever the order of the log      (D10)
 *   - of other records the latest of a key wins, whatever was copied by compaction: a copy is only ever
 *     made of the latest one                                                                 (D7)
 *   - a removal takes away only what it was written for, so that its copy does no harm to what came
 *     after it: a register's goes with a floor, and whatever comes later lies above it       (G2, G3)
 *   - a drop takes away what lies before it and may come back at any ballot: drop-records.ts  (L8, L9)
 */

import { unreachable } from '../../protocol/assert.ts'
import { byteString, bytesOf, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, BucketId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { compareBallots, ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { LogPosition, LogRecord, NewRecord, RowWrite } from '../log/types.ts'
import {
  dropRegister,
  EMPTY_DIGEST,
  toggleBlock,
  toggleRegister,
} from '../../protocol/sync/digest.ts'
import { dropBody, dropsRecordAt, outranks } from './drop-records.ts'
import {
  ballotOfRow,
  checkedValue,
  decodeFloor,
  decodeNumber,
  encodeFloor,
  encodeRegisterRow,
  encodeRow,
  FLOOR_BYTES,
  hasState,
  isAt,
  isLater,
  isSound,
  isSoundRegister,
  NUMBER_BYTES,
  readPosition,
  replaced,
  replacedRegister,
} from './row-format.ts'

/** Types of log records. A retired number is never used again. */
export const RECORD = {
  block: 1,
  register: 2,
  minimum: 3,
  mark: 4,
  duty: 5,
  dutyDone: 6,
  /** A freed block (G5): its data id is dead for good. */
  blockGone: 7,
  /** A collected register (G2); the body is the floor that it leaves to its partition. */
  registerGone: 8,
  /** A segment whose live records are all copied: the store's own (compaction.ts). */
  compacted: 9,
  /** A minimum of a bucket that is gone, which no node knows any more (T8). */
  minimumGone: 10,
  /** A register of a partition that the node has left, or enters again: it may come back (L8, L9). */
  registerDropped: 11,
  /** A block of such a partition: it may come back. */
  blockDropped: 12,
} as const

export type RecordType = (typeof RECORD)[keyof typeof RECORD]

const NAMES = new Map<number, keyof typeof RECORD>(
  Object.entries(RECORD).map(([name, type]) => [type, name as keyof typeof RECORD]),
)

/** Undefined for types that this version does not know (F20). */
export function nameOfType(type: number): keyof typeof RECORD | undefined {
  return NAMES.get(type)
}

/** Raise when a row's form changes: the index is then rebuilt from the log. */
export const INDEX_VERSION = 3

export function registerRow(key: RegisterKey): Uint8Array {
  return bytesOf(`r${key}`)
}

export function blockRow(key: BlockKey): Uint8Array {
  return bytesOf(`b${key}`)
}

export function minimumRow(partition: number, bucket: BucketId): Uint8Array {
  return bytesOf(`g${u16(partition)}${bucket}`)
}

/**
 * Above every row of a partition that has this prefix: the letter of the rows and the partition's two
 * bytes. No letter is 0xff.
 */
export function endOfPartitionRows(prefix: string): string {
  const letter = prefix.charAt(0)
  const partition = prefix.charCodeAt(1) * 256 + prefix.charCodeAt(2)
  return partition === 0xffff
    ? String.fromCharCode(letter.charCodeAt(0) + 1)
    : letter + u16(partition + 1)
}

export function digestRow(partition: number): Uint8Array {
  return bytesOf(`d${u16(partition)}`)
}

export function dutyRow(peer: NodeId, partition: number): Uint8Array {
  return bytesOf(`y${peer}/${u16(partition)}`)
}

export function floorRow(partition: number): Uint8Array {
  return bytesOf(`f${u16(partition)}`)
}

export const MARK_ROW: Uint8Array = bytesOf('k')

/** Removes a block's row, for good (G5). Append it urgently: it frees space. */
export function blockGone(key: BlockKey): NewRecord {
  const partition = partitionOfKey(key)
  return { type: RECORD.blockGone, partition, key, body: new Uint8Array(0) }
}

/** Removes the minimum of a bucket that is gone and that no node knows (T8). Append it urgently. */
export function minimumGone(partition: number, bucket: BucketId): NewRecord {
  return { type: RECORD.minimumGone, partition, key: bucket, body: new Uint8Array(0) }
}

/**
 * Removes a collected register's row and raises its partition's floor, in one record (G2). A state above
 * the floor stays, so `floor` must be at least the ballot of the tombstone. Append it urgently.
 */
export function registerGone(key: RegisterKey, floor: Ballot): NewRecord {
  const partition = partitionOfKey(key)
  return { type: RECORD.registerGone, partition, key, body: encodeFloor(floor) }
}

/** Raises a partition's floor and removes nothing: no register has a key without a space. */
export function floorRaised(partition: number, floor: Ballot): NewRecord {
  return {
    type: RECORD.registerGone,
    partition,
    key: u16(partition),
    body: encodeFloor(floor),
  }
}

/** Removes a register's row, whatever it holds, until it is written again: drop-records.ts. `ballot`: of the
 * state that is there; undefined of a FAULTY one. Append it urgently. */
export function registerDropped(key: RegisterKey, ballot: Ballot | undefined): NewRecord {
  const partition = partitionOfKey(key)
  return {
    type: RECORD.registerDropped,
    partition,
    key,
    body: dropBody(ballot),
  }
}

/** Removes a block's row until it is written again. Append it urgently: it frees space. */
export function blockDropped(key: BlockKey): NewRecord {
  return { type: RECORD.blockDropped, partition: partitionOfKey(key), key, body: dropBody() }
}

/** The partition's floor from its row; of no row ZERO_BALLOT. Throws DamagedRow. */
export function floorOfRow(row: Uint8Array | undefined): Ballot {
  return row === undefined ? ZERO_BALLOT : decodeFloor(checkedValue(row, FLOOR_BYTES))
}

export type Current = (key: Uint8Array) => Uint8Array | undefined

/** The row that a record makes or removes. */
export function rowKeyOf(record: Pick<LogRecord, 'type' | 'partition' | 'key'>): Uint8Array {
  return rowOf(record).key
}

/** The row that a record's own key has, and how many bytes of value stand in front of its position. */
function rowOf({ type, partition, key }: Pick<LogRecord, 'type' | 'partition' | 'key'>): {
  readonly key: Uint8Array
  readonly valueBytes: number
} {
  switch (type as RecordType) {
    case RECORD.register:
    case RECORD.registerGone:
    case RECORD.registerDropped:
      return { key: registerRow(key as RegisterKey), valueBytes: 0 }
    case RECORD.block:
    case RECORD.blockGone:
    case RECORD.blockDropped:
      return { key: blockRow(key as BlockKey), valueBytes: 0 }
    case RECORD.minimum:
    case RECORD.minimumGone:
      return { key: minimumRow(partition, key as BucketId), valueBytes: NUMBER_BYTES }
    case RECORD.mark:
      return { key: MARK_ROW, valueBytes: NUMBER_BYTES }
    case RECORD.duty:
    case RECORD.dutyDone:
      return { key: dutyRow(key as NodeId, partition), valueBytes: 0 }
    case RECORD.compacted:
      throw new Error('the store’s own record has no row here')
    default:
      throw new Error(`log record of unknown type ${type}`)
  }
}

/** What a record does to the index: see StoreOptions.apply. Throws on a type that this version does not
 * know: whatever it means, to skip it would be a step back (F20). */
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
      const { key } = rowOf(record)
      const value = encodeRow(new Uint8Array(0), position)
      return [{ key, value, replaces: replaced(current(key), 0) }]
    }
    case RECORD.dutyDone:
    case RECORD.minimumGone: {
      const { key, valueBytes } = rowOf(record)
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
      const at = replaced(current(rowOf(record).key), 0)
      return dropsRecordAt(record, position, at) ? removeBlock(record.key as BlockKey, current) : []
    }
    case RECORD.compacted:
      return []
    default:
      throw new Error(`log record of unknown type ${String(type satisfies never)}`)
  }
}

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

function applyRegister(record: LogRecord, position: LogPosition, current: Current): RowWrite[] {
  const key = registerRow(record.key as RegisterKey)
  const ballot = ballotOfState(record.body)
  const row = current(key)
  // `current` may hand out the same memory again: everything needed of `row` is taken at once.
  const replaces = replacedRegister(row)
  const before = ballotOfRow(row)
  if (row !== undefined && before !== undefined && compareBallots(ballot, before) < 0) {
    // Of a damaged row nobody knows the ballot.
    if (replaces !== undefined) return [{ key, value: row.slice(), superseded: position }]
  }
  const writes: RowWrite[] = [{ key, value: encodeRegisterRow(position, record.body), replaces }]
  if (before === undefined || compareBallots(ballot, before) !== 0) {
    const digestKey = digestRow(record.partition)
    const digest = current(digestKey) ?? EMPTY_DIGEST
    const value = toggleRegister(digest, record.key as RegisterKey, before, ballot)
    writes.push({ key: digestKey, value })
  }
  return writes
}

function applyRegisterGone(record: LogRecord, position: LogPosition, current: Current): RowWrite[] {
  const writes = raise(record, position, current, floorRow(record.partition), compareFloors)
  const key = registerRow(record.key as RegisterKey)
  const row = current(key)
  const before = ballotOfRow(row)
  // A FAULTY row stays: what was damaged may have been accepted later (A4); repair settles it (D3).
  if (row === undefined || before === undefined) return writes
  if (compareBallots(before, decodeFloor(record.body)) > 0) return writes
  const replaces = replacedRegister(row)
  const digestKey = digestRow(record.partition)
  const digest = current(digestKey) ?? EMPTY_DIGEST
  const value = dropRegister(digest, record.key as RegisterKey, before)
  return [...writes, { key, replaces }, { key: digestKey, value }]
}

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
  // A FAULTY one is in no digest.
  if (before === undefined) return [{ key, replaces }]
  const digestKey = digestRow(record.partition)
  const digest = current(digestKey) ?? EMPTY_DIGEST
  const value = dropRegister(digest, record.key as RegisterKey, before)
  return [
    { key, replaces },
    { key: digestKey, value },
  ]
}

function compareFloors(a: Uint8Array, b: Uint8Array): number {
  return compareBallots(decodeFloor(a), decodeFloor(b))
}

function compareNumbers(a: Uint8Array, b: Uint8Array): number {
  return decodeNumber(a.subarray(0, NUMBER_BYTES)) - decodeNumber(b.subarray(0, NUMBER_BYTES))
}

/** Minima, the mark and floors only rise; of equal ones the latest record is kept. */
function raise(
  record: LogRecord,
  position: LogPosition,
  current: Current,
  key: Uint8Array = rowOf(record).key,
  compare: (a: Uint8Array, b: Uint8Array) => number = compareNumbers,
): RowWrite[] {
  const { body } = record
  const row = current(key)
  if (row !== undefined && isSound(row, body.length) && compare(row, body) > 0) {
    // A removal is counted as such; of others nobody would ever know that they are dead.
    return isRemoval(record) ? [] : [{ key, value: row.slice(), superseded: position }]
  }
  const before = replaced(row, body.length)
  const value = encodeRow(body, position)
  // A removal that held a floor is no dead record yet when a higher floor comes.
  if (isRemoval(record)) return [{ key, value, holds: { demoted: before } }]
  return [{ key, value, replaces: before }]
}

/** Removals: kept while an older segment may hold what they removed, although no row points to them. */
export function isRemoval({ type }: Pick<LogRecord, 'type'>): boolean {
  return (
    type === RECORD.blockGone ||
    type === RECORD.registerGone ||
    type === RECORD.dutyDone ||
    type === RECORD.minimumGone ||
    type === RECORD.registerDropped ||
    type === RECORD.blockDropped
  )
}

/** Whether compaction keeps a record: see StoreOptions.isLive. In doubt, because a row is damaged: yes. */
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
      const { key, valueBytes } = rowOf(record)
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
      return !oldest && current(rowOf(record).key) === undefined
    case RECORD.registerGone: {
      const floor = current(floorRow(record.partition))
      if (floor === undefined || !isSound(floor, FLOOR_BYTES)) return true
      if (isAt(readPosition(floor, FLOOR_BYTES), position)) return true
      return !oldest && current(rowOf(record).key) === undefined
    }
    case RECORD.registerDropped: {
      const row = oldest ? undefined : current(rowOf(record).key)
      return !oldest && (row === undefined || outranks(record, row))
    }
    case RECORD.compacted:
      return false
    default:
      return unreachable(type)
  }
}

/** Where the record of a row lies; undefined for rows without one and for damaged rows. */
export function positionOfRow(key: Uint8Array, row: Uint8Array): LogPosition | undefined {
  const valueBytes = valueBytesOf(key)
  if (valueBytes === undefined) return undefined
  return valueBytes === 'register' ? replacedRegister(row) : replaced(row, valueBytes)
}

/** Whether a row is as it was written, as far as its checksum tells; digests have none. */
export function isSoundRow(key: Uint8Array, row: Uint8Array): boolean {
  const valueBytes = valueBytesOf(key)
  if (valueBytes === undefined) return true
  return valueBytes === 'register' ? isSoundRegister(row) : isSound(row, valueBytes)
}

/** What stands in front of the position, as a view. */
export function valueOfRow(key: Uint8Array, row: Uint8Array): Uint8Array {
  const valueBytes = valueBytesOf(key)
  return row.subarray(0, typeof valueBytes === 'number' ? valueBytes : 0)
}

/** The letter of a key says how its row is made. */
function valueBytesOf(key: Uint8Array): number | 'register' | undefined {
  switch (String.fromCharCode(key[0] ?? 0)) {
    case 'r':
      return 'register'
    case 'b':
    case 'y':
      return 0
    case 'g':
    case 'k':
      return NUMBER_BYTES
    case 'f':
      return FLOOR_BYTES
    default:
      return undefined
  }
}

/** A damaged register shows as a row without a state: FAULTY (A4), and leaves the digest, so that the
 * next comparison with a peer finds it (D3). A damaged block, too, keeps its row: a read finds it bad, and
 * then it is fetched from a replica. */
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
  // A removal whose floor, or bound, is lost: what is there may be what it removed, or have come after it.
  if (row === undefined && isRemoved) return []
  const writes: RowWrite[] = []
  let replaces: LogPosition | undefined
  if (row !== undefined && hasState(row)) {
    replaces = replacedRegister(row)
    // A later state is there and whole: the damaged one was history.
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

export function partitionOfDutyRow(row: Uint8Array): {
  peer: NodeId
  partition: number
} {
  const text = byteString(row)
  const slash = text.length - 3
  return {
    peer: text.slice(1, slash) as NodeId,
    partition: text.charCodeAt(slash + 1) * 256 + text.charCodeAt(slash + 2),
  }
}
