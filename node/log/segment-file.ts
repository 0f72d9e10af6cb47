/** Changes to the file of a segment that takes no appends. Each opens the file, and flushes it. */

import type { Disk, DiskFile } from '../env/ports.ts'
import { segmentPath, type LogEnd } from './segment.ts'
import { trusted } from './trusted.ts'

export function truncateSegment(disk: Disk, segment: number, sizeBytes: number): Promise<void> {
  return change(disk, segment, (file) => file.truncate(sizeBytes))
}

export function overwriteSegment(
  disk: Disk,
  { segment, offset }: LogEnd,
  buffers: readonly Uint8Array[],
): Promise<void> {
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
