/**
 * Records that the index still has, although their segments are gone. A start that misses a segment for the first time
 * appends them to the log again (store-recovery.ts): otherwise the next rebuild of the index would lose them without
 * saying so (D7, D8). The index does not have all of every record: blocks are not among them.
 */

import { bytesOf } from '../../protocol/bytes.ts'
import type { LogRecord, RowSchema } from './types.ts'

const PAGE_ROWS = 1_000

/** The index together with what it has not committed yet (store.ts). */
interface Rows {
  range(
    start: Uint8Array,
    end: Uint8Array,
    limit: number,
    visit: (key: Uint8Array, value: Uint8Array) => void,
  ): void
}

/**
 * In groups of at most 1,000 rows: append each before asking for the next, since `current` then shows what that append
 * has made. `missing`: the segments that are gone.
 */
export function* orphansOf(
  rows: Rows,
  schema: RowSchema,
  missing: ReadonlySet<number>,
  current: (key: Uint8Array) => Uint8Array | undefined,
): Generator<LogRecord[]> {
  // The store's own rows, which begin with "x", have no record.
  for (const [first, behind] of [
    ['a', 'x'],
    ['y', 'z'],
  ] as const) {
    let start: Uint8Array = bytesOf(first)
    for (;;) {
      const keys: Uint8Array[] = []
      let seen = 0
      rows.range(start, bytesOf(behind), PAGE_ROWS, (key, row) => {
        seen++
        start = new Uint8Array([...key, 0])
        const at = schema.positionOf(key, row)
        if (at !== undefined && missing.has(at.segment)) keys.push(key.slice())
      })
      const group: LogRecord[] = []
      for (const key of keys) {
        const identity = schema.identityOf(key)
        const records = identity && schema.restore(identity, current)
        if (records !== undefined) group.push(...records)
      }
      if (group.length > 0) yield group
      if (seen < PAGE_ROWS) break
    }
  }
}
