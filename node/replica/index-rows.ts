/**
 * The rows of the index: their keys, and how they are read. What each log record does to them is in
 * apply-record.ts.
 *
 * ```
 * 'r' ‖ register key    position (14) ‖ CRC-32 (4) ‖ state (codec/state.ts); without a state: FAULTY (A4)
 * 'b' ‖ block key       position (14) ‖ CRC-32 (4)
 * 'g' ‖ partition ‖ bucket id    lowest generation still obeyed, u64 (T8) ‖ position ‖ CRC-32
 * 'f' ‖ partition       floor: counter u64 ‖ proposer (16) (G2) ‖ position ‖ CRC-32
 * 'k'                   the mark: promises in memory stay below it, u64 (A1) ‖ position ‖ CRC-32
 * 'd' ‖ partition       digest of what this node holds of the partition (digest.ts)
 * 'y' ‖ node ‖ partition    a duty: the node may lack something of the partition (P7): position ‖ CRC-32
 * 'l'                   due times of objects under a lifecycle (due-rows.ts)
 * ```
 *
 * A position says where the record is that made the row, so that compaction knows what is live. The CRC-32 goes over key,
 * position and value: LMDB has no checksums of its own (F4). The log's records have BLAKE3 checksums; this one only guards
 * the copy in the index.
 */

import { byteString, bytesOf, u16 } from '../../protocol/bytes.ts'
import type { BlockKey, BucketId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { LogPosition, LogRecord } from '../log/types.ts'
import { RECORD, type RecordType } from './record-types.ts'
import {
  checkedValue,
  decodeFloor,
  FLOOR_BYTES,
  isSound,
  isSoundRegister,
  NUMBER_BYTES,
  replaced,
  replacedRegister,
} from './row-format.ts'

/** Raise it when the form of a row changes: the index is then rebuilt from the log. */
export const INDEX_VERSION = 4

/**
 * Row keys: the letter, then what is unique behind it. Rows of one partition are together, so that it can be walked.
 */
export function registerRow(key: RegisterKey): Uint8Array {
  return bytesOf(`r${key}`)
}

export function blockRow(key: BlockKey): Uint8Array {
  return bytesOf(`b${key}`)
}

export function minimumGenerationRow(partition: number, bucket: BucketId): Uint8Array {
  return bytesOf(`g${u16(partition)}${bucket}`)
}

/**
 * The end of the range of rows with this prefix, which is the letter of the rows and the two bytes of their partition. No
 * letter is 0xff.
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

export function hintRow(peer: NodeId, partition: number): Uint8Array {
  return bytesOf(`y${peer}/${u16(partition)}`)
}

export function floorRow(partition: number): Uint8Array {
  return bytesOf(`f${u16(partition)}`)
}

/** There is one for the whole node. */
export const MARK_ROW: Uint8Array = bytesOf('k')

/**
 * Looks up the row of a key as it is now, with the writes of the same batch. The memory is the index's: copy what is
 * kept.
 */
export type Current = (key: Uint8Array) => Uint8Array | undefined

/** The row that a record makes or removes. */
export function rowKeyOf(record: Pick<LogRecord, 'type' | 'partition' | 'key'>): Uint8Array {
  return rowShapeOf(record).key
}

/** The row of the record's own key, and how many bytes of value it has before its position. */
export function rowShapeOf({
  type,
  partition,
  key,
}: Pick<LogRecord, 'type' | 'partition' | 'key'>): {
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
      return { key: minimumGenerationRow(partition, key as BucketId), valueBytes: NUMBER_BYTES }
    case RECORD.mark:
      return { key: MARK_ROW, valueBytes: NUMBER_BYTES }
    case RECORD.duty:
    case RECORD.dutyDone:
      return { key: hintRow(key as NodeId, partition), valueBytes: 0 }
    case RECORD.compacted:
      throw new Error('the store’s own record has no row here')
    default:
      throw new Error(`log record of unknown type ${type}`)
  }
}

/** The partition's floor from its row; ZERO_BALLOT without a row. Throws DamagedRow. */
export function floorOfRow(row: Uint8Array | undefined): Ballot {
  return row === undefined ? ZERO_BALLOT : decodeFloor(checkedValue(row, FLOOR_BYTES))
}

/** The place of the record that made a row. Undefined for rows without one, and for damaged rows. */
export function positionOfRow(key: Uint8Array, row: Uint8Array): LogPosition | undefined {
  const valueBytes = valueBytesOf(key)
  if (valueBytes === undefined) return undefined
  return valueBytes === 'register' ? replacedRegister(row) : replaced(row, valueBytes)
}

/** Whether a row's checksum is right. Digests have none, and count as sound. */
export function isSoundRow(key: Uint8Array, row: Uint8Array): boolean {
  const valueBytes = valueBytesOf(key)
  if (valueBytes === undefined) return true
  return valueBytes === 'register' ? isSoundRegister(row) : isSound(row, valueBytes)
}

/** The bytes before the position, as a view. */
export function valueOfRow(key: Uint8Array, row: Uint8Array): Uint8Array {
  const valueBytes = valueBytesOf(key)
  return row.subarray(0, typeof valueBytes === 'number' ? valueBytes : 0)
}

/** The letter of a key tells the form of its row. */
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

/** What a hint's row key says: which node may lack something of which partition. */
export function hintOfRow(row: Uint8Array): {
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
