/**
 * What a start of the store does before it takes appends: replays what the index does not reflect, rebuilds the index
 * where it must, and says what is lost (D8). Called by Store.open, once.
 *
 *  1. Does the index belong to this log, and does it reflect no more of it than there is? Else it is cleared, and
 *     rebuilt from the first segment on. Before that, its losses are written down, and the manifest takes over what it
 *     proves: a crash must not leave a start that knows neither.
 *  2. Write down what is lost so far, before anything is written to the log or the manifest.
 *  3. Replay the records behind what the index reflects (recovery.ts). Each batch is reflected only once the losses
 *     before it are written down: after a crash in between the next start finds them again.
 *  4. Append again what the index still has of segments that are missing (orphans.ts).
 *  5. Delete segments whose copies were flushed before the last stop (compaction.ts).
 */

import { equalBytes } from '../../protocol/bytes.ts'
import type { Index } from '../env/ports.ts'
import type { DeadBytes } from './dead-bytes.ts'
import { errorCode } from './errors.ts'
import { readReflected, type IndexWriter, type Reflected } from './index-writer.ts'
import type { Log } from './log.ts'
import type { SegmentInfo } from './log-segments.ts'
import { damageLossOf, type LogLosses } from './losses.ts'
import { logIsMissing, lossOfSegment } from './open-segments.ts'
import { orphansOf } from './orphans.ts'
import type { RowApplier } from './row-applier.ts'
import { EMPTY_LOG, FIRST_BATCH_AT, PAGE_BYTES, pageEnd, type LogEnd } from './segment.ts'
import type { Damage, LogLoss, StoreOptions } from './types.ts'

/** What recovery needs of the store that it is a part of. */
interface RecoveringStore {
  get(key: Uint8Array): Uint8Array | undefined
  range(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
  ): void
  segments(): readonly SegmentInfo[]
  removeSegment(segment: number): Promise<void>
}

/** The parts of the store that a start fills. */
export interface StoreParts {
  readonly log: Log
  readonly index: Index
  readonly writer: IndexWriter
  readonly dead: DeadBytes
  readonly applier: RowApplier
  readonly losses: LogLosses
  /** Damage that the start has met. */
  readonly found: Damage[]
}

export class StoreRecovery {
  /** The index is being rebuilt from the log, or was. */
  rebuilt = false
  readonly #options: StoreOptions
  readonly #store: RecoveringStore
  readonly #log: Log
  readonly #index: Index
  readonly #writer: IndexWriter
  readonly #dead: DeadBytes
  readonly #applier: RowApplier
  readonly #losses: LogLosses
  readonly #found: Damage[]
  /** Bytes of the batch that is being replayed. */
  #replayedBytes = 0
  /** Where that batch began. */
  #replayedFrom: LogEnd = EMPTY_LOG

  constructor(options: StoreOptions, store: RecoveringStore, parts: StoreParts) {
    this.#options = options
    this.#store = store
    this.#log = parts.log
    this.#index = parts.index
    this.#writer = parts.writer
    this.#dead = parts.dead
    this.#applier = parts.applier
    this.#losses = parts.losses
    this.#found = parts.found
  }

  /** Rejects with LOG_MISSING where the index belongs to a log that is gone. */
  async run(): Promise<void> {
    for (const loss of this.#log.losses) this.#lose(loss)
    const from = await this.#replayFrom()
    // A rebuild brings back what removals in these segments took away.
    if (this.rebuilt)
      for (const segment of this.#log.knownMissing) this.#lose(lossOfSegment(segment))
    await this.#losses.report()
    this.#replayedFrom = from.end
    // Needed also when nothing is replayed: the next commit must not say that the index reflects nothing.
    this.#writer.startAt(from.end, from.nextSequence)
    const skippedBytes = this.#logBytesUpTo(from.end)
    const totalBytes = this.#store
      .segments()
      .reduce((sum, each) => sum + each.sizeBytes, -skippedBytes)
    await this.#log.recover(from.end, from.nextSequence, this.rebuilt, {
      record: (record, position) => {
        this.#applier.apply(record, position)
        this.#replayedBytes += position.lengthBytes
      },
      damage: (damage) => {
        this.#found.push(damage)
        this.#replayedBytes += damage.lengthBytes
        this.#options.logger.error({ ...damage }, 'a part of the log is damaged')
        if (this.#options.isRepaired?.(damage) !== true)
          this.#losses.add(damageLossOf(damage, this.#options))
        if (this.#options.applyDamaged !== undefined) {
          this.#applier.put(this.#options.applyDamaged(damage, (key) => this.#store.get(key)))
        }
      },
      lost: (loss) => this.#lose(loss),
      recovered: () => this.#losses.report(),
      progress: async (end, nextSequence) => {
        this.#options.progress?.(this.#logBytesUpTo(end) - skippedBytes, totalBytes)
        this.#countPadding(end)
        await this.#losses.report()
        this.#writer.reflect(end, nextSequence)
        if (this.#writer.crowded) await this.#writer.room()
      },
    })
    if (!this.rebuilt) await this.#keepOrphans(new Set(this.#log.newlyMissing))
    // Copied before the last stop, and not deleted then.
    for (const segment of this.#dead.compacted()) {
      if (this.#log.hasSegment(segment)) await this.#store.removeSegment(segment)
      else this.#dead.forget(segment)
    }
  }

  /** Writes what the index still has of missing segments to the log again: the next rebuild would lose it silently. */
  async #keepOrphans(missing: ReadonlySet<number>): Promise<void> {
    const { rows, logger } = this.#options
    if (missing.size === 0 || rows === undefined) return
    try {
      let orphans = 0
      for (const group of orphansOf(this.#store, rows, missing, (key) => this.#store.get(key))) {
        await this.#log.append(group, true)
        orphans += group.length
      }
      await this.#log.noteMissing()
      logger.warn({ orphans }, 'records of a missing segment were written again from the index')
    } catch (error) {
      if (errorCode(error) !== 'DISK_FULL' && errorCode(error) !== 'READ_ONLY') throw error
      logger.warn(
        { error: String(error) },
        'a missing segment is looked for again at the next start',
      )
    }
  }

  /** Reports a loss. It is written down with the next `report`. */
  #lose(loss: LogLoss): void {
    this.#options.logger.error({ ...loss }, 'a part of the log is lost')
    this.#losses.add(loss)
  }

  /** Bytes of the log before this place, as files have them: for the progress only. */
  #logBytesUpTo({ segment, offset }: LogEnd): number {
    const before = this.#log.segments().filter((each) => each.segment < segment)
    return before.reduce((sum, { sizeBytes }) => sum + sizeBytes, offset)
  }

  /** Counts the padding of a replayed batch, as Store does for a flushed one. */
  #countPadding(end: LogEnd): void {
    const { segment, offset } = this.#replayedFrom
    const start = segment === end.segment ? Math.max(offset, FIRST_BATCH_AT) : FIRST_BATCH_AT
    const padding = end.offset - start - this.#replayedBytes
    // A longer gap is a stretch that was cut or superseded, and no padding.
    if (padding > 0 && padding < 2 * PAGE_BYTES) this.#dead.add(end.segment, 'padding', padding)
    this.#replayedBytes = 0
    this.#replayedFrom = end
  }

