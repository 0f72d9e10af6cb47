/**
 * What a crash left of the log: which batches count, which is the tail, what is corruption (D4, D5).
 *
 * Each batch says up to where the log was flushed when it was written. So:
 *
 *  1. A batch is proven when a later one says that it was flushed. What is bad in a proven batch is
 *     corruption: reported, never cut.
 *  2. At most one flush is under way at any time, so at most one batch at the end is unproven: it may
 *     be torn, or whole and acknowledged. Its sound records, up to the first bad one, are the tail.
 *  3. The tail may have been read from a cache that the disk never took over (a failed fsync). It is
 *     written to a new segment and flushed before it counts; only then the old copy is cut.
 *  4. A crash between those two leaves two copies. The first batch of the new segment says that the
 *     old copy was not proven: so once it is proven itself, it supersedes the old copy.
 */

import {
  decodeRecordBody,
  decodeRecordHeader,
  headerRecordBytes,
  isRecordFault,
} from '../../protocol/codec/record.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { DiskFile } from '../env/ports.ts'
import { BATCH_HEADER_BYTES, FIRST_BATCH_AT, isBefore, type LogEnd } from './segment.ts'
import type { Damage, LogPosition, LogRecord, NewRecord } from './types.ts'
import { salvageStretch, walkSegment, type WalkedBatch } from './walk.ts'
import { Window } from './window.ts'

export interface ReplayHandlers {
  /** Without its payload. In log order. */
  record(record: LogRecord, position: LogPosition): void
  damage(damage: Damage): void
  /** Everything before `end` has been given. */
  progress(end: LogEnd, nextSequence: number): Promise<void>
}

export interface Recovered {
  /** Up to where the log is proven to be flushed. */
  readonly flushedEnd: LogEnd
  readonly nextSequence: number
  /** To be appended to a new segment, payloads included. */
  readonly tail: readonly NewRecord[]
  /** To be cut once the tail is flushed: from this offset on, the whole segment below its first batch. */
  readonly cuts: ReadonlyMap<number, number>
}

export class Recovery {
  private readonly files: ReadonlyMap<number, DiskFile>
  private readonly logId: Uint8Array
  private readonly handlers: ReplayHandlers
  /** Walked, but not proven yet, in log order. */
  private held: WalkedBatch[] = []
  private readonly cuts = new Map<number, number>()
  private flushedEnd: LogEnd
  private nextSequence: number

  constructor(
    files: ReadonlyMap<number, DiskFile>,
    logId: Uint8Array,
    from: LogEnd,
    nextSequence: number,
    handlers: ReplayHandlers,
  ) {
    this.files = files
    this.logId = logId
    this.handlers = handlers
    this.flushedEnd = from
    this.nextSequence = nextSequence
  }

  async run(): Promise<Recovered> {
    const from = this.flushedEnd
    const segments = [...this.files.keys()].filter((segment) => segment >= from.segment)
    segments.sort((a, b) => a - b)
    let walkedEnd: LogEnd | undefined
    for (const segment of segments) {
      const start =
        segment === from.segment ? Math.max(from.offset, FIRST_BATCH_AT) : FIRST_BATCH_AT
      let end: LogEnd = { segment, offset: start }
      const file = this.files.get(segment) as DiskFile
      for await (const batch of walkSegment(file, segment, start, this.logId)) {
        if (batch.header !== undefined) {
          if (walkedEnd !== undefined) await this.lostEnd(walkedEnd, batch.header.flushed)
          await this.prove(batch.header.flushed)
          walkedEnd = undefined
        }
        // A footer only proves; it is cut off together with a tail before it, never kept for itself.
        if (batch.header?.kind !== 'footer') this.held.push(batch)
        end = batch.end
      }
      walkedEnd = end
    }
    return this.finish(walkedEnd)
  }

  /** Delivers what lies before `flushed`, except old copies of a tail. */
  private async prove(flushed: LogEnd): Promise<void> {
    const proven = this.held.filter((batch) => !isBefore(flushed, batch.end))
    this.held = this.held.filter((batch) => isBefore(flushed, batch.end))
    for (let i = 0; i < proven.length; i++) {
      const batch = proven[i] as WalkedBatch
      if (proven.slice(i + 1).some((later) => supersedes(later, batch))) this.cut(batch.start)
      else await this.deliver(batch)
    }
    if (isBefore(this.flushedEnd, flushed)) this.flushedEnd = flushed
  }

