/**
 * A record of the log, as it is stored in a segment. Integers are big-endian.
 *
 * ```
 *  0       4   5   6       8               14      16
 *  +-------+---+---+-------+---------------+-------+
 *  | SHLR  | v | t | part. | sequence (48) | key l.|
 *  +-------+---+---+-------+-------+-------+-------+
 *  | segment (32)  | offset (32)   |m| body l. (31)| payload l. (32)      16 .. 32
 *  +---------------+---------------+---------------+
 *  | BLAKE3 of the payload (32 bytes; zeros when there is none)           32 .. 64
 *  | BLAKE3 of the body (first 16 bytes; zeros when there is none)        64 .. 80
 *  | BLAKE3 of bytes 0..80, the log's id and the key (first 16 bytes)     80 .. 96
 *  +-----------------------------------------------
 *  | key, body, zeros up to a multiple of 8
 *  | payload, zeros up to a multiple of 8
 * ```
 *
 * v is the version: an unknown one is refused, never guessed at. t is the caller's record type. m says
 * that more records of the same append follow: a torn tail is cut between appends, never inside one.
 *
 * Each of the three checksums answers a question of its own: which record is this (header), may it vote (body, A4), may
 * it be served (payload). The header names the segment and the offset, so that a misdirected
 * or stale write is found (F5). Its checksum is keyed by the log's random id, so that no client's payload can pose as
 * a record of this log.
 *
 * Called by node/log: batch.ts writes records, walk.ts and read.ts read them. A fault is a value here, since a disk may
 * hold anything. What the caller writes is asserted, since a record that breaks the format could never be read again.
 */

import { assert } from '../assert.ts'
import { blake3 } from '../hash.ts'
import type { ByteString } from '../ids.ts'

/** What is written into byte 4 of each record. */
export const RECORD_VERSION = 1
/** From the start of the record to its key. */
export const RECORD_HEADER_BYTES = 96
/**
 * A record, and its payload, begin at a multiple of it: a search for the next sound record looks only there.
 */
export const RECORD_ALIGNMENT = 8
export const LOG_ID_BYTES = 16
export const RECORD_KEY_BYTES_MAX = 0xffff
/** Bodies are read in replay, so they stay small; a manifest of 10,000 parts fits with room. */
export const RECORD_BODY_BYTES_MAX = 16 << 20
/** A header that announces more is not believed (node/log/walk.ts). */
export const RECORD_PAYLOAD_BYTES_MAX = 64 << 20

const MAGIC = 0x53484c52
const MORE_FLAG = 0x8000_0000
const BODY_CHECKSUM_AT = 64
const HEADER_CHECKSUM_AT = 80
const HALF_CHECKSUM_BYTES = 16

/** The fields of a header whose checksum was right. */
export interface RecordHeader {
  /** 1..255. */
  readonly type: number
  /** 0..65535. */
  readonly partition: number
  /** 48 bits; counts the log's records. */
  readonly sequence: number
  /** Where the record says that it was written: its segment, and bytes from the start of that file. */
  readonly segment: number
  readonly offset: number
  readonly key: ByteString
  readonly bodyBytes: number
  readonly payloadBytes: number
  /** BLAKE3-256 of the payload as it was written; 32 zeros without a payload. */
  readonly payloadHash: Uint8Array
  /** More records of the same append follow. */
  readonly more: boolean
}

/** Why no record was decoded. */
export type RecordFault =
  /** The bytes end before the header and key do. */
  | 'TRUNCATED'
  /** No record begins here. */
  | 'NOT_A_RECORD'
  | 'UNKNOWN_VERSION'
  | 'CHECKSUM_MISMATCH'
  /** A sound record, but of another place. */
  | 'MISDIRECTED'

/** `length` rounded up to a multiple of `alignment` bytes. */
export function align(length: number, alignment: number = RECORD_ALIGNMENT): number {
  return Math.ceil(length / alignment) * alignment
}

/** Header, key and body with their padding: what replay reads. */
export function recordMetaBytes(keyBytes: number, bodyBytes: number): number {
  return align(RECORD_HEADER_BYTES + keyBytes + bodyBytes)
}

