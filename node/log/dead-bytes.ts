/**
 * How many bytes of each segment compaction would give back, and which segments it has copied already.
 * Kept in the index, in the same batches as the rows that they are counted from.
 *
 * ```
 * "x" 2 ‖ segment (4)    records that no row points to any more (6) ‖ padding (6) ‖ removals (6)
 * "x" 3 ‖ segment (4)    empty: all live records of it are copied, the file is to be deleted
 * ```
 */

import { assert } from '../../protocol/assert.ts'
import { getU32, getU48, putU32, putU48 } from '../../protocol/codec/record.ts'
import type { Index } from '../env/ports.ts'
import { RESERVED_PREFIX } from './index-writer.ts'
import type { Memtable } from './memtable.ts'

const COUNTS = 2
const COMPACTED = 3

/** Bytes of one segment that no reader needs any more. */
export interface DeadCounts {
  /** Records that a row pointed to once. */
  readonly replaced: number
  /** Gaps between batches: each batch begins on a page of its own. */
  readonly padding: number
  /** Removals. They are needed until every older segment is gone (D7). */
  readonly removals: number
}

const NONE: DeadCounts = { replaced: 0, padding: 0, removals: 0 }

/** Counts of a segment only rise, until the segment is deleted and forgotten. */
export class DeadBytes {
  private readonly memtable: Memtable
  private readonly counts = new Map<number, DeadCounts>()
  private readonly copied = new Set<number>()

  constructor(memtable: Memtable) {
    this.memtable = memtable
  }

  /** Takes over what the index has. Call it once, before anything is counted. */
  load(index: Index): void {
    eachRow(index, COUNTS, (segment, value) => {
      if (value.length !== 18) return
      this.counts.set(segment, {
        replaced: getU48(value, 0),
        padding: getU48(value, 6),
        removals: getU48(value, 12),
      })
    })
    eachRow(index, COMPACTED, (segment) => this.copied.add(segment))
  }

  of(segment: number): DeadCounts {
    return this.counts.get(segment) ?? NONE
  }

  /** Counts bytes that no reader needs from now on. */
  add(segment: number, kind: keyof DeadCounts, bytes: number): void {
    assert(bytes >= 0, 'dead bytes never live again')
    if (bytes === 0) return
    const before = this.of(segment)
    this.set(segment, { ...before, [kind]: before[kind] + bytes })
  }

  /** A scrub has counted more than was known: lost rows had pointed to these records. */
  raiseReplaced(segment: number, bytes: number): void {
    const before = this.of(segment)
    if (before.replaced < bytes) this.set(segment, { ...before, replaced: bytes })
  }

  noteCopied(segment: number): void {
    this.copied.add(segment)
    this.memtable.put({ key: rowKey(COMPACTED, segment), value: new Uint8Array(1) })
  }

  /** Segments whose copies are flushed, and whose files are not deleted yet. */
  compacted(): ReadonlySet<number> {
    return this.copied
  }

  forget(segment: number): void {
    this.counts.delete(segment)
    this.memtable.put({ key: rowKey(COUNTS, segment) })
    if (this.copied.delete(segment)) this.memtable.put({ key: rowKey(COMPACTED, segment) })
  }

  private set(segment: number, counts: DeadCounts): void {
    this.counts.set(segment, counts)
    const value = new Uint8Array(18)
    putU48(value, 0, counts.replaced)
    putU48(value, 6, counts.padding)
    putU48(value, 12, counts.removals)
    this.memtable.put({ key: rowKey(COUNTS, segment), value })
  }
}

function eachRow(
  index: Index,
  kind: number,
  visit: (segment: number, value: Uint8Array) => void,
): void {
  const start = Uint8Array.of(RESERVED_PREFIX, kind)
  const end = Uint8Array.of(RESERVED_PREFIX, kind + 1)
  index.range(start, end, Number.MAX_SAFE_INTEGER, (key, value) => visit(getU32(key, 2), value))
}

function rowKey(kind: number, segment: number): Uint8Array {
  const key = Uint8Array.of(RESERVED_PREFIX, kind, 0, 0, 0, 0)
  putU32(key, 2, segment)
  return key
}
