/**
 * Batches that are not flushed yet: one is being written, others are full and wait for it, the last one gathers.
 *
 * Invariants:
 *   - each begins where the one before it ends, or in a new segment
 *   - their sequences follow each other without a gap
 *   - an append goes into one batch whole
 */

import { assert } from '../../protocol/assert.ts'
import type { ByteString } from '../../protocol/ids.ts'
import { Batch, ChunkPool } from './batch.ts'
import { FIRST_BATCH_AT, isBefore, type LogEnd } from './segment.ts'

/** A batch of this size takes no more records, so that no flush takes long. */
const BATCH_BYTES_MAX = 16 << 20
/** The index takes all records of a batch in one turn of the event loop. An append is never split. */
const BATCH_RECORDS_MAX = 1_000
/** Keeps the hints of a segment within 16 MiB. */
const SEGMENT_RECORDS_MAX = 1 << 20

/** What decides where a new batch goes. */
export interface LogTip {
  /** Flushed up to here: where the next batch goes when none is pending. */
  readonly flushedEnd: LogEnd
  readonly nextSequence: number
  /** The segment that takes appends, and how many records it has so far. */
  readonly open: { readonly segment: number; readonly records: number } | undefined
  /** This segment takes no more batches, however small it is. */
  readonly sealing: number | undefined
  /** The highest number that a segment ever had, that of `end` included. */
  readonly lastSegment: (end: LogEnd) => number
}

/** Used by log.ts: it knows the order, not the disk. */
export class PendingBatches {
  readonly pool = new ChunkPool()
  readonly #segmentSizeBytes: number
  readonly #logId: Uint8Array
  #writing: Batch | undefined
  readonly #ready: Batch[] = []
  #gathering: Batch | undefined

  constructor(segmentSizeBytes: number, logId: Uint8Array) {
    this.#segmentSizeBytes = segmentSizeBytes
    this.#logId = logId
  }

  /** The batch that these records go into: the one that gathers, or a new one where it has no room. */
  batchFor(bytes: number, records: number, tip: LogTip): Batch {
    const gathering = this.#gathering
    if (gathering !== undefined) {
      const fits =
        gathering.lengthBytes + bytes <= BATCH_BYTES_MAX &&
        gathering.records.length + records <= BATCH_RECORDS_MAX &&
        gathering.start.offset + gathering.lengthBytes + bytes <= this.#segmentSizeBytes
      if (fits) return gathering
      this.#ready.push(gathering)
    }
    const last = this.#ready.at(-1) ?? this.#writing
    const end = last?.end ?? tip.flushedEnd
    assert(!isBefore(end, tip.flushedEnd), 'a batch begins behind all that is flushed')
    assert(
      last === undefined || last.firstSequence + last.records.length === tip.nextSequence,
      'sequences follow each other without a gap',
    )
    const current = last?.start.segment ?? tip.open?.segment
    const hinted = (tip.open?.records ?? 0) + this.#recordsWithoutGathering()
    const startsSegment =
      current === undefined ||
      (tip.sealing === current && end.offset > FIRST_BATCH_AT) ||
      (end.offset > FIRST_BATCH_AT &&
        (end.offset + bytes > this.#segmentSizeBytes || hinted > SEGMENT_RECORDS_MAX))
    const start = startsSegment
      ? { segment: tip.lastSegment(end) + 1, offset: FIRST_BATCH_AT }
      : end
    this.#gathering = new Batch(start, tip.nextSequence, startsSegment, this.#logId, this.pool)
    return this.#gathering
  }

  /** The batch to be written next. The one before it is flushed. */
  next(): Batch | undefined {
    const batch = this.#ready.shift() ?? this.#gathering
    if (batch === undefined) return undefined
    if (batch === this.#gathering) this.#gathering = undefined
    assert(this.#writing === undefined, 'one batch is written at a time')
    this.#writing = batch
    return batch
  }

  /** The batch that `next` gave is flushed. */
  written(): void {
    assert(this.#writing !== undefined, 'a batch was being written')
    this.#writing = undefined
  }

  /** All of them, oldest first. None is pending any more. */
  takeAll(): Batch[] {
    const batches = [this.#writing, ...this.#ready, this.#gathering].filter(
      (batch) => batch !== undefined,
    )
    this.#ready.length = 0
    this.#gathering = undefined
    this.#writing = undefined
    return batches
  }

  /** The sequence of the first record that is not flushed. */
  get firstSequence(): number | undefined {
    return (this.#writing ?? this.#ready[0] ?? this.#gathering)?.firstSequence
  }

  /** Whether a record of this key is on its way to the disk. */
  hasKey(key: ByteString): boolean {
    const has = (batch: Batch | undefined): boolean => batch?.keys.has(key) ?? false
    return has(this.#writing) || has(this.#gathering) || this.#ready.some(has)
  }

  get bytes(): number {
    return (this.#writing?.lengthBytes ?? 0) + this.waitingBytes
  }

  /** Without the batch that is on its way to the disk. */
  get waitingBytes(): number {
    let bytes = this.#gathering?.lengthBytes ?? 0
    for (const batch of this.#ready) bytes += batch.lengthBytes
    return bytes
  }

  #recordsWithoutGathering(): number {
    let count = this.#writing?.records.length ?? 0
    for (const batch of this.#ready) count += batch.records.length
    return count
  }
}
