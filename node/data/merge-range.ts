/** A range of the index together with what it has not committed yet. */

import type { Index, IndexWrite } from '../env/ports.ts'
import { compareBytes } from './memtable.ts'

/** Rows of the index, overridden by newer ones. */
export function mergeRange(
  index: Index,
  newer: readonly IndexWrite[],
  start: Uint8Array,
  end: Uint8Array,
  limit: number,
  visit: (key: Uint8Array, value: Uint8Array) => boolean | void,
): void {
  let left = limit
  let at = 0
  const give = (key: Uint8Array, value: Uint8Array | undefined): boolean => {
    if (value === undefined) return true
    if (left <= 0) return false
    left--
    return visit(key, value) !== false && left > 0
  }
  let going = left > 0
  // Each newer row hides at most one of the index's.
  index.range(start, end, limit + newer.length, (key, value) => {
    while (going && at < newer.length) {
      const row = newer[at] as IndexWrite
      const order = compareBytes(row.key, key)
      if (order > 0) break
      at++
      going = give(row.key, row.value)
      if (order === 0) return going
    }
    if (going) going = give(key, value)
    return going
  })
  while (going && at < newer.length) {
    const row = newer[at++] as IndexWrite
    going = give(row.key, row.value)
  }
}
