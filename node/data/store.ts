/**
 * The log with the index behind it: what the register host and the block store stand on.
 *
 * Invariants:
 *   - a row shows in `get` and `range` only after the record that made it is flushed, in log order (A1)
 *   - rows come from `apply` alone, so that normal running, replay and rebuild can't differ (D6)
 *   - nobody waits for the index: the memtable covers what it has not committed
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import type { Index, IndexWrite } from '../env/ports.ts'
import { Compaction, type CompactionOptions } from './compaction.ts'
import { DeadBytes } from './dead-bytes.ts'
import { IndexWriter, readReflected, RESERVED_PREFIX, type Reflected } from './index-writer.ts'
import { Log, type SegmentInfo } from './log.ts'
import { compareBytes, type Memtable } from './memtable.ts'
import type { ReadRecord } from './read.ts'
import { Scrub, type ScrubOptions } from './scrub.ts'
import { FIRST_BATCH_AT, pageEnd, type LogEnd } from './segment.ts'
import type {
  Damage,
  LogPosition,
  LogRecord,
  NewRecord,
  RowWrite,
  StoredRecord,
  StoreOptions,
  StoreStats,
} from './types.ts'
import { walkSegment } from './walk.ts'

const EMPTY_LOG: LogEnd = { segment: 0, offset: 0 }

export class Store {
  private readonly options: StoreOptions
  private readonly log: Log
  private readonly index: Index
  private readonly writer: IndexWriter
  private readonly memtable: Memtable
  private readonly found: Damage[] = []
  private readonly dead: DeadBytes
  private readonly current = (key: Uint8Array): Uint8Array | undefined => this.get(key)

  /** Recovers the log, replays what the index does not reflect, rebuilds the index where it must. */
  static async open(options: StoreOptions): Promise<Store> {
    // The log needs the store for what it flushes in recovery, the store needs the log.
    const late: { store?: Store } = {}
    const log = await Log.open({
      ...options,
      flushed: (records, positions, end) => late.store?.flushed(records, positions, end),
    })
    const index = await options.openIndex()
    const store = new Store(options, log, index)
    late.store = store
    await store.recover()
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
  }

  /**
   * Appends the records, in order: after a crash either all of them are there or none. Resolves when
   * they are flushed and visible in `get` and `range`. Rejects with a LogError: DISK_FULL (nothing
   * counts; `urgent`, for deletes and compaction, may use the reserve), READ_ONLY, FAILED (D5), CLOSED.
   */
  append(
    records: readonly NewRecord[],
    options?: { readonly urgent?: boolean },
  ): Promise<LogPosition[]> {
    const urgent = options?.urgent === true
    if (!this.writer.crowded) return this.log.append(records, urgent)
    return this.writer.room().then(() => this.log.append(records, urgent))
  }

  /** A row of the index, flushed states only. Valid until the next call: copy what is to be kept. */
  get(key: Uint8Array): Uint8Array | undefined {
    const row = this.memtable.get(key)
    return row === undefined ? this.index.get(key) : row.value
  }

  /** Rows with start <= key < end, ascending, at most `limit`; `visit` returns false to stop. The
   * store's own rows, which begin with "x", are among them when the range holds them. */
  range(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void {
    const newer = this.memtable.range(start, end)
    if (newer.length === 0) return this.index.range(start, end, limit, visit)
    mergeRange(this.index, newer, start, end, limit, visit)
  }

  /**
   * The whole record, verified. LogError: CHECKSUM_MISMATCH, MISDIRECTED (A4), NO_SEGMENT (compacted:
   * look it up again), or the disk's own error. With `into`, body and payload are views of it.
   */
  async readRecord(position: LogPosition, into?: Uint8Array): Promise<ReadRecord> {
    return this.log.read(position, into)
  }

  /** The payload, verified; empty when there is none. `into` has position.lengthBytes at least. */
  async readPayload(position: LogPosition, into?: Uint8Array): Promise<Uint8Array> {
    const { payload } = await this.log.read(position, into)
    return payload ?? new Uint8Array(0)
  }

  /** As readRecord, for payloads of at most 64 KiB. */
  readRecordSync(position: LogPosition): ReadRecord {
    return this.log.readSync(position)
  }

  readPayloadSync(position: LogPosition): Uint8Array {
    return this.log.readSync(position).payload ?? new Uint8Array(0)
  }

  /** What was found damaged at start. */
  damage(): readonly Damage[] {
    return this.found
  }

  segments(): (SegmentInfo & { deadBytes: number })[] {
    return this.log.segments().map((info) => ({ ...info, deadBytes: this.dead.of(info.segment) }))
  }

  /** The records of a segment in order, payloads unread, and what is damaged among them. */
  async *walk(segment: number): AsyncGenerator<StoredRecord | Damage> {
    const file = this.log.file(segment)
    for await (const batch of walkSegment(file, segment, FIRST_BATCH_AT, this.log.logId)) {
      for (const { header, body, position } of batch.records) {
        const { type, partition, key } = header
        yield { record: { type, partition, key, body }, position }
      }
      yield* batch.damage
    }
  }

  isLive(record: LogRecord, position: LogPosition): boolean {
    const oldest = !this.log.segments().some(({ segment }) => segment < position.segment)
    return this.options.isLive?.(record, position, this.current, oldest) ?? true
  }

  /**
   * Appends records of a sealed segment anew, as far as they are live. Between the look at a record's
   * row and its place in the log nothing can come, and a record whose key is in flight is left for a
   * later try: so a copy never overtakes a newer state of its key, whatever the replay.
   * The result is what was left.
   */
  async move<T extends { record: LogRecord; position: LogPosition }>(
    moved: readonly T[],
  ): Promise<T[]> {
    await this.writer.room()
    const busy: T[] = []
    const copies: NewRecord[] = []
    for (const one of moved) {
      if (this.log.isInFlight(one.record.key)) busy.push(one)
      else if (this.isLive(one.record, one.position)) copies.push(one.record)
    }
    await this.log.append(copies, true)
    return busy
  }

  /** Everything live in it has been moved, and is flushed. */
  async removeSegment(segment: number): Promise<void> {
    await this.log.removeSegment(segment)
    this.dead.forget(segment)
    this.writer.touch()
  }

  /** Up to where the log is flushed, and how many records it ever had (D2). */
  end(): { end: LogEnd; nextSequence: number } {
    return this.log.end()
  }

  /** Gives back dead bytes once it is started. Needs `isLive`, and rows that say what they replace. */
  compaction(limits: Partial<CompactionOptions> = {}): Compaction {
    const { clock, logger } = this.options
    return new Compaction({ ...limits, store: this, clock, logger })
  }

  /** Verifies all live records, pass by pass. */
  scrub(handlers: Pick<ScrubOptions, 'bad' | 'lost' | 'bytesPerSecond'>): Scrub {
    const { clock, logger } = this.options
    return new Scrub({ ...handlers, store: this, clock, logger })
  }

  stats(): StoreStats {
    const segments = this.log.segments()
    return {
      ...this.log.stats(),
      segments: segments.length,
      logBytes: segments.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
      deadBytes: segments.reduce((sum, { segment }) => sum + this.dead.of(segment), 0),
      pendingRows: this.memtable.rows,
      damaged: this.found.length,
    }
  }

  /** Resolves when the index reflects everything that was flushed before the call. */
  settleIndex(): Promise<void> {
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
    for (let i = 0; i < records.length; i++) {
      this.apply(records[i] as NewRecord, positions[i] as LogPosition)
    }
    this.writer.reflect(end, this.log.end().nextSequence)
  }

  private apply(record: NewRecord, position: LogPosition): void {
    this.put(this.options.apply(record, position, this.current), position)
  }

  private put(rows: readonly RowWrite[], position?: LogPosition): void {
    for (const row of rows) {
      assert(row.key[0] !== RESERVED_PREFIX, 'this prefix is the store’s own')
      this.memtable.put(row)
      const { replaces } = row
      if (replaces === undefined) continue
      if (replaces.segment !== position?.segment || replaces.offset !== position.offset) {
        this.dead.add(replaces.segment, replaces.lengthBytes)
      }
    }
  }

  private async recover(): Promise<void> {
    const from = await this.replayFrom()
    await this.log.recover(from.end, from.nextSequence, {
      record: (record, position) => this.apply(record, position),
      damage: (damage) => {
        this.found.push(damage)
        this.options.logger.error({ ...damage }, 'a part of the log is damaged')
        if (this.options.applyDamaged !== undefined) {
          this.put(this.options.applyDamaged(damage, this.current))
        }
      },
      progress: async (end, nextSequence) => {
        this.writer.reflect(end, nextSequence)
        if (this.writer.crowded) await this.writer.room()
      },
    })
  }

  /** Where the index stands. An index of another log, or of a longer one, is worth nothing. */
  private async replayFrom(): Promise<{ end: LogEnd; nextSequence: number }> {
    const reflected = readReflected(this.index)
    if (reflected !== undefined && this.isUsable(reflected)) {
      this.dead.load(this.index)
      return reflected
    }
    const segments = this.log.segments().length
    if (segments > 0) this.options.logger.warn({ segments }, 'rebuilding the index from the log')
    await this.index.clear()
    return { end: EMPTY_LOG, nextSequence: 0 }
  }

  private isUsable({ logId, indexVersion, end }: Reflected): boolean {
    if (indexVersion !== (this.options.indexVersion ?? 1)) return false
    if (!equalBytes(logId, this.log.logId)) return false
    const segments = this.log.segments()
    const segment = segments.find((info) => info.segment === end.segment)
    const newer = segments.some((info) => info.segment > end.segment)
    if (segment === undefined) {
      // Compacted away since the index was last flushed, otherwise the log's end is lost.
      if (!newer && end.segment > 0) this.lost(end, 0)
      return end.segment === 0
    }
    if (pageEnd(segment.sizeBytes) >= end.offset) return true
    // The index reflects only what was flushed: what is missing here was acknowledged (D4).
    this.lost(end, segment.sizeBytes)
    return false
  }

  private lost(end: LogEnd, sizeBytes: number): void {
    const damage: Damage = {
      segment: end.segment,
      offset: sizeBytes,
      lengthBytes: end.offset - sizeBytes,
    }
    this.found.push(damage)
    this.options.logger.error({ ...damage }, 'the end of the log is lost')
  }
}

/** Rows of the index, overridden by newer ones. */
function mergeRange(
  index: Index,
  newer: readonly IndexWrite[],
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
): void {
  let left = limit
  let at = 0
  const give = (key: Uint8Array, value: Uint8Array | undefined): boolean => {
    if (value === undefined) return true
    if (left <= 0) return false
    left--
    return visit(key, value) !== false && left > 0
  }
  let going = left > 0
  // Each newer row hides at most one of the index's.
  index.range(start, end, limit + newer.length, (key, value) => {
    while (going && at < newer.length) {
      const row = newer[at] as IndexWrite
      const order = compareBytes(row.key, key)
      if (order > 0) break
      at++
      going = give(row.key, row.value)
      if (order === 0) return going
    }
    if (going) going = give(key, value)
    return going
  })
  while (going && at < newer.length) {
    const row = newer[at++] as IndexWrite
    going = give(row.key, row.value)
  }
}
