/**
 * Frees the space of records that no row points to any more.
 *
 *  1. Take a segment (compaction-plan.ts).
 *  2. Append its live records again, verified, in order. A copy is a record like any other.
 *  3. When all copies are flushed, append the marker: "this segment is copied".
 *  4. When the marker is flushed, and reads under way have had time to end, delete the segment.
 *
 * A crash before the marker leaves the old records, and perhaps copies: replay gives the same rows (F7), and the
 * segment is taken again. After a crash behind the marker the next start deletes the segment. The log is flushed in
 * order, so the marker is never durable before the copies are.
 *
 * Invariants:
 *   - only the record that its row points to is copied, and only while no newer record of its key is in flight: so
 *     the latest record of a key in the log is always the one that counts
 *   - a record whose row is damaged is not copied: a later one may have replaced it (D10)
 *   - a segment is deleted only when every record in it without a row is known to have been replaced: when the
 *     index loses a row, the record is not lost with it (F4)
 *   - a segment with a live record that can't be read stays until repair has fetched that record from a replica
 *   - a segment with damage that names no record stays while an older segment exists: the damaged record may have
 *     been a removal (D7)
 *
 * Copies are urgent: they may use the log's reserve (F6).
 */

import { assert } from '../../protocol/assert.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { allowedDeadShare, planCompaction, type CompactionPlan } from './compaction-plan.ts'
import { assertionLine, errorCode, LogError } from './errors.ts'
import type { SegmentReader } from './read.ts'
import type { Store } from './store.ts'
import type { LogPosition, LogRecord, StoredRecord } from './types.ts'
import { sleep, Turns } from '../tools/sleep.ts'

export interface CompactionOptions {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** The share of the log that may be dead while the disk has room. Default 0.4. */
  readonly deadShareMax?: number | undefined
  /** A segment of this size is sealed. */
  readonly segmentBytes: number
  /** Segments that would give back less are left alone, unless the disk is nearly full. Default 1 MiB. */
  readonly gainBytesMin?: number | undefined
  /** How fast records are copied; four times as fast when the disk is nearly full. Default 64 MiB. */
  readonly bytesPerSecond?: number | undefined
  /** For this long readers may still use a position that they looked up before the copy. Default 1,000. */
  readonly graceMs?: number | undefined
  /** How often to look for work; at least every second when the disk is nearly full. Default 10,000. */
  readonly intervalMs?: number | undefined
  /** Rows of the segment seem to be lost: a scrub has to look. */
  readonly suspect?: ((segment: number) => void) | undefined
}

/** Copied in one append. */
const GROUP_BYTES = 4 << 20
const GROUP_RECORDS = 500
/** What a record costs, in rows of a turn. */
const ROWS_PER_RECORD = 2
/** How often a record is tried whose key is being written each time. */
const BUSY_TRIES_MAX = 100
const SHORT_INTERVAL_MS = 1_000
const SHORT_RATE = 4
/** Copies may take this share of the free space. The rest is for deletes, and for the index. */
const ROOM_SHARE = 0.75
/** Copies get a segment of their own when they fill at least this share of one. */
const APART_SHARE = 0.25
/** After this long a segment that had to stay is tried again. */
const STUCK_MS = 600_000

/** One for each store. It works through one plan at a time; while it copies, the store serves. */
export class Compaction {
  /** For the status page. */
  state: 'idle' | 'working' | 'stopped' = 'idle'
  /** The segment that is being copied. */
  working: number | undefined
  readonly counters = { segments: 0, movedBytes: 0, freedBytes: 0 }
  private readonly options: CompactionOptions
  private cancelTimer: (() => void) | undefined
  private running: Promise<void> | undefined
  /** Segments that have to stay, and since when, on the monotonic clock. */
  private readonly stuck = new Map<number, number>()
  /** Deletions of segments that are copied and have their marker: they wait for readers to end. */
  private readonly leaving = new Set<Promise<void>>()

  constructor(options: CompactionOptions) {
    this.options = options
  }

  /** Looks for work every `intervalMs`. */
  start(): void {
    const { clock, intervalMs = 10_000, store } = this.options
    if (this.state === 'stopped') return
    const delayMs = store.stats().full ? Math.min(intervalMs, SHORT_INTERVAL_MS) : intervalMs
    this.cancelTimer = clock.after(delayMs, () => {
      this.running = this.work()
        .catch((error: unknown) => this.survive(error, 'compaction failed'))
        .then(() => this.start())
    })
  }

