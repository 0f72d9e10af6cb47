/**
 * Puts the rows that records make into the memtable, and counts the records that no row points to any more.
 *
 * It is the one way from records to rows: normal running, replay and rebuild all call `apply`, so they can't differ
 * (D6). The store's own records, which say that a segment is copied, make no rows of the caller.
 */

import { assert } from '../../protocol/assert.ts'
import { readU32 } from '../../protocol/bytes.ts'
import type { DeadBytes } from './dead-bytes.ts'
import { RESERVED_PREFIX } from './index-writer.ts'
import type { Memtable } from './memtable.ts'
import type { LogPosition, LogRecord, RowWrite, StoreOptions } from './types.ts'

/** What it writes to, and what it asks. */
interface Parts {
  readonly memtable: Memtable
  readonly dead: DeadBytes
  /** A row of the index, as the records applied so far have left it. */
  readonly current: (key: Uint8Array) => Uint8Array | undefined
  readonly hasSegment: (segment: number) => boolean
}

export class RowApplier {
  readonly #options: Pick<StoreOptions, 'rows' | 'compactedType' | 'apply'>
  readonly #parts: Parts

  constructor(options: Pick<StoreOptions, 'rows' | 'compactedType' | 'apply'>, parts: Parts) {
    this.#options = options
    this.#parts = parts
  }

  /** Call it in log order, for flushed records only. */
  apply(record: LogRecord, position: LogPosition): void {
    const { rows, compactedType } = this.#options
    const { dead, current, hasSegment } = this.#parts
    if (record.type === compactedType) {
      const segment = readU32(record.key, 0)
      if (hasSegment(segment)) dead.noteCopied(segment)
      dead.add(position.segment, 'padding', position.lengthBytes)
      return
    }
    const writes = this.#options.apply(record, position, current)
    this.put(writes, position)
    if (rows?.isRemoval(record) === true) this.#countRemoval(writes, position)
  }

  /** Makes the rows of a record again, for a scrub. It counts nothing as dead: that may have been counted before, and a
   * scrub counts for itself. */
  applyAgain(record: LogRecord, position: LogPosition): void {
    const { current, memtable } = this.#parts
    for (const { key, value } of this.#options.apply(record, position, current)) {
      memtable.put(value === undefined ? { key } : { key, value })
    }
  }

  /** Counts the records that the rows replace as dead, but not the one at `position`, which made the rows. */
  put(rows: readonly RowWrite[], position?: LogPosition): void {
    const { memtable, dead } = this.#parts
    for (const { key, value, replaces, superseded } of rows) {
      const row = value === undefined ? { key } : { key, value }
      assert(row.key[0] !== RESERVED_PREFIX, 'this prefix is the store’s own')
      memtable.put(row)
      const idle = superseded ?? replaces
      if (idle === undefined) continue
      const same = idle.segment === position?.segment && idle.offset === position.offset
      if (!same || superseded !== undefined) {
        dead.add(idle.segment, 'replaced', idle.lengthBytes)
      }
    }
  }

  /** A removal that a row holds counts once it is demoted; every other one counts from the start. */
  #countRemoval(writes: readonly RowWrite[], position: LogPosition): void {
    const holds = writes.find((write) => write.holds !== undefined)?.holds
    const idle = holds === undefined ? position : holds.demoted
    if (idle !== undefined) this.#parts.dead.add(idle.segment, 'removals', idle.lengthBytes)
  }
}