  /** Up to where the index reflects the log. An index of another log, or of a longer one, is cleared. */
  async #replayFrom(): Promise<{ end: LogEnd; nextSequence: number }> {
    const reflected = readReflected(this.#index)
    if (reflected !== undefined && this.#isUsable(reflected)) {
      this.#dead.load(this.#index)
      return reflected
    }
    const segments = this.#log.segments().length
    if (segments === 0 && reflected !== undefined && reflected.end.segment > 0) {
      this.#missLog(reflected.logId)
    }
    this.rebuilt = segments > 0
    if (segments > 0) this.#options.logger.warn({ segments }, 'rebuilding the index from the log')
    if (reflected !== undefined && equalBytes(reflected.logId, this.#log.logId)) {
      await this.#losses.report()
      await this.#log.keepProof(reflected)
    }
    await this.#index.clear()
    return { end: EMPTY_LOG, nextSequence: 0 }
  }

  /**
   * Whether the replay can go on from what the index reflects. Reports what was flushed and is not there any
   * more.
   */
  #isUsable({ logId, indexVersion, end }: Reflected): boolean {
    if (indexVersion !== (this.#options.indexVersion ?? 1)) return false
    if (!equalBytes(logId, this.#log.logId)) return false
    const segments = this.#log.segments()
    const segment = segments.find((info) => info.segment === end.segment)
    const newer = segments.some((info) => info.segment > end.segment)
    // What the index has of a missing segment is written to the log again.
    if (segment === undefined && this.#log.isMissing(end.segment)) return true
    if (segment === undefined) {
      // It was compacted since the index was last flushed, or else the end of the log is lost.
      if (!newer && end.segment > 0) this.#lostEnd(end, 0)
      return end.segment === 0 && segments.length === 0
    }
    if (pageEnd(segment.sizeBytes) >= end.offset) return true
    // The index reflects only flushed records: what is missing here was acknowledged (D4).
    this.#lostEnd(end, segment.sizeBytes)
    return false
  }

  /** The index belongs to a log of which no segment is there. */
  #missLog(logId: Uint8Array): void {
    const isKnown = this.#log.losses.length > 0 || equalBytes(logId, this.#log.logId)
    if (isKnown) return
    if (this.#options.acceptLost !== true) throw logIsMissing(logId)
    const detail = 'the log is gone, and a new one was begun'
    this.#lose({ partitions: 'all', mark: true, reason: 'log-missing', detail })
  }

  /** What the index reflects was flushed, and acknowledged: everything may be lost with it (D8). */
  #lostEnd(end: LogEnd, sizeBytes: number): void {
    const damage: Damage = {
      segment: end.segment,
      offset: sizeBytes,
      lengthBytes: end.offset - sizeBytes,
    }
    // Where the segment is there, the replay meets the same place, and adds it.
    if (!this.#log.hasSegment(end.segment)) this.#found.push(damage)
    this.#options.logger.error({ ...damage }, 'the end of the log is lost')
    const detail = `${damage.lengthBytes} bytes are missing at the end of segment ${end.segment}`
    this.#losses.add({ partitions: 'all', mark: true, reason: 'end-lost', detail })
  }
}