/** What a record takes in a segment: `recordMetaBytes`, then the payload with its padding. */
export function recordBytes(keyBytes: number, bodyBytes: number, payloadBytes: number): number {
  return recordMetaBytes(keyBytes, bodyBytes) + align(payloadBytes)
}

/**
 * What `encodeRecordMeta` writes. The caller knows the record's place before: batches are laid out as they
 * gather.
 */
export interface RecordFields {
  readonly type: number
  readonly partition: number
  readonly sequence: number
  readonly segment: number
  readonly offset: number
  readonly key: ByteString
  readonly body: Uint8Array
  readonly payloadBytes: number
  /** 32 bytes; undefined when there is no payload. */
  readonly payloadHash: Uint8Array | undefined
  readonly more: boolean
}

/** Writes header, key, body and padding at `at`; the result is their length. */
export function encodeRecordMeta(
  into: Uint8Array,
  at: number,
  fields: RecordFields,
  logId: Uint8Array,
): number {
  const { key, body } = fields
  assert(fields.type >= 1 && fields.type <= 255, 'a record type is 1..255')
  assert(key.length <= RECORD_KEY_BYTES_MAX, 'the key of a record is too long')
  assert(body.length <= RECORD_BODY_BYTES_MAX, 'the body of a record is too long')
  assert(
    fields.payloadBytes > 0 === (fields.payloadHash !== undefined),
    'a payload has a hash, and nothing else has one',
  )
  assert(fields.payloadBytes <= RECORD_PAYLOAD_BYTES_MAX, 'the payload of a record is too long')
  assert(logId.length === LOG_ID_BYTES, 'the id of a log has 16 bytes')

  putU32(into, at, MAGIC)
  into[at + 4] = RECORD_VERSION
  into[at + 5] = fields.type
  putU16(into, at + 6, fields.partition)
  putU48(into, at + 8, fields.sequence)
  putU16(into, at + 14, key.length)
  putU32(into, at + 16, fields.segment)
  putU32(into, at + 20, fields.offset)
  putU32(into, at + 24, body.length + (fields.more ? MORE_FLAG : 0))
  putU32(into, at + 28, fields.payloadBytes)
  if (fields.payloadHash === undefined) into.fill(0, at + 32, at + 64)
  else into.set(fields.payloadHash, at + 32)

  const keyAt = at + RECORD_HEADER_BYTES
  for (let i = 0; i < key.length; i++) into[keyAt + i] = key.charCodeAt(i)
  const bodyAt = keyAt + key.length
  into.set(body, bodyAt)
  const length = recordMetaBytes(key.length, body.length)
  into.fill(0, bodyAt + body.length, at + length)

  if (body.length === 0) into.fill(0, at + BODY_CHECKSUM_AT, at + HEADER_CHECKSUM_AT)
  else copyHalf(blake3(body), into, at + BODY_CHECKSUM_AT)
  // Write the log's id where the checksum will be, so that one contiguous range is hashed.
  into.set(logId, at + HEADER_CHECKSUM_AT)
  copyHalf(blake3(into.subarray(at, bodyAt)), into, at + HEADER_CHECKSUM_AT)
  return length
}

/**
 * Reads and verifies the header and the key at `at`. The body is for `decodeRecordBody`, the payload for the caller.
 * `expected` is where the bytes were read from: a sound record of any other place is MISDIRECTED (F5).
 */
