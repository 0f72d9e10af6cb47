/**
 * The append-only log of segments, from which all that a node keeps can be rebuilt. Called by store.ts only.
 *
 * Invariants:
 *   - an append resolves only after its batch is flushed (A1)
 *   - one batch is written and flushed at a time; meanwhile the next one gathers
 *   - a batch begins after the end of the one before it, on a new 4 KiB page
 *   - a failed flush is never retried: all waiting appends are rejected, and no other is taken (D5)
 *   - a full disk is not a failure: waiting appends are rejected, flushed records stay, reads go on (F6)
 */

import { assert } from '../../protocol/assert.ts'
import { recordBytes } from '../../protocol/codec/record.ts'
import type { ByteString } from '../../protocol/ids.ts'
import type { DiskFile } from '../env/ports.ts'
import type { Batch } from './batch.ts'
import { EndProof } from './end-proof.ts'
import { assertionLine, isNoSpace, LogError, refusalIn, type LogState } from './errors.ts'
import { FreeSpace } from './free-space.ts'
import { keepTail, type TailLog } from './kept-tail.ts'
import { LogSegments, type SegmentInfo } from './log-segments.ts'
import type { ProvenEnd } from './manifest-format.ts'
import type { Manifest } from './manifest.ts'
import { openSegments, type OpenSegments, type OpenSegmentsOptions } from './open-segments.ts'
import { PendingBatches, type LogTip } from './pending-batches.ts'
import { readMeta, readRecord, readRecordSync, type ReadRecord, SegmentReader } from './read.ts'
import { LogRecovery, type ReplayHandlers } from './recovery.ts'
import { EMPTY_LOG, isBefore, pageEnd, type LogEnd } from './segment.ts'
import { isLogRefusal, unlessRefused, UntrustedDisk } from './trusted.ts'
import type { LogPosition, LogRecord, LogLoss, LogStats, NewRecord } from './types.ts'

/** Appends that wait for a slow or hanging disk, in bytes (D11). */
const WAITING_BYTES_MAX = 128 << 20

export interface LogOptions extends OpenSegmentsOptions {
  readonly segmentSizeBytes: number
  readonly reserveBytes?: number | undefined
  /** While this many bytes of appends wait for the disk, more are refused. Default 128 MiB. */
  readonly waitingBytesMax?: number | undefined
  /** The disk can't be trusted any more (D5), or an assertion failed. Called once. */
  fail(reason: string): void
  /** A batch is flushed: called in log order, before its appends resolve. */
  flushed(records: readonly NewRecord[], positions: readonly LogPosition[], end: LogEnd): void
}

export class Log {
  readonly logId: Uint8Array
  private readonly options: LogOptions
  private readonly segmentFiles: LogSegments
  private readonly pending: PendingBatches
  private readonly opened: OpenSegments
  private readonly manifest: Manifest
  private readonly space: FreeSpace
  private readonly endProof: EndProof
  /** Everything before it is flushed. The next batch begins here when none is pending. */
  private flushedEnd: LogEnd = EMPTY_LOG
  /** The sequence of the next record that is appended. Batches that wait are counted already. */
  private nextSequence = 0
  /** The next batch seals this segment, whatever its size. */
  private sealing: number | undefined
  /** Writes batches until none waits. Undefined while the log is idle. */
  private running: Promise<void> | undefined
  private state: LogState = 'recovering'
  private readonly counters = { bytes: 0, records: 0, refused: 0 }

