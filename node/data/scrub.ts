/**
 * Verifies every live record at a bounded rate, so that damage is found while another replica can
 * still mend it (fault 2, D3).
 */

import type { Clock, Logger } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import type { Store } from './store.ts'
import type { Damage, LogPosition, LogRecord } from './types.ts'

export interface ScrubOptions {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** Read at most. Default 16 MiB. */
  readonly bytesPerSecond?: number
  /** A live record that can't be read as it was written. Without its payload. */
  bad(record: LogRecord, position: LogPosition): void
  /** A stretch of which nobody knows whose records it held (D7). */
  lost?(damage: Damage): void
}

/** Between two pauses. */
const STRIDE_BYTES = 4 << 20

export class Scrub {
  readonly counters = { records: 0, bytes: 0, bad: 0, passes: 0 }
  private readonly options: ScrubOptions
  private stopped = false
  private readonly buffer = new Uint8Array((1 << 20) + (64 << 10))

  constructor(options: ScrubOptions) {
    this.options = options
  }

  stop(): void {
    this.stopped = true
  }

  /** One pass over all segments. */
  async pass(): Promise<void> {
    for (const { segment } of this.options.store.segments()) {
      try {
        await this.segment(segment)
      } catch (error) {
        // Compacted meanwhile: its live records have a new place.
        if (!(error instanceof LogError && error.code === 'NO_SEGMENT')) throw error
      }
      if (this.stopped) return
    }
    this.counters.passes++
  }

  private async segment(segment: number): Promise<void> {
    const { store, clock, bytesPerSecond = 16 << 20 } = this.options
    let stride = 0
    for await (const found of store.walk(segment)) {
      if (this.stopped) return
      if (!('record' in found)) {
        // The last batch of the open segment may be half written.
        if (segment < store.end().end.segment) this.damaged(found)
        continue
      }
      const { record, position } = found
      if (!store.isLive(record, position)) continue
      await this.record(record, position)
      stride += position.lengthBytes
      if (stride < STRIDE_BYTES) continue
      const delayMs = (stride / bytesPerSecond) * 1_000
      stride = 0
      await new Promise<void>((resolve) => {
        clock.after(delayMs, resolve)
      })
    }
  }

  private damaged(damage: Damage): void {
    const { segment, offset, lengthBytes, identity } = damage
    this.counters.bad++
    this.options.logger.error({ ...damage }, 'a part of the log is damaged')
    if (identity === undefined) return this.options.lost?.(damage)
    const record: LogRecord = { ...identity, body: new Uint8Array(0) }
    return this.options.bad(record, { segment, offset, lengthBytes })
  }

  private async record(record: LogRecord, position: LogPosition): Promise<void> {
    const { store, logger } = this.options
    this.counters.records++
    this.counters.bytes += position.lengthBytes
    const into = position.lengthBytes <= this.buffer.length ? this.buffer : undefined
    try {
      await store.readRecord(position, into)
    } catch (error) {
      if (error instanceof LogError && error.code === 'NO_SEGMENT') throw error
      // It may have been moved or replaced while it was read.
      if (!store.isLive(record, position)) return
      this.counters.bad++
      logger.error({ ...position, code: errorCode(error) }, 'a damaged record')
      this.options.bad(record, position)
    }
  }
}
