/**
 * Decides what a crash has left of the log: which batches count, which one is the tail, and what is corruption (D4,
 * D5). Called by Log.recover.
 *
 * Each batch says up to where the log was flushed when that batch was written. So:
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
import {
  BATCH_HEADER_BYTES,
  FIRST_BATCH_AT,
  isBefore,
  PAGE_BYTES,
  pageEnd,
  type LogEnd,
} from './segment.ts'
import type { ProvenEnd } from './manifest-format.ts'
import type { Damage, LogLoss, LogPosition, LogRecord, NewRecord } from './types.ts'
import { salvageStretch, walkSegment, type WalkedBatch } from './walk.ts'
import { Window } from './window.ts'

/** What may have been flushed before the crash, and counts once it is flushed again. */
export interface Tail {
  /** Payloads included. */
  readonly records: readonly NewRecord[]
  /** Whether another record of the same append follows, as it was written. */
  readonly more: readonly boolean[]
  /** Where the batch begins that they are the first records of. */
  readonly start: LogEnd
  readonly firstSequence: number
}

/** What the caller is told, in log order. `record` and `damage` of a batch come before its `progress`. */
export interface ReplayHandlers {
  /** Without its payload. In log order. */
  record(record: LogRecord, position: LogPosition): void
  /** A stretch that was flushed, and can't be read as it was written. */
  damage(damage: Damage): void
  /** What the manifest proves to have been there, and is not. */
  lost(loss: LogLoss): void
  /** All is read. Resolves when the losses are written down: only then is anything written to the log. */
  recovered(): Promise<void>
  /** Everything before `end` has been given. */
  progress(end: LogEnd, nextSequence: number): Promise<void>
}

/** What the log goes on from. */
export interface Recovered {
  /** Up to where the log is proven to be flushed. */
  readonly flushedEnd: LogEnd
  /** Above each sequence that was ever given out, as far as segments, manifest and index tell. */
  readonly nextSequence: number
  readonly tail: Tail | undefined
  /** Cut each segment at this offset once the tail is flushed; delete it where no batch is left. */
  readonly cuts: Map<number, number>
}

/** What is there of the log, and from where on it is read. */
export interface RecoveryOptions {
  readonly files: ReadonlyMap<number, DiskFile>
  readonly logId: Uint8Array
  /** Nothing before this place is read. */
  readonly from: LogEnd
  /** The sequence of the record that begins there. */
  readonly nextSequence: number
  /** What the manifest says of the end (D9). */
  readonly proven: ProvenEnd | undefined
  /** Segments that the manifest lists and whose files are gone, those that earlier starts missed too. */
  readonly missing: readonly number[]
  readonly handlers: ReplayHandlers
}

/** One start. `run` once; it writes nothing to the log. */
export class LogRecovery {
  private readonly files: ReadonlyMap<number, DiskFile>
  private readonly logId: Uint8Array
  private readonly proven: ProvenEnd | undefined
  private readonly missing: readonly number[]
  private readonly handlers: ReplayHandlers
  /** Batches that were read and are not proven yet, in log order. */
  private held: WalkedBatch[] = []
  /** Where segments seem to end. A later batch says whether that is right. */
  private readonly walked: Walked[] = []
  private readonly cuts = new Map<number, number>()
  private flushedEnd: LogEnd
  private nextSequence: number

  constructor(options: RecoveryOptions) {
    this.files = options.files
    this.logId = options.logId
    this.proven = options.proven
    this.missing = options.missing
    this.handlers = options.handlers
    this.flushedEnd = options.from
    this.nextSequence = options.nextSequence
  }

  /**
   * Walks the segments in order. Rejects with the disk's errors, except that an unreadable page counts as
   * damage (F8).
   */
  async run(): Promise<Recovered> {
    const from = this.flushedEnd
    const segments = [...this.files.keys()].filter((segment) => segment >= from.segment)
    segments.sort((a, b) => a - b)
    let walked: LogEnd | undefined
    for (const segment of segments) {
      const start =
        segment === from.segment ? Math.max(from.offset, FIRST_BATCH_AT) : FIRST_BATCH_AT
      const isFrom = segment === from.segment && start === from.offset
      const sequence = isFrom ? this.nextSequence : undefined
      let end: Walked = { segment, offset: start, sequence }
      const file = this.files.get(segment) as DiskFile
      for await (const batch of walkSegment(file, segment, start, this.logId, sequence)) {
        if (batch.header !== undefined) {
          await this.lostEnds(batch.header.flushed, batch.header.firstSequence)
          await this.prove(batch.header.flushed)
        }
        // A footer only proves what is before it. It holds no records, and is cut together with a tail before it.
        if (batch.header?.kind !== 'footer') this.held.push(batch)
        end = { ...batch.end, sequence: sequenceBehind(batch) }
      }
      walked = await this.provenEnd(end)
    }
    walked = await this.endBeforeGone(walked)
    // Also where the segment of the proven end is gone: a sequence is never given out twice.
    this.nextSequence = Math.max(this.nextSequence, this.proven?.nextSequence ?? 0)
    const recovered = await this.finish(walked)
    await this.handlers.recovered()
    return recovered
  }

