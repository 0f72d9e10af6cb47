/**
 * Changes to the file of a segment that takes no appends: a tail is cut or written again (kept-tail.ts), a segment
 * without a flushed batch is emptied (log-segments.ts). Each opens the file, changes it, flushes it and closes it.
 * They reject with UntrustedDisk when the flush fails (D5), and otherwise with the disk's own error.
 */

import { assert } from '../../protocol/assert.ts'
import type { Disk, DiskFile } from '../env/ports.ts'
import {
  FIRST_BATCH_AT,
  PAGE_BYTES,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  type LogEnd,
} from './segment.ts'
import { trusted } from './trusted.ts'

/** Cuts what follows `sizeBytes`. The segment's header stays. */
export function truncateSegment(disk: Disk, segment: number, sizeBytes: number): Promise<void> {
  assert(sizeBytes >= SEGMENT_HEADER_BYTES, 'a segment keeps its header')
  return change(disk, segment, (file) => file.truncate(sizeBytes))
}

/** Writes a batch's buffers one behind the other to the place where the batch begins. */
export function overwriteSegment(
  disk: Disk,
  { segment, offset }: LogEnd,
  buffers: readonly Uint8Array[],
): Promise<void> {
  assert(offset >= FIRST_BATCH_AT && offset % PAGE_BYTES === 0, 'a batch begins on a page')
  return change(disk, segment, (file) => file.write(buffers, offset))
}

async function change(
  disk: Disk,
  segment: number,
  act: (file: DiskFile) => Promise<void>,
): Promise<void> {
  const file = await disk.open(segmentPath(segment), 'write')
  try {
    await act(file)
    await trusted(file.flush())
  } finally {
    await file.close()
  }
}
