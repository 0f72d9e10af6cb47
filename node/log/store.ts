/**
 * The log with its index: where the acceptor host and the block store keep everything.
 *
 * Invariants:
 *   - a row is visible in `get` and `range` only after the record that made it is flushed, in log order (A1)
 *   - only `apply` makes rows, so that normal running, replay and rebuild can't differ (D6)
 *   - nothing waits for a commit of the index: the memtable has the rows that are not committed yet
 */

import { assert } from '../../protocol/assert.ts'
import { EMPTY_BYTES, u32 } from '../../protocol/bytes.ts'
import type { Index, IndexWrite, RowScan, RowVisit } from '../env/ports.ts'
import { copiesOf } from './copies.ts'
import { DeadBytes } from './dead-bytes.ts'
import { IndexWriter } from './index-writer.ts'
import { Log } from './log.ts'
import type { SegmentInfo } from './log-segments.ts'
import { LogLosses } from './losses.ts'
import type { Memtable } from './memtable.ts'
import { mergeRange } from './merge-range.ts'
import type { ReadRecord, SegmentReader } from './read.ts'
import { RowApplier } from './row-applier.ts'
import { BATCH_HEADER_BYTES, EMPTY_LOG, FIRST_BATCH_AT, type LogEnd } from './segment.ts'
import { StoreRecovery } from './store-recovery.ts'
import type {
  Damage,
  LogLoss,
  LogPosition,
  LogRecord,
  NewRecord,
  RowSchema,
  StoredRecord,
  StoreOptions,
  StoreStats,
} from './types.ts'
import { storedRecords } from './walk.ts'

export class Store {
  readonly options: StoreOptions
  private readonly log: Log
  private readonly index: Index
  private readonly writer: IndexWriter
  private readonly memtable: Memtable
  private readonly found: Damage[] = []
  private readonly obsolete: Damage[] = []
  private readonly lost: LogLosses
  private readonly dead: DeadBytes
  private readonly applier: RowApplier
  private readonly recovery: StoreRecovery
  private readonly current = (key: Uint8Array): Uint8Array | undefined => this.get(key)

  /** Recovers the log, replays what the index does not reflect, rebuilds the index where it must. */
  static async open(options: StoreOptions): Promise<Store> {
    // Each needs the other: the log calls the store for the batches that it flushes.
    const late: { store?: Store } = {}
    const log = await Log.open({
      ...options,
      flushed: (records, positions, end) => late.store?.flushed(records, positions, end),
    })
    const index = await options.openIndex()
    const store = new Store(options, log, index)
    late.store = store
    await store.recovery.run()
    return store
  }

  private constructor(options: StoreOptions, log: Log, index: Index) {
    this.options = options
    this.log = log
    this.index = index
    this.writer = new IndexWriter(index, options.clock, options.logger, {
      logId: log.logId,
      indexVersion: options.indexVersion ?? 1,
      end: EMPTY_LOG,
      nextSequence: 0,
    })
    this.memtable = this.writer.memtable
    this.dead = new DeadBytes(this.memtable)
    this.lost = new LogLosses((losses) => options.forgot?.(losses) ?? Promise.resolve())
    this.applier = new RowApplier(options, {
      memtable: this.memtable,
      dead: this.dead,
      current: this.current,
      hasSegment: (segment) => log.hasSegment(segment),
    })
    this.recovery = new StoreRecovery(options, this, {
      log,
      index,
      writer: this.writer,
      dead: this.dead,
      applier: this.applier,
      losses: this.lost,
      found: this.found,
    })
  }

  /**
   * Appends the records, in order: after a crash either all of them are there or none. Resolves when
   * they are flushed and visible in `get` and `range`. Rejects with a LogError: DISK_FULL (nothing was appended;
   * `urgent`, for deletes and compaction, may use the reserve), OVERLOADED, READ_ONLY, FAILED (D5), CLOSED.
   */
  append(
    records: readonly NewRecord[],
    options?: { readonly urgent?: boolean },
  ): Promise<LogPosition[]> {
    const urgent = options?.urgent === true
    if (!this.writer.crowded) return this.log.append(records, urgent)
    return this.writer.room().then(() => this.log.append(records, urgent))
  }

  /** A row of the index. Valid until the next call: copy what you keep. */
  get(key: Uint8Array): Uint8Array | undefined {
    const row = this.memtable.get(key)
    return row === undefined ? this.index.get(key) : row.value
  }

  /** Rows with start <= key < end, ascending, at most `limit`; `visit` returns false to stop. The
   * store's own rows, which begin with "x", are among them when the range holds them. */
  range(start: Uint8Array, end: Uint8Array, limit: number, visit: RowVisit): void {
    this.scan(start, end, limit, (key, keyBytes, value, valueBytes) =>
      visit(key.slice(0, keyBytes), value.slice(0, valueBytes)),
    )
  }