  async stop(): Promise<void> {
    this.state = 'stopped'
    this.cancelTimer?.()
    await this.running
    await Promise.allSettled(this.leaving)
  }

  /** How many segments have to stay, because they hold damage. */
  get stuckCount(): number {
    return this.stuck.size
  }

  /** Bytes appended since the start, divided by those that compaction did not write. */
  get writeAmplification(): number {
    const { bytes } = this.options.store.stats()
    const others = bytes - this.counters.movedBytes
    return others > 0 ? bytes / others : 1
  }

  /** Damage was mended: try the segments again that had to stay. */
  retry(): void {
    this.stuck.clear()
  }

  /** Compacts while there is a segment worth it. */
  async work(): Promise<void> {
    for (;;) {
      if (this.isStopped()) return
      const plan = this.plan()
      if (plan === undefined) break
      this.state = 'working'
      try {
        if ('seal' in plan) await this.options.store.sealSegment()
        else await this.compactApart(plan.compact)
      } finally {
        if (!this.isStopped()) this.state = 'idle'
      }
    }
    await Promise.all(this.leaving)
  }

  /** The next step; undefined when there is none worth it. */
  plan(): CompactionPlan {
    const { store, clock, segmentBytes, deadShareMax = 0.4, gainBytesMin = 1 << 20 } = this.options
    const { segment: current } = store.end().end
    const now = clock.monotonicMs()
    for (const [segment, since] of this.stuck) {
      if (now - since > STUCK_MS || !store.hasSegment(segment)) this.stuck.delete(segment)
    }
    const leaving = store.compactedSegments()
    const segments = store
      .segments()
      .filter(({ segment }) => !leaving.has(segment))
      .map((info) => ({
        ...info,
        sealed: info.sealed && info.segment < current,
        stuck: this.stuck.has(info.segment),
      }))
    const stats = store.stats()
    return planCompaction(segments, {
      deadShareMax: allowedDeadShare(deadShareMax, stats, segmentBytes),
      gainBytesMin,
      short: stats.full,
      roomBytes: stats.freeBytes * ROOM_SHARE,
      segmentBytes,
    })
  }

  /** Copies of old data get a segment of their own, unless others write meanwhile. */
  private async compactApart(segments: readonly number[]): Promise<void> {
    const { store } = this.options
    const movedBefore = this.counters.movedBytes
    const live = store
      .segments()
      .filter(({ segment }) => segments.includes(segment))
      .reduce((sum, { sizeBytes, deadBytes }) => sum + sizeBytes - deadBytes, 0)
    // A segment that is sealed early wastes room, which a full disk does not have.
    const apart = (bytes: number): boolean =>
      !store.stats().full && bytes >= this.options.segmentBytes * APART_SHARE
    if (apart(live) && apart(store.end().end.offset)) await store.sealSegment()
    for (const segment of segments) {
      if (this.isStopped()) return
      await this.compact(segment)
    }
    const moved = this.counters.movedBytes - movedBefore
    if (!this.isStopped() && apart(moved)) await store.sealSegment()
  }

  /** Copies the live records of the segment and deletes it. False when it has to stay. */
  async compact(segment: number): Promise<boolean> {
    this.working = segment
    try {
      if (!(await this.copy(segment))) return false
    } catch (error) {
      // Compacted or removed meanwhile: nothing is left to do here.
      if (!(error instanceof LogError && error.code === 'NO_SEGMENT')) throw error
      return false
    } finally {
      this.working = undefined
    }
    const { store } = this.options
    await store.appendMarker(segment)
    const left = this.leave(segment)
      // It has its marker: the next start deletes it.
      .catch((error: unknown) => {
        this.survive(error, `segment ${segment} was not deleted`)
      })
      .finally(() => this.leaving.delete(left))
    this.leaving.add(left)
    // On a full disk the next copies need this room.
    if (store.stats().full) await left
    return true
  }

