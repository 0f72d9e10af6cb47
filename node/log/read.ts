/**
 * Reads records back, and verifies that each is the one that was written there (A4, F5). A position comes from a
 * row of the index or from a walk, and says where the record is and how long it is; the record's header says the
 * same again.
 *
 * LogErrors of all functions here:
 *   - MISDIRECTED         no record begins there, or a sound one of another place or length
 *   - CHECKSUM_MISMATCH   the header, the body or the payload is damaged, or the file ends too early
 *   - UNKNOWN_VERSION     a later version of the program wrote it (F20)
 *
 * Errors of the disk, such as EIO, pass through.
 */

import { assert } from '../../protocol/assert.ts'
import {
  align,
  decodeRecordBody,
  decodeRecordHeader,
  headerRecordBytes,
  recordMetaBytes,
  type RecordFault,
} from '../../protocol/codec/record.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { DiskFile } from '../env/ports.ts'
import { LogError } from './errors.ts'
import type { LogPosition, LogRecord } from './types.ts'
import { Window } from './window.ts'

/** A record whose checksums are all right. */
export interface ReadRecord extends LogRecord {
  /** The record's number in the log. */
  readonly sequence: number
  /** BLAKE3-256, verified; zeros without a payload. */
  readonly payloadHash: Uint8Array
}

/** Large enough for header, key and body of most records. */
const META_READ_BYTES = 2_048

/** One read. With `into` (at least position.lengthBytes) body and payload are views of it. */
export async function readRecord(
  file: DiskFile,
  position: LogPosition,
  logId: Uint8Array,
  into?: Uint8Array,
): Promise<ReadRecord> {
  const bytes = bufferFor(position, into)
  const length = await file.read(bytes, position.offset)
  return decode(bytes.subarray(0, length), position, logId)
}

/** Header, key and body, verified. The payload is not read: one small read, and another one where the body is large. */
export async function readMeta(
  file: DiskFile,
  position: LogPosition,
  logId: Uint8Array,
): Promise<LogRecord> {
  let bytes = new Uint8Array(Math.min(position.lengthBytes, META_READ_BYTES))
  bytes = bytes.subarray(0, await file.read(bytes, position.offset))
  const header = decodeRecordHeader(bytes, 0, logId, position)
  if (typeof header === 'string') throw faultError(header, position)
  const { type, partition, key, bodyBytes } = header
  const metaBytes = recordMetaBytes(key.length, bodyBytes)
  if (metaBytes > bytes.length) {
    bytes = new Uint8Array(metaBytes)
    bytes = bytes.subarray(0, await file.read(bytes, position.offset))
  }
  const body = decodeRecordBody(bytes, 0, header)
  if (typeof body === 'string') throw faultError('CHECKSUM_MISMATCH', position)
  return { type, partition, key, body }
}

/** Up to this length a record is read together with its neighbours. */
const NEIGHBOUR_BYTES_MAX = 128 << 10

/** Reads many records of one segment in order. Small ones are read many at a time. */
export class SegmentReader {
  readonly #file: DiskFile
  readonly #logId: Uint8Array
  readonly #window: Window

  constructor(file: DiskFile, sizeBytes: number, logId: Uint8Array) {
    this.#file = file
    this.#logId = logId
    this.#window = new Window(file, sizeBytes)
  }

  /** As `readRecord`. Without `into` the result has memory of its own. */
  async read(position: LogPosition, into?: Uint8Array): Promise<ReadRecord> {
    if (position.lengthBytes > NEIGHBOUR_BYTES_MAX) {
      return readRecord(this.#file, position, this.#logId, into)
    }
    const found = await this.#window.at(position.offset, position.lengthBytes)
    const bytes = bufferFor(position, into)
    bytes.set(found.subarray(0, bytes.length))
    return decode(bytes.subarray(0, Math.min(found.length, bytes.length)), position, this.#logId)
  }
}

/** For checkers only: it blocks the event loop until the disk answers. */
export function readRecordSync(
  file: DiskFile,
  position: LogPosition,
  logId: Uint8Array,
): ReadRecord {
  const bytes = bufferFor(position, undefined)
  const length = file.readSync(bytes, position.offset)
  return decode(bytes.subarray(0, length), position, logId)
}

/** Memory of exactly the record's length. */
function bufferFor(position: LogPosition, into: Uint8Array | undefined): Uint8Array {
  if (into === undefined) return new Uint8Array(position.lengthBytes)
  assert(into.length >= position.lengthBytes, 'the buffer is too small')
  return into.subarray(0, position.lengthBytes)
}

/** `bytes` is what was read at the position, in memory that the caller owns: the result has views of it. */
function decode(bytes: Uint8Array, position: LogPosition, logId: Uint8Array): ReadRecord {
  const header = decodeRecordHeader(bytes, 0, logId, position)
  if (typeof header === 'string') throw faultError(header, position)
  if (headerRecordBytes(header) !== position.lengthBytes) throw faultError('MISDIRECTED', position)
  const body = decodeRecordBody(bytes, 0, header)
  if (typeof body === 'string') throw faultError('CHECKSUM_MISMATCH', position)
  const { type, partition, key, sequence, payloadBytes, payloadHash } = header
  if (payloadBytes === 0) return { type, partition, key, body, sequence, payloadHash }
  const payloadAt = position.lengthBytes - align(payloadBytes)
  const payload = bytes.subarray(payloadAt, payloadAt + payloadBytes)
  if (!equalBytes(blake3(payload), payloadHash)) throw faultError('CHECKSUM_MISMATCH', position)
  return { type, partition, key, body, payload, sequence, payloadHash }
}

/** The LogError for what is wrong with the bytes at a position. */
function faultError(fault: RecordFault, position: LogPosition): LogError {
  const where = `segment ${position.segment}, offset ${position.offset}`
  switch (fault) {
    case 'UNKNOWN_VERSION':
      return new LogError('UNKNOWN_VERSION', `a record of a later version at ${where}`)
    case 'MISDIRECTED':
      return new LogError('MISDIRECTED', `a record of another place at ${where}`)
    case 'NOT_A_RECORD':
      return new LogError('MISDIRECTED', `no record at ${where}`)
    case 'TRUNCATED':
    case 'CHECKSUM_MISMATCH':
      return new LogError('CHECKSUM_MISMATCH', `a damaged record at ${where}`)
  }
}
