/**
 * The batch that gathers while a flush runs. Records are encoded as they come: their place is known, because
 * batches follow each other on the disk. Small payloads are copied into the batch's chunks, large ones are written
 * from the caller's memory.
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

  take(minBytes: number): Uint8Array {
    if (minBytes > CHUNK_BYTES) return new Uint8Array(minBytes)
    return this.free.pop() ?? new Uint8Array(CHUNK_BYTES)
  }

  give(chunk: Uint8Array): void {
    if (chunk.length === CHUNK_BYTES && this.free.length < POOLED_CHUNKS_MAX) this.free.push(chunk)
  }
}

/** One call of append: it resolves or rejects as a whole. */
export interface Waiter {
  readonly positions: LogPosition[]
  resolve(positions: LogPosition[]): void
  reject(error: Error): void
}

export class Batch {
  readonly start: LogEnd
  readonly firstSequence: number
  /** The first of its segment: the file has to be made for it. */
  readonly startsSegment: boolean
  readonly records: NewRecord[] = []
  readonly positions: LogPosition[] = []
  readonly waiters: Waiter[] = []
  /** The records' keys: compaction asks for each record that it copies whether its key is among them. */
  readonly keys = new Set<ByteString>()
  lengthBytes = BATCH_HEADER_BYTES

  private readonly logId: Uint8Array
  private readonly pool: ChunkPool
  private readonly chunks: Uint8Array[] = []
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

  /** `more`: another record of the same append comes next. */
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

  /** All buffers in order, to be written at `start.offset`. */
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

  private reserve(bytes: number): void {
    if (this.filled + bytes <= this.chunk.length) return
    this.pushChunk()
    this.chunk = this.pool.take(bytes)
    this.chunks.push(this.chunk)
    this.filled = 0
    this.pushed = 0
  }

  private copy(payload: Uint8Array): void {
    this.chunk.set(payload, this.filled)
    const padded = align(payload.length)
    this.chunk.fill(0, this.filled + payload.length, this.filled + padded)
    this.filled += padded
  }

  private refer(payload: Uint8Array): void {
    this.pushChunk()
    this.buffers.push(payload)
    const padding = align(payload.length) - payload.length
    this.reserve(padding)
    this.chunk.fill(0, this.filled, this.filled + padding)
    this.filled += padding
  }

  private pushChunk(): void {
    assert(this.filled <= this.chunk.length, 'a chunk has room for what was put into it')
    if (this.filled > this.pushed) this.buffers.push(this.chunk.subarray(this.pushed, this.filled))
    this.pushed = this.filled
  }
}
