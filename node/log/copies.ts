/** What compaction appends in place of the records that it moves. */

import type { ByteString } from '../../protocol/ids.ts'
import type { LogPosition, LogRecord, NewRecord, RowSchema, StoredRecord } from './types.ts'

export interface CopyState {
  readonly rows: RowSchema | undefined
  readonly current: (key: Uint8Array) => Uint8Array | undefined
  readonly isInFlight: (key: ByteString) => boolean
  readonly isLive: (record: LogRecord, position: LogPosition) => boolean
}

/** In one turn, and to be appended in it: nothing of these keys may come between. `busy` can't be told now. */
export function copiesOf<T extends StoredRecord>(
  moved: readonly T[],
  { rows, current, isInFlight, isLive }: CopyState,
): { readonly copies: NewRecord[]; readonly busy: T[] } {
  const busy: T[] = []
  const copies: NewRecord[] = []
  /** Came along with a removal: a second copy of it would be dead from the start, segment for segment. */
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