  /** The same rows without a copy: see RowScan. `visit` may not call the store. */
  scan(start: Uint8Array, end: Uint8Array, limit: number, visit: RowScan): void {
    mergeRange(this.index, this.memtable.range(start, end), start, end, limit, visit)
  }

  /**
   * The whole record, verified. LogError: CHECKSUM_MISMATCH, MISDIRECTED (A4), NO_SEGMENT (compacted:
   * look it up again), or the disk's own error. With `into`, body and payload are views of it.
   */
  async readRecord(position: LogPosition, into?: Uint8Array): Promise<ReadRecord> {
    return this.log.read(position, into)
  }

  /** For reading many records of a segment in order. */
  reader(segment: number): Promise<SegmentReader> {
    return this.log.reader(segment)
  }

  /** The record at that place. Undefined when none can be read. */
  async recordAt(position: LogPosition): Promise<LogRecord | undefined> {
    try {
      return await this.log.read(position)
    } catch {
      return undefined
    }
  }

  /** The payload, verified; empty when there is none. `into` has position.lengthBytes at least. */
  async readPayload(position: LogPosition, into?: Uint8Array): Promise<Uint8Array> {
    const { payload } = await this.log.read(position, into)
    return payload ?? new Uint8Array(0)
  }

  /** As readRecord, without the payload: one small read. */
  async readMeta(position: LogPosition): Promise<LogRecord> {
    return this.log.readMeta(position)
  }

  /** For checkers and tests only: it blocks the event loop until the disk answers. */
  readPayloadSync(position: LogPosition): Uint8Array {
    return this.log.readSync(position).payload ?? new Uint8Array(0)
  }

  /** Damage that the start has found. */
  damage(): readonly Damage[] {
    return this.found
  }

  /** The log's own id. A node expects it again at its next start. */
  get logId(): Uint8Array {
    return this.log.logId
  }

  /** What this start has found to be lost (D8). */
  losses(): readonly LogLoss[] {
    return this.lost.all
  }

  segments(): (SegmentInfo & { deadBytes: number; removalBytes: number })[] {
    return this.log.segments().map((info) => {
      const { replaced, padding, removals } = this.dead.of(info.segment)
      return { ...info, deadBytes: replaced + padding, removalBytes: removals }
    })
  }

  hasSegment(segment: number): boolean {
    return this.log.hasSegment(segment)
  }

  /** The records of a segment in order, without payloads, and the damage among them. `from`: where a batch begins. */
  async *walk(segment: number, from = 0): AsyncGenerator<StoredRecord | Damage> {
    const start = Math.max(from, FIRST_BATCH_AT)
    yield* storedRecords(this.log.file(segment), segment, start, this.log.logId)
  }

  isLive(record: LogRecord, position: LogPosition): boolean {
    if (record.type === this.options.compactedType) return false
    const oldest = !this.log.hasSegmentBelow(position.segment)
    return this.options.isLive?.(record, position, this.current, oldest) ?? true
  }

  /** The row of the record's key is damaged: it can't be told which record of the key counts. */
  isUndecided(record: LogRecord, position: LogPosition): boolean {
    const { rows } = this.options
    return rows !== undefined && rows.copiesOf(record, position, this.current) === undefined
  }

  /**
   * Appends copies of those records of a sealed segment that are live. A record's row is read and its copy gets its place
   * in the log in one turn of the event loop, and a record whose key is in flight is left for a later try. So a copy
   * never comes after a newer record of its key. The result is what was left.
   */
  async move<T extends StoredRecord>(moved: readonly T[]): Promise<T[]> {
    await this.writer.room()
    const { copies, busy } = copiesOf(moved, {
      rows: this.options.rows,
      current: this.current,
      isInFlight: (key) => this.log.isInFlight(key),
      isLive: (record, position) => this.isLive(record, position),
    })
    await this.log.append(copies, true)
    return busy
  }

  /** Whether records of this type have a row that points to them while they are live. */
  hasRow(record: Pick<LogRecord, 'type'>): boolean {
    const { rows, compactedType } = this.options
    return record.type !== compactedType && rows?.isRemoval(record) !== true
  }

  /** Bytes of records in the segment that a row pointed to once and none points to now. */
  replacedBytes(segment: number): number {
    return this.dead.of(segment).replaced
  }

  /** Appends the marker: all live records of the segment are copied. The next start deletes the segment if it is there. */
  async appendMarker(segment: number): Promise<void> {
    await this.log.append([this.marker(segment)], true)
  }

  compactedSegments(): ReadonlySet<number> {
    return this.dead.compacted()
  }

  /** Seals the open segment now, so that it can be compacted. */
  async sealSegment(): Promise<void> {
    this.log.sealSoon()
    // The record that a new segment begins with: no segment has the number 0.
    await this.log.append([this.marker(0)], true)
  }

  /** Deletes a segment whose live records are all copied, and flushed. */
  async removeSegment(segment: number): Promise<void> {
    // If the index reflected a place in a segment that is gone, it would have to be rebuilt.
    await this.writer.drainUnlessFailing()
    await this.log.removeSegment(segment)
    this.dead.forget(segment)
    this.writer.touch()
  }

