/**
 * The node's only truth: an append-only log of segments (docs/architecture.md, Log and index).
 *
 * Invariants:
 *   - an append settles only after its batch is flushed (A1)
 *   - one write and flush at a time; meanwhile the next batch gathers
 *   - a batch begins behind the end of its predecessor, on a fresh 4 KiB boundary
 *   - a failed flush is never retried: everything waiting is rejected, nothing is appended again (D5)
 *   - no room is no failure: what waited is rejected, what was flushed stays, reads go on (F6)
 */

import { assert } from '../../protocol/assert.ts'
import { align, recordBytes } from '../../protocol/codec/record.ts'
import type { ByteString } from '../../protocol/ids.ts'
import type { Clock, Disk, DiskFile, Logger, Random } from '../env/ports.ts'
import { Batch, ChunkPool } from './batch.ts'
import { errorCode, isNoSpace, LogError } from './errors.ts'
import { FreeSpace } from './free-space.ts'
import type { Manifest } from './manifest.ts'
import { openSegments, type OpenSegments } from './open-segments.ts'
import { readMeta, readRecord, readRecordSync, type ReadRecord, SegmentReader } from './read.ts'
import { LogRecovery, type Recovered, type ReplayHandlers, type Tail } from './recovery.ts'
import {
  encodeSegmentHeader,
  FIRST_BATCH_AT,
  HintTable,
  LOG_DIRECTORY,
  pageEnd,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  type LogEnd,
} from './segment.ts'
import { overwriteSegment, truncateSegment } from './segment-file.ts'
import { isLogRefusal, trusted, unlessRefused, UntrustedDisk } from './trusted.ts'
import type { LogPosition, LogRecord, LogLoss, NewRecord } from './types.ts'

/** A batch that has grown to this is closed, so that no flush takes long. */
const BATCH_BYTES_MAX = 16 << 20
/** Its records are applied to the index in one turn of the event loop. An append is never split. */
const BATCH_RECORDS_MAX = 1_000
/** So that a segment's hints stay within 16 MiB. */
const SEGMENT_RECORDS_MAX = 1 << 20
/** Of what waits for a disk that is slow, or hangs (D11). */
const WAITING_BYTES_MAX = 128 << 20
/** So long after the last append the log counts as idle, and its last batch is proven (D9). */
const IDLE_MS = 1_000

export interface LogOptions {
  readonly disk: Disk
  readonly clock: Clock
  readonly random?: Random | undefined
  readonly logger: Logger
  readonly segmentSizeBytes: number
  readonly reserveBytes?: number | undefined
  /** Bytes of appends that wait for the disk, before more are refused. Default 128 MiB. */
  readonly waitingBytesMax?: number | undefined
  /** See OpenSegmentsOptions. */
  readonly expected?: { readonly logId: Uint8Array } | undefined
  readonly acceptLost?: boolean | undefined
  /** The disk is not to be trusted any more (D5). Called once. */
  fail(reason: string): void
  /** A batch is flushed: called in log order, before its appends resolve. */
  flushed(records: readonly NewRecord[], positions: readonly LogPosition[], end: LogEnd): void
}

export interface SegmentInfo {
  readonly segment: number
  readonly sizeBytes: number
  /** Takes no more appends. */
  readonly sealed: boolean
}

export class Log {
  readonly logId: Uint8Array
  private readonly options: LogOptions
  private readonly files: Map<number, DiskFile>
  private readonly sizes: Map<number, number>
  private readonly opened: OpenSegments
  private readonly manifest: Manifest
  private readonly pool = new ChunkPool()
  private readonly space: FreeSpace

  /** The segment that takes appends, once the first batch is written to it. */
  private open: { segment: number; file: DiskFile; hints: HintTable } | undefined
  /** Flushed up to here. Where the next batch goes when nothing is on its way. */
  private flushedEnd: LogEnd
  private nextSequence = 0
  /** To be sealed by the next batch, whatever its size. */
  private sealing: number | undefined
  private gathering: Batch | undefined
  private readonly ready: Batch[] = []
  private writing: Batch | undefined
  private running: Promise<void> | undefined
  private state: 'recovering' | 'open' | 'read-only' | 'failed' | 'closed' = 'recovering'
  private lastAppendMs = 0
  private cancelIdle: (() => void) | undefined
  private readonly counters = { flushes: 0, bytes: 0, records: 0, refused: 0 }

