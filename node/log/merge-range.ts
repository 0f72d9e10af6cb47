/** A range of the index together with what it has not committed yet. */

import type { Index, IndexWrite } from '../env/ports.ts'
import { compareBytes } from './memtable.ts'

/**
 * Rows with start <= key < end, ascending, at most `limit`; `visit` returns false to stop. `newer` gives the rows that
 * override those of the index, ascending and within the same range. One without a value hides the row of the index.
 */
export function mergeRange(
  index: Index,
  newer: Iterator<IndexWrite, undefined>,
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
): void {
  // Most often nothing waits to be committed.
  let row = nextOf(newer)
  if (row === undefined) return index.range(start, end, limit, visit)
  let left = limit
  const give = (key: Uint8Array, value: Uint8Array | undefined): boolean => {
    if (value === undefined) return true
    if (left <= 0) return false
    left--
    return visit(key, value) !== false && left > 0
  }
  let going = left > 0
  // Any number of its rows may be hidden by newer ones: the visits say where it ends.
  index.range(start, end, Number.MAX_SAFE_INTEGER, (key, value) => {
    while (going && row !== undefined) {
      const order = compareBytes(row.key, key)
      if (order > 0) break
      going = give(row.key, row.value)
      row = nextOf(newer)
      if (order === 0) return going
    }
    if (going) going = give(key, value)
    return going
  })
  while (going && row !== undefined) {
    going = give(row.key, row.value)
    row = nextOf(newer)
  }
}

function nextOf(rows: Iterator<IndexWrite, undefined>): IndexWrite | undefined {
  return rows.next().value
}