  /** Opens the segments. Call `recover` before the first append. */
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
    this.segmentFiles = new LogSegments(options.disk, opened)
    this.pending = new PendingBatches(options.segmentSizeBytes, opened.logId)
    this.space = new FreeSpace(options.disk, options.clock, options.reserveBytes)
    const isBusy = (): boolean => this.state !== 'open' || this.running !== undefined
    this.endProof = new EndProof(options.clock, isBusy, () => this.prove())
  }

  /** What the list of files alone shows to be lost. */
  get losses(): readonly LogLoss[] {
    return this.opened.losses
  }

  /** Gives the records after `from` to the handlers, then takes appends (recovery.ts). The caller has written
   * down `losses` before. `rebuilds`: the index is being rebuilt. */
  async recover(
    from: LogEnd,
    nextSequence: number,
    rebuilds: boolean,
    handlers: ReplayHandlers,
  ): Promise<void> {
    assert(this.state === 'recovering', 'a log is recovered once')
    const { proven } = this.manifest
    const recovery = new LogRecovery({
      files: this.segmentFiles.files,
      logId: this.logId,
      from,
      nextSequence,
      proven,
      missing: [...this.knownMissing, ...this.newlyMissing],
      handlers,
    })
    await this.opened.reconcile(rebuilds ? 'forgotten' : 'to be noted')
    const recovered = await recovery.run()
    const leastSequence = Math.max(nextSequence, proven?.nextSequence ?? 0)
    assert(recovered.nextSequence >= leastSequence, 'recovery gives no sequence twice')
    this.flushedEnd = recovered.flushedEnd
    this.nextSequence = recovered.nextSequence
    this.state = 'open'
    await keepTail(recovered, this.tailLog())
  }

  /** Segments that the manifest knows to be gone. A rebuild may bring back what their removals took away. */
  get knownMissing(): readonly number[] {
    return [...this.manifest.missing]
  }

  /** Segments that this start is the first to miss. */
  get newlyMissing(): readonly number[] {
    return this.opened.missing
  }

  isMissing(segment: number): boolean {
    return this.manifest.missing.has(segment) || this.opened.missing.includes(segment)
  }

  /** Call it before the index is cleared: the manifest then proves what only the index did (D9). */
  async keepProof(reflected: ProvenEnd): Promise<void> {
    await this.opened.reconcile('to be noted')
    // Behind records that can't be read, an index may know fewer numbers than the manifest.
    const nextSequence = Math.max(reflected.nextSequence, this.manifest.proven?.nextSequence ?? 0)
    await this.manifest.prove({ end: reflected.end, nextSequence }, true).catch(unlessRefused)
  }

  /** Call it once the records that the index still has of the missing segments are in the log again. */
  noteMissing(): Promise<void> {
    return this.opened.reconcile('noted')
  }

  /** The records are flushed together, in this order. See Store.append. */
  append(records: readonly NewRecord[], urgent = false): Promise<LogPosition[]> {
    if (this.state !== 'open') return Promise.reject(refusalIn(this.state))
    let total = 0
    for (const { key, body, payload } of records) {
      total += recordBytes(key.length, body.length, payload?.length ?? 0)
    }
    if (!urgent && !this.space.hasRoomFor(this.pending.bytes + total)) {
      this.space.pollSoon()
      return Promise.reject(new LogError('DISK_FULL', 'only the reserve is left'))
    }
    if (records.length === 0) return Promise.resolve([])
    const { waitingBytesMax = WAITING_BYTES_MAX } = this.options
    if (!urgent && this.pending.waitingBytes + total > waitingBytesMax) {
      this.counters.refused++
      return Promise.reject(new LogError('OVERLOADED', 'too many bytes wait for the disk'))
    }
    try {
      return this.gather(records, total)
    } catch (error) {
      return Promise.reject(assertionLine(error) === undefined ? error : this.failed(error))
    }
  }

  /** Puts the records into the next batch, which is written once the one before it is flushed. */
  private gather(records: readonly NewRecord[], bytes: number): Promise<LogPosition[]> {
    const batch = this.pending.batchFor(bytes, records.length, this.tip())
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

  /** The whole record, verified (A4). */
  read(position: LogPosition, into?: Uint8Array): Promise<ReadRecord> {
    return readRecord(this.file(position.segment), position, this.logId, into)
  }

  /** The record without its payload, verified. */
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
    return this.segmentFiles.has(segment)
  }

  hasSegmentBelow(segment: number): boolean {
    return this.segmentFiles.hasBelow(segment)
  }

  /** The segment's file, open for reading. */
  file(segment: number): DiskFile {
    const file = this.segmentFiles.files.get(segment)
    if (file === undefined) {
      if (this.state === 'closed') throw new LogError('CLOSED', 'the log is closed')
      throw new LogError('NO_SEGMENT', `segment ${segment} is gone`)
    }
    return file
  }

  segments(): SegmentInfo[] {
    return this.segmentFiles.list()
  }

  /** The next batch begins a new segment, so that compaction can take this one. */
  sealSoon(): void {
    this.sealing = this.segmentFiles.open?.segment
  }

  /** Call it when compaction has copied all live records of the segment, and the copies are flushed. */
  async removeSegment(segment: number): Promise<void> {
    const { open } = this.segmentFiles
    assert(segment !== open?.segment && segment < this.flushedEnd.segment, 'it is sealed')
    const file = this.file(segment)
    // The list goes first: a listed segment without a file counts as lost (D9).
    await this.manifest.remove(segment).catch((error: unknown) => {
      if (error instanceof UntrustedDisk) this.failed(error)
      throw error
    })
    await this.segmentFiles.delete(segment, file)
    await this.space.poll()
  }

  /** Whether a record of this key was appended, but is not flushed yet. */
  isInFlight(key: ByteString): boolean {
    return this.pending.hasKey(key)
  }

  /** Where the flushed part of the log ends, and the sequence of the next record after it. */
  end(): ProvenEnd {
    return { end: this.flushedEnd, nextSequence: this.pending.firstSequence ?? this.nextSequence }
  }

  stats(): LogStats {
    return {
      ...this.counters,
      flushes: this.segmentFiles.flushes,
      waitingBytes: this.pending.bytes,
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
    this.endProof.stop()
    this.space.stop()
    // After a clean stop no start may take the last batch for a torn one.
    if (wasOpen) await this.prove()
    await this.manifest.close()
    await this.segmentFiles.close()
  }

  private tip(): LogTip {
    const { open } = this.segmentFiles
    return {
      flushedEnd: this.flushedEnd,
      nextSequence: this.nextSequence,
      open: open && { segment: open.segment, records: open.hints.count },
      sealing: this.sealing,
      lastSegment: (end) => this.segmentFiles.lastSegment(end),
    }
  }

  /** Writes one batch after the other until none waits. */
  private async run(): Promise<void> {
    // All appends of this turn go into one batch.
    await Promise.resolve()
    for (;;) {
      const batch = this.pending.next()
      if (batch === undefined) break
      try {
        await this.commit(batch)
      } catch (error) {
        await this.fault(error)
        continue
      }
      this.pending.written()
      batch.release()
      this.options.flushed(batch.records, batch.positions, batch.end)
      for (const waiter of batch.waiters) waiter.resolve(waiter.positions)
    }
    this.running = undefined
    this.endProof.rest()
  }

  private async prove(): Promise<void> {
    const { end, nextSequence } = this.end()
    if (end.segment === 0) return
    try {
      await this.manifest.prove({ end, nextSequence })
    } catch (error) {
      if (error instanceof UntrustedDisk) this.failed(error)
      else this.options.logger.warn({ error: String(error) }, 'the log’s end was not written down')
    }
  }

  private async commit(batch: Batch): Promise<void> {
    const segments = this.segmentFiles
    if (batch.startsSegment) await segments.start(batch, this.flushedEnd, this.nextSequence)
    const { open } = segments
    assert(open?.segment === batch.start.segment, 'a batch goes into the open segment')
    await open.file.write(batch.finish(this.flushedEnd), batch.start.offset)
    await segments.flush(open.file)
    batch.addHints(open.hints)
    assert(isBefore(this.flushedEnd, batch.end), 'the flushed end moves on')
    this.flushedEnd = batch.end
    segments.setSize(open.segment, batch.end.offset)
    this.counters.bytes += batch.lengthBytes
    this.counters.records += batch.records.length
    this.space.used(pageEnd(batch.lengthBytes))
  }

  private async fault(error: unknown): Promise<void> {
    // Appends that come while these are taken back begin at the flushed end, not after these.
    const batches = this.pending.takeAll()
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
    const line = assertionLine(error) ?? `the disk failed: ${String(cause)}`
    const refusal = new LogError('FAILED', line, { cause })
    if (this.state !== 'failed') this.options.fail(refusal.message)
    this.state = 'failed'
    return refusal
  }

  /** Takes back a batch that found no room. Later batches were laid out after this one, so they fail too. */
  private async stepBack(batch: Batch): Promise<void> {
    this.space.exhausted()
    assert(batch.firstSequence <= this.nextSequence, 'what is taken back was given before')
    this.nextSequence = batch.firstSequence
    try {
      if (batch.startsSegment) await this.segmentFiles.drop(batch.start.segment)
      else await this.segmentFiles.open?.file.truncate(this.flushedEnd.offset)
    } catch (error) {
      this.options.logger.warn({ error: String(error) }, 'rest of a refused batch was left')
    }
    this.options.logger.warn({ segment: batch.start.segment }, 'the disk is full')
  }

  private tailLog(): TailLog {
    return {
      disk: this.options.disk,
      logger: this.options.logger,
      logId: this.logId,
      pool: this.pending.pool,
      segments: this.segmentFiles,
      flushedEnd: () => this.flushedEnd,
      isReadOnly: () => this.state === 'read-only',
      append: (records) => this.append(records, true),
      endsBehind: (batch) => {
        this.flushedEnd = batch.end
        this.nextSequence = Math.max(this.nextSequence, batch.firstSequence + batch.records.length)
        this.options.flushed(batch.records, batch.positions, batch.end)
      },
      prove: () => this.prove(),
    }
  }
}