  /** For scrub.ts: how records and rows belong together. */
  get rows(): RowSchema | undefined {
    return this.options.rows
  }

  hasSoundRow(key: Uint8Array): boolean {
    const row = this.get(key)
    return row !== undefined && (this.options.rows?.isSound(key, row) ?? true)
  }

  /**
   * Appends the record again from what the index has of it, in one turn as in `move`. While a record of its key is in
   * flight, nothing is written: that one will replace the row, and the damage (D10). 'elsewhere': the index does not have
   * all of the record.
   */
  async restore(
    record: Pick<LogRecord, 'type' | 'partition' | 'key'>,
    at?: LogPosition,
  ): Promise<'written' | 'replaced' | 'elsewhere'> {
    const { rows, compactedType } = this.options
    await this.writer.room()
    if (this.log.isInFlight(record.key)) return 'replaced'
    if (record.type === compactedType) return 'elsewhere'
    const restored = rows?.restore(record, this.current, at)
    if (restored === undefined) return 'elsewhere'
    await this.log.append(restored, true)
    return 'written'
  }

  /** The record has raised a value, and the index does not have that. */
  missesRaise(record: LogRecord, position: LogPosition): boolean {
    return this.options.rows?.isAbove(record, position, this.current) ?? false
  }

  /** Makes the rows of a flushed record again. False while a newer record of its key is in flight. */
  applyAgain(record: LogRecord, position: LogPosition): boolean {
    if (this.log.isInFlight(record.key)) return false
    this.applier.applyAgain(record, position)
    this.writer.touch()
    return true
  }

  /** As `applyAgain`, for records that raise a value: their order does not matter. */
  raiseAgain(record: LogRecord, position: LogPosition): void {
    this.applier.applyAgain(record, position)
    this.writer.touch()
  }

  /** Corrects a row that no record makes: a digest. */
  repairRow(row: IndexWrite): void {
    this.applier.put([row])
    this.writer.touch()
  }

  /** A scrub has counted `bytes` of records in the segment that no row points to. */
  raiseReplaced(segment: number, bytes: number): void {
    this.dead.raiseReplaced(segment, bytes)
  }

  /** The damaged record is not needed any more: it was written again, or a later one has replaced it. */
  isObsolete({ identity, ...position }: Damage): boolean {
    if (identity !== undefined && !this.isLive({ ...identity, body: EMPTY_BYTES }, position)) {
      return true
    }
    return this.obsolete.some(
      ({ segment, offset, lengthBytes }) =>
        segment === position.segment &&
        offset <= position.offset &&
        offset + lengthBytes >= position.offset + position.lengthBytes,
    )
  }

  /** The damage may have been a removal that is still needed, because an older segment is left (D7). */
  mayHideRemoval({ identity, segment }: Damage): boolean {
    return identity === undefined && this.log.hasSegmentBelow(segment)
  }

  /** Call it when no row points into this stretch any more, or its removal was written again (scrub.ts). */
  noteObsolete(damage: Damage): void {
    this.obsolete.push(damage)
  }

  /** Up to where the log is flushed, and how many records it has ever had (D2). */
  end(): { end: LogEnd; nextSequence: number } {
    return this.log.end()
  }

  stats(): StoreStats {
    const segments = this.segments()
    return {
      ...this.log.stats(),
      segments: segments.length,
      logBytes: segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      deadBytes: segments.reduce((sum, { deadBytes }) => sum + deadBytes, 0),
      removalBytes: segments.reduce((sum, { removalBytes }) => sum + removalBytes, 0),
      pendingRows: this.memtable.rows,
      damaged: this.found.length,
      indexRebuilt: this.recovery.rebuilt,
    }
  }

  /** Resolves when the index has committed everything that was flushed before the call. */
  commitIndex(): Promise<void> {
    return this.writer.drain()
  }

  /** Flushes everything, log and index. */
  async close(): Promise<void> {
    await this.log.close()
    await this.writer.close()
    await this.index.close()
  }

  private flushed(
    records: readonly NewRecord[],
    positions: readonly LogPosition[],
    end: LogEnd,
  ): void {
    assert(positions.length === records.length, 'every record has its place')
    let bytes = 0
    for (let i = 0; i < records.length; i++) {
      const position = positions[i] as LogPosition
      this.applier.apply(records[i] as NewRecord, position)
      bytes += position.lengthBytes
    }
    const start = (positions[0] as LogPosition).offset - BATCH_HEADER_BYTES
    this.dead.add(end.segment, 'padding', end.offset - start - bytes)
    this.writer.reflect(end, this.log.end().nextSequence)
  }

  private marker(segment: number): NewRecord {
    const { compactedType: type } = this.options
    return { type, partition: 0, key: u32(segment), body: EMPTY_BYTES }
  }
}
