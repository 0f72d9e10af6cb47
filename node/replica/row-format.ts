/**
 * How the rows of the index are written: positions, checksums, numbers and floors. index-rows.ts says which
 * rows there are.
 */

import { crc32 } from 'node:zlib'
import { crc32Of } from '../../protocol/crc32.ts'
import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { ballotOfState } from '../../protocol/codec/state.ts'
import { PROPOSER_ID_BYTES, proposerId } from '../../protocol/ids.ts'
import { ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { LogPosition } from '../log/types.ts'

const POSITION_BYTES = 14
const CHECKSUM_BYTES = 4
/** Minimum generations and the mark: u64, big-endian. */
export const NUMBER_BYTES = 8
/** A ballot: counter u64, then the proposer. */
export const FLOOR_BYTES = 8 + PROPOSER_ID_BYTES

/** The place of a record: segment u32 ‖ offset u48 ‖ length u32. */
export function encodePosition(position: LogPosition): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(POSITION_BYTES)
  writePosition(bytes, 0, position)
  return bytes
}

/** The position in the row of a register, a block or a duty. The record there proves that it is the right one. */
export function decodePosition(row: Uint8Array): LogPosition {
  return readPosition(row, 0)
}

/** The position at this offset of a row. Does not look at the checksum. */
export function readPosition(row: Uint8Array, at: number): LogPosition {
  const view = new DataView(row.buffer, row.byteOffset + at, POSITION_BYTES)
  return {
    segment: view.getUint32(0),
    offset: view.getUint16(4) * 0x100000000 + view.getUint32(6),
    lengthBytes: view.getUint32(10),
  }
}

function writePosition(
  bytes: Uint8Array,
  at: number,
  { segment, offset, lengthBytes }: LogPosition,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, POSITION_BYTES)
  view.setUint32(0, segment)
  view.setUint16(4, Math.floor(offset / 0x100000000))
  view.setUint32(6, offset >>> 0)
  view.setUint32(10, lengthBytes)
}

/** The checksum of a row of the index is wrong (F4). */
export class DamagedRow extends Error {
  override readonly name = 'DamagedRow'
}

/** The state in a register's row. Undefined when the row has none or its checksum is wrong: the register is FAULTY, not
 * absent (A4). */
export function stateOfRow(row: Uint8Array): Uint8Array | undefined {
  return hasState(row) && isSoundRegister(row) ? uncheckedStateOfRow(row) : undefined
}

/** Where the state begins in a register's row. */
export const STATE_AT = POSITION_BYTES + CHECKSUM_BYTES

/**
 * Whether the first `sizeBytes` bytes of a buffer are a register's row that has a state and the right checksum: as
 * `stateOfRow` decides, but for rows that are not in a buffer of their own (RowScan in env/ports.ts).
 */
export function isSoundState(row: Uint8Array, sizeBytes: number): boolean {
  if (sizeBytes <= STATE_AT) return false
  const checksum =
    row[POSITION_BYTES]! * 0x1000000 +
    ((row[POSITION_BYTES + 1]! << 16) | (row[POSITION_BYTES + 2]! << 8) | row[POSITION_BYTES + 3]!)
  return checksum === crc32Of(row, STATE_AT, sizeBytes, crc32Of(row, 0, POSITION_BYTES))
}

/** The state without a check of the checksum: for enumerations, whose results are read again before they are used. */
export function uncheckedStateOfRow(row: Uint8Array): Uint8Array {
  return row.subarray(POSITION_BYTES + CHECKSUM_BYTES)
}

/** Whether a register's row has a state. Without one the register is FAULTY (A4). */
export function hasState(row: Uint8Array): boolean {
  return row.length > POSITION_BYTES + CHECKSUM_BYTES
}

/** A register's row: position ‖ CRC-32 ‖ state. An empty state makes it FAULTY. */
export function encodeRegisterRow(position: LogPosition, state: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(POSITION_BYTES + CHECKSUM_BYTES + state.length)
  writePosition(bytes, 0, position)
  bytes.set(state, POSITION_BYTES + CHECKSUM_BYTES)
  putChecksum(bytes, POSITION_BYTES, registerChecksum(bytes))
  return bytes
}

function registerChecksum(row: Uint8Array): number {
  return crc32(uncheckedStateOfRow(row), crc32(row.subarray(0, POSITION_BYTES)))
}

