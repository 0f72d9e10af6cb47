/** The rows of a node's index, read by another process while the node runs or is down. Nothing is written. */

import { join } from 'node:path'
import { open } from 'lmdb'

/** Key and value are only good until `visit` returns. Rows that the node has not committed yet are not there. */
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