  /** Opens the segments. Before the first append `recover` has to be called. */
  static async open(options: LogOptions): Promise<Log> {
    assert(options.segmentSizeBytes <= 3 * 2 ** 30, 'a segment has at most 3 GiB')
    const log = new Log(options, await openSegments(options))
    await log.space.poll()
    return log
  }

  private constructor(options: LogOptions, opened: OpenSegments) {
    this.options = options
    this.opened = opened
    this.manifest = opened.manifest
    this.logId = opened.logId
    this.files = opened.files
    this.sizes = opened.sizes
    this.flushedEnd = { segment: 0, offset: 0 }
    this.space = new FreeSpace(options.disk, options.clock, options.reserveBytes)
  }

  /** What is seen to be lost before anything is read. */
  get losses(): readonly LogLoss[] {
    return this.opened.losses
  }

  /** Gives what lies behind `from` to the handlers, then takes appends. See recovery.ts. `losses` are
   * written down by now. `rebuilds`: the index is made anew. */
  async recover(
    from: LogEnd,
    nextSequence: number,
    rebuilds: boolean,
    handlers: ReplayHandlers,
  ): Promise<void> {
    assert(this.state === 'recovering')
    const { proven } = this.manifest
    const recovery = new LogRecovery({
      files: this.files,
      logId: this.logId,
      from,
      nextSequence,
      proven,
      handlers,
    })
    await this.opened.settle(rebuilds ? 'forgotten' : 'to be noted')
    const recovered = await recovery.run()
    this.flushedEnd = recovered.flushedEnd
    this.nextSequence = recovered.nextSequence
    this.state = 'open'
    await this.keepTail(recovered)
  }

  /** Segments that the manifest knows to be gone. What was removed there may come back in a rebuild. */
  get knownMissing(): readonly number[] {
    return [...this.manifest.missing]
  }

  /** Seen at this start for the first time to be gone. */
  get newlyMissing(): readonly number[] {
    return this.opened.missing
  }

  isMissing(segment: number): boolean {
    return this.manifest.missing.has(segment) || this.opened.missing.includes(segment)
  }

  /** What the index holds of the missing segments is in the log again. */
  noteMissing(): Promise<void> {
    return this.opened.settle('noted')
  }

  /** The batch of these records; they are flushed together, in this order. See Store.append. */
  append(records: readonly NewRecord[], urgent = false): Promise<LogPosition[]> {
    if (this.state !== 'open') return Promise.reject(this.refusal())
    let total = 0
    for (const { key, body, payload } of records) {
      total += recordBytes(key.length, body.length, payload?.length ?? 0)
    }
    if (!urgent && !this.space.hasRoomFor(this.inFlightBytes() + total)) {
      this.space.pollSoon()
      return Promise.reject(new LogError('DISK_FULL', 'the reserve is left only'))
    }
    if (records.length === 0) return Promise.resolve([])
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.options
    if (!urgent && this.waitingBytes() + total > waitingBytesMax) {
      this.counters.refused++
      return Promise.reject(new LogError('OVERLOADED', 'too much waits for the disk'))
    }
    const batch = this.batchFor(total, records.length)
    const positions: LogPosition[] = []
    for (let i = 0; i < records.length; i++) {
      positions.push(batch.add(records[i] as NewRecord, i + 1 < records.length))
    }
    this.nextSequence += records.length
    return new Promise((resolve, reject) => {
      batch.waiters.push({ positions, resolve, reject })
      this.running ??= this.run()
    })
  }

  /** Verified header, body and, with `payload`, payload (A4). */
  read(position: LogPosition, into?: Uint8Array): Promise<ReadRecord> {
    return readRecord(this.file(position.segment), position, this.logId, into)
  }

  /** Without the payload. */
  readMeta(position: LogPosition): Promise<LogRecord> {
    return readMeta(this.file(position.segment), position, this.logId)
  }

  /** For reading many records of a segment in order. */
  async reader(segment: number): Promise<SegmentReader> {
    const file = this.file(segment)
    return new SegmentReader(file, await file.sizeBytes(), this.logId)
  }

  readSync(position: LogPosition): ReadRecord {
    return readRecordSync(this.file(position.segment), position, this.logId)
  }

  hasSegment(segment: number): boolean {
    return this.files.has(segment)
  }

  hasSegmentBelow(segment: number): boolean {
    for (const each of this.files.keys()) if (each < segment) return true
    return false
  }

  /** Opened for reading, for a walk over a sealed segment. */
  file(segment: number): DiskFile {
    const file = this.files.get(segment)
    if (file === undefined) {
      if (this.state === 'closed') throw new LogError('CLOSED', 'the log is closed')
      throw new LogError('NO_SEGMENT', `segment ${segment} is gone`)
    }
    return file
  }

