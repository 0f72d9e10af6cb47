/**
 * The segment files of an open log: the sealed ones, and the one that takes appends. Called by log.ts and kept-tail.ts.
 *
 * Invariants:
 *   - at most one segment is open, and it has the highest number
 *   - the number of a segment is never used again, also after it was deleted or lost: rows may still point there
 *   - the manifest lists a segment before its first batch is written, and strikes it off before its file is deleted: a
 *     listed segment without a file counts as lost (D9)
 *   - sizes end after the last flushed batch; what is written behind that does not count yet
 */

import { assert } from '../../protocol/assert.ts'
import { align } from '../../protocol/codec/record.ts'
import type { Disk, DiskFile } from '../env/ports.ts'
import type { Batch } from './batch.ts'
import { errorCode, isNoSpace } from './errors.ts'
import type { Manifest } from './manifest.ts'
import type { OpenSegments } from './open-segments.ts'
import {
  encodeSegmentHeader,
  HintTable,
  LOG_DIRECTORY,
  SEGMENT_HEADER_BYTES,
  segmentPath,
  type LogEnd,
} from './segment.ts'
import { truncateSegment } from './segment-file.ts'
import { trusted } from './trusted.ts'

/** What the store and the status page see of a segment. */
export interface SegmentInfo {
  readonly segment: number
  readonly sizeBytes: number
  /** Takes no more appends. */
  readonly sealed: boolean
}

/** The segment that takes appends. */
interface OpenSegment {
  readonly segment: number
  readonly file: DiskFile
  /** One for each record so far: its footer, once it is sealed. */
  readonly hints: HintTable
}

/** Opened by open-segments.ts, with all files for reading. */
export class LogSegments {
  readonly files: Map<number, DiskFile>
  /** The segment that takes appends. A start has none until the first batch. */
  open: OpenSegment | undefined
  /** Flushes of segment files since the start, for the status page. */
  flushes = 0
  readonly #disk: Disk
  readonly #logId: Uint8Array
  readonly #manifest: Manifest
  readonly #sizes: Map<number, number>

  constructor(disk: Disk, { files, sizes, manifest, logId }: OpenSegments) {
    this.#disk = disk
    this.files = files
    this.#sizes = sizes
    this.#manifest = manifest
    this.#logId = logId
  }

  has(segment: number): boolean {
    return this.files.has(segment)
  }

  /** Whether an older segment exists, so that a removal may still be needed (D7). */
  hasBelow(segment: number): boolean {
    for (const each of this.files.keys()) if (each < segment) return true
    return false
  }

  /** In no particular order. */
  list(): SegmentInfo[] {
    return [...this.#sizes].map(([segment, sizeBytes]) => ({
      segment,
      sizeBytes,
      sealed: segment !== this.open?.segment,
    }))
  }

  /** Bytes of the file that count; 0 when there is no such segment. */
  sizeOf(segment: number): number {
    return this.#sizes.get(segment) ?? 0
  }

  /**
   * The highest number that a segment ever had, as far as files, manifest and `end` tell. The next one is one
   * higher.
   */
  lastSegment(end: LogEnd): number {
    const { highest, proven } = this.#manifest
    return Math.max(end.segment, highest, proven?.end.segment ?? 0, ...this.#sizes.keys())
  }

  /** The segment's batches are flushed up to `sizeBytes`. */
  setSize(segment: number, sizeBytes: number): void {
    assert(sizeBytes >= this.sizeOf(segment), 'appends make a segment longer')
    this.#sizes.set(segment, sizeBytes)
  }

  /**
   * Seals the open segment, then makes the file of the next one, which `batch` begins. `end` and `sequence`: where
   * the log ends now. Rejects with UntrustedDisk (D5), or because there is no room: then `drop` what is left of the
   * new segment.
   */
  async start(batch: Batch, end: LogEnd, sequence: number): Promise<void> {
    const { segment } = batch.start
    assert(!this.files.has(segment), 'no number of a segment is used again')
    await this.#seal(end, sequence)
    const file = await this.#create(segment)
    this.files.set(segment, file)
    this.#sizes.set(segment, SEGMENT_HEADER_BYTES)
    this.open = { segment, file, hints: new HintTable() }
    await file.write([encodeSegmentHeader(segment, batch.firstSequence, this.#logId)], 0)
    await this.flush(file)
    await trusted(this.#disk.syncDirectory(LOG_DIRECTORY))
    await this.#manifest.add(segment)
  }

  /** Rejects with UntrustedDisk when the flush fails (D5). */
  async flush(file: DiskFile): Promise<void> {
    await trusted(file.flush())
    this.flushes++
  }

  /** Deletes the file. The manifest does not list the segment any more. */
  async delete(segment: number, file: DiskFile): Promise<void> {
    assert(segment !== this.open?.segment, 'the open segment is not deleted')
    assert(
      !this.#manifest.has(segment),
      'a segment is struck off the list before its file is deleted',
    )
    this.files.delete(segment)
    this.#sizes.delete(segment)
    await file.close()
    await this.#disk.remove(segmentPath(segment))
    await this.#disk.syncDirectory(LOG_DIRECTORY)
  }

  /** Deletes a segment in which nothing was ever flushed. */
  async drop(segment: number): Promise<void> {
    if (this.open?.segment === segment) this.open = undefined
    const file = this.files.get(segment)
    this.files.delete(segment)
    this.#sizes.delete(segment)
    if (file === undefined) return
    await file.close()
    if (this.#manifest.has(segment)) {
      // Emptied first: if this ends early, its batches must not come back, nor its file be missed (D9).
      await truncateSegment(this.#disk, segment, SEGMENT_HEADER_BYTES)
      await this.#manifest.remove(segment)
    }
    await this.#disk.remove(segmentPath(segment))
  }

  /** Cuts what follows `offset` in a segment that is not the open one. */
  async cut(segment: number, offset: number): Promise<void> {
    assert(segment !== this.open?.segment, 'the open segment is not cut')
    await truncateSegment(this.#disk, segment, offset)
    this.#sizes.set(segment, offset)
  }

  /** Closes all files. Reads that come later find no segment. */
  async close(): Promise<void> {
    for (const file of this.files.values()) await file.close()
    this.files.clear()
  }

  async #create(segment: number): Promise<DiskFile> {
    const path = segmentPath(segment)
    try {
      return await this.#disk.open(path, 'create')
    } catch (error) {
      if (errorCode(error) !== 'EEXIST') throw error
      // An earlier attempt that found no room has left it: nothing in it was ever flushed.
      await this.#disk.remove(path)
      return this.#disk.open(path, 'create')
    }
  }

  /** The footer only saves time. Without room for it the segment is sealed all the same. */
  async #seal(end: LogEnd, sequence: number): Promise<void> {
    const open = this.open
    if (open === undefined) return
    assert(end.segment === open.segment, 'the log ends in the segment that is sealed')
    this.open = undefined
    const footer = open.hints.encodeFooter(end, sequence, this.#logId)
    try {
      await open.file.write([footer], end.offset)
    } catch (error) {
      if (!isNoSpace(error)) throw error
      await open.file.truncate(end.offset)
      return
    }
    await this.flush(open.file)
    this.#sizes.set(open.segment, end.offset + align(footer.length))
  }
}