  /** Reports what the manifest says was flushed, and the segment does not have (D9). */
  private async provenEnd(walked: Walked): Promise<LogEnd> {
    this.walked.push(walked)
    if (this.proven === undefined || this.proven.end.segment !== walked.segment) return walked
    const { end, nextSequence } = this.proven
    const file = this.files.get(end.segment) as DiskFile
    const missingBytes = end.offset - pageEnd(await file.sizeBytes())
    if (missingBytes > 0) {
      const detail = `${missingBytes} bytes are missing at the end of segment ${end.segment}`
      this.handlers.lost({ partitions: 'all', mark: true, reason: 'end-lost', detail })
    }
    await this.lostEnds(end, nextSequence)
    await this.prove(end)
    if (end.offset <= walked.offset) return walked
    this.walked.push({ ...end, sequence: nextSequence })
    return end
  }

  /**
   * A segment is begun once everything before it is flushed. So the last segment that is gone proves what is before
   * it, also where no later batch is left that says so (D4). Perhaps a start had begun that segment to keep a tail in
   * it (D5). Then the old copy of the tail counts as flushed too, and what is torn in it is reported as damage.
   */
  private async endBeforeGone(walked: LogEnd | undefined): Promise<LogEnd | undefined> {
    const gone = this.lastGone()
    if (gone === undefined) return walked
    await this.lostEnds(gone, 0)
    const last = this.held.findLast(({ end }) => end.segment === walked?.segment)
    await this.prove(gone)
    // What was found behind the last sound batch must not be cut.
    return walked !== undefined && last !== undefined && isBefore(walked, last.end)
      ? last.end
      : walked
  }

  /** The last place that was reached in a segment that is gone, as far as the manifest tells. */
  private lastGone(): LogEnd | undefined {
    const gone = this.missing.map((segment): LogEnd => ({ segment, offset: FIRST_BATCH_AT }))
    if (this.proven !== undefined && !this.files.has(this.proven.end.segment)) {
      gone.push(this.proven.end)
    }
    return gone.toSorted((a, b) => (isBefore(a, b) ? -1 : 1)).at(-1)
  }

  /** Gives the batches before `flushed` to the handlers, except old copies of a tail. */
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

  /** Gives one proven batch to the handlers. */
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

  /** A later batch says where the log was flushed: searches the stretch after the last sound batch of each segment. */
  private async lostEnds(flushed: LogEnd, nextSequence: number): Promise<void> {
    for (const walked of this.walked.splice(0)) {
      const { segment, offset, sequence } = walked
      if (flushed.segment < segment) continue
      const file = this.files.get(segment) as DiskFile
      // Where nothing says how far the segment went, it is searched up to its last page that is not empty.
      const isExact = flushed.segment === segment
      const end = isExact ? flushed.offset : await lastByte(file, offset)
      if (end <= offset) continue
      const missing = isExact && sequence !== undefined ? nextSequence - sequence : undefined
      this.held.push(await salvageStretch(file, walked, end, this.logId, missing))
    }
    this.held.sort((a, b) => (isBefore(a.start, b.start) ? -1 : 1))
  }

  /** All segments are read. The newest unproven batch that is whole is the tail, or else the first one is. */
  private async finish(walkedEnd: LogEnd | undefined): Promise<Recovered> {
    let tail: Tail | undefined
    for (let i = this.held.length - 1; i >= 0; i--) {
      const batch = this.held[i] as WalkedBatch
      const { found, whole } = await this.readTail(batch)
      if (whole || i === 0) {
        if (found !== undefined && found.records.length > 0) tail = found
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
  private async readTail(batch: WalkedBatch): Promise<{ found?: Tail; whole: boolean }> {
    const { header, start } = batch
    if (header === undefined) return { whole: false }
    const { firstSequence } = header
    const file = this.files.get(start.segment) as DiskFile
    const window = new Window(file, await file.sizeBytes())
    const bytes = (await window.at(start.offset, header.lengthBytes)).slice(0, header.lengthBytes)
    const records: NewRecord[] = []
    const more: boolean[] = []
    // An append of which a record is bad does not count at all: it was never acknowledged.
    let complete = 0
    const torn = (): { found: Tail; whole: boolean } => ({
      found: { start, firstSequence, records: records.slice(0, complete), more },
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
      more.push(record.more)
      if (!record.more) complete = records.length
      at = end
    }
    return { found: { start, firstSequence, records, more }, whole: true }
  }

  private cut(at: LogEnd): void {
    const before = this.cuts.get(at.segment)
    if (before === undefined || at.offset < before) this.cuts.set(at.segment, at.offset)
  }
}

/** `later` was written while `batch` was not proven, so a recovery has written `batch` again as `later`. */
function supersedes(later: WalkedBatch, batch: WalkedBatch): boolean {
  return later.header !== undefined && isBefore(later.header.flushed, batch.end)
}

/** Where the sound batches of a segment ended, and the sequence that comes next, if that is known. */
interface Walked extends LogEnd {
  readonly sequence: number | undefined
}

function sequenceBehind({ header }: WalkedBatch): number | undefined {
  if (header === undefined) return undefined
  return header.firstSequence + (header.kind === 'records' ? header.count : 0)
}

/** The end of the last page after `from` that is not empty. */
async function lastByte(file: DiskFile, from: number): Promise<number> {
  const window = new Window(file, await file.sizeBytes())
  let end = from
  for (let offset = from; offset < window.sizeBytes; offset += PAGE_BYTES) {
    const page = (await window.at(offset, PAGE_BYTES)).subarray(0, PAGE_BYTES)
    if (page.some((byte) => byte !== 0)) end = offset + PAGE_BYTES
  }
  return end
}