  private async leave(segment: number): Promise<void> {
    const { store, clock, logger, graceMs = 1_000 } = this.options
    const sizeBytes = store.segments().find((info) => info.segment === segment)?.sizeBytes ?? 0
    if (!store.stats().full) await sleep(clock, graceMs)
    // The next start deletes it.
    if (this.isStopped()) return
    assert(store.compactedSegments().has(segment), 'a segment has its marker before it is deleted')
    await store.removeSegment(segment)
    this.counters.segments++
    this.counters.freedBytes += sizeBytes
    logger.info({ segment, sizeBytes }, 'segment compacted')
  }

  /**
   * False when the segment has to stay. All its live records are copied, and flushed, when it resolves to true.
   */
  private async copy(segment: number): Promise<boolean> {
    const { store } = this.options
    const reader = await store.reader(segment)
    const turns = new Turns(this.options.clock)
    let group: StoredRecord[] = []
    let groupBytes = 0
    let lostBytes = 0
    for await (const found of store.walk(segment)) {
      if (!('record' in found)) {
        if (store.isObsolete(found) && !store.mayHideRemoval(found)) continue
        return this.keep(segment, 'a damaged segment is not compacted')
      }
      const { record, position } = found
      await turns.took(ROWS_PER_RECORD)
      if (!store.isLive(record, position)) {
        if (store.hasRow(record)) lostBytes += position.lengthBytes
        continue
      }
      if (store.isUndecided(record, position)) {
        this.options.suspect?.(segment)
        return this.keep(segment, 'a damaged row of the index has to be restored by a scrub first')
      }
      const whole = await this.read(reader, position)
      if (whole === undefined) {
        if (!store.isLive(record, position)) continue
        return this.keep(segment, 'a record can’t be moved')
      }
      group.push({ record: whole, position })
      groupBytes += position.lengthBytes
      if (groupBytes < GROUP_BYTES && group.length < GROUP_RECORDS) continue
      if (!(await this.move(group, groupBytes))) return false
      group = []
      groupBytes = 0
    }
    if (!(await this.move(group, groupBytes))) return false
    if (lostBytes > store.replacedBytes(segment)) {
      this.options.suspect?.(segment)
      return this.keep(segment, 'rows of a segment seem to be lost: the segment is not deleted')
    }
    return true
  }

  private keep(segment: number, why: string): false {
    this.options.logger.warn({ segment }, why)
    this.stuck.set(segment, this.options.clock.monotonicMs())
    return false
  }

  /** Undefined when the record can't be read as it was written: repair has to fetch it first. */
  private async read(reader: SegmentReader, position: LogPosition): Promise<LogRecord | undefined> {
    const { logger } = this.options
    try {
      return await reader.read(position)
    } catch (error) {
      if (error instanceof LogError && error.code === 'NO_SEGMENT') throw error
      if (!(error instanceof LogError) && errorCode(error) !== 'EIO') throw error
      logger.warn({ ...position, error: String(error) }, 'a record can’t be moved')
      return undefined
    }
  }

  /** False when records stayed busy for too long, or compaction was stopped. */
  private async move(group: readonly StoredRecord[], bytes: number): Promise<boolean> {
    const { store, clock, bytesPerSecond = 64 << 20 } = this.options
    let left: readonly StoredRecord[] = group
    for (let tries = 0; left.length > 0; tries++) {
      if (tries === BUSY_TRIES_MAX || this.isStopped()) return false
      left = await store.move(left)
      if (left.length > 0) await sleep(clock, 10)
    }
    this.counters.movedBytes += bytes
    const rate = store.stats().full ? SHORT_RATE * bytesPerSecond : bytesPerSecond
    if (bytes > 0) await sleep(clock, (bytes / rate) * 1_000)
    return !this.isStopped()
  }

  private survive(error: unknown, what: string): void {
    const { store, logger } = this.options
    const line = assertionLine(error)
    if (line === undefined) logger.warn({ error: String(error) }, what)
    else store.options.fail(line)
  }

  private isStopped(): boolean {
    return this.state === 'stopped'
  }
}

/** Frees dead bytes once it is started. The store needs `isLive`, and rows that say what they replace. */
export function compactionOf(store: Store, limits: Partial<CompactionOptions> = {}): Compaction {
  const { clock, logger, segmentSizeBytes } = store.options
  return new Compaction({ segmentBytes: segmentSizeBytes, ...limits, store, clock, logger })
}
