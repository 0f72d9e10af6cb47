/**
 * The batch that gathers while a flush runs. Records are encoded as they come: their place is known, because
 * batches follow each other on the disk. Small payloads are copied into the batch's chunks, large ones are written
 * from the caller's memory. The bytes of a batch: segment.ts, those of a record: protocol/codec/record.ts.
 *
 * A batch is used in this order: `add` for each record, `finish` once, the write and the flush of its buffers,
 * `addHints`, `release`. Called by pending-batches.ts and log.ts, and by kept-tail.ts for a tail that stays in its
 * place.
 *
 * Invariants:
 *   - it begins on a page, at or after the end of all that is flushed
 *   - its first chunk begins with room for the batch header, which `finish` fills
 *   - `positions[i]` is the place of `records[i]`, whose sequence is `firstSequence` + i
 *   - chunks go back to the pool only after the write has ended, in success or failure
 */

import { assert } from '../../protocol/assert.ts'
import {
  align,
  encodeRecordMeta,
  RECORD_ALIGNMENT,
  recordMetaBytes,
} from '../../protocol/codec/record.ts'
import type { ByteString } from '../../protocol/ids.ts'
import { blake3 } from '../../protocol/hash.ts'
import { poison } from '../tools/poison.ts'
import {
  BATCH_HEADER_BYTES,
  encodeBatchHeader,
  FIRST_BATCH_AT,
  isBefore,
  PAGE_BYTES,
  pageEnd,
  type HintTable,
  type LogEnd,
} from './segment.ts'
import type { LogPosition, NewRecord } from './types.ts'

/** A payload up to this is copied: fewer buffers for the system call than it would save in copying. */
const COPIED_PAYLOAD_BYTES_MAX = 32 << 10
const CHUNK_BYTES = 256 << 10
const POOLED_CHUNKS_MAX = 16

/** Chunks are used again: to allocate one costs more than to fill it. */
export class ChunkPool {
  private readonly free: Uint8Array[] = []

  /** A chunk of at least `minBytes`, with any content. */
  take(minBytes: number): Uint8Array {
    if (minBytes > CHUNK_BYTES) return new Uint8Array(minBytes)
    return this.free.pop() ?? new Uint8Array(CHUNK_BYTES)
  }

  /** Chunks of another size, and those that are too many, are left to the garbage collector. */
  give(chunk: Uint8Array): void {
    poison(chunk)
    if (chunk.length === CHUNK_BYTES && this.free.length < POOLED_CHUNKS_MAX) this.free.push(chunk)
  }
}

/** One call of append: it resolves or rejects as a whole. */
export interface Waiter {
  readonly positions: LogPosition[]
  resolve(positions: LogPosition[]): void
  reject(error: Error): void
}

/** What one flush makes durable: the records of one or more appends. */
export class Batch {
  /** Where its header is written. */
  readonly start: LogEnd
  /** The sequence of its first record. */
  readonly firstSequence: number
  /** The first of its segment: the file has to be made for it. */
  readonly startsSegment: boolean
  readonly records: NewRecord[] = []
  readonly positions: LogPosition[] = []
  /** The appends that wait for it. */
  readonly waiters: Waiter[] = []
  /** The records' keys: compaction asks for each record that it copies whether its key is among them. */
  readonly keys = new Set<ByteString>()
  /** With the header, and without the padding up to the next page. It grows with each record. */
  lengthBytes = BATCH_HEADER_BYTES

  private readonly logId: Uint8Array
  private readonly pool: ChunkPool
  private readonly chunks: Uint8Array[] = []
  /** What is written, in order: parts of chunks, and large payloads from the caller's memory. */
  private readonly buffers: Uint8Array[] = []
  private chunk: Uint8Array
  /** Up to where the chunk is filled, and up to where that is among `buffers`. */
  private filled = BATCH_HEADER_BYTES
  private pushed = 0

  constructor(
    start: LogEnd,
    firstSequence: number,
    startsSegment: boolean,
    logId: Uint8Array,
    pool: ChunkPool,
  ) {
    assert(
      start.offset >= FIRST_BATCH_AT && start.offset % PAGE_BYTES === 0,
      'a batch begins on a page',
    )
    assert(firstSequence >= 0, 'a sequence counts from 0')
    this.start = start
    this.firstSequence = firstSequence
    this.startsSegment = startsSegment
    this.logId = logId
    this.pool = pool
    this.chunk = pool.take(0)
    this.chunks.push(this.chunk)
  }

  /** Where the next batch begins. */
  get end(): LogEnd {
    return { segment: this.start.segment, offset: pageEnd(this.start.offset + this.lengthBytes) }
  }

