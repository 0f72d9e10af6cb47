/**
 * Keeps this node's disk in order in the background: compaction and scrub. Started by the node's assembly.
 *
 * A scrub has two halves: every live record is read and compared with its row (node/log/scrub.ts), then every block
 * that a register names is looked for (node/reclaim). One runs at a time. The next begins about scrubPauseMs after
 * the last one ended, also when the node was restarted in between.
 */

import { counter, gauge } from '../tools/gauge.ts'
import type { ScrubStatus, UpkeepStatus } from '../../gateway/port/status.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { BlockKey } from '../../protocol/ids.ts'
import { utf8, utf8Text } from '../../protocol/bytes.ts'
import type { BlockStore } from '../replica/blocks.ts'
import { compactionOf, type Compaction } from '../log/compaction.ts'
import { scrubOf, type Scrub } from '../log/scrub.ts'
import type { Store } from '../log/store.ts'
import type { Clock, Disk, Logger } from '../env/ports.ts'
import { checkDigests } from '../replica/digest-check.ts'
import { RECORD } from '../replica/record-types.ts'
import type { ReferenceCheck, ReferenceCounts } from '../reclaim/reference-check.ts'

export interface UpkeepSettings {
  /** Between two looks for segments to compact. Default 10 s. */
  readonly compactionIntervalMs?: number | undefined
  /** Bytes copied in a second at most. Default 64 MiB. */
  readonly compactionBytesPerSecond?: number | undefined
  /** The share of the log that may be dead while the disk has room. Default 0.4. */
  readonly compactionDeadShare?: number | undefined
  /** A compaction that gains fewer bytes is not made. Default 1 MiB. */
  readonly compactionGainBytes?: number | undefined
  /** Bytes that a scrub in the background reads in a second. Default 16 MiB. */
  readonly scrubBytesPerSecond?: number | undefined
  /** Between two scrubs. Default 7 days. */
  readonly scrubPauseMs?: number | undefined
}

export interface UpkeepOptions extends UpkeepSettings {
  readonly store: Store
  readonly blocks: BlockStore
  readonly disk: Disk
  readonly clock: Clock
  readonly logger: Logger
  readonly partitions: () => number
  /** Fetches what is missing of the partition from the other replicas. */
  readonly resync: (partition: number) => void
  /** Checks that the blocks that registers name exist: the second half of a scrub. */
  readonly references: Pick<ReferenceCheck, 'pass'>
}

/** How much a scrub does in a second, at most. */
interface ScrubPace {
  /** Bytes of the log that are read. The default of scrub.ts when undefined. */
  readonly bytesPerSecond: number | undefined
  /** Registers whose blocks are looked for, in the second half of a scrub. */
  readonly rowsPerSecond: number
}

/** The pace of a scrub for which an operator waits. */
const FAST: ScrubPace = { bytesPerSecond: 512 << 20, rowsPerSecond: 20_000 }
/** Registers that a scrub in the background checks in a second. */
const CHECK_RATE = 500
const NOTHING_CHECKED: ReferenceCounts = {
  registers: 0,
  missing: 0,
  fetched: 0,
  lost: 0,
  unknown: 0,
}
const SCRUB_PAUSE_MS = 7 * 86_400_000
/** Not earlier: right after a start there is more urgent work. */
const SCRUB_DELAY_MS_MIN = 60_000
/** The time of the last scrub, used only for the schedule. */
const SCRUBBED_PATH = 'log/scrubbed'

export class Upkeep {
  readonly compaction: Compaction
  readonly #options: UpkeepOptions
  /** The scrub that runs, or the last one: its counts are shown until the next begins. */
  #scrub: Scrub | undefined
  /** Settles when the scrub that is under way ends. Never rejects. */
  #running: Promise<void> | undefined
  #startedMs: number | undefined
  /** Wall clock of the end of the last scrub. Undefined while one runs, and after one that was not finished. */
  #finishedMs: number | undefined
  /** Why the last scrub did not finish. */
  #error: string | undefined
  #cancelTimer: (() => void) | undefined
  #stopped = false
  /** Counts of the last scrub, or of the one that runs. */
  #checked: ReferenceCounts = NOTHING_CHECKED
  /** Sums over all scrubs since the start. `passes` counts the finished ones. */
  readonly #totals = { passes: 0, records: 0, bad: 0, badRows: 0, mended: 0 }

  constructor(options: UpkeepOptions) {
    this.#options = options
    const { store, compactionIntervalMs, compactionBytesPerSecond } = options
    this.compaction = compactionOf(store, {
      intervalMs: compactionIntervalMs,
      bytesPerSecond: compactionBytesPerSecond,
      deadShareMax: options.compactionDeadShare,
      gainBytesMin: options.compactionGainBytes,
      suspect: () => this.scrub(),
    })
  }

  start(): void {
    this.compaction.start()
    void this.#schedule()
  }

  /** Resolves when neither a compaction nor a scrub touches the store any more. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#cancelTimer?.()
    this.#scrub?.stop()
    await this.compaction.stop()
    await this.#running
  }

  /** Begins a scrub at the pace of background work. Does nothing while one is under way, or once stopped. */
  scrub(): void {
    const bytesPerSecond = this.#options.scrubBytesPerSecond
    this.#startScrub({ bytesPerSecond, rowsPerSecond: CHECK_RATE })
  }

  /** As `scrub`, at full pace: an operator waits for it. A scrub that is under way keeps the pace at which it began. */
  scrubFast(): void {
    this.#startScrub(FAST)
  }

