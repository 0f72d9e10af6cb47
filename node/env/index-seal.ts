/**
 * The seal of a cleanly closed index: the digest of its file, in a file beside it. LMDB has no checksums, so a flipped bit
 * in a page makes rows vanish or kills the process. The next open compares the digest.
 *
 * The seal is removed before the database is opened, so that a crash leaves none. Without a seal the whole file is checked
 * (lmdb-check.ts). A seal that is left by mistake does not match, which costs a rebuild and nothing more.
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
/** A larger file is not sealed: to read it would take longer than a stop may take. */
const SEALED_BYTES_MAX = 4 * 2 ** 30

/** Writes the digest of a closed file. If that fails, or there is no room, there is no seal. */
export function sealIndex(path: string): void {
  try {
    const digest = digestOf(path)
    if (digest === undefined) return
    writeFileSync(sealPath(path), digest, { mode: 0o600, flush: true })
  } catch {
    rmSync(sealPath(path), { force: true })
  }
}

/** Removes the seal and says whether the file is what was sealed; undefined where there was no seal. */
export function breakSeal(path: string): boolean | undefined {
  let sealed: string
  try {
    sealed = readFileSync(sealPath(path), 'latin1')
  } catch {
    return undefined
  }
  const isSame = digestOf(path) === sealed
  rmSync(sealPath(path), { force: true })
  return isSame
}

function sealPath(path: string): string {
  return `${path}.sealed`
}

/** Undefined when there is no file, or it is too large. */
function digestOf(path: string): string | undefined {
  const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (size === 0 || size > SEALED_BYTES_MAX) return undefined
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
