/**
 * Which segments there are, and up to where the log was flushed when it last came to rest (D9). One small
 * file that is written in place, so that it needs no room on a full disk. Integers are big-endian.
 *
 * ```
 * file    end slot, end slot (a page each), list slot, list slot (half of the rest each)
 *
 * end      0  SHLE | version | 0 0 0 | count of writes (48) | 0 0                     0 .. 16
 *          16 segment (32) | offset (32) | next sequence (48) | 0 0                  16 .. 32
 *          32 log id (16)                                                            32 .. 48
 *          48 BLAKE3 of 0..48 (first 16 bytes)                                       48 .. 64
 *
 * list     0  SHLM | version | 0 0 0 | count of writes (48) | 0 0                     0 .. 16
 *          16 runs (32) | highest segment ever (32) | runs that are missing (32) | 0  16 .. 32
 *          32 log id (16)                                                            32 .. 48
 *          48 BLAKE3 of 0..48 and the runs (first 16 bytes)                          48 .. 64
 *          64 runs: first segment (32) | how many (32); those that are missing behind the others
 * ```
 *
 * Invariants:
 *   - a list is written to both its slots, one after the other: a bad byte, or a torn write, leaves one
 *   - the ends take turns: a torn write leaves the one before
 *   - a segment is listed after its file is durable and before a batch is written to it; it is struck off
 *     before its file is removed. So a listed one without a file is damage, and a file that is not listed
 *     holds nothing, or nothing any more
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { getU32, getU48, LOG_ID_BYTES, putU32, putU48 } from '../../protocol/codec/record.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Disk, DiskFile } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import { isBefore, LOG_DIRECTORY, PAGE_BYTES, type LogEnd } from './segment.ts'
import { trusted, UntrustedDisk } from './trusted.ts'

export const MANIFEST_PATH = `${LOG_DIRECTORY}/manifest`

const END_MAGIC = 0x53484c45
const LIST_MAGIC = 0x53484c4d
const VERSION = 1
const CHECKSUM_AT = 48
const HEADER_BYTES = 64
const RUN_BYTES = 8
const LISTS_AT = 2 * PAGE_BYTES
const LIST_BYTES_MIN = 4 * PAGE_BYTES

/** Up to where the log was flushed, and how many records it ever had. */
export interface ProvenEnd {
  readonly end: LogEnd
  readonly nextSequence: number
}

export interface ManifestContent {
  readonly logId: Uint8Array
  readonly segments: ReadonlySet<number>
  /** Known to be gone, and to be missed again by whoever makes the index anew. */
  readonly missing: ReadonlySet<number>
  /** No segment ever had a higher number. */
  readonly highest: number
  readonly proven: ProvenEnd | undefined
}

interface Counted {
  readonly count: number
}

export interface ReadManifest extends ManifestContent {
  readonly listCount: number
  readonly endCount: number
  /** Every part of the file is as it was written. */
  readonly isWhole: boolean
  /** The list that is sound, or one of them. */
  readonly listSlot: number
}

/** `absent`: no such file. `damaged`: there is one, and no list in it is sound. */
export async function readManifest(
  disk: Disk,
  path = MANIFEST_PATH,
): Promise<ReadManifest | 'absent' | 'damaged'> {
  let bytes: Uint8Array | undefined
  try {
    bytes = await disk.readFile(path)
  } catch (error) {
    if (errorCode(error) !== 'EIO') throw error
    return 'damaged'
  }
  if (bytes === undefined) return 'absent'
  const listBytes = Math.floor((bytes.length - LISTS_AT) / 2)
  if (listBytes < HEADER_BYTES) return 'damaged'
  const lists = [0, 1].map((slot) => decodeList(bytes.subarray(LISTS_AT + slot * listBytes)))
  const ends = [0, 1].map((slot) => decodeEnd(bytes.subarray(slot * PAGE_BYTES)))
  const list = latest(lists)
  if (list === undefined) return 'damaged'
  const end = latest(ends.map((each) => (isOf(each, list.logId) ? each : undefined)))
  const same = lists.every((each) => each?.count === list.count && isOf(each, list.logId))
  return {
    logId: list.logId,
    segments: list.segments,
    missing: list.missing,
    highest: list.highest,
    proven: end && { end: end.end, nextSequence: end.nextSequence },
    listCount: list.count,
    endCount: end?.count ?? 0,
    isWhole: same && ends.every((each) => isOf(each, list.logId)),
    listSlot: lists.indexOf(list),
  }
}

