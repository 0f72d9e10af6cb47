/** A range of the index together with what it has not committed yet. */

import type { Index, IndexWrite, RowScan } from '../env/ports.ts'
import { compareBytes } from './memtable.ts'

/**
 * Rows with start <= key < end, ascending, at most `limit`; `visit` returns false to stop, and sees rows as RowScan says.
 * `newer` gives the rows that override those of the index, ascending and within the same range. One without a value hides
 * the row of the index.
 */
export function mergeRange(
  index: Index,
  newer: Iterator<IndexWrite, undefined>,
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  visit: RowScan,
): void {
  // Most often nothing waits to be committed.
  let row = nextOf(newer)
  if (row === undefined) return index.scan(start, end, limit, visit)
  let left = limit
  const give = (key: Uint8Array, keyBytes: number, value: Uint8Array, valueBytes: number) => {
    if (left <= 0) return false
    left--
    return visit(key, keyBytes, value, valueBytes) !== false && left > 0
  }
  const giveNewer = ({ key, value }: IndexWrite): boolean =>
    value === undefined || give(key, key.length, value, value.length)
  let going = left > 0
  // Any number of its rows may be hidden by newer ones: the visits say where it ends.
  index.scan(start, end, Number.MAX_SAFE_INTEGER, (key, keyBytes, value, valueBytes) => {
    while (going && row !== undefined) {
      const order = compareBytes(row.key, key, keyBytes)
      if (order > 0) break
      going = giveNewer(row)
      row = nextOf(newer)
      if (order === 0) return going
    }
    if (going) going = give(key, keyBytes, value, valueBytes)
    return going
  })
  while (going && row !== undefined) {
    going = giveNewer(row)
    row = nextOf(newer)
  }
}

function nextOf(rows: Iterator<IndexWrite, undefined>): IndexWrite | undefined {
  return rows.next().value
}
