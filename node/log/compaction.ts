/**
 * Gives back the room of records that nothing points to any more.
 *
 *  1. Take a segment (compaction-plan.ts).
 *  2. Append its live records anew, verified, in order. A copy is a record like any other.
 *  3. When all copies are flushed, append the marker: "this segment is copied".
 *  4. When the marker is flushed, and readers under way had their time, delete the segment.
 *
 * A crash before the marker leaves the old records, and perhaps copies: replay ends at the same rows
 * (F7), and the segment is taken again. A crash behind it leaves a segment that the next start
 * deletes at once. The marker never comes before what it vouches for: the log is flushed in order.
 *
 * Invariants:
 *   - a copy is made of the record that its row points to, at a moment at which nothing newer of its key
 *     is on its way: so the latest record of a key is always the one that counts
 *   - a record whose row is damaged is not copied: it may be history (D10)
 *   - a segment is deleted only when every record in it that no row points to is accounted for as
 *     replaced: a row that the index lost never costs the record too (F4)
 *   - what can't be read stays, and its segment with it: repair fetches it from another replica first
 *   - where nobody can tell whose record was damaged, the segment stays until nothing is older: a
 *     removal may have stood there (D7)
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
  /** Of the whole log, what may be dead while the disk has room. Default 0.4. */
  readonly deadShareMax?: number | undefined
  /** At which a segment is sealed. */
  readonly segmentBytes: number
  /** Less than this is left alone, unless the disk is short. Default 1 MiB. */
  readonly gainBytesMin?: number | undefined
  /** Copied at most; four times as many when the disk is short. Default 64 MiB. */
  readonly bytesPerSecond?: number | undefined
  /** Readers that have looked a position up may still use it for so long. Default 1,000. */
  readonly graceMs?: number | undefined
  /** Between two looks for work; a second at most when the disk is short. Default 10,000. */
  readonly intervalMs?: number | undefined
  /** Rows seem to be lost: only a scrub can tell. */
  readonly suspect?: ((segment: number) => void) | undefined
}

/** Copied in one append. */
const GROUP_BYTES = 4 << 20
const GROUP_RECORDS = 500
/** What a record costs, in rows of a turn. */
const ROWS_PER_RECORD = 2
/** A record whose key is written all the time is tried this often. */
const BUSY_TRIES_MAX = 100
const SHORT_INTERVAL_MS = 1_000
const SHORT_RATE = 4
/** Of the free space: the rest is for deletes, and for the index. */
const ROOM_SHARE = 0.75
/** Smaller segments, by their full size, are not worth sealing for the sake of copies. */
const APART_SHARE = 0.25
/** A segment that had to stay is tried again after so long. */
const STUCK_MS = 600_000

export class Compaction {
  /** For the status page. */
  state: 'idle' | 'working' | 'stopped' = 'idle'
  /** The segment that is being copied. */
  working: number | undefined
  readonly counters = { segments: 0, movedBytes: 0, freedBytes: 0 }
  private readonly options: CompactionOptions
  private cancelTimer: (() => void) | undefined
  private running: Promise<void> | undefined
  private readonly stuck = new Map<number, number>()
  /** Copied and marked; readers have their time. */
  private readonly leaving = new Set<Promise<void>>()

  constructor(options: CompactionOptions) {
    this.options = options
  }

  /** Looks for work from time to time. */
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

  /** Segments that hold damage and therefore stay. */
  get stuckCount(): number {
    return this.stuck.size
  }

  /** Bytes appended since the start, by those that were not copied here. */
  get writeAmplification(): number {
    const { bytes } = this.options.store.stats()
    const others = bytes - this.counters.movedBytes
    return others > 0 ? bytes / others : 1
  }

  /** Damage was mended: what had to stay may go. */
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

  /** What is to be done next. */
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

  /** Copies of old data get a segment of their own, as far as nobody else writes meanwhile. */
  private async compactApart(segments: readonly number[]): Promise<void> {
    const { store } = this.options
    const movedBefore = this.counters.movedBytes
    const live = store
      .segments()
      .filter(({ segment }) => segments.includes(segment))
      .reduce((sum, { sizeBytes, deadBytes }) => sum + sizeBytes - deadBytes, 0)
    // On a full disk a segment that is sealed early is room that nobody has.
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

  /** Copies what lives in the segment and deletes it; false when it has to stay. */
  async compact(segment: number): Promise<boolean> {
    this.working = segment
    try {
      if (!(await this.copy(segment))) return false
    } catch (error) {
      // Tried again at the next look, when there may be room.
      if (!(error instanceof LogError && error.code === 'NO_SEGMENT')) throw error
      return false
    } finally {
      this.working = undefined
    }
    const { store } = this.options
    await store.markCompacted(segment)
    const left = this.leave(segment)
      // It is marked: the next start deletes it.
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
    assert(store.compactedSegments().has(segment), 'a segment is marked before it is deleted')
    await store.removeSegment(segment)
    this.counters.segments++
    this.counters.freedBytes += sizeBytes
    logger.info({ segment, sizeBytes }, 'segment compacted')
  }

  private async copy(segment: number): Promise<boolean> {
    const { store } = this.options
    const reader = await store.reader(segment)
    const turns = new Turns(this.options.clock)
    let group: StoredRecord[] = []
    let groupBytes = 0
    let lostBytes = 0
    for await (const found of store.walk(segment)) {
      if (!('record' in found)) {
        if (store.isSettled(found) && !store.mayHideRemoval(found)) continue
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
        return this.keep(segment, 'a row of the index is damaged: a scrub makes it again first')
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
      return this.keep(segment, 'rows of a segment seem to be lost: it is not deleted')
    }
    return true
  }

  private keep(segment: number, why: string): false {
    this.options.logger.warn({ segment }, why)
    this.stuck.set(segment, this.options.clock.monotonicMs())
    return false
  }

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

/** Gives back dead bytes once it is started. The store needs `isLive`, and rows that say what they replace. */
export function compactionOf(store: Store, limits: Partial<CompactionOptions> = {}): Compaction {
  const { clock, logger, segmentSizeBytes } = store.options
  return new Compaction({ segmentBytes: segmentSizeBytes, ...limits, store, clock, logger })
}