function latest<T extends Counted>(slots: readonly (T | undefined)[]): T | undefined {
  return slots
    .filter((slot) => slot !== undefined)
    .toSorted((a, b) => b.count - a.count)
    .at(0)
}

function isOf(slot: { logId: Uint8Array } | undefined, logId: Uint8Array): boolean {
  return slot !== undefined && equalBytes(slot.logId, logId)
}

export class Manifest {
  readonly #disk: Disk
  readonly #logId: Uint8Array
  #segments: ReadonlySet<number>
  #missing: ReadonlySet<number>
  #highest: number
  #proven: ProvenEnd | undefined
  #listCount: number
  #endCount: number
  #file: DiskFile | undefined
  /** Of the file on the disk. One with bad slots is mended in place, too: a full disk takes no new file. */
  #form: 'whole' | 'bad slots' | 'none'
  /** The last one to be overwritten when it is mended. */
  readonly #soundSlot: number
  #running: Promise<void> = Promise.resolve()
  #failed = false

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

  get highest(): number {
    return this.#highest
  }

  get proven(): ProvenEnd | undefined {
    return this.#proven
  }

  get missing(): ReadonlySet<number> {
    return this.#missing
  }

  has(segment: number): boolean {
    return this.#segments.has(segment)
  }

  /** Makes the list say that there are these, and these are missing, wherever it does not. Where that finds no
   * room the next write says so: a list without them would have the next start delete them. */
  async settle(segments: ReadonlySet<number>, missing: ReadonlySet<number>): Promise<void> {
    const isSame = isEqual(segments, this.#segments) && isEqual(missing, this.#missing)
    if (isSame && this.#form === 'whole') return
    await this.#change(() => new Set(segments), missing, true)
  }

  add(segment: number): Promise<void> {
    return this.#change((segments) => new Set([...segments, segment]))
  }

  remove(segment: number): Promise<void> {
    return this.#change((segments) => {
      const left = new Set(segments)
      left.delete(segment)
      return left
    })
  }

  /** Nothing before `end` is a torn tail any more. */
  prove(proven: ProvenEnd): Promise<void> {
    return this.#queue(async () => {
      const before = this.#proven
      if (before !== undefined && !isBefore(before.end, proven.end)) return
      this.#proven = proven
      this.#endCount++
      try {
        await this.#write('end')
      } catch (error) {
        this.#proven = before
        throw error
      }
    })
  }

  async close(): Promise<void> {
    await this.#running.catch(() => {})
    await this.#file?.close()
    this.#file = undefined
  }

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

  #queue(run: () => Promise<void>): Promise<void> {
    this.#running = this.#running.catch(() => {}).then(run)
    return this.#running
  }

  async #write(part: 'end' | 'list'): Promise<void> {
    // A flush that failed is never tried again on the same file (D5).
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
      // Each flushed on its own, so that no torn write touches two slots.
      for (const { at, bytes } of writes) {
        await file.write([bytes], at)
        await trusted(file.flush())
      }
      this.#form = 'whole'
    } catch (error) {
      this.#failed = error instanceof UntrustedDisk
      // A slot may be half written now.
      if (this.#form === 'whole') this.#form = 'none'
      throw error
    }
  }

  async #opened(): Promise<DiskFile | undefined> {
    if (this.#form === 'none') return undefined
    this.#file ??= await this.#disk.open(MANIFEST_PATH, 'write')
    return this.#file
  }

  /** The whole file anew, with room to grow. */
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

interface EndSlot extends ProvenEnd, Counted {
  readonly logId: Uint8Array
}

interface ListSlot extends Counted {
  readonly logId: Uint8Array
  readonly segments: ReadonlySet<number>
  readonly missing: ReadonlySet<number>
  readonly highest: number
}

