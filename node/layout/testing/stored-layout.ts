/** The entries of a node's layout.json. */

import { utf8 } from '../../../protocol/bytes.ts'
import { decidedJson } from '../../../protocol/layout/certificate.ts'
import type { DecidedEntry } from '../../../protocol/layout/entry.ts'
import { withChecksum } from '../../tools/checked-json.ts'
import { ChainLine, splitLayout } from '../layout-file.ts'

export function storedEntries(bytes: Uint8Array): DecidedEntry[] {
  return splitLayout(bytes)!.lines.map((line) => ChainLine.parse(line).decided)
}

/** A layout.json as earlier programs wrote it: one JSON object. */
export function earlierLayout(entries: readonly DecidedEntry[], checked: boolean): Uint8Array {
  const fields = { version: 1, entries: entries.map(decidedJson) }
  return utf8(JSON.stringify(checked ? withChecksum(fields) : fields))
}
