/**
 * Commits rows of the memtable to the index in the background, together with the log position that they reflect
 * (D6).
 *
 * ```
 * "x" 1    version (1) ‖ log id (16) ‖ index version (4) ‖ segment (4) ‖ offset (4) ‖ next sequence (6)
 * ```
 *
 * This row says what the index reflects, and is in each batch of the index: so rows and position are committed
 * together. A start replays the log from there. "x" 2 and "x" 3: dead-bytes.ts.
 *
 * Invariants:
 *   - a row is in the memtable before `reflect` is called with the end of its batch
 *   - a commit that fails loses nothing: its rows go back to the memtable, and are tried again
 *   - a full disk stops commits, not appends, until too many rows wait (`crowded`)
 */

import { AssertionError, assert } from '../../protocol/assert.ts'
import type { Clock, Index, Logger } from '../env/ports.ts'
import { getU32, getU48, LOG_ID_BYTES, putU32, putU48 } from '../../protocol/codec/record.ts'
import { LogError } from './errors.ts'
import { Memtable } from './memtable.ts'
import type { LogEnd } from './segment.ts'

/** The store's own keys start with "x". */
export const RESERVED_PREFIX = 0x78
const REFLECTED_KEY = Uint8Array.of(RESERVED_PREFIX, 1)

/** A commit takes milliseconds whatever its size, so rows gather for a while before it. */
const GATHER_MS = 50
const GATHERED_ROWS_ENOUGH = 2_000
const RETRY_MS_MIN = 1_000
const RETRY_MS_MAX = 15_000
/** Appends wait while this many rows, or bytes of rows, are not committed. */
const PENDING_ROWS_MAX = 100_000
const PENDING_BYTES_MAX = 48 << 20

/** Which log the index belongs to, and up to where it has all rows of it. */
export interface Reflected {
  readonly logId: Uint8Array
  /** Another one than the program's: `apply` made other rows then, and the index is rebuilt. */
  readonly indexVersion: number
  readonly end: LogEnd
  readonly nextSequence: number
}

/** One for each store. */
export class IndexWriter {
  readonly memtable = new Memtable()
  private readonly index: Index
  private readonly clock: Clock
  private readonly logger: Logger
  private reflected: Reflected
  /** Counts changes, also those without a row. A commit sets `committed` to what this was when it began. */
  private changes = 0
  private committed = 0
  private running: Promise<void> | undefined
  /** The last commit failed. */
  private failing = false
  private retryMs = RETRY_MS_MIN
  private waiting: (() => void)[] = []
  private wake: (() => void) | undefined
  private closing = false

  constructor(index: Index, clock: Clock, logger: Logger, reflected: Reflected) {
    this.index = index
    this.clock = clock
    this.logger = logger
    this.reflected = reflected
  }

  /** The index reflects the log up to here. Call it once, before the first change. */
  startAt(end: LogEnd, nextSequence: number): void {
    assert(this.changes === 0, 'nothing was brought into the index yet')
    this.reflected = { ...this.reflected, end, nextSequence }
  }

  /** All rows up to `end` are in the memtable. */
  reflect(end: LogEnd, nextSequence: number): void {
    this.reflected = { ...this.reflected, end, nextSequence }
    this.changes++
    if (this.memtable.currentRows >= GATHERED_ROWS_ENOUGH) this.wake?.()
    this.running ??= this.run()
  }

  /** Rows have changed that no record made. */
  touch(): void {
    this.changes++
    this.running ??= this.run()
  }

  /** Too much is not committed: appends wait for `room`. */
  get crowded(): boolean {
    return this.memtable.rows >= PENDING_ROWS_MAX || this.memtable.bytes >= PENDING_BYTES_MAX
  }

  /** Resolves when there is room for more rows. Rejects with DISK_FULL while the index takes none. */
  async room(): Promise<void> {
    while (this.crowded && !this.closing) {
      if (this.failing) throw new LogError('DISK_FULL', 'the index takes no rows')
      this.wake?.()
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** Resolves when all changes up to now are committed, however often a commit fails before. */
  drain(): Promise<void> {
    return this.drainWhile(() => true)
  }

  /** As `drain`, but gives up while commits fail: for those who need the room that the index lacks. */
  drainUnlessFailing(): Promise<void> {
    return this.drainWhile(() => !this.failing)
  }

  private async drainWhile(goesOn: () => boolean): Promise<void> {
    const target = this.changes
    while (this.committed < target && this.running !== undefined && goesOn()) {
      this.wake?.()
      await new Promise<void>((resolve) => this.waiting.push(resolve))
    }
  }

  /** Tries once more to commit what is left. The next start replays what could not be committed. */
  async close(): Promise<void> {
    this.closing = true
    this.wake?.()
    await this.running
    this.release()
  }

  /** Commits until nothing is left. Runs while there are changes; `reflect` and `touch` start it. */
  private async run(): Promise<void> {
    while (this.committed < this.changes) {
      if (this.memtable.currentRows < GATHERED_ROWS_ENOUGH && !this.closing) {
        await this.pause(GATHER_MS)
      }
      const began = this.changes
      try {
        await this.index.write([
          ...this.memtable.take(),
          { key: REFLECTED_KEY, value: encodeReflected(this.reflected) },
        ])
        this.memtable.committed()
        this.committed = began
        this.failing = false
        this.retryMs = RETRY_MS_MIN
      } catch (error) {
        // No caller waits for this promise: its rejection ends the process.
        if (error instanceof AssertionError) throw error
        this.memtable.putBack()
        this.failing = true
        this.logger.error({ error: String(error) }, 'the index takes no rows')
        // The next start replays these rows from the log.
        if (this.closing) break
        this.release()
        await this.pause(this.retryMs)
        this.retryMs = Math.min(2 * this.retryMs, RETRY_MS_MAX)
      }
      this.release()
    }
    this.running = undefined
    this.release()
  }

  /** Ends early when there is a reason to hurry (`wake`). */
  private pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.wake = undefined
        cancel()
        resolve()
      }
      const cancel = this.clock.after(delayMs, done)
      this.wake = done
    })
  }

  /** Wakes all that wait for room, or for their changes to be committed. Each looks again. */
  private release(): void {
    const waiting = this.waiting
    this.waiting = []
    for (const resolve of waiting) resolve()
  }
}

/** The position that the index reflects; undefined when it has to be rebuilt. */
export function readReflected(index: Index): Reflected | undefined {
  const value = index.get(REFLECTED_KEY)
  return value === undefined ? undefined : decodeReflected(value)
}

/** The value of the row "x" 1. */
function encodeReflected({ logId, indexVersion, end, nextSequence }: Reflected): Uint8Array {
  const bytes = new Uint8Array(35)
  bytes[0] = 1
  bytes.set(logId, 1)
  putU32(bytes, 17, indexVersion)
  putU32(bytes, 21, end.segment)
  putU32(bytes, 25, end.offset)
  putU48(bytes, 29, nextSequence)
  return bytes
}

function decodeReflected(bytes: Uint8Array): Reflected | undefined {
  if (bytes.length !== 35 || bytes[0] !== 1) return undefined
  return {
    logId: bytes.slice(1, 1 + LOG_ID_BYTES),
    indexVersion: getU32(bytes, 17),
    end: { segment: getU32(bytes, 21), offset: getU32(bytes, 25) },
    nextSequence: getU48(bytes, 29),
  }
}
