/**
 * A segment: one file of the log. Integers are big-endian.
 *
 * ```
 * file     := header, then at multiples of 4 KiB: batch … batch, footer
 *
 * header   0  SHLG | version | 0 0 0 | segment (32) | 0 (32)                          0 .. 16
 *          16 log id (16)                                                            16 .. 32
 *          32 first sequence (48) | zeros                                            32 .. 48
 *          48 BLAKE3 of 0..48 (first 16 bytes)                                       48 .. 64
 *
 * batch    0  SHLB | version | kind | 0 0 | segment (32) | offset (32)                0 .. 16
 *          16 first sequence (48) | 0 0 | length (32) | count (32)                   16 .. 32
 *          32 flushed segment (32) | flushed offset (32) | zeros                     32 .. 48
 *          48 BLAKE3 of 0..48 and the log id (first 16 bytes)                        48 .. 64
 *          64 records (kind 1) or, in a footer (kind 2), one hint for each record
 *
 * hint     offset (32) | length (32) | meta length (32) | partition (16) | type (8) | 0
 * footer   batch header, hints, BLAKE3 of the hints (32)
 * ```
 *
 * A batch is what one flush makes durable. It begins on a new page of 4 KiB, so that a torn write can't touch an
 * acknowledged record. "flushed" says up to where the log was durable before this batch was written. So each batch
 * proves that the one before it was flushed (D4).
 */

import { assert } from '../../protocol/assert.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  getU16,
  getU32,
  getU48,
  LOG_ID_BYTES,
  putU16,
  putU32,
  putU48,
} from '../../protocol/codec/record.ts'
import { equalBytes } from '../../protocol/bytes.ts'

export const SEGMENT_VERSION = 1
/** Batches begin at multiples of it. */
export const PAGE_BYTES = 4_096
export const SEGMENT_HEADER_BYTES = 64
export const BATCH_HEADER_BYTES = 64
export const HINT_BYTES = 16
/** The first batch of a segment. */
export const FIRST_BATCH_AT = PAGE_BYTES
/** In the data directory. */
export const LOG_DIRECTORY = 'log'

const SEGMENT_MAGIC = 0x53484c47
const BATCH_MAGIC = 0x53484c42
const CHECKSUM_AT = 48
const CHECKSUM_BYTES = 16

/** A footer ends a segment that is sealed. */
export type BatchKind = 'records' | 'footer'

/** A place between batches. Places are ordered by segment, then by offset. */
export interface LogEnd {
  readonly segment: number
  readonly offset: number
}

/** What a batch's first 64 bytes say. Sizes and offsets are in bytes. */
export interface BatchHeader {
  readonly kind: BatchKind
  readonly segment: number
  readonly offset: number
  readonly firstSequence: number
  /** With the header, without the padding up to the next batch. */
  readonly lengthBytes: number
  readonly count: number
  /** Up to where the log was durable when this batch was written. In a footer: where the footer begins. */
  readonly flushed: LogEnd
}

/** Where a record of the segment is, without its key. */
export interface Hint {
  readonly offset: number
  readonly lengthBytes: number
  readonly metaBytes: number
  readonly partition: number
  readonly type: number
}

/** Relative to the data directory: 'log/0000000007.seg'. */
export function segmentPath(segment: number): string {
  return `${LOG_DIRECTORY}/${String(segment).padStart(10, '0')}.seg`
}

/** The number in a segment's file name. Undefined for other files. */
export function segmentOfName(name: string): number | undefined {
  const match = /^(\d{10})\.seg$/.exec(name)
  return match === null ? undefined : Number(match[1])
}

/** `offset` rounded up to a whole page: where a batch after it may begin. */
export function pageEnd(offset: number): number {
  return Math.ceil(offset / PAGE_BYTES) * PAGE_BYTES
}

/** Nothing was ever appended: no segment has the number 0. */
export const EMPTY_LOG: LogEnd = { segment: 0, offset: 0 }

/** Whether `a` is an earlier place of the log than `b`. */
export function isBefore(a: LogEnd, b: LogEnd): boolean {
  return a.segment < b.segment || (a.segment === b.segment && a.offset < b.offset)
}

/** `firstSequence`: that of the first record which the segment will hold. */
export function encodeSegmentHeader(
  segment: number,
  firstSequence: number,
  logId: Uint8Array,
): Uint8Array {
  assert(segment > 0, 'no segment has the number 0')
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  putU32(bytes, 0, SEGMENT_MAGIC)
  bytes[4] = SEGMENT_VERSION
  putU32(bytes, 8, segment)
  bytes.set(logId, 16)
  putU48(bytes, 32, firstSequence)
  bytes.set(blake3(bytes.subarray(0, CHECKSUM_AT)).subarray(0, CHECKSUM_BYTES), CHECKSUM_AT)
  return bytes
}

export type SegmentHeader =
  | { readonly logId: Uint8Array; readonly segment: number; readonly firstSequence: number }
  | 'INVALID'
  | 'UNKNOWN_VERSION'

/**
 * INVALID: torn, damaged, or no segment header. UNKNOWN_VERSION: sound, and of a later version of the program
 * (F20).
 */
