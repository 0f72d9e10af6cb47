/**
 * Reads a segment from the disk batch by batch, record by record, without payloads. It only says what it finds.
 * Whether a bad stretch is a torn tail or corruption depends on what was flushed (D4); recovery.ts knows that.
 *
 *  1. Where a batch header is sound, its records are read one after the other. After a bad record header the walk
 *     goes on at the next sound one of the batch, and what is between is damage without an identity.
 *  2. Where it is not, the next sound batch header is searched page by page, and the records of the stretch up to
 *     there one by one: each says itself where it belongs, and to which log.
 *  3. A record with a sound header and a bad body is damage with an identity.
 *
 * Payloads are not looked at: they are verified when they are read. Called by a start, by compaction and scrub (through
 * Store.walk), and by `shoal log inspect`.
 */

import {
  decodeRecordBody,
  decodeRecordHeader,
  headerRecordBytes,
  isRecordFault,
  RECORD_ALIGNMENT,
  RECORD_BODY_BYTES_MAX,
  RECORD_HEADER_BYTES,
  RECORD_KEY_BYTES_MAX,
  RECORD_PAYLOAD_BYTES_MAX,
  recordMetaBytes,
  type RecordHeader,
} from '../../protocol/codec/record.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import {
  BATCH_HEADER_BYTES,
  decodeBatchHeader,
  decodeSegmentHeader,
  FIRST_BATCH_AT,
  PAGE_BYTES,
  pageEnd,
  SEGMENT_HEADER_BYTES,
  type BatchHeader,
  type LogEnd,
} from './segment.ts'
import type { Damage, LogPosition, StoredRecord } from './types.ts'
import { Window } from './window.ts'
import type { DiskFile } from '../env/ports.ts'

/** Bytes that are read at once in the search for a record header. */
const SEARCHED_BYTES = 64 << 10

/** A record whose header and body are sound. `body` is a copy. */
export interface WalkedRecord {
  readonly header: RecordHeader
  readonly body: Uint8Array
  readonly position: LogPosition
}

/** A batch, or a stretch of pages without a sound batch header. */
export interface WalkedBatch {
  readonly start: LogEnd
  /** Where the next batch may begin. */
  readonly end: LogEnd
  /** Undefined for a stretch whose batch header is damaged: it goes up to the next sound one. */
  readonly header: BatchHeader | undefined
  /** Records whose header and body are sound, in order. */
  readonly records: readonly WalkedRecord[]
  /** In the order of their places, not mixed with `records`. */
  readonly damage: readonly Damage[]
}

/**
 * Batches from `from` on. A stretch with a damaged batch header ends at the next sound header. The walk ends where no
 * sound header follows, so bytes after the last batch are not reported.
 */
export async function* walkSegment(
  file: DiskFile,
  segment: number,
  from: number,
  logId: Uint8Array,
  /** The sequence of the first record there, if it is known. */
  firstSequence?: number,
): AsyncGenerator<WalkedBatch> {
  const window = new Window(file, await file.sizeBytes())
  let sequence = from <= FIRST_BATCH_AT ? await firstSequenceOf(window, logId) : firstSequence
  for (let offset = from; offset < window.sizeBytes;) {
    const start: LogEnd = { segment, offset }
    const header = decodeBatchHeader(await window.at(offset, BATCH_HEADER_BYTES), 0, start, logId)
    let end: number
    if (header === undefined) {
      const next = await nextBatch(window, segment, offset + PAGE_BYTES, logId)
      if (next === undefined) return
      end = next
    } else {
      end = pageEnd(offset + header.lengthBytes)
    }
    let content: Content = { records: [], damage: [] }
    if (header === undefined) {
      content = await salvage(window, segment, offset, end, logId)
      // Sequences have no gaps. When none is missing, only the batch's own header is lost.
      const next = decodeBatchHeader(
        await window.at(end, BATCH_HEADER_BYTES),
        0,
        { segment, offset: end },
        logId,
      )
      if (next !== undefined && sequence !== undefined) {
        content = judged(content, next.firstSequence - sequence)
      }
    } else if (header.kind === 'records') {
      content = await walkRecords(window, header, logId)
    }
    if (header === undefined) sequence = undefined
    else sequence = header.firstSequence + countOfRecords(header)
    yield { start, end: { segment, offset: end }, header, ...content }
    offset = end
  }
}

/** The sound records of a segment in order, without their payloads, and what is damaged among them. */
export async function* storedRecords(
  file: DiskFile,
  segment: number,
  from: number,
  logId: Uint8Array,
): AsyncGenerator<StoredRecord | Damage> {
  for await (const batch of walkSegment(file, segment, from, logId)) {
    for (const { header, body, position } of batch.records) {
      const { type, partition, key } = header
      yield { record: { type, partition, key, body }, position }
    }
    yield* batch.damage
  }
}

/** When no record is missing, damage without an identity is only the batch's own header and padding: it is left out. */
function judged({ records, damage }: Content, missing: number): Content {
  const named = damage.filter(({ identity }) => identity !== undefined)
  return { records, damage: records.length + named.length === missing ? named : damage }
}

/** What the segment's own header says. Undefined where it is damaged, or is that of another log. */
async function firstSequenceOf(window: Window, logId: Uint8Array): Promise<number | undefined> {
  const header = decodeSegmentHeader(await window.at(0, SEGMENT_HEADER_BYTES))
  if (typeof header === 'string' || !equalBytes(header.logId, logId)) return undefined
  return header.firstSequence
}

function countOfRecords(header: BatchHeader): number {
  return header.kind === 'records' ? header.count : 0
}

/**
 * Finds the records of a stretch without a sound batch header. `missing`: how many records it must have held, if
 * that is known.
 */
