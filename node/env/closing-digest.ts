/**
 * The digest of the file of a cleanly closed index, kept in a file beside it. LMDB has no checksums, so a flipped bit in a
 * page makes rows vanish or kills the process. The next open compares the digest.
 *
 * The digest is removed before the database is opened, so that a crash leaves none. Without one the whole file is checked
 * (lmdb-check.ts). A digest that is left by mistake does not match, which costs a rebuild and nothing more.
 */

import {
  closeSync,
  openSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { hex } from '../../protocol/bytes.ts'
import { createBlake3 } from '../../protocol/hash.ts'

const CHUNK_BYTES = 1 << 20
/** A larger file gets no digest: to read it would take longer than a stop may take. */
const FILE_BYTES_MAX = 4 * 2 ** 30

/** Writes the digest of a closed file. If that fails, or there is no room, there is none. */
export function writeClosingDigest(path: string): void {
  try {
    const digest = digestOf(path)
    if (digest === undefined) return
    writeFileSync(digestPath(path), digest, { mode: 0o600, flush: true })
  } catch {
    rmSync(digestPath(path), { force: true })
  }
}

/** Removes the digest and says whether the file has it. Undefined when there was none. */
export function takeClosingDigest(path: string): boolean | undefined {
  let closing: string
  try {
    closing = readFileSync(digestPath(path), 'latin1')
  } catch {
    return undefined
  }
  const isSame = digestOf(path) === closing
  rmSync(digestPath(path), { force: true })
  return isSame
}

function digestPath(path: string): string {
  return `${path}.sealed`
}

/** Undefined when there is no file, or it is too large. */
function digestOf(path: string): string | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0 || size > FILE_BYTES_MAX) return undefined
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES)
  const hash = createBlake3()
  const file = openSync(path, 'r')
  try {
    for (let at = 0, read = 0; (read = readSync(file, chunk, 0, CHUNK_BYTES, at)) > 0; at += read) {
      hash.update(chunk.subarray(0, read))
    }
  } finally {
    closeSync(file)
  }
  return hex(hash.digest())
}
