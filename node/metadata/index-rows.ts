/**
 * The rows of the index, and what each log record does to them. One function serves normal running,
 * replay and rebuild (D6).
 *
 * ```
 * 'r' ‖ register key    position (14) ‖ CRC-32 of the state (4) ‖ state (codec/state.ts)
 * 'b' ‖ block key       position (14)
 * 'g' ‖ partition ‖ bucket id    lowest generation still obeyed, u64 (T8)
 * 'k'                   the mark: promises in memory stay below it, u64 (A1)
 * 'd' ‖ partition       digest of what this node holds of the partition (digest.ts)
 * 'y' ‖ node ‖ partition    a duty: the node may lack something of the partition (P7)
 * ```
 *
 * Applying a record twice changes nothing: a register's row only moves to a higher ballot.
 */

import { crc32 } from 'node:zlib'
import { byteString, bytesOf, u16 } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import type { BlockKey, BucketId, NodeId, RegisterKey } from '../../protocol/ids.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import { compareBallots, type Ballot } from '../../protocol/register/ballot.ts'
import type { LogPosition, LogRecord } from '../data/types.ts'
import type { IndexWrite } from '../env/ports.ts'
import {
  dropRegister,
  EMPTY_DIGEST,
  toggleBlock,
  toggleRegister,
} from '../../protocol/sync/digest.ts'

/** Types of log records. A retired number is never used again. */
export const RECORD = {
  block: 1,
  register: 2,
  minimum: 3,
  mark: 4,
  duty: 5,
  dutyDone: 6,
} as const

/** Raise when a row's form changes: the index is then rebuilt from the log. */
export const INDEX_VERSION = 2

const POSITION_BYTES = 14
const CHECKSUM_BYTES = 4

export function registerRow(key: RegisterKey): Uint8Array {
  return bytesOf(`r${key}`)
}

export function blockRow(key: BlockKey): Uint8Array {
  return bytesOf(`b${key}`)
}

export function minimumRow(partition: number, bucket: BucketId): Uint8Array {
  return bytesOf(`g${u16(partition)}${bucket}`)
}

export function digestRow(partition: number): Uint8Array {
  return bytesOf(`d${u16(partition)}`)
}

export function dutyRow(peer: NodeId, partition: number): Uint8Array {
  return bytesOf(`y${peer}/${u16(partition)}`)
}

export const MARK_ROW: Uint8Array = bytesOf('k')

export function encodePosition(position: LogPosition): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(POSITION_BYTES)
  writePosition(bytes, position)
  return bytes
}

export function decodePosition(row: Uint8Array): LogPosition {
  const view = new DataView(row.buffer, row.byteOffset, POSITION_BYTES)
  return {
    segment: view.getUint32(0),
    offset: view.getUint16(4) * 0x100000000 + view.getUint32(6),
    lengthBytes: view.getUint32(10),
  }
}

function writePosition(bytes: Uint8Array, { segment, offset, lengthBytes }: LogPosition): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, POSITION_BYTES)
  view.setUint32(0, segment)
  view.setUint16(4, Math.floor(offset / 0x100000000))
  view.setUint32(6, offset >>> 0)
  view.setUint32(10, lengthBytes)
}

/** The log's record has a BLAKE3 checksum of its own; this one guards the copy in the index.
 * The state in a register's row, or undefined when its checksum fails: FAULTY, never absent (A4). */
export function stateOfRow(row: Uint8Array): Uint8Array | undefined {
  const state = row.subarray(POSITION_BYTES + CHECKSUM_BYTES)
  if (state.length === 0) return undefined
  const at = POSITION_BYTES
  const stored =
    ((row[at]! << 24) | (row[at + 1]! << 16) | (row[at + 2]! << 8) | row[at + 3]!) >>> 0
  return crc32(state) === stored ? state : undefined
}

/** Without the check: for enumerations, whose results are read again before they are used. */
export function uncheckedStateOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(POSITION_BYTES + CHECKSUM_BYTES)
}

function encodeRegisterRow(position: LogPosition, state: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(POSITION_BYTES + CHECKSUM_BYTES + state.length)
  writePosition(bytes, position)
  new DataView(bytes.buffer).setUint32(POSITION_BYTES, crc32(state))
  bytes.set(state, POSITION_BYTES + CHECKSUM_BYTES)
  return bytes
}

