/** Sends decided entries to another node as text in chunks, because a message has a limit. */

import { utf8 } from '../../protocol/bytes.ts'
import { decidedJson, readDecided } from '../../protocol/layout/certificate.ts'
import type { DecidedEntry } from '../../protocol/layout/entry.ts'
import { listOf, parseJson, ShapeError } from '../../protocol/layout/json.ts'
import type { LayoutLog } from './layout-log.ts'
import type { EntriesChunk } from './messages.ts'

/** Characters in a chunk. Each has three bytes at most, so that a chunk stays well below a message's 1 MiB. */
const CHUNK_LENGTH = 256 * 1024
const TEXT_LENGTH_MAX = 1 << 28
const ENTRIES_MAX = 1_000_000
/** Entries in one text. The receiver asks again for what follows. */
const ENTRIES_AT_ONCE = 64

/**
 * A piece of the text of the entries after epoch `after`, from the character `offset` on. Its text is empty at the
 * end.
 */
export function chunkOfEntries(log: LayoutLog, after: number, offset: number): EntriesChunk {
  // A chain only grows. A later text differs only if there were fewer entries than the limit, or if a later entry proves
  // the chain now. The total shows that to the receiver, which then starts again.
  const text = JSON.stringify(log.entriesFor(after).slice(0, ENTRIES_AT_ONCE).map(decidedJson))
  return { total: text.length, text: text.slice(offset, offset + CHUNK_LENGTH) }
}

/** Resolves with entries after `after`, in order, a few dozen at most. */
export async function fetchEntries(
  after: number,
  ask: (after: number, offset: number) => Promise<EntriesChunk>,
): Promise<DecidedEntry[]> {
  let text = ''
  let total: number | undefined
  do {
    const chunk = await ask(after, text.length)
    if (total !== undefined && chunk.total !== total) {
      text = ''
      total = undefined
      continue
    }
    total = chunk.total
    if (chunk.text.length === 0 || total > TEXT_LENGTH_MAX)
      throw new ShapeError('a chunk is empty, or its text is too long')
    text += chunk.text
  } while (total === undefined || text.length < total)
  return listOf(parseJson(utf8(text)), ENTRIES_MAX, readDecided)
}
