/** Reads the rows of a node's index from another process, while the node runs or is down. Writes nothing. */

import { join } from 'node:path'
import { open } from 'lmdb'

/** Calls `visit` for each committed row. Key and value are valid only until `visit` returns. */
export async function eachIndexRow(
  dataDir: string,
  visit: (key: Uint8Array, value: Uint8Array) => void,
): Promise<void> {
  const database = open<Uint8Array, Uint8Array>({
    path: join(dataDir, 'index'),
    encoding: 'binary',
    keyEncoding: 'binary',
    readOnly: true,
    maxDbs: 1,
  })
  try {
    for (const { key, value } of database.getRange({})) visit(key, value)
  } finally {
    await database.close()
  }
}