export function decodeRecordHeader(
  from: Uint8Array,
  at: number,
  logId: Uint8Array,
  expected?: { readonly segment: number; readonly offset: number },
): RecordHeader | RecordFault {
  if (from.length - at < RECORD_HEADER_BYTES) return 'TRUNCATED'
  if (getU32(from, at) !== MAGIC) return 'NOT_A_RECORD'
  if (from[at + 4] !== RECORD_VERSION) return 'UNKNOWN_VERSION'
  const keyBytes = getU16(from, at + 14)
  const bodyAt = at + RECORD_HEADER_BYTES + keyBytes
  if (bodyAt > from.length) return 'TRUNCATED'

  const hashed = from.slice(at, bodyAt)
  hashed.set(logId, HEADER_CHECKSUM_AT)
  if (!equalHalf(blake3(hashed), from, at + HEADER_CHECKSUM_AT)) return 'CHECKSUM_MISMATCH'

  const header: RecordHeader = {
    type: from[at + 5] as number,
    partition: getU16(from, at + 6),
    sequence: getU48(from, at + 8),
    segment: getU32(from, at + 16),
    offset: getU32(from, at + 20),
    key: latin1(from, at + RECORD_HEADER_BYTES, bodyAt),
    bodyBytes: getU32(from, at + 24) % MORE_FLAG,
    payloadBytes: getU32(from, at + 28),
    payloadHash: hashed.subarray(32, BODY_CHECKSUM_AT),
    more: getU32(from, at + 24) >= MORE_FLAG,
  }
  if (
    expected !== undefined &&
    (header.segment !== expected.segment || header.offset !== expected.offset)
  ) {
    return 'MISDIRECTED'
  }
  return header
}

/** The body of the record whose header was decoded at `at`, or why it can't be had. */
export function decodeRecordBody(
  from: Uint8Array,
  at: number,
  header: RecordHeader,
): Uint8Array | 'TRUNCATED' | 'CHECKSUM_MISMATCH' {
  const bodyAt = at + RECORD_HEADER_BYTES + header.key.length
  const end = bodyAt + header.bodyBytes
  if (end > from.length) return 'TRUNCATED'
  const body = from.subarray(bodyAt, end)
  if (body.length === 0) return body
  return equalHalf(blake3(body), from, at + BODY_CHECKSUM_AT) ? body : 'CHECKSUM_MISMATCH'
}

/** Tells the two results of `decodeRecordHeader` apart. */
export function isRecordFault(result: RecordHeader | RecordFault): result is RecordFault {
  return typeof result === 'string'
}

/** From the record's header to where the next record of its batch begins. */
export function headerRecordBytes(header: RecordHeader): number {
  return recordBytes(header.key.length, header.bodyBytes, header.payloadBytes)
}

/** A ByteString has one character for each byte. In steps, since a call takes a limited number of arguments. */
function latin1(from: Uint8Array, start: number, end: number): ByteString {
  let text = ''
  for (let at = start; at < end; at += 1024) {
    text += String.fromCharCode.apply(
      null,
      from.subarray(at, Math.min(at + 1024, end)) as unknown as number[],
    )
  }
  return text
}

function copyHalf(digest: Uint8Array, into: Uint8Array, at: number): void {
  for (let i = 0; i < HALF_CHECKSUM_BYTES; i++) into[at + i] = digest[i] as number
}

function equalHalf(digest: Uint8Array, from: Uint8Array, at: number): boolean {
  for (let i = 0; i < HALF_CHECKSUM_BYTES; i++) if (digest[i] !== from[at + i]) return false
  return true
}

// Integers as the log's files, the index and the messages have them: big-endian. The put functions assert the range: a
// number that was cut off would be read back as another one. 48 bits suffice for 2.8 * 10^14 records.

export function putU16(into: Uint8Array, at: number, value: number): void {
  assert(value >= 0 && value <= 0xffff && Number.isInteger(value), 'not 16 bits')
  into[at] = value >>> 8
  into[at + 1] = value
}

export function putU32(into: Uint8Array, at: number, value: number): void {
  assert(value >= 0 && value <= 0xffff_ffff && Number.isInteger(value), 'not 32 bits')
  into[at] = value >>> 24
  into[at + 1] = value >>> 16
  into[at + 2] = value >>> 8
  into[at + 3] = value
}

/** Up to 2^48 − 1. */
export function putU48(into: Uint8Array, at: number, value: number): void {
  putU16(into, at, Math.floor(value / 0x1_0000_0000))
  putU32(into, at + 2, value % 0x1_0000_0000)
}

export function getU16(from: Uint8Array, at: number): number {
  return ((from[at] as number) << 8) | (from[at + 1] as number)
}

export function getU32(from: Uint8Array, at: number): number {
  return getU16(from, at) * 0x1_0000 + getU16(from, at + 2)
}

export function getU48(from: Uint8Array, at: number): number {
  return getU16(from, at) * 0x1_0000_0000 + getU32(from, at + 2)
}