export function encodeNumber(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(8)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

export function decodeNumber(bytes: Uint8Array): number {
  return Number(new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0))
}

type Current = (key: Uint8Array) => Uint8Array | undefined

/** What a record does to the index: see StoreOptions.apply. */
export function applyRecord(
  record: LogRecord,
  position: LogPosition,
  current: Current,
): IndexWrite[] {
  switch (record.type) {
    case RECORD.block:
      return applyBlock(record, position, current)
    case RECORD.register:
      return applyRegister(record, position, current)
    case RECORD.minimum: {
      const key = minimumRow(record.partition, record.key as BucketId)
      return raise(key, record.body, current)
    }
    case RECORD.mark:
      return raise(MARK_ROW, record.body, current)
    case RECORD.duty:
      return [{ key: dutyRow(record.key as NodeId, record.partition), value: new Uint8Array(1) }]
    case RECORD.dutyDone:
      return [{ key: dutyRow(record.key as NodeId, record.partition) }]
    default:
      throw new Error(`log record of unknown type ${record.type}`)
  }
}

function applyBlock(record: LogRecord, position: LogPosition, current: Current): IndexWrite[] {
  const key = blockRow(record.key as BlockKey)
  const writes: IndexWrite[] = [{ key, value: encodePosition(position) }]
  if (current(key) === undefined) {
    const digest = digestRow(record.partition)
    const before = current(digest) ?? EMPTY_DIGEST
    writes.push({ key: digest, value: toggleBlock(before, record.key as BlockKey, 1) })
  }
  return writes
}

function applyRegister(record: LogRecord, position: LogPosition, current: Current): IndexWrite[] {
  const key = registerRow(record.key as RegisterKey)
  const ballot = ballotOfState(record.body)
  const row = current(key)
  const before: Ballot | undefined =
    row === undefined || row.length <= POSITION_BYTES + CHECKSUM_BYTES
      ? undefined
      : ballotOfState(uncheckedStateOfRow(row))
  if (before !== undefined && compareBallots(ballot, before) < 0) return []
  // `current` may hand out the same memory again: everything needed of `row` was taken above.
  const writes: IndexWrite[] = [{ key, value: encodeRegisterRow(position, record.body) }]
  if (before === undefined || compareBallots(ballot, before) !== 0) {
    const digestKey = digestRow(record.partition)
    const digest = current(digestKey) ?? EMPTY_DIGEST
    writes.push({
      key: digestKey,
      value: toggleRegister(digest, record.key as RegisterKey, before, ballot),
    })
  }
  return writes
}

function raise(key: Uint8Array, body: Uint8Array, current: Current): IndexWrite[] {
  const before = current(key)
  if (before !== undefined && decodeNumber(before) >= decodeNumber(body)) return []
  return [{ key, value: body.slice() }]
}

/** A damaged register shows as a row without a state: FAULTY (A4), and leaves the digest, so that the
 * next comparison with a peer finds it (D3). */
export function applyDamagedRecord(
  type: number,
  key: string,
  position: LogPosition,
  current: Current,
): IndexWrite[] {
  if (type === RECORD.register) {
    const rowKey = registerRow(key as RegisterKey)
    const row = current(rowKey)
    const writes: IndexWrite[] = []
    if (row !== undefined && row.length > POSITION_BYTES + CHECKSUM_BYTES) {
      const { segment, offset } = decodePosition(row)
      // A later state is there and whole: the damaged one was history.
      if (segment > position.segment || (segment === position.segment && offset > position.offset))
        return []
      const before = ballotOfState(uncheckedStateOfRow(row))
      const digestKey = digestRow(partitionOfKey(key as RegisterKey))
      const digest = current(digestKey) ?? EMPTY_DIGEST
      writes.push({ key: digestKey, value: dropRegister(digest, key as RegisterKey, before) })
    }
    const faulty = new Uint8Array(POSITION_BYTES + CHECKSUM_BYTES)
    writePosition(faulty, position)
    writes.push({ key: rowKey, value: faulty })
    return writes
  }
  return []
}

export function partitionOfDutyRow(row: Uint8Array): { peer: NodeId; partition: number } {
  const text = byteString(row)
  const slash = text.length - 3
  return {
    peer: text.slice(1, slash) as NodeId,
    partition: text.charCodeAt(slash + 1) * 256 + text.charCodeAt(slash + 2),
  }
}
