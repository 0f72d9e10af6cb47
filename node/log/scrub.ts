/**
 * Verifies everything that this node keeps, so that damage is found while another replica still has the data (F2 to F5,
 * D3). Started by repair/upkeep.ts, one pass at a time.
 *
 *  1. Walk the log, oldest segment first. Read every live record and compare its checksums.
 *  2. The latest record of a key must have its row: a row that is missing or damaged is made again from the record,
 *     unless a later removal has taken it away.
 *  3. A damaged record is written again from its row if that holds all of it, otherwise from a replica.
 *  4. Where the log can't be read at all, the rows that point there tell which records are damaged. When no row points
 *     there any more, nothing in that stretch is needed (D7).
 *  5. Digests of partitions are computed again from the rows and compared. This also finds registers that are FAULTY.
 *
 * At the end it checks which of the damage has been mended.
 */

import { assert } from '../../protocol/assert.ts'
import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import type { Clock, Logger } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import type { SegmentReader } from './read.ts'
import { RowlessRecords } from './rowless-records.ts'
import { isBefore, type LogEnd } from './segment.ts'
import type { Store } from './store.ts'
import { LOOK_AGAIN_MS, mendStretches } from './unreadable-stretches.ts'
import type { Damage, LogPosition, LogRecord, StoredRecord } from './types.ts'
import { sleep, Turns } from '../tools/sleep.ts'

export interface ScrubOptions {
  readonly store: Store
  readonly clock: Clock
  readonly logger: Logger
  /** How many live bytes are read in a second at most. Default 16 MiB. */
  readonly bytesPerSecond?: number | undefined
  /** Fetch a damaged record from a replica. It may take its time, and is asked for again while the damage is there. */
  fetch(record: Pick<LogRecord, 'type' | 'partition' | 'key'>): void
  /** Compares the digests with the rows and corrects them. Resolves to how many were wrong. `faulty` is called for rows
   * that say that their record was damaged when the log was read. */
  checkDigests?(faulty: (found: Damage) => void): Promise<number>
  /** How long to wait for what is fetched. Default 30,000. */
  readonly patienceMs?: number | undefined
}

/** For the status page. All but the last count up during the pass. */
export interface ScrubProgress {
  /** Bytes of the log walked, of how many. */
  readonly doneBytes: number
  readonly totalBytes: number
  /** Live records read and compared. */
  readonly records: number
  readonly bytes: number
  /** Damaged records, or stretches of the log, that are needed. */
  readonly bad: number
  /** Rows and digests of the index that were wrong or missing. */
  readonly badRows: number
  /** How many of both are as they should be again. */
  readonly mended: number
  /** How many are not mended yet. Known at the end. */
  readonly left: number
}

type Counts = { -readonly [Name in keyof ScrubProgress]: ScrubProgress[Name] }

/** How much is read, and how many records are walked, between two pauses. */
const STRIDE_BYTES = 1 << 20
const STRIDE_RECORDS = 2_000
const PATIENCE_MS = 30_000
/** Rows made again in one turn. */
const MENDED_AT_ONCE = 500
/** What a record costs, in rows. */
const ROWS_PER_RECORD = 4

/** One pass. Make another one for the next. */
export class Scrub {
  readonly counts: Counts = {
    doneBytes: 0,
    totalBytes: 0,
    records: 0,
    bytes: 0,
    bad: 0,
    badRows: 0,
    mended: 0,
    left: 0,
  }
  private readonly options: ScrubOptions
  private stopped = false
  /** Reads the segment that is being walked. */
  private reader: SegmentReader | undefined
  private readonly buffer = new Uint8Array((1 << 20) + (64 << 10))
  private readonly rowless: RowlessRecords
  private readonly damaged: Damage[] = []
  /** The places of `damaged`. */
  private readonly places = new Set<string>()
  private readonly lost: Damage[] = []
  private walked: LogEnd = { segment: 0, offset: 0 }
  private strideBytes = 0
  private strideRecords = 0
  private readonly turns: Turns

  constructor(options: ScrubOptions) {
    this.options = options
    this.rowless = new RowlessRecords(options.store)
    this.turns = new Turns(options.clock)
  }

  stop(): void {
    this.stopped = true
  }

