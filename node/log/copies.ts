/** What compaction appends in place of the records that it moves. */

import type { ByteString } from '../../protocol/ids.ts'
import type { LogPosition, LogRecord, NewRecord, RowSchema, StoredRecord } from './types.ts'

export interface CopyState {
  readonly rows: RowSchema | undefined
  readonly current: (key: Uint8Array) => Uint8Array | undefined
  readonly isInFlight: (key: ByteString) => boolean
  readonly isLive: (record: LogRecord, position: LogPosition) => boolean
}

/**
 * Append the copies in the same turn of the event loop: no other record of their keys may come between. `busy`: records
 * whose key is in flight, or whose row is damaged; try them again later.
 */
export function copiesOf<T extends StoredRecord>(
  moved: readonly T[],
  { rows, current, isInFlight, isLive }: CopyState,
): { readonly copies: NewRecord[]; readonly busy: T[] } {
  const busy: T[] = []
  const copies: NewRecord[] = []
  /** Copied along with a removal. A second copy would be dead at once, and each later compaction would make one more. */
  const along = new Set<string>()
  for (const one of moved) {
    const { record, position } = one
    const again = rows === undefined ? [record] : rows.copiesOf(record, position, current)
    if (isInFlight(record.key) || again === undefined) {
      busy.push(one)
    } else if (isLive(record, position) && !along.has(nameOf(record))) {
      copies.push(...again)
      for (const more of again.slice(1)) along.add(nameOf(more))
    }
  }
  return { copies, busy }
}

function nameOf({ type, key }: Pick<LogRecord, 'type' | 'key'>): string {
  return `${type} ${key}`
}
