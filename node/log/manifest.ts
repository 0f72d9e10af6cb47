/**
 * Which segments there are, and up to where the log was flushed when it was last idle or closed (D9). It is one small
 * file, written in place so that a full disk has room for it. Its bytes: manifest-format.ts.
 *
 * Invariants:
 *   - a list is written to both its slots, one after the other: a bad byte or a torn write leaves one of them
 *   - the two slots for the end are written in turns: a torn write leaves the end before
 *   - a segment is listed after its file is durable and before a batch is written to it, and struck off before its
 *     file is removed. So a listed segment without a file is lost, and a file that is not listed holds nothing that
 *     is needed
 */

import { assert } from '../../protocol/assert.ts'
import type { Disk, DiskFile } from '../env/ports.ts'
import { LogError } from './errors.ts'
import {
  encodeEnd,
  encodeList,
  LISTS_AT,
  MANIFEST_PATH,
  type ProvenEnd,
  type ReadManifest,
} from './manifest-format.ts'
import { isBefore, PAGE_BYTES } from './segment.ts'
import { trusted, UntrustedDisk } from './trusted.ts'

const LIST_BYTES_MIN = 4 * PAGE_BYTES

/** One for each open log. Changes wait for each other, in the order of the calls. */
export class Manifest {
  readonly #disk: Disk
  readonly #logId: Uint8Array
  /** What the next list says, which is what the last one says unless a write failed. */
  #segments: ReadonlySet<number>
  #missing: ReadonlySet<number>
  #highest: number
  #proven: ProvenEnd | undefined
  /** Writes of a list, and of an end, so far: the higher count of two slots is the later one. */
  #listCount: number
  #endCount: number
  #file: DiskFile | undefined
  /** The file on the disk. Bad slots are mended in place too: a full disk takes no new file. */
  #form: 'whole' | 'bad slots' | 'none'
  /** A list slot that is sound: when the file is mended, it is overwritten last. */
  readonly #soundSlot: number
  #running: Promise<void> = Promise.resolve()
  /** A flush has failed (D5). */
  #failed = false

  /**
   * `found`: what the file on the disk says. Undefined when there is none that could be read, or its log was given up
   * for lost.
   */
  constructor(disk: Disk, logId: Uint8Array, found: ReadManifest | undefined) {
    this.#disk = disk
    this.#logId = logId
    this.#segments = found?.segments ?? new Set()
    this.#highest = found?.highest ?? 0
    this.#proven = found?.proven
    this.#listCount = found?.listCount ?? 0
    this.#endCount = found?.endCount ?? 0
    this.#missing = found?.missing ?? new Set()
    this.#form = found === undefined ? 'none' : found.isWhole ? 'whole' : 'bad slots'
    this.#soundSlot = found?.listSlot ?? 0
  }

  /** The highest number that a segment ever had. */
  get highest(): number {
    return this.#highest
  }

  /** Up to where the log was flushed when that was last noted. Undefined when it never was. */
  get proven(): ProvenEnd | undefined {
    return this.#proven
  }

  /** Segments that are known to be gone, as the list says. */
  get missing(): ReadonlySet<number> {
    return this.#missing
  }

  has(segment: number): boolean {
    return this.#segments.has(segment)
  }