  private async deliver(batch: WalkedBatch): Promise<void> {
    for (const { header, body, position } of batch.records) {
      const { type, partition, key } = header
      this.handlers.record({ type, partition, key, body }, position)
      this.nextSequence = Math.max(this.nextSequence, header.sequence + 1)
    }
    for (const damage of batch.damage) this.handlers.damage(damage)
    if (batch.header !== undefined) {
      const { firstSequence, count } = batch.header
      this.nextSequence = Math.max(this.nextSequence, firstSequence + count)
    }
    await this.handlers.progress(batch.end, this.nextSequence)
  }

  /** The next segment says that this one went on behind where the last sound batch was found. */
  private async lostEnd(walkedEnd: LogEnd, flushed: LogEnd): Promise<void> {
    if (flushed.segment !== walkedEnd.segment || flushed.offset <= walkedEnd.offset) return
    const file = this.files.get(walkedEnd.segment) as DiskFile
    this.held.push(await salvageStretch(file, walkedEnd, flushed.offset, this.logId))
  }

  /** Nothing follows. Of the unproven batches the newest whole one counts, otherwise the first. */
  private async finish(walkedEnd: LogEnd | undefined): Promise<Recovered> {
    let tail: NewRecord[] = []
    for (let i = this.held.length - 1; i >= 0; i--) {
      const batch = this.held[i] as WalkedBatch
      const { records, whole } = await this.readTail(batch)
      if (whole || i === 0) {
        tail = records
        break
      }
    }
    for (const batch of this.held) {
      this.cut(batch.start)
      if (batch.header === undefined) continue
      const { firstSequence, count } = batch.header
      this.nextSequence = Math.max(this.nextSequence, firstSequence + count)
    }
    if (walkedEnd !== undefined) this.cut(walkedEnd)
    return {
      flushedEnd: this.flushedEnd,
      nextSequence: this.nextSequence,
      tail,
      cuts: this.cuts,
    }
  }

  /** The sound records of an unproven batch, up to the first bad one, payloads read and verified. */
  private async readTail(batch: WalkedBatch): Promise<{ records: NewRecord[]; whole: boolean }> {
    const { header, start } = batch
    if (header === undefined) return { records: [], whole: false }
    const file = this.files.get(start.segment) as DiskFile
    const window = new Window(file, await file.sizeBytes())
    const bytes = (await window.at(start.offset, header.lengthBytes)).slice(0, header.lengthBytes)
    const records: NewRecord[] = []
    // Those of an append that is not whole don't count: it was never acknowledged.
    let complete = 0
    const torn = (): { records: NewRecord[]; whole: boolean } => ({
      records: records.slice(0, complete),
      whole: false,
    })
    for (let at = BATCH_HEADER_BYTES; at < header.lengthBytes;) {
      const place = { segment: start.segment, offset: start.offset + at }
      const record = decodeRecordHeader(bytes, at, this.logId, place)
      if (isRecordFault(record)) return torn()
      const body = decodeRecordBody(bytes, at, record)
      if (typeof body === 'string') return torn()
      const end = at + headerRecordBytes(record)
      const payloadAt = end - Math.ceil(record.payloadBytes / 8) * 8
      const payload = bytes.subarray(payloadAt, payloadAt + record.payloadBytes)
      if (record.payloadBytes > 0 && !equalBytes(blake3(payload), record.payloadHash)) {
        return torn()
      }
      const { type, partition, key, payloadHash } = record
      records.push(
        record.payloadBytes === 0
          ? { type, partition, key, body }
          : { type, partition, key, body, payload, payloadHash },
      )
      if (!record.more) complete = records.length
      at = end
    }
    return { records, whole: true }
  }

  private cut(at: LogEnd): void {
    const before = this.cuts.get(at.segment)
    if (before === undefined || at.offset < before) this.cuts.set(at.segment, at.offset)
  }
}

/** `later` was written while `batch` was not proven: it is what a recovery made of it. */
function supersedes(later: WalkedBatch, batch: WalkedBatch): boolean {
  return later.header !== undefined && isBefore(later.header.flushed, batch.end)
}
