/**
 * Rows whose records are flushed in the log, and that the index has not committed yet. There are two generations: one
 * takes new rows, the other is being committed.
 *
 * Invariants:
 *   - a row here is newer than the index's row of its key, and one that takes new rows is newer than one being
 *     committed
 *   - a removed row is kept, without a value, until its removal is committed: it hides the index's row
 *   - one commit runs at a time: `take`, then `committed` or `putBack`
 */

import { assert } from '../../protocol/assert.ts'
import { byteString } from '../../protocol/bytes.ts'
import type { ByteString } from '../../protocol/ids.ts'
import type { IndexWrite } from '../env/ports.ts'
import { SortedRows } from './sorted-rows.ts'

/** About what a row costs in memory beside its own bytes. */
const ROW_OVERHEAD_BYTES = 200

/** Written by row-applier.ts and dead-bytes.ts, committed by index-writer.ts. */
export class Memtable {
  private current = new SortedRows()
  private committing = new SortedRows()
  private currentBytes = 0
  private committingBytes = 0

  /** Rows that are not committed, in both generations. */
  get rows(): number {
    return this.current.size + this.committing.size
  }

  /** About the memory that they take. */
  get bytes(): number {
    return this.currentBytes + this.committingBytes
  }

  /** Rows that no commit has taken yet. */
  get currentRows(): number {
    return this.current.size
  }

  /** Without a value, the key is removed. The row's bytes are kept, not copied. */
  put(row: IndexWrite): void {
    const key = byteString(row.key)
    const before = this.current.get(key)
    if (before !== undefined) this.currentBytes -= sizeOf(before)
    this.current.set(key, row)
    this.currentBytes += sizeOf(row)
    assert(this.currentBytes > 0, 'rows take room')
  }

  /** The row, without a value when it was removed. Undefined when only the index can tell. */
  get(key: Uint8Array): IndexWrite | undefined {
    if (this.current.size === 0 && this.committing.size === 0) return undefined
    const text = byteString(key)
    return this.current.get(text) ?? this.committing.get(text)
  }

  /**
   * Rows with start <= key < end, removals included, ascending. It costs only as much as is taken of it. Put
   * nothing in meanwhile.
   */
  *range(start: Uint8Array, end: Uint8Array): Generator<IndexWrite, undefined> {
    if (this.rows === 0) return
    const first = byteString(start)
    const behind = byteString(end)
    const [newer, older] = [this.current.keysFrom(first), this.committing.keysFrom(first)]
    let [a, b] = [nextOf(newer, behind), nextOf(older, behind)]
    while (a !== undefined || b !== undefined) {
      const isNewer = a !== undefined && (b === undefined || a <= b)
      const key = (isNewer ? a : b) as ByteString
      yield (isNewer ? this.current : this.committing).get(key) as IndexWrite
      if (b === key) b = nextOf(older, behind)
      if (isNewer) a = nextOf(newer, behind)
    }
  }

  /** The rows to commit next. They stay visible until `committed`. */
  take(): IndexWrite[] {
    assert(this.committing.size === 0, 'one commit at a time')
    this.committing = this.current
    this.committingBytes = this.currentBytes
    this.current = new SortedRows()
    this.currentBytes = 0
    return [...this.committing.values()]
  }

  /** The index has the rows that `take` gave. */
  committed(): void {
    this.committing = new SortedRows()
    this.committingBytes = 0
  }

  /** The commit failed: its rows wait again, except where newer ones have come for the same keys. */
  putBack(): void {
    for (const [key, row] of this.committing.entries()) {
      if (this.current.get(key) !== undefined) continue
      this.current.set(key, row)
      this.currentBytes += sizeOf(row)
    }
    this.committed()
  }
}

function nextOf(keys: Generator<ByteString>, behind: ByteString): ByteString | undefined {
  const { value, done } = keys.next()
  return done === true || value >= behind ? undefined : value
}

function sizeOf(row: IndexWrite): number {
  return ROW_OVERHEAD_BYTES + 2 * row.key.length + (row.value?.length ?? 0)
}

/** Byte order, as in the index. Of `b` the first `size` bytes count. */
export function compareBytes(a: Uint8Array, b: Uint8Array, size = b.length): number {
  const length = Math.min(a.length, size)
  for (let i = 0; i < length; i++) {
    const difference = (a[i] as number) - (b[i] as number)
    if (difference !== 0) return difference
  }
  return a.length - size
}