export async function salvageStretch(
  file: DiskFile,
  start: LogEnd,
  end: number,
  logId: Uint8Array,
  missing: number | undefined,
): Promise<WalkedBatch> {
  const window = new Window(file, await file.sizeBytes())
  const found = await salvage(window, start.segment, start.offset, end, logId)
  const content = missing === undefined ? found : judged(found, missing)
  const { segment, offset } = start
  return {
    start: { segment, offset },
    end: { segment, offset: end },
    header: undefined,
    ...content,
  }
}

/** What was found so far. Both lists are in the order of their places. */
interface Content {
  readonly records: WalkedRecord[]
  readonly damage: Damage[]
}

/** The records of a batch whose header is sound. */
async function walkRecords(
  window: Window,
  batch: BatchHeader,
  logId: Uint8Array,
): Promise<Content> {
  const content: Content = { records: [], damage: [] }
  const end = batch.offset + batch.lengthBytes
  for (let offset = batch.offset + BATCH_HEADER_BYTES; offset < end;) {
    const next = await walkRecord(window, batch.segment, offset, end, logId, content)
    if (next !== undefined) {
      offset = next
      continue
    }
    const resumed = await nextRecord(window, batch.segment, offset + RECORD_ALIGNMENT, end, logId)
    content.damage.push({ segment: batch.segment, offset, lengthBytes: resumed - offset })
    offset = resumed
  }
  return content
}

/** Records inside a stretch whose batch header is lost. */
async function salvage(
  window: Window,
  segment: number,
  start: number,
  end: number,
  logId: Uint8Array,
): Promise<Content> {
  const content: Content = { records: [], damage: [] }
  let bad = start
  for (let offset = start; offset < end;) {
    const next = await walkRecord(window, segment, offset, end, logId, content)
    if (next === undefined) {
      offset = await nextRecord(window, segment, offset + RECORD_ALIGNMENT, end, logId)
      continue
    }
    if (offset > bad) content.damage.push({ segment, offset: bad, lengthBytes: offset - bad })
    bad = next
    offset = next
  }
  // After the last record there may be padding or a lost record: they can't be told apart here.
  if (bad < end) content.damage.push({ segment, offset: bad, lengthBytes: end - bad })
  return content
}

/** Where the record at `offset` ends. Undefined when no record with a sound header begins there. */
async function walkRecord(
  window: Window,
  segment: number,
  offset: number,
  end: number,
  logId: Uint8Array,
  content: Content,
): Promise<number | undefined> {
  let bytes = await window.at(offset, Math.min(end - offset, RECORD_HEADER_BYTES + 4_096))
  let header = decodeRecordHeader(bytes, 0, logId, { segment, offset })
  if (header === 'TRUNCATED' && bytes.length >= RECORD_HEADER_BYTES) {
    bytes = await window.at(
      offset,
      Math.min(end - offset, RECORD_HEADER_BYTES + RECORD_KEY_BYTES_MAX),
    )
    header = decodeRecordHeader(bytes, 0, logId, { segment, offset })
  }
  if (isRecordFault(header) || !isPlausible(header)) return undefined
  const lengthBytes = headerRecordBytes(header)
  if (offset + lengthBytes > end) return undefined
  const position: LogPosition = { segment, offset, lengthBytes }
  const metaBytes = recordMetaBytes(header.key.length, header.bodyBytes)
  if (bytes.length < metaBytes) bytes = await window.at(offset, metaBytes)
  const body = decodeRecordBody(bytes, 0, header)
  if (typeof body === 'string') {
    const { type, partition, key } = header
    content.damage.push({ ...position, identity: { type, partition, key } })
  } else {
    content.records.push({ header, body: body.slice(), position })
  }
  return offset + lengthBytes
}

/**
 * A sound header that announces more than any record has is not followed: it would lead past all that comes
 * after it.
 */
function isPlausible(header: RecordHeader): boolean {
  return (
    header.bodyBytes <= RECORD_BODY_BYTES_MAX && header.payloadBytes <= RECORD_PAYLOAD_BYTES_MAX
  )
}

/** The offset of the next sound record header below `end`, otherwise `end`. */
async function nextRecord(
  window: Window,
  segment: number,
  from: number,
  end: number,
  logId: Uint8Array,
): Promise<number> {
  for (let offset = from; offset < end;) {
    const bytes = await window.at(offset, Math.min(end - offset, SEARCHED_BYTES))
    const stop = Math.min(bytes.length - 4, end - offset - 1)
    let found: number | undefined
    for (let i = 0; i <= stop && found === undefined; i += RECORD_ALIGNMENT) {
      // "SHLR" first: hashing at each multiple of 8 would take long.
      if (bytes[i] === 0x53 && bytes[i + 1] === 0x48 && bytes[i + 2] === 0x4c) found = i
    }
    if (found === undefined) {
      if (bytes.length < SEARCHED_BYTES) return end
      offset += SEARCHED_BYTES
      continue
    }
    offset += found
    const wanted = Math.min(end - offset, RECORD_HEADER_BYTES + RECORD_KEY_BYTES_MAX)
    const header = decodeRecordHeader(await window.at(offset, wanted), 0, logId, {
      segment,
      offset,
    })
    if (!isRecordFault(header)) return offset
    offset += RECORD_ALIGNMENT
  }
  return end
}

/** The offset of the next page that begins with a sound batch header of this place and log. */
async function nextBatch(
  window: Window,
  segment: number,
  from: number,
  logId: Uint8Array,
): Promise<number | undefined> {
  for (let offset = from; offset < window.sizeBytes; offset += PAGE_BYTES) {
    const bytes = await window.at(offset, BATCH_HEADER_BYTES)
    if (decodeBatchHeader(bytes, 0, { segment, offset }, logId) !== undefined) return offset
  }
  return undefined
}
