/**
 * Reads a file from front to back through one buffer: much at once while the reads are sequential, little after a
 * jump. For walks over a segment (walk.ts, recovery.ts) and for readers that go through many records of one
 * (read.ts).
 */

import type { DiskFile } from '../env/ports.ts'
import { errorCode } from './errors.ts'
import { PAGE_BYTES } from './segment.ts'

const WIDE_BYTES = 1 << 20
const NARROW_BYTES = 64 << 10

export class Window {
  /** The size that the caller gave. What is appended later is not seen. */
  readonly sizeBytes: number
  private readonly file: DiskFile
  /** Holds `length` bytes of the file, from `start` on. */
  private buffer = new Uint8Array(0)
  private start = 0
  private length = 0

  constructor(file: DiskFile, sizeBytes: number) {
    this.file = file
    this.sizeBytes = sizeBytes
  }

  /** The bytes from `offset` on, at least `length` of them unless the file ends before. Valid until
   * the next call. */
  async at(offset: number, length: number): Promise<Uint8Array> {
    const wanted = Math.max(0, Math.min(length, this.sizeBytes - offset))
    const behind = this.start + this.length
    if (offset < this.start || offset + wanted > behind) {
      const sequential = offset >= this.start && offset <= behind
      const ahead = Math.min(sequential ? WIDE_BYTES : NARROW_BYTES, this.sizeBytes - offset)
      const size = Math.max(wanted, ahead)
      if (this.buffer.length < size) this.buffer = new Uint8Array(size)
      this.length = await this.read(this.buffer.subarray(0, size), offset)
      this.start = offset
    }
    return this.buffer.subarray(offset - this.start, this.length)
  }

  /** Pages that can't be read count as zeros, so that their records show as damaged (F8). */
  private async read(into: Uint8Array, offset: number): Promise<number> {
    try {
      return await this.file.read(into, offset)
    } catch (error) {
      if (errorCode(error) !== 'EIO') throw error
    }
    const length = Math.max(0, Math.min(into.length, this.sizeBytes - offset))
    for (let at = 0; at < length; at += PAGE_BYTES) {
      const page = into.subarray(at, Math.min(at + PAGE_BYTES, length))
      try {
        await this.file.read(page, offset + at)
      } catch (error) {
        if (errorCode(error) !== 'EIO') throw error
        page.fill(0)
      }
    }
    return length
  }
}