function encodeEnd({ end, nextSequence, logId, count }: EndSlot): Uint8Array {
  const bytes = new Uint8Array(HEADER_BYTES)
  putU32(bytes, 0, END_MAGIC)
  bytes[4] = VERSION
  putU48(bytes, 8, count)
  putU32(bytes, 16, end.segment)
  putU32(bytes, 20, end.offset)
  putU48(bytes, 24, nextSequence)
  bytes.set(logId, 32)
  bytes.set(checksumOf(bytes), CHECKSUM_AT)
  return bytes
}

function decodeEnd(bytes: Uint8Array): EndSlot | undefined {
  if (!isSound(bytes, END_MAGIC, HEADER_BYTES)) return undefined
  return {
    count: getU48(bytes, 8),
    end: { segment: getU32(bytes, 16), offset: getU32(bytes, 20) },
    nextSequence: getU48(bytes, 24),
    logId: bytes.slice(32, 32 + LOG_ID_BYTES),
  }
}

function encodeList({ segments, missing, highest, logId, count }: ListSlot): Uint8Array {
  const runs = runsOf(segments)
  const missingRuns = runsOf(missing)
  const all = [...runs, ...missingRuns]
  const bytes = new Uint8Array(HEADER_BYTES + all.length * RUN_BYTES)
  putU32(bytes, 0, LIST_MAGIC)
  bytes[4] = VERSION
  putU48(bytes, 8, count)
  putU32(bytes, 16, runs.length)
  putU32(bytes, 20, highest)
  putU32(bytes, 24, missingRuns.length)
  bytes.set(logId, 32)
  for (const [i, [first, length]] of all.entries()) {
    putU32(bytes, HEADER_BYTES + i * RUN_BYTES, first)
    putU32(bytes, HEADER_BYTES + i * RUN_BYTES + 4, length)
  }
  bytes.set(checksumOf(bytes), CHECKSUM_AT)
  return bytes
}

function decodeList(bytes: Uint8Array): ListSlot | undefined {
  if (bytes.length < HEADER_BYTES) return undefined
  const missingAt = HEADER_BYTES + getU32(bytes, 16) * RUN_BYTES
  const lengthBytes = missingAt + getU32(bytes, 24) * RUN_BYTES
  if (!isSound(bytes, LIST_MAGIC, lengthBytes)) return undefined
  return {
    count: getU48(bytes, 8),
    highest: getU32(bytes, 20),
    logId: bytes.slice(32, 32 + LOG_ID_BYTES),
    segments: ofRuns(bytes.subarray(HEADER_BYTES, missingAt)),
    missing: ofRuns(bytes.subarray(missingAt, lengthBytes)),
  }
}

function ofRuns(bytes: Uint8Array): Set<number> {
  const segments = new Set<number>()
  for (let at = 0; at < bytes.length; at += RUN_BYTES) {
    const first = getU32(bytes, at)
    const length = getU32(bytes, at + 4)
    for (let i = 0; i < length; i++) segments.add(first + i)
  }
  return segments
}

function isEqual(a: ReadonlySet<number>, b: ReadonlySet<number>): boolean {
  return a.size === b.size && [...a].every((each) => b.has(each))
}

function runsOf(segments: ReadonlySet<number>): [first: number, length: number][] {
  const runs: [number, number][] = []
  for (const segment of [...segments].toSorted((a, b) => a - b)) {
    const last = runs.at(-1)
    if (last !== undefined && last[0] + last[1] === segment) last[1]++
    else runs.push([segment, 1])
  }
  return runs
}

function isSound(bytes: Uint8Array, magic: number, lengthBytes: number): boolean {
  if (bytes.length < lengthBytes || getU32(bytes, 0) !== magic) return false
  const found = bytes.subarray(CHECKSUM_AT, HEADER_BYTES)
  if (!equalBytes(checksumOf(bytes.subarray(0, lengthBytes)), found)) return false
  // The checksum is sound: whoever wrote this did know what the version means.
  if (bytes[4] !== VERSION) {
    throw new LogError('UNKNOWN_VERSION', 'the manifest was written by a later version')
  }
  return true
}

/** Of everything but itself. */
function checksumOf(bytes: Uint8Array): Uint8Array {
  assert(bytes.length >= HEADER_BYTES)
  const hashed = bytes.slice()
  hashed.fill(0, CHECKSUM_AT, HEADER_BYTES)
  return blake3(hashed).subarray(0, HEADER_BYTES - CHECKSUM_AT)
}