  segments(): SegmentInfo[] {
    return [...this.sizes].map(([segment, sizeBytes]) => ({
      segment,
      sizeBytes,
      sealed: segment !== this.open?.segment,
    }))
  }

  /** The next batch begins a new segment, so that this one can be compacted. */
  sealSoon(): void {
    this.sealing = this.open?.segment
  }

  /** Compaction has moved everything that lived there, durably. */
  async removeSegment(segment: number): Promise<void> {
    assert(segment !== this.open?.segment && segment < this.flushedEnd.segment, 'not sealed')
    const file = this.file(segment)
    // Struck off first: a listed segment without a file is damage (D9).
    await this.manifest.remove(segment).catch((error: unknown) => this.distrust(error))
    this.files.delete(segment)
    this.sizes.delete(segment)
    await file.close()
    await this.options.disk.remove(segmentPath(segment))
    await this.options.disk.syncDirectory(LOG_DIRECTORY)
    await this.space.poll()
  }

  /** Whether a record of this key was appended, but is not flushed yet. */
  isInFlight(key: ByteString): boolean {
    const has = (batch: Batch | undefined): boolean => batch?.keys.has(key) ?? false
    return has(this.writing) || has(this.gathering) || this.ready.some(has)
  }

  /** Up to where everything is flushed. */
  end(): { end: LogEnd; nextSequence: number } {
    const pending = this.writing?.firstSequence ?? this.ready[0]?.firstSequence
    const nextSequence = pending ?? this.gathering?.firstSequence ?? this.nextSequence
    return { end: this.flushedEnd, nextSequence }
  }

  stats(): {
    flushes: number
    bytes: number
    records: number
    refused: number
    waitingBytes: number
    freeBytes: number
    totalBytes: number
    full: boolean
    failed: boolean
  } {
    return {
      ...this.counters,
      waitingBytes: this.inFlightBytes(),
      freeBytes: this.space.freeBytes,
      totalBytes: this.space.totalBytes,
      full: this.space.full,
      failed: this.state === 'failed',
    }
  }

  /** Waits for what was appended, then closes all files. */
  async close(): Promise<void> {
    const wasOpen = this.state === 'open'
    if (wasOpen) this.state = 'closed'
    await this.running
    this.cancelIdle?.()
    this.space.stop()
    // A stop that is clean leaves no tail that could be taken for a torn one.
    if (wasOpen) await this.prove()
    await this.manifest.close()
    for (const file of this.files.values()) await file.close()
    this.files.clear()
  }

  private batchFor(bytes: number, records: number): Batch {
    const gathering = this.gathering
    if (gathering !== undefined) {
      const fits =
        gathering.lengthBytes + bytes <= BATCH_BYTES_MAX &&
        gathering.records.length + records <= BATCH_RECORDS_MAX &&
        gathering.start.offset + gathering.lengthBytes + bytes <= this.options.segmentSizeBytes
      if (fits) return gathering
      this.ready.push(gathering)
    }
    const last = this.ready.at(-1) ?? this.writing
    const end = last?.end ?? this.flushedEnd
    const current = last?.start.segment ?? this.open?.segment
    const hinted = (this.open?.hints.count ?? 0) + this.inFlightRecords()
    const startsSegment =
      current === undefined ||
      (this.sealing === current && end.offset > FIRST_BATCH_AT) ||
      (end.offset > FIRST_BATCH_AT &&
        (end.offset + bytes > this.options.segmentSizeBytes || hinted > SEGMENT_RECORDS_MAX))
    const start = startsSegment
      ? { segment: this.lastSegment(end) + 1, offset: FIRST_BATCH_AT }
      : end
    this.gathering = new Batch(start, this.nextSequence, startsSegment, this.logId, this.pool)
    return this.gathering
  }

  private inFlightRecords(): number {
    let count = this.writing?.records.length ?? 0
    for (const batch of this.ready) count += batch.records.length
    return count
  }

  private inFlightBytes(): number {
    return (this.writing?.lengthBytes ?? 0) + this.waitingBytes()
  }

  /** Behind the batch that is on its way to the disk. */
  private waitingBytes(): number {
    let bytes = this.gathering?.lengthBytes ?? 0
    for (const batch of this.ready) bytes += batch.lengthBytes
    return bytes
  }

  /** A number is never used again: rows may still point there. */
  private lastSegment(end: LogEnd): number {
    const { highest, proven } = this.manifest
    return Math.max(end.segment, highest, proven?.end.segment ?? 0, ...this.sizes.keys())
  }