export function decodeSegmentHeader(bytes: Uint8Array): SegmentHeader {
  if (bytes.length < SEGMENT_HEADER_BYTES || getU32(bytes, 0) !== SEGMENT_MAGIC) return 'INVALID'
  const checksum = blake3(bytes.subarray(0, CHECKSUM_AT)).subarray(0, CHECKSUM_BYTES)
  if (!equalBytes(checksum, bytes.subarray(CHECKSUM_AT, SEGMENT_HEADER_BYTES))) return 'INVALID'
  // The checksum is sound, so a later version of the program wrote it.
  if (bytes[4] !== SEGMENT_VERSION) return 'UNKNOWN_VERSION'
  return {
    segment: getU32(bytes, 8),
    logId: bytes.slice(16, 16 + LOG_ID_BYTES),
    firstSequence: getU48(bytes, 32),
  }
}

/**
 * Writes 64 bytes at the start of `into`. The checksum also covers the log's id, so a header of another log is
 * not sound here.
 */
export function encodeBatchHeader(into: Uint8Array, header: BatchHeader, logId: Uint8Array): void {
  assert(header.offset % PAGE_BYTES === 0, 'a batch begins on a page')
  assert(
    !isBefore(header, header.flushed),
    'a batch is written where the flushed log ends, or later',
  )
  into.fill(0, 0, BATCH_HEADER_BYTES)
  putU32(into, 0, BATCH_MAGIC)
  into[4] = SEGMENT_VERSION
  into[5] = header.kind === 'records' ? 1 : 2
  putU32(into, 8, header.segment)
  putU32(into, 12, header.offset)
  putU48(into, 16, header.firstSequence)
  putU32(into, 24, header.lengthBytes)
  putU32(into, 28, header.count)
  putU32(into, 32, header.flushed.segment)
  putU32(into, 36, header.flushed.offset)
  // As in a record: the log's id is hashed in the place of the checksum.
  into.set(logId, CHECKSUM_AT)
  const checksum = blake3(into.subarray(0, BATCH_HEADER_BYTES)).subarray(0, CHECKSUM_BYTES)
  into.set(checksum, CHECKSUM_AT)
}

/** The batch that begins at `at` of these bytes and at `offset` of the segment, if a sound one does. */
export function decodeBatchHeader(
  from: Uint8Array,
  at: number,
  expected: LogEnd,
  logId: Uint8Array,
): BatchHeader | undefined {
  if (from.length - at < BATCH_HEADER_BYTES || getU32(from, at) !== BATCH_MAGIC) return undefined
  if (from[at + 4] !== SEGMENT_VERSION) return undefined
  const hashed = from.slice(at, at + BATCH_HEADER_BYTES)
  hashed.set(logId, CHECKSUM_AT)
  const checksum = blake3(hashed).subarray(0, CHECKSUM_BYTES)
  if (!equalBytes(checksum, from.subarray(at + CHECKSUM_AT, at + BATCH_HEADER_BYTES))) {
    return undefined
  }
  const header: BatchHeader = {
    kind: from[at + 5] === 1 ? 'records' : 'footer',
    segment: getU32(from, at + 8),
    offset: getU32(from, at + 12),
    firstSequence: getU48(from, at + 16),
    lengthBytes: getU32(from, at + 24),
    count: getU32(from, at + 28),
    flushed: { segment: getU32(from, at + 32), offset: getU32(from, at + 36) },
  }
  return header.segment === expected.segment && header.offset === expected.offset
    ? header
    : undefined
}

/** The hints of the open segment. It grows with every flush. */
export class HintTable {
  private bytes = new Uint8Array(64 * HINT_BYTES)
  private used = 0

  get count(): number {
    return this.used / HINT_BYTES
  }

  push(hint: Hint): void {
    if (this.used === this.bytes.length) {
      const larger = new Uint8Array(2 * this.bytes.length)
      larger.set(this.bytes)
      this.bytes = larger
    }
    putU32(this.bytes, this.used, hint.offset)
    putU32(this.bytes, this.used + 4, hint.lengthBytes)
    putU32(this.bytes, this.used + 8, hint.metaBytes)
    putU16(this.bytes, this.used + 12, hint.partition)
    this.bytes[this.used + 14] = hint.type
    this.used += HINT_BYTES
  }

  /** The whole footer, batch header included. */
  encodeFooter(at: LogEnd, sequence: number, logId: Uint8Array): Uint8Array {
    const lengthBytes = BATCH_HEADER_BYTES + this.used + 32
    const footer = new Uint8Array(lengthBytes)
    encodeBatchHeader(
      footer,
      {
        ...at,
        kind: 'footer',
        firstSequence: sequence,
        lengthBytes,
        count: this.count,
        flushed: at,
      },
      logId,
    )
    const hints = this.bytes.subarray(0, this.used)
    footer.set(hints, BATCH_HEADER_BYTES)
    footer.set(blake3(hints), BATCH_HEADER_BYTES + this.used)
    return footer
  }
}

/** The hints of a footer whose header was decoded. Undefined when they are damaged. */
export function decodeHints(footer: Uint8Array, header: BatchHeader): Hint[] | undefined {
  const end = BATCH_HEADER_BYTES + header.count * HINT_BYTES
  if (footer.length < end + 32) return undefined
  const hints = footer.subarray(BATCH_HEADER_BYTES, end)
  if (!equalBytes(blake3(hints), footer.subarray(end, end + 32))) return undefined
  const decoded: Hint[] = []
  for (let at = 0; at < hints.length; at += HINT_BYTES) {
    decoded.push({
      offset: getU32(hints, at),
      lengthBytes: getU32(hints, at + 4),
      metaBytes: getU32(hints, at + 8),
      partition: getU16(hints, at + 12),
      type: hints[at + 14] as number,
    })
  }
  return decoded
}