  #startScrub(pace: ScrubPace): void {
    if (this.#running !== undefined || this.#stopped) return
    const { clock, logger } = this.#options
    this.#cancelTimer?.()
    this.#startedMs = clock.nowMs()
    this.#finishedMs = undefined
    this.#error = undefined
    this.#checked = NOTHING_CHECKED
    this.#running = this.#pass(pace)
      .catch((error: unknown) => {
        this.#error = String(error)
        logger.warn({ error: String(error) }, 'a scrub did not finish')
      })
      .finally(() => {
        this.#running = undefined
        if (!this.#stopped) this.#again(this.#options.scrubPauseMs ?? SCRUB_PAUSE_MS)
      })
  }

  /** The scrub that runs, or the last one. Times are those of the wall clock. */
  scrubStatus(): ScrubStatus {
    const { doneBytes, totalBytes, records, bad, badRows, mended, left } = this.#scrub?.counts ?? {
      ...this.#totals,
      doneBytes: 0,
      totalBytes: 0,
      left: 0,
    }
    const { missing, fetched, lost, unknown } = this.#checked
    return {
      missing,
      fetched,
      lost,
      unknown,
      running: this.#running !== undefined,
      startedMs: this.#startedMs,
      finishedMs: this.#finishedMs,
      error: this.#error,
      passes: this.#totals.passes,
      doneBytes,
      totalBytes,
      records,
      bad,
      badRows,
      mended,
      left,
    }
  }

  status(): UpkeepStatus {
    const { state, counters, stuckCount } = this.compaction
    return {
      compaction: {
        state,
        ...counters,
        stuckSegments: stuckCount,
        writeAmplification: this.compaction.writeAmplification,
      },
      scrub: this.scrubStatus(),
    }
  }

  gauges(): Gauge[] {
    const { state, counters, stuckCount } = this.compaction
    const totals = this.#totals
    const scrub = this.scrubStatus()
    const moved = 'Live bytes that compaction copied'
    return [
      gauge('shoal_compaction_working', '1 while a segment is compacted', +(state === 'working')),
      counter('shoal_compaction_segments_total', 'Segments compacted', counters.segments),
      counter('shoal_compaction_moved_bytes_total', moved, counters.movedBytes),
      counter(
        'shoal_compaction_freed_bytes_total',
        'Bytes of deleted segments',
        counters.freedBytes,
      ),
      gauge(
        'shoal_write_amplification',
        'Bytes appended to the log by those that compaction did not copy, since the start',
        this.compaction.writeAmplification,
      ),
      gauge('shoal_compaction_stuck_segments', 'Segments that stay for damage', stuckCount),
      gauge('shoal_scrub_running', '1 while a scrub runs', +scrub.running),
      counter('shoal_scrub_passes_total', 'Scrubs finished', totals.passes),
      counter('shoal_scrub_records_total', 'Live records that scrubs compared', totals.records),
      counter('shoal_scrub_bad_total', 'Damaged records found by scrubs', totals.bad),
      counter('shoal_scrub_bad_rows_total', 'Wrong rows found by scrubs', totals.badRows),
      counter('shoal_scrub_mended_total', 'Of both, mended', totals.mended),
      gauge('shoal_scrub_left', 'Damage that the last scrub could not mend', scrub.left),
    ]
  }

  async #pass({ bytesPerSecond, rowsPerSecond }: ScrubPace): Promise<void> {
    const { store, clock, blocks, disk, resync, partitions } = this.#options
    const scrub = scrubOf(store, {
      bytesPerSecond,
      fetch: ({ type, partition, key }) => {
        if (type === RECORD.block) blocks.noteDamage(key as BlockKey)
        else resync(partition)
      },
      checkDigests: (faulty) =>
        checkDigests({
          store,
          faulty,
          clock,
          partitions: partitions(),
          isStopped: () => this.#stopped,
        }),
    })
    this.#scrub = scrub
    const whole = await scrub.pass()
    const { records, bad, badRows, mended } = scrub.counts
    this.#totals.records += records
    this.#totals.bad += bad
    this.#totals.badRows += badRows
    this.#totals.mended += mended
    if (!whole) return
    this.#checked = await this.#options.references.pass({
      rowsPerSecond,
      isStopped: () => this.#stopped,
    })
    if (this.#stopped) return
    this.#totals.passes++
    this.#finishedMs = clock.nowMs()
    this.#options.logger.info({ ...scrub.counts, ...this.#checked }, 'scrub finished')
    if (mended > 0) this.compaction.retry()
    await disk.writeFile(SCRUBBED_PATH, utf8(String(this.#finishedMs))).catch(() => {})
  }

  /** Schedules the next scrub by the time of the last one, so that a node that restarts often is scrubbed, too. */
  async #schedule(): Promise<void> {
    const { disk, clock, scrubPauseMs = SCRUB_PAUSE_MS } = this.#options
    const bytes = await disk.readFile(SCRUBBED_PATH).catch(() => undefined)
    const last = bytes === undefined ? Number.NaN : Number(utf8Text(bytes))
    const dueMs = Number.isFinite(last) ? last + scrubPauseMs - clock.nowMs() : scrubPauseMs
    const soonest = Math.min(SCRUB_DELAY_MS_MIN, scrubPauseMs)
    this.#again(Math.min(Math.max(dueMs, soonest), scrubPauseMs))
  }

  /** Sets the one timer of the next scrub. */
  #again(delayMs: number): void {
    if (this.#stopped || this.#running !== undefined) return
    this.#cancelTimer?.()
    this.#cancelTimer = this.#options.clock.after(delayMs, () => this.scrub())
  }
}