  /** One pass over everything; a scrub makes one only. False when it was stopped. */
  async pass(): Promise<boolean> {
    const { store } = this.options
    assert(this.walked.segment === 0, 'a scrub makes one pass')
    this.counts.totalBytes = store.stats().logBytes
    await this.walkAll()
    if (this.stopped) return false
    await this.mendRows()
    await this.mendStretches()
    const digests = (await this.options.checkDigests?.((found) => this.noteFaulty(found))) ?? 0
    this.counts.badRows += digests
    this.counts.mended += digests
    await this.lookAgain()
    this.counts.doneBytes = this.counts.totalBytes
    return !this.stopped
  }

  /** Walks up to the end of the log, and what is appended meanwhile too, so that it has seen every removal. */
  private async walkAll(): Promise<void> {
    const { store } = this.options
    for (;;) {
      const { end } = store.end()
      const segments = store
        .segments()
        .map(({ segment }) => segment)
        .filter((segment) => segment >= this.walked.segment && segment <= end.segment)
        .sort((a, b) => a - b)
      for (const segment of segments) {
        const from = segment === this.walked.segment ? this.walked.offset : 0
        if (segment === end.segment && from >= end.offset) continue
        await this.walk(segment, from, end)
        if (this.stopped) return
      }
      this.walked = end
      if (!isBefore(end, store.end().end)) return
    }
  }

  private async walk(segment: number, from: number, end: LogEnd): Promise<void> {
    const { store } = this.options
    try {
      this.reader = await store.reader(segment)
      for await (const found of store.walk(segment, from)) {
        if (this.stopped) return
        const position = 'record' in found ? found.position : found
        // What follows is not flushed yet.
        if (segment === end.segment && position.offset >= end.offset) return
        if ('record' in found) await this.look(found)
        else this.noteDamage(found)
        this.counts.doneBytes += position.lengthBytes
      }
      this.rowless.account(segment)
    } catch (error) {
      // Compacted meanwhile: the live records are in later segments now.
      if (store.hasSegment(segment)) throw error
      this.rowless.forget(segment)
    }
  }

  private noteDamage(damage: Damage): void {
    const { store, logger } = this.options
    if (store.isObsolete(damage)) return
    this.counts.bad++
    logger.error({ ...damage }, 'a part of the log is damaged')
    if (damage.identity === undefined) this.lost.push(damage)
    else this.noteBad({ ...damage.identity, body: EMPTY_BYTES }, damage)
  }

  private async look({ record, position }: StoredRecord): Promise<void> {
    const { store } = this.options
    if (++this.strideRecords >= STRIDE_RECORDS || this.strideBytes >= STRIDE_BYTES) {
      await this.pause()
    } else {
      // Records that were read ahead cause no pause by themselves.
      await this.turns.took(ROWS_PER_RECORD)
    }
    const rowKey = store.rows?.keyOf(record)
    if (store.missesRaise(record, position)) {
      store.raiseAgain(record, position)
      this.counts.badRows++
      this.counts.mended++
    }
    if (rowKey === undefined) {
      this.rowless.noteRemoval({ record, position })
    } else if (!store.hasSoundRow(rowKey)) {
      this.rowless.add(rowKey, record, position)
      return
    }
    if (!store.isLive(record, position)) {
      if (rowKey !== undefined) this.rowless.noteDead(position)
      return
    }
    await this.verify(record, position)
  }

  private async verify(record: LogRecord, position: LogPosition): Promise<void> {
    const { store, logger } = this.options
    this.counts.records++
    this.counts.bytes += position.lengthBytes
    this.strideBytes += position.lengthBytes
    const into = position.lengthBytes <= this.buffer.length ? this.buffer : undefined
    try {
      await this.reader?.read(position, into)
    } catch (error) {
      if (error instanceof LogError && (error.code === 'NO_SEGMENT' || error.code === 'CLOSED')) {
        throw error
      }
      // Compaction or a newer record may have replaced it during the read.
      if (!store.isLive(record, position)) return
      this.counts.bad++
      logger.error({ ...position, code: errorCode(error) }, 'a damaged record')
      this.noteBad(record, position)
    }
  }

  private noteBad(record: LogRecord, position: LogPosition): void {
    const { type, partition, key } = record
    const { segment, offset, lengthBytes } = position
    const damage = { segment, offset, lengthBytes, identity: { type, partition, key } }
    this.damaged.push(damage)
    this.places.add(placeOf(damage))
    this.mend(record, damage)
  }

