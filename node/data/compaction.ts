/**
 * Gives back the room of records that nothing points to any more.
 *
 *  1. Take the sealed segment with the largest share of dead bytes.
 *  2. Append its live records anew, verified, in order. A copy is a record like any other.
 *  3. When all copies are flushed, delete the segment.
 *
 * A crash at any moment leaves either the old record or both, and replay ends at the same rows
 * (fault 7). A record that can't be read stays where it is, and its segment with it: repair fetches it
 * from another replica first. Copies are urgent: they may use the log's reserve (fault 6).
 */

import type { Clock, Logger } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import type { Store } from './store.ts'
import type { LogPosition, LogRecord, StoredRecord } from './types.ts'

export interface CompactionOptions {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** From this share of dead bytes on a segment is worth it. Default 0.3. */
  readonly deadShareMin?: number
  /** Copied at most. Default 64 MiB. */
  readonly bytesPerSecond?: number
  /** Readers that have looked a position up may still use it for so long. Default 10,000. */
  readonly graceMs?: number
  /** Between two looks for work. Default 60,000. */
  readonly intervalMs?: number
}

/** Copied in one append. */
const GROUP_BYTES = 4 << 20
/** A record whose key is written all the time is tried this often. */
const BUSY_TRIES_MAX = 100

export class Compaction {
  /** For the status page. */
  state: 'idle' | 'working' | 'stopped' = 'idle'
  readonly counters = { segments: 0, movedBytes: 0, freedBytes: 0 }
  private readonly options: CompactionOptions
  private cancelTimer: (() => void) | undefined
  private running: Promise<void> | undefined
  /** Their damage has to be mended first. */
  private readonly stuck = new Set<number>()

  constructor(options: CompactionOptions) {
    this.options = options
  }

  /** Looks for work from time to time. */
  start(): void {
    const { clock, logger, intervalMs = 60_000 } = this.options
    if (this.state === 'stopped') return
    this.cancelTimer = clock.after(intervalMs, () => {
      this.running = this.work()
        .catch((error: unknown) => logger.warn({ error: String(error) }, 'compaction failed'))
        .then(() => this.start())
    })
  }

  async stop(): Promise<void> {
    this.state = 'stopped'
    this.cancelTimer?.()
    await this.running
  }

  /** Compacts while there is a segment worth it. */
  async work(): Promise<void> {
    for (;;) {
      const segment = this.worthiest()
      if (segment === undefined || this.state === 'stopped') return
      this.state = 'working'
      try {
        await this.compact(segment)
      } finally {
        if (!this.isStopped()) this.state = 'idle'
      }
    }
  }

  /** The sealed segment with the largest share of dead bytes, if it is worth it. */
  worthiest(): number | undefined {
    const { store, deadShareMin = 0.3 } = this.options
    const { segment: current } = store.end().end
    let best: { segment: number; share: number } | undefined
    for (const { segment, sizeBytes, deadBytes, sealed } of store.segments()) {
      if (!sealed || segment >= current || this.stuck.has(segment)) continue
      const share = deadBytes / Math.max(1, sizeBytes)
      if (share >= deadShareMin && share > (best?.share ?? 0)) best = { segment, share }
    }
    return best?.segment
  }

  /** Moves what lives in the segment and deletes it; false when it has to stay. */
  async compact(segment: number): Promise<boolean> {
    const { store, clock, logger, graceMs = 10_000 } = this.options
    if (store.damage().some((damage) => damage.segment === segment)) {
      this.stuck.add(segment)
      return false
    }
    const sizeBytes = store.segments().find((info) => info.segment === segment)?.sizeBytes ?? 0
    let group: StoredRecord[] = []
    let groupBytes = 0
    for await (const candidate of store.walk(segment)) {
      if (!('record' in candidate)) {
        // Nobody knows whose record it is, so nobody can say that it is not needed.
        logger.warn({ ...candidate }, 'a damaged segment is not compacted')
        this.stuck.add(segment)
        return false
      }
      if (!store.isLive(candidate.record, candidate.position)) continue
      const whole = await this.read(candidate.position)
      if (whole === undefined) {
        this.stuck.add(segment)
        return false
      }
      group.push({ record: whole, position: candidate.position })
      groupBytes += candidate.position.lengthBytes
      if (groupBytes < GROUP_BYTES) continue
      if (!(await this.move(group, groupBytes))) return false
      group = []
      groupBytes = 0
    }
    if (!(await this.move(group, groupBytes))) return false
    await pause(clock, graceMs)
    if (this.isStopped()) return false
    await store.removeSegment(segment)
    this.counters.segments++
    this.counters.freedBytes += sizeBytes
    logger.info({ segment, sizeBytes }, 'segment compacted')
    return true
  }

  private async read(position: LogPosition): Promise<LogRecord | undefined> {
    const { store, logger } = this.options
    try {
      return await store.readRecord(position)
    } catch (error) {
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
      if (left.length > 0) await pause(clock, 10)
    }
    this.counters.movedBytes += bytes
    if (bytes > 0) await pause(clock, (bytes / bytesPerSecond) * 1_000)
    return !this.isStopped()
  }

  private isStopped(): boolean {
    return this.state === 'stopped'
  }
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.after(delayMs, resolve)
  })
}
