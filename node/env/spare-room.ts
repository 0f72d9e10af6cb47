/**
 * A file that takes a little room. A start on a full disk gives some of it back, because it has to write its lock,
 * node.json, a vote and what was forgotten before it can serve, and only a node that serves can free space (F6).
 */

import { rmSync, statfsSync, statSync, truncateSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock, Random } from './ports.ts'

export const SPARE_FILE = 'spare'
/** The room that one start gets. */
const SHARE_BYTES = 256 << 10
/** Room for this many starts in a row on a disk without any. */
const SPARE_BYTES = 8 * SHARE_BYTES
/** When less is free, it is left to deletes. */
const ROOMY_BYTES = 16 << 20
const CHUNK_BYTES = 64 << 10
const AGAIN_MS = 60_000

/** Gives room back when there is none for a start. */
export function giveSpareRoom(directory: string): void {
  const path = join(directory, SPARE_FILE)
  const sizeBytes = statSync(path, { throwIfNoEntry: false })?.size ?? 0
  if (sizeBytes === 0 || freeBytes(directory) >= SHARE_BYTES) return
  if (sizeBytes <= SHARE_BYTES) rmSync(path)
  else truncateSync(path, sizeBytes - SHARE_BYTES)
}

/** Takes the room again as soon as there is some. Call the result to end that. */
export function keepSpareRoom(directory: string, clock: Clock, random: Random): () => void {
  let cancel = (): void => {}
  let ended = false
  const keep = async (): Promise<void> => {
    const taken = await takeSpareRoom(directory, random).catch(() => false)
    if (!taken && !ended) cancel = clock.after(AGAIN_MS, () => void keep())
  }
  void keep()
  return () => {
    ended = true
    cancel()
  }
}

/** False while there is no room for it. */
export async function takeSpareRoom(directory: string, random: Random): Promise<boolean> {
  const file = await open(join(directory, SPARE_FILE), 'a', 0o600)
  try {
    let { size } = await file.stat()
    for (; size < SPARE_BYTES; size += CHUNK_BYTES) {
      if (freeBytes(directory) < ROOMY_BYTES) return false
      // Random bytes, which no file system can compress.
      await file.write(random.bytes(CHUNK_BYTES))
    }
    await file.sync()
    return true
  } finally {
    await file.close()
  }
}

function freeBytes(directory: string): number {
  const { bavail, bsize } = statfsSync(directory)
  return bavail * bsize
}