  /** Writes batch after batch until nothing waits. */
  private async run(): Promise<void> {
    // Whoever appends in the same turn comes into the same batch.
    await Promise.resolve()
    for (;;) {
      const batch = this.ready.shift() ?? this.gathering
      if (batch === undefined) break
      if (batch === this.gathering) this.gathering = undefined
      this.writing = batch
      try {
        await this.commit(batch)
      } catch (error) {
        await this.fault(error)
        continue
      }
      this.writing = undefined
      batch.release()
      this.options.flushed(batch.records, batch.positions, batch.end)
      for (const waiter of batch.waiters) waiter.resolve(waiter.positions)
    }
    this.running = undefined
    this.lastAppendMs = this.options.clock.monotonicMs()
    this.cancelIdle ??= this.options.clock.after(IDLE_MS, () => this.rest())
  }

  /** Once the log is idle, its last batch is proven: a bad byte in it is corruption from then on. */
  private rest(): void {
    this.cancelIdle = undefined
    if (this.state !== 'open' || this.running !== undefined) return
    const restMs = this.lastAppendMs + IDLE_MS - this.options.clock.monotonicMs()
    if (restMs > 0) this.cancelIdle = this.options.clock.after(restMs, () => this.rest())
    else void this.prove()
  }

  private async prove(): Promise<void> {
    const { end, nextSequence } = this.end()
    if (end.segment === 0) return
    try {
      await this.manifest.prove({ end, nextSequence })
    } catch (error) {
      if (error instanceof UntrustedDisk) this.failed(error)
      else this.options.logger.warn({ error: String(error) }, 'the end of the log is not proven')
    }
  }

  private async commit(batch: Batch): Promise<void> {
    if (batch.startsSegment) await this.startSegment(batch)
    const open = this.open
    assert(open !== undefined && open.segment === batch.start.segment)
    await open.file.write(batch.finish(this.flushedEnd), batch.start.offset)
    await this.flush(open.file)
    batch.addHints(open.hints)
    this.flushedEnd = batch.end
    this.sizes.set(open.segment, batch.end.offset)
    this.counters.bytes += batch.lengthBytes
    this.counters.records += batch.records.length
    this.space.used(pageEnd(batch.lengthBytes))
  }

  private async startSegment(batch: Batch): Promise<void> {
    await this.seal()
    const { segment } = batch.start
    const file = await this.createSegment(segment)
    this.files.set(segment, file)
    this.sizes.set(segment, SEGMENT_HEADER_BYTES)
    this.open = { segment, file, hints: new HintTable() }
    await file.write([encodeSegmentHeader(segment, batch.firstSequence, this.logId)], 0)
    await this.flush(file)
    await trusted(this.options.disk.syncDirectory(LOG_DIRECTORY))
    await this.manifest.add(segment)
  }

  private async createSegment(segment: number): Promise<DiskFile> {
    const path = segmentPath(segment)
    try {
      return await this.options.disk.open(path, 'create')
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      // Left by an attempt that found no room: nothing of it was ever flushed.
      await this.options.disk.remove(path)
      return this.options.disk.open(path, 'create')
    }
  }

  /** The footer is a help, not a truth: without room for it the segment is sealed all the same. */
  private async seal(): Promise<void> {
    const open = this.open
    if (open === undefined) return
    this.open = undefined
    const footer = open.hints.encodeFooter(this.flushedEnd, this.nextSequence, this.logId)
    try {
      await open.file.write([footer], this.flushedEnd.offset)
    } catch (error) {
      if (!isNoSpace(error)) throw error
      await open.file.truncate(this.flushedEnd.offset)
      return
    }
    await this.flush(open.file)
    this.sizes.set(open.segment, this.flushedEnd.offset + align(footer.length))
  }

  private async flush(file: DiskFile): Promise<void> {
    await trusted(file.flush())
    this.counters.flushes++
  }

  private async fault(error: unknown): Promise<void> {
    const batches = [this.writing, ...this.ready, this.gathering].filter(
      (batch) => batch !== undefined,
    )
    this.ready.length = 0
    this.gathering = undefined
    // What is appended while this one is taken back begins where the log is flushed, not behind it.
    this.writing = undefined
    let refusal: LogError
    if (isLogRefusal(error)) {
      const code = isNoSpace(error) ? 'DISK_FULL' : 'READ_ONLY'
      refusal = new LogError(code, 'nothing was appended', { cause: error })
      if (code === 'READ_ONLY') this.state = 'read-only'
      else await this.stepBack(batches[0] as Batch)
    } else {
      refusal = this.failed(error)
    }
    for (const batch of batches) {
      for (const waiter of batch.waiters) waiter.reject(refusal)
      batch.release()
    }
  }