  /** The walk does not find registers whose removal is damaged: their row says FAULTY. */
  private noteFaulty(damage: Damage): void {
    const { identity } = damage
    if (identity === undefined || this.places.has(placeOf(damage))) return
    this.counts.bad++
    this.options.logger.error({ ...damage }, 'a register whose record is damaged')
    this.noteBad({ ...identity, body: EMPTY_BYTES }, damage)
  }

  /** Writes the record again, or asks for it. `damage`: where it can't be read, if that is known. */
  private mend(record: Pick<LogRecord, 'type' | 'partition' | 'key'>, damage?: Damage): void {
    const { store, logger } = this.options
    store.restore(record, damage).then(
      (outcome) => {
        if (outcome === 'elsewhere') this.options.fetch(record)
        // No row points to a removal, so note here that the new one replaces the damaged one (D7).
        const isRemoval = store.rows?.isRemoval(record) === true
        if (outcome === 'written' && isRemoval && damage !== undefined) store.noteObsolete(damage)
      },
      (error: unknown) => {
        logger.warn({ error: String(error) }, 'a damaged record was not written again')
      },
    )
  }

  /** What is left has no removal behind it: the rows are lost, or damaged. */
  private async mendRows(): Promise<void> {
    const { store, logger } = this.options
    const found: StoredRecord[] = []
    for (const position of this.rowless.positions()) {
      if (this.stopped) return
      const record = await store.recordAt(position)
      if (record !== undefined) found.push({ record, position })
    }
    let mended = 0
    for (const [i, { record, position }] of found.entries()) {
      if (i % MENDED_AT_ONCE === 0) {
        if (i > 0) await this.pause()
        // Removals may have come meanwhile. Until the next pause no other can come.
        do await this.walkAll()
        while (!this.stopped && isBefore(this.walked, store.end().end))
        if (this.stopped) break
      }
      const rowKey = store.rows?.keyOf(record)
      if (rowKey === undefined || store.hasSoundRow(rowKey)) continue
      if (!this.rowless.has(rowKey, position) || !store.hasSegment(position.segment)) continue
      // A newer record of the key is in flight: it makes its own row.
      if (!store.applyAgain(record, position)) continue
      this.counts.badRows++
      mended++
    }
    if (mended > 0) logger.warn({ rows: mended }, 'rows of the index were made again from the log')
    this.counts.mended += mended
    this.rowless.accountAll()
  }

  private async mendStretches(): Promise<void> {
    const { store, clock, patienceMs = PATIENCE_MS } = this.options
    await mendStretches(this.lost, {
      store,
      clock,
      patienceMs,
      counts: this.counts,
      isStopped: () => this.stopped,
      mend: (record) => this.mend(record),
      pause: () => this.pause(),
    })
  }

  /** Waits for what is fetched, and counts what has been replaced by now. */
  private async lookAgain(): Promise<void> {
    const { store, clock, patienceMs = PATIENCE_MS } = this.options
    const until = clock.monotonicMs() + patienceMs
    let open = this.damaged
    for (let turn = 1; ; turn++) {
      const still = open.filter((damage) => !store.isObsolete(damage))
      this.counts.mended += open.length - still.length
      open = still
      if (open.length === 0 || this.stopped || clock.monotonicMs() >= until) break
      await sleep(clock, LOOK_AGAIN_MS)
      if (turn % 8 === 0) {
        for (const damage of open) if (damage.identity) this.mend(damage.identity, damage)
      }
    }
    this.counts.left += open.length
  }

  private async pause(): Promise<void> {
    const { clock, bytesPerSecond = 16 << 20 } = this.options
    const bytes = this.strideBytes
    this.strideBytes = 0
    this.strideRecords = 0
    await sleep(clock, (bytes / bytesPerSecond) * 1_000)
  }
}

function placeOf({ segment, offset }: Damage): string {
  return `${segment}/${offset}`
}

/** A scrub of the store, for one pass. */
export function scrubOf(
  store: Store,
  handlers: Omit<ScrubOptions, 'store' | 'clock' | 'logger'>,
): Scrub {
  const { clock, logger } = store.options
  return new Scrub({ ...handlers, store, clock, logger })
}
