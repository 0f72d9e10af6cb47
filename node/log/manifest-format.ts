/**
 * How the manifest of the log is written (manifest.ts). Integers are big-endian.
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
 *          64 runs: first segment (32) | how many (32); the missing ones after the others
 * ```
 *
 * A slot is sound when its checksum is right. Of two sound slots, the one with the higher count is the later one.
 * Both list slots have the same content unless a write was interrupted. The two end slots are written in turns.
 */

import { assert } from '../../protocol/assert.ts'
import { equalBytes } from '../../protocol/bytes.ts'
import { getU32, getU48, LOG_ID_BYTES, putU32, putU48 } from '../../protocol/codec/record.ts'
import { blake3 } from '../../protocol/hash.ts'
import type { Disk } from '../env/ports.ts'
import { errorCode, LogError } from './errors.ts'
import { LOG_DIRECTORY, PAGE_BYTES, type LogEnd } from './segment.ts'

export const MANIFEST_PATH = `${LOG_DIRECTORY}/manifest`
/** Where the first list slot begins. */
export const LISTS_AT = 2 * PAGE_BYTES

const END_MAGIC = 0x53484c45
const LIST_MAGIC = 0x53484c4d
const VERSION = 1
const CHECKSUM_AT = 48
const HEADER_BYTES = 64
const RUN_BYTES = 8

/** Up to where the log was flushed, and how many records it ever had. */
export interface ProvenEnd {
  readonly end: LogEnd
  readonly nextSequence: number
}

/** What the manifest says of the log. */
export interface ManifestContent {
  readonly logId: Uint8Array
  /** Those that exist, as far as the last writer knew. One without a file is lost. */
  readonly segments: ReadonlySet<number>
  /** Known to be gone. A rebuild of the index counts them as lost again. */
  readonly missing: ReadonlySet<number>
  /** No segment ever had a higher number. */
  readonly highest: number
  readonly proven: ProvenEnd | undefined
}

/** A slot with its count of writes. */
interface Counted {
  readonly count: number
}

/** What the file says, and how it says it: the next writer goes on from there (manifest.ts). */
export interface ReadManifest extends ManifestContent {
  readonly listCount: number
  readonly endCount: number
  /** All four slots are sound, and the lists agree. */
  readonly isWhole: boolean
  /** A list slot that is sound. */
  readonly listSlot: number
}

/** `absent`: there is no such file. `damaged`: no list in it is sound. */
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

/** The later one of the sound slots; undefined when none is sound. */
function latest<T extends Counted>(slots: readonly (T | undefined)[]): T | undefined {
  return slots
    .filter((slot) => slot !== undefined)
    .toSorted((a, b) => b.count - a.count)
    .at(0)
}

/** Whether the slot is sound, and of this log. */
function isOf(slot: { logId: Uint8Array } | undefined, logId: Uint8Array): boolean {
  return slot !== undefined && equalBytes(slot.logId, logId)
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

/** One end slot: 64 bytes, at the start of a page. */
export function encodeEnd({ end, nextSequence, logId, count }: EndSlot): Uint8Array {
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

/** Undefined when the slot is not sound. Throws UNKNOWN_VERSION (F20). */
function decodeEnd(bytes: Uint8Array): EndSlot | undefined {
  if (!isSound(bytes, END_MAGIC, HEADER_BYTES)) return undefined
  return {
    count: getU48(bytes, 8),
    end: { segment: getU32(bytes, 16), offset: getU32(bytes, 20) },
    nextSequence: getU48(bytes, 24),
    logId: bytes.slice(32, 32 + LOG_ID_BYTES),
  }
}

/** One list slot: 64 bytes, and 8 for each run of numbers without a gap. */
export function encodeList({ segments, missing, highest, logId, count }: ListSlot): Uint8Array {
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

/** Undefined when the slot is not sound, or is cut short. Throws UNKNOWN_VERSION (F20). */
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

/** Segments are numbered one after the other, so a list of thousands has few runs. */
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
  // The checksum is sound, so a later version of the program wrote it.
  if (bytes[4] !== VERSION) {
    throw new LogError('UNKNOWN_VERSION', 'the manifest was written by a later version')
  }
  return true
}

/** The checksum goes over everything but itself. */
function checksumOf(bytes: Uint8Array): Uint8Array {
  assert(bytes.length >= HEADER_BYTES, 'a slot has a whole header')
  const hashed = bytes.slice()
  hashed.fill(0, CHECKSUM_AT, HEADER_BYTES)
  return blake3(hashed).subarray(0, HEADER_BYTES - CHECKSUM_AT)
}
