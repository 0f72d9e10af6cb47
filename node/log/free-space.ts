/**
 * How much free space the disk has, and whether only deletes and compaction may still append (F6). The disk is
 * asked now and then; what the log writes in between is subtracted. Called by log.ts.
 *
 * `full` begins when less than the reserve is free, or a write found no room. It ends at a poll that finds a
 * quarter more than the reserve.
 */

import { assert } from '../../protocol/assert.ts'
import type { Clock, Disk } from '../env/ports.ts'

const RESERVE_BYTES_MAX = 256 << 20
const RESERVE_SHARE = 0.02
/** For small disks: the index has to grow too, and its next commit would not fit into two per cent. */
const RESERVE_BYTES_MIN = 16 << 20
const RESERVE_SHARE_MAX = 0.125
/** The disk is asked again after this much time, or after this many bytes were written. */
const POLL_INTERVAL_MS = 5_000
const POLL_INTERVAL_FULL_MS = 500
const POLL_EVERY_BYTES = 64 << 20

/**
 * When a smaller share of its disk is free, a node drops blocks that others hold already, before their source
 * period is over.
 */
const NEARLY_FULL_SHARE = 0.05

/** Whether writes are refused, or will be soon. */
export function isNearlyFull(disk: {
  readonly freeBytes: number
  readonly totalBytes: number
  readonly full: boolean
}): boolean {
  return disk.full || disk.freeBytes < disk.totalBytes * NEARLY_FULL_SHARE
}

export class FreeSpace {
  /** As the disk last said, less what was written since. */
  freeBytes = 0
  totalBytes = 0
  /** Appends that are not urgent are refused. */
  full = false
  private readonly disk: Disk
  private readonly clock: Clock
  private readonly reserveBytes: number | undefined
  private writtenSince = 0
  private polledMs = Number.NEGATIVE_INFINITY
  private polling = false
  private stopped = false

  constructor(disk: Disk, clock: Clock, reserveBytes: number | undefined) {
    this.disk = disk
    this.clock = clock
    this.reserveBytes = reserveBytes
  }

  /** Asks the disk now. After an error the last answer holds. */
  async poll(): Promise<void> {
    if (this.polling) return
    this.polling = true
    this.polledMs = this.clock.monotonicMs()
    this.writtenSince = 0
    try {
      const { totalBytes, freeBytes } = await this.disk.space()
      this.totalBytes = totalBytes
      this.freeBytes = freeBytes
      const reserve = this.reserve()
      // Appends are let in again only when there is more than the reserve, so that the state does not flap.
      this.full = freeBytes < (this.full ? reserve * 1.25 : reserve)
    } catch {
      // If there is no room, the next write says so.
    } finally {
      this.polling = false
    }
  }

  /**
   * Bytes kept back: as configured, or else two per cent of the disk, at most 256 MiB, and more on small disks.
   */
  private reserve(): number {
    if (this.reserveBytes !== undefined) return this.reserveBytes
    const least = Math.min(RESERVE_BYTES_MIN, this.totalBytes * RESERVE_SHARE_MAX)
    const share = Math.max(least, this.totalBytes * RESERVE_SHARE)
    return Math.floor(Math.min(RESERVE_BYTES_MAX, share))
  }

  /** Whether appends of `bytes` in all leave the reserve alone. */
  hasRoomFor(bytes: number): boolean {
    const reserve = this.reserve()
    return !this.full && (reserve === 0 || this.freeBytes - bytes >= reserve / 2)
  }

  /** A write found no room, whatever the disk said last. */
  exhausted(): void {
    this.full = true
    this.polledMs = this.clock.monotonicMs()
  }

  /** Counts what was written, so that the reserve is noticed between two polls. */
  used(bytes: number): void {
    assert(bytes > 0, 'writing takes room')
    this.freeBytes = Math.max(0, this.freeBytes - bytes)
    if (this.freeBytes < this.reserve()) this.full = true
    this.writtenSince += bytes
    const overdue = this.clock.monotonicMs() - this.polledMs >= POLL_INTERVAL_MS
    if (overdue || this.writtenSince >= POLL_EVERY_BYTES) this.pollInBackground()
  }

  /** Call it when an append is refused: there may be room again. */
  pollSoon(): void {
    if (this.clock.monotonicMs() - this.polledMs >= POLL_INTERVAL_FULL_MS) this.pollInBackground()
  }

  stop(): void {
    this.stopped = true
  }

  private pollInBackground(): void {
    if (!this.stopped) void this.poll()
  }
}