  /**
   * Encodes a record behind those before it, and hashes its payload unless the caller knows the hash. `more`:
   * another record of the same append comes next. The result is where the record will be.
   */
  add(record: NewRecord, more: boolean): LogPosition {
    const { payload } = record
    const payloadBytes = payload?.length ?? 0
    const metaBytes = recordMetaBytes(record.key.length, record.body.length)
    const copied = payloadBytes > 0 && payloadBytes <= COPIED_PAYLOAD_BYTES_MAX
    this.reserve(metaBytes + (copied ? align(payloadBytes) : 0))

    const position: LogPosition = {
      segment: this.start.segment,
      offset: this.start.offset + this.lengthBytes,
      lengthBytes: metaBytes + align(payloadBytes),
    }
    this.filled += encodeRecordMeta(
      this.chunk,
      this.filled,
      {
        type: record.type,
        partition: record.partition,
        sequence: this.firstSequence + this.records.length,
        segment: position.segment,
        offset: position.offset,
        key: record.key,
        body: record.body,
        payloadBytes,
        payloadHash: payloadBytes === 0 ? undefined : (record.payloadHash ?? blake3(payload!)),
        more,
      },
      this.logId,
    )
    if (payloadBytes > 0) {
      if (copied) this.copy(payload as Uint8Array)
      else this.refer(payload as Uint8Array)
    }
    assert(position.lengthBytes % RECORD_ALIGNMENT === 0, 'a record ends where the next may begin')
    this.lengthBytes += position.lengthBytes
    this.records.push(record)
    this.keys.add(record.key)
    this.positions.push(position)
    return position
  }

  /**
   * All buffers in order, to be written at `start.offset`. `flushed`: up to where the log is flushed now. The batch's
   * header says so, and proves it to a later start (D4).
   */
  finish(flushed: LogEnd): Uint8Array[] {
    assert(this.records.length > 0, 'a batch holds records')
    assert(!isBefore(this.start, flushed), 'a batch overwrites nothing that is flushed')
    this.pushChunk()
    encodeBatchHeader(
      this.chunks[0] as Uint8Array,
      {
        kind: 'records',
        segment: this.start.segment,
        offset: this.start.offset,
        firstSequence: this.firstSequence,
        lengthBytes: this.lengthBytes,
        count: this.records.length,
        flushed,
      },
      this.logId,
    )
    return this.buffers
  }

  /** Notes its records for the footer of its segment. Call it once the batch is flushed. */
  addHints(table: HintTable): void {
    for (let i = 0; i < this.records.length; i++) {
      const record = this.records[i] as NewRecord
      const position = this.positions[i] as LogPosition
      table.push({
        offset: position.offset,
        lengthBytes: position.lengthBytes,
        metaBytes: recordMetaBytes(record.key.length, record.body.length),
        partition: record.partition,
        type: record.type,
      })
    }
  }

  /** Its buffers are not in use any more. */
  release(): void {
    for (const chunk of this.chunks) this.pool.give(chunk)
    this.chunks.length = 0
    this.buffers.length = 0
  }

  /** Makes room for `bytes` in one chunk: a record's header, key and body are never split. */
  private reserve(bytes: number): void {
    if (this.filled + bytes <= this.chunk.length) return
    this.pushChunk()
    this.chunk = this.pool.take(bytes)
    this.chunks.push(this.chunk)
    this.filled = 0
    this.pushed = 0
  }

  /** Puts a small payload and its padding into the chunk, where `reserve` has made room for it. */
  private copy(payload: Uint8Array): void {
    this.chunk.set(payload, this.filled)
    const padded = align(payload.length)
    this.chunk.fill(0, this.filled + payload.length, this.filled + padded)
    this.filled += padded
    assert(this.filled <= this.chunk.length, 'room was made for the payload and its padding')
  }

  /** Puts a large payload among the buffers as it is. Only its padding needs a chunk. */
  private refer(payload: Uint8Array): void {
    this.pushChunk()
    this.buffers.push(payload)
    const padding = align(payload.length) - payload.length
    this.reserve(padding)
    this.chunk.fill(0, this.filled, this.filled + padding)
    this.filled += padding
  }

  /** Puts what is new in the chunk among the buffers. */
  private pushChunk(): void {
    assert(this.filled <= this.chunk.length, 'a chunk has room for what was put into it')
    if (this.filled > this.pushed) this.buffers.push(this.chunk.subarray(this.pushed, this.filled))
    this.pushed = this.filled
  }
}