/** Whether the checksum of a register's row is right. */
export function isSoundRegister(row: Uint8Array): boolean {
  return (
    row.length >= POSITION_BYTES + CHECKSUM_BYTES &&
    checksumAt(row, POSITION_BYTES) === registerChecksum(row)
  )
}

/** A row of a value of fixed length, or of none: value ‖ position ‖ CRC-32. */
export function encodeRow(value: Uint8Array, position: LogPosition): Uint8Array {
  const bytes = new Uint8Array(value.length + POSITION_BYTES + CHECKSUM_BYTES)
  bytes.set(value)
  writePosition(bytes, value.length, position)
  const end = value.length + POSITION_BYTES
  putChecksum(bytes, end, crc32(bytes.subarray(0, end)))
  return bytes
}

/** Whether a row with a value of this length has that length and the right checksum. */
export function isSound(row: Uint8Array, valueBytes: number): boolean {
  const end = valueBytes + POSITION_BYTES
  return row.length === end + CHECKSUM_BYTES && checksumAt(row, end) === crc32(row.subarray(0, end))
}

/** The value of a row, as a view. Throws DamagedRow. */
export function checkedValue(row: Uint8Array, valueBytes: number): Uint8Array {
  if (!isSound(row, valueBytes)) throw new DamagedRow('a row of the index is damaged')
  return row.subarray(0, valueBytes)
}

function putChecksum(bytes: Uint8Array, at: number, checksum: number): void {
  new DataView(bytes.buffer, bytes.byteOffset).setUint32(at, checksum)
}

function checksumAt(row: Uint8Array, at: number): number {
  return new DataView(row.buffer, row.byteOffset).getUint32(at)
}

export function encodeNumber(value: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(NUMBER_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(value))
  return bytes
}

/** Decodes a record's body, or the value of a row, whose checksum it verifies. Throws DamagedRow. */
export function decodeNumber(bytes: Uint8Array): number {
  const value = bytes.length === NUMBER_BYTES ? bytes : checkedValue(bytes, NUMBER_BYTES)
  return Number(new DataView(value.buffer, value.byteOffset, NUMBER_BYTES).getBigUint64(0))
}

export function encodeFloor(floor: Ballot): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(FLOOR_BYTES)
  new DataView(bytes.buffer).setBigUint64(0, BigInt(floor.counter))
  // ZERO_BALLOT and marks have no proposer: it is written as zeros.
  bytes.set(bytesOf(floor.proposer), 8)
  return bytes
}

/** Decodes a floor, or the value of a floor's row, without a look at the row's checksum. */
export function decodeFloor(bytes: Uint8Array): Ballot {
  const proposer = byteString(bytes.subarray(8, FLOOR_BYTES))
  return {
    counter: decodeNumber(bytes.subarray(0, 8)),
    proposer: /^\0*$/.test(proposer) ? ZERO_BALLOT.proposer : proposerId(proposer),
  }
}

/** The place of the record that a row points to. Undefined for a damaged row. */
export function replaced(row: Uint8Array | undefined, valueBytes: number): LogPosition | undefined {
  return row !== undefined && isSound(row, valueBytes) ? readPosition(row, valueBytes) : undefined
}

/** The same for a register's row. */
export function replacedRegister(row: Uint8Array | undefined): LogPosition | undefined {
  return row !== undefined && isSoundRegister(row) ? readPosition(row, 0) : undefined
}

/** The ballot in a register's row. Undefined without a row, and for a FAULTY one. A damaged row counts as what it says: the
 * digest was made of that, or else the next scrub corrects the digest. */
export function ballotOfRow(row: Uint8Array | undefined): Ballot | undefined {
  if (row === undefined || !hasState(row)) return undefined
  return row.length < POSITION_BYTES + CHECKSUM_BYTES + 26
    ? undefined
    : ballotOfState(uncheckedStateOfRow(row))
}

/** Whether both are the same place. Lengths are not compared. */
export function isAt(a: LogPosition, b: LogPosition): boolean {
  return a.segment === b.segment && a.offset === b.offset
}

/** Whether `a` comes later in the log. */
export function isLater(a: LogPosition, b: LogPosition): boolean {
  return a.segment > b.segment || (a.segment === b.segment && a.offset > b.offset)
}