  private failed(error: unknown): LogError {
    const cause = error instanceof UntrustedDisk ? error.cause : error
    const refusal = new LogError('FAILED', `the disk failed: ${String(cause)}`, { cause })
    if (this.state !== 'failed') this.options.fail(refusal.message)
    this.state = 'failed'
    return refusal
  }

  private distrust(error: unknown): never {
    if (error instanceof UntrustedDisk) this.failed(error)
    throw error
  }

  /** Takes back a batch that found no room; what came behind it had its place by it. */
  private async stepBack(batch: Batch): Promise<void> {
    this.space.exhausted()
    this.nextSequence = batch.firstSequence
    try {
      if (batch.startsSegment) await this.dropSegment(batch.start.segment)
      else await this.open?.file.truncate(this.flushedEnd.offset)
    } catch (error) {
      this.options.logger.warn({ error: String(error) }, 'rest of a refused batch not cut')
    }
    this.options.logger.warn({ segment: batch.start.segment }, 'the disk is full')
  }

  private async dropSegment(segment: number): Promise<void> {
    if (this.open?.segment === segment) this.open = undefined
    const file = this.files.get(segment)
    this.files.delete(segment)
    this.sizes.delete(segment)
    if (file === undefined) return
    await file.close()
    if (this.manifest.has(segment)) {
      // Nothing of it may come back, nor be missed, wherever this ends (D9).
      await truncateSegment(this.options.disk, segment, SEGMENT_HEADER_BYTES)
      await this.manifest.remove(segment)
    }
    await this.options.disk.remove(segmentPath(segment))
  }

  private refusal(): LogError {
    switch (this.state) {
      case 'failed':
        return new LogError('FAILED', 'the disk failed')
      case 'read-only':
        return new LogError('READ_ONLY', 'the disk takes no writes')
      case 'recovering':
      case 'open':
      case 'closed':
        return new LogError('CLOSED', 'the log takes no appends')
    }
  }

  /** Flushes the tail into a new segment before it counts, then cuts what it was read from (D5). Where
   * there is no room for that it stays where it is, and is flushed there anew. */
  private async keepTail({ tail, cuts }: Recovered): Promise<void> {
    if (tail !== undefined) {
      try {
        await this.append(tail.records, true)
      } catch (error) {
        const code = errorCode(error)
        if (code !== 'DISK_FULL' && code !== 'READ_ONLY') throw error
        await this.keepInPlace(tail, cuts, code === 'READ_ONLY')
      }
    }
    if (this.state === 'read-only') return
    for (const [segment, offset] of cuts) {
      const size = this.sizes.get(segment) ?? 0
      const remove = offset <= FIRST_BATCH_AT
      if (!remove && size <= offset) continue
      const records = tail?.records.length ?? 0
      this.options.logger.info({ segment, offset, size, records }, 'cutting the tail of the log')
      if (remove) {
        // Where the manifest can't be written it stays listed, and empty: no start may fail of that.
        await this.dropSegment(segment).catch(unlessRefused)
        await this.options.disk.syncDirectory(LOG_DIRECTORY)
      } else {
        await truncateSegment(this.options.disk, segment, offset)
        this.sizes.set(segment, offset)
      }
    }
  }

  /**
   * The same bytes once more at the same place, which takes no room: whatever of them the disk has, it has
   * them then. Only what says how many they are may change, in one sector, if the batch was torn.
   */
  private async keepInPlace(
    tail: Tail,
    cuts: Map<number, number>,
    isReadOnly: boolean,
  ): Promise<void> {
    const { start, firstSequence, records, more } = tail
    const batch = new Batch(start, firstSequence, false, this.logId, this.pool)
    for (const [i, record] of records.entries()) batch.add(record, more[i] as boolean)
    this.options.logger.warn(
      { ...start, records: records.length },
      'the tail of the log stays in place',
    )
    if (!isReadOnly) {
      await overwriteSegment(this.options.disk, start, batch.finish(this.flushedEnd))
    }
    batch.release()
    cuts.set(start.segment, batch.end.offset)
    this.flushedEnd = batch.end
    this.nextSequence = Math.max(this.nextSequence, firstSequence + records.length)
    this.options.flushed(batch.records, batch.positions, batch.end)
    if (!isReadOnly) await this.prove()
  }
}
