/** The segment files of an open log: the sealed ones, and the one that takes appends. */

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

export interface SegmentInfo {
  readonly segment: number
  readonly sizeBytes: number
  /** Takes no more appends. */
  readonly sealed: boolean
}

interface OpenSegment {
  readonly segment: number
  readonly file: DiskFile
  readonly hints: HintTable
}

export class LogSegments {
  readonly files: Map<number, DiskFile>
  /** The segment that takes appends. A start has none until the first batch. */
  open: OpenSegment | undefined
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

  hasBelow(segment: number): boolean {
    for (const each of this.files.keys()) if (each < segment) return true
    return false
  }

  list(): SegmentInfo[] {
    return [...this.#sizes].map(([segment, sizeBytes]) => ({
      segment,
      sizeBytes,
      sealed: segment !== this.open?.segment,
    }))
  }

  sizeOf(segment: number): number {
    return this.#sizes.get(segment) ?? 0
  }

  /** A number is never used again: rows may still point there. */
  lastSegment(end: LogEnd): number {
    const { highest, proven } = this.#manifest
    return Math.max(end.segment, highest, proven?.end.segment ?? 0, ...this.#sizes.keys())
  }

  /** The segment's batches are flushed up to `sizeBytes`. */
  setSize(segment: number, sizeBytes: number): void {
    assert(sizeBytes >= this.sizeOf(segment), 'appends make a segment longer')
    this.#sizes.set(segment, sizeBytes)
  }

  /** Seals the open segment, then makes the file of the next one. `end` and `sequence`: where the log ends now. */
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