  /** Writes which segments there are and which are missing, unless the file says so already. When there is no room, the
   * next write of the list contains them: the next start would delete segments that are not listed. */
  async reconcile(segments: ReadonlySet<number>, missing: ReadonlySet<number>): Promise<void> {
    const isSame = isEqual(segments, this.#segments) && isEqual(missing, this.#missing)
    if (isSame && this.#form === 'whole') return
    await this.#change(() => new Set(segments), missing, true)
  }

  /**
   * Lists a segment. Its file is durable, and no batch was written to it. Rejects when the list can't be
   * written.
   */
  add(segment: number): Promise<void> {
    assert(segment > this.#highest, 'no number of a segment is used again')
    return this.#change((segments) => new Set([...segments, segment]))
  }

  /** Strikes a segment off. Its file is deleted after that. */
  remove(segment: number): Promise<void> {
    return this.#change((segments) => {
      const left = new Set(segments)
      left.delete(segment)
      return left
    })
  }

  /**
   * Everything before the end is flushed: bad bytes there are damage, and no torn tail (D4). An end before the one
   * that is noted already is not written. Rejects when the disk takes no writes. The end before then stays, unless it
   * `keeps` the new one: the next write of an end has it.
   */
  prove(proven: ProvenEnd, keeps = false): Promise<void> {
    return this.#queue(async () => {
      const before = this.#proven
      if (before !== undefined && !isBefore(before.end, proven.end)) return
      const least = before?.nextSequence ?? 0
      assert(proven.nextSequence >= least, 'a sequence that was proven is not given out again')
      this.#proven = proven
      this.#endCount++
      try {
        await this.#write('end')
      } catch (error) {
        if (!keeps) this.#proven = before
        throw error
      }
    })
  }

  /** Waits for the changes under way, whether they succeed or not. */
  async close(): Promise<void> {
    await this.#running.catch(() => {})
    await this.#file?.close()
    this.#file = undefined
  }

  /**
   * Takes a change of the lists back when it can't be written, unless it `keeps` it: then the next write of the
   * list has it.
   */
  #change(
    next: (segments: ReadonlySet<number>) => ReadonlySet<number>,
    missing?: ReadonlySet<number>,
    keeps = false,
  ): Promise<void> {
    return this.#queue(async () => {
      const before = this.#segments
      const missingBefore = this.#missing
      this.#segments = next(before)
      this.#missing = missing ?? missingBefore
      this.#highest = Math.max(this.#highest, ...this.#segments)
      this.#listCount++
      try {
        await this.#write('list')
      } catch (error) {
        if (!keeps) {
          this.#segments = before
          this.#missing = missingBefore
        }
        throw error
      }
    })
  }

  /** Runs after all changes before it. One that failed does not stop the next one. */
  #queue(run: () => Promise<void>): Promise<void> {
    this.#running = this.#running.catch(() => {}).then(run)
    return this.#running
  }

  /**
   * Writes the slots of the list or of the end in place, each flushed by itself. Slots that are bad, or a list
   * that has outgrown its slot, are mended along the way.
   */
  async #write(part: 'end' | 'list'): Promise<void> {
    // After a failed flush the file is not written again (D5).
    if (this.#failed) throw new LogError('FAILED', 'the manifest of the log can’t be written')
    try {
      const file = await this.#opened()
      const slotBytes = Math.floor((((await file?.sizeBytes()) ?? 0) - LISTS_AT) / 2)
      const list = this.#encodeList()
      if (file === undefined || list.length > slotBytes) return await this.#replace()
      const isWhole = this.#form === 'whole'
      const ends = isWhole ? [this.#endCount % 2] : [0, 1]
      const lists = [1 - this.#soundSlot, this.#soundSlot]
      const writes = [
        ...(part === 'list' || !isWhole ? lists : []).map((slot) => ({
          at: LISTS_AT + slot * slotBytes,
          bytes: list,
        })),
        ...(part === 'end' || !isWhole ? ends : []).map((slot) => ({
          at: slot * PAGE_BYTES,
          bytes: this.#encodeEnd(),
        })),
      ]
      // Each slot is flushed on its own, so that a crash tears one of them at most.
      for (const { at, bytes } of writes) {
        await file.write([bytes], at)
        await trusted(file.flush())
      }
      this.#form = 'whole'
    } catch (error) {
      this.#failed = error instanceof UntrustedDisk
      // A slot may be half written: write the whole file next time.
      if (this.#form === 'whole') this.#form = 'none'
      throw error
    }
  }

  /** The file, open for writing; undefined when it has to be replaced as a whole. */
  async #opened(): Promise<DiskFile | undefined> {
    if (this.#form === 'none') return undefined
    this.#file ??= await this.#disk.open(MANIFEST_PATH, 'write')
    return this.#file
  }

  /** Replaces the whole file, with room to grow. */
  async #replace(): Promise<void> {
    await this.#file?.close()
    this.#file = undefined
    const list = this.#encodeList()
    const slotBytes = Math.max(
      LIST_BYTES_MIN,
      Math.ceil((2 * list.length) / PAGE_BYTES) * PAGE_BYTES,
    )
    const bytes = new Uint8Array(LISTS_AT + 2 * slotBytes)
    const page = this.#encodeEnd()
    for (const slot of [0, 1]) {
      bytes.set(page, slot * PAGE_BYTES)
      bytes.set(list, LISTS_AT + slot * slotBytes)
    }
    await this.#disk.writeFile(MANIFEST_PATH, bytes)
    this.#form = 'whole'
  }

  #encodeEnd(): Uint8Array {
    const proven = this.#proven ?? { end: { segment: 0, offset: 0 }, nextSequence: 0 }
    return encodeEnd({ ...proven, logId: this.#logId, count: this.#endCount })
  }

  #encodeList(): Uint8Array {
    return encodeList({
      logId: this.#logId,
      segments: this.#segments,
      missing: this.#missing,
      highest: this.#highest,
      count: this.#listCount,
    })
  }
}

function isEqual(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === b.size && [...a].every((each) => b.has(each))
}
