/**
 * Reads one segment file, payloads included, and says what is in it and what is wrong with it. It is for people
 * (`shoal log inspect`): it changes nothing, needs no index and no running node, and looks at this file only.
 *
 * It can't tell a torn tail from damage at the end of the file: that depends on what the next segment, or the manifest,
 * says was flushed (recovery.ts). Nor does it know which records are live.
 */

import { equalBytes, hex } from '../../protocol/bytes.ts'
import type { DiskFile } from '../env/ports.ts'
import { errorCode } from './errors.ts'
import { readRecord } from './read.ts'
import {
  decodeHints,
  decodeSegmentHeader,
  FIRST_BATCH_AT,
  PAGE_BYTES,
  SEGMENT_HEADER_BYTES,
  type BatchHeader,
} from './segment.ts'
import type { Damage } from './types.ts'
import { walkSegment, type WalkedRecord } from './walk.ts'

/** A record whose header and body are sound. */
export interface InspectedRecord extends WalkedRecord {
  /** Its payload is sound too, or it has none. */
  readonly isSound: boolean
}

/** What a whole segment is like. */
export interface InspectedSegment {
  /** As its header says, or else its name; 0 when neither does. */
  readonly segment: number
  /** In hex; empty when it is not known, and then nothing behind the header was read. */
  readonly logId: string
  readonly sizeBytes: number
  /** Those that were given to `record`. */
  readonly records: number
  /** With the footer, and with stretches whose batch header is damaged. */
  readonly batches: number
  /** It has a sound footer, so it takes no more appends. */
  readonly sealed: boolean
  /** One line each. */
  readonly problems: readonly string[]
}

export interface InspectOptions {
  readonly file: DiskFile
  /** The number in its name. Undefined when it has no segment's name. */
  readonly segment: number | undefined
  /** The id of the log in the file's directory. Undefined when it is not known. */
  readonly logId: Uint8Array | undefined
  /** Called for each record, and `damage` for each damaged stretch, in the order of their places. */
  readonly record: (record: InspectedRecord) => void
  readonly damage: (damage: Damage) => void
}

/** Reads the file from front to back. A page of a batch that can't be read shows as damage. */
export async function inspectSegment(options: InspectOptions): Promise<InspectedSegment> {
  const { file } = options
  const problems: string[] = []
  const sizeBytes = await file.sizeBytes()
  const found = await identify(options, sizeBytes, problems)
  const base = { sizeBytes, records: 0, batches: 0, sealed: false, problems }
  if (found === undefined) return { ...base, segment: options.segment ?? 0, logId: '' }
  const { segment, logId } = found

  let records = 0
  let batches = 0
  let end = FIRST_BATCH_AT
  let footer: BatchHeader | undefined
  for await (const batch of walkSegment(file, segment, FIRST_BATCH_AT, logId)) {
    batches++
    end = batch.end.offset
    const { header } = batch
    if (header?.kind === 'footer') footer = header
    if (header !== undefined && header.offset + header.lengthBytes > sizeBytes) {
      const missing = header.offset + header.lengthBytes - sizeBytes
      problems.push(
        `cut short: ${missing} bytes of the last batch, at ${header.offset}, are missing`,
      )
    }
    const entries = [
      ...batch.records.map((record) => ({ offset: record.position.offset, record })),
      ...batch.damage.map((damage) => ({ offset: damage.offset, damage })),
    ].sort((a, b) => a.offset - b.offset)
    for (const entry of entries) {
      if ('record' in entry) {
        records++
        const isSound = await isWhole(entry.record, file, logId)
        if (!isSound) problems.push(`a bad payload at ${entry.offset}`)
        options.record({ ...entry.record, isSound })
      } else {
        problems.push(describeDamage(entry.damage))
        options.damage(entry.damage)
      }
    }
  }
  const behind = await firstNonZero(file, end, sizeBytes)
  if (behind !== undefined) {
    problems.push(`a torn tail, or damage: bytes at ${behind} belong to no sound batch`)
  }
  if (footer !== undefined && !(await hasHints(file, footer))) {
    problems.push(`the footer at ${footer.offset} has damaged hints (they are a help, no truth)`)
  }
  return { ...base, segment, logId: hex(logId), records, batches, sealed: footer !== undefined }
}

/** The number and the log's id to read on with. Undefined when they can't be told; `problems` says why. */
async function identify(
  { file, segment, logId }: InspectOptions,
  sizeBytes: number,
  problems: string[],
): Promise<{ segment: number; logId: Uint8Array } | undefined> {
  const bytes = new Uint8Array(SEGMENT_HEADER_BYTES)
  const header = decodeSegmentHeader(bytes.subarray(0, await file.read(bytes, 0)))
  if (header === 'UNKNOWN_VERSION') {
    problems.push('written by a later version of the program')
    return undefined
  }
  if (header === 'INVALID') {
    problems.push(sizeBytes === 0 ? 'the file is empty' : 'no sound segment header')
    if (segment === undefined || logId === undefined) {
      problems.push('no segment number and log id to read on with')
      return undefined
    }
    return { segment, logId }
  }
  if (segment !== undefined && header.segment !== segment) {
    problems.push(`it is segment ${header.segment}, its name says ${segment}`)
  }
  if (logId !== undefined && !equalBytes(header.logId, logId)) {
    problems.push(`it belongs to log ${hex(header.logId)}, the log here is ${hex(logId)}`)
  }
  return { segment: header.segment, logId: header.logId }
}

/**
 * Reads the record again with its payload. An error without a code is a fault of this program, and is thrown.
 */
async function isWhole(
  { position }: WalkedRecord,
  file: DiskFile,
  logId: Uint8Array,
): Promise<boolean> {
  try {
    await readRecord(file, position, logId)
    return true
  } catch (error) {
    if (errorCode(error) === 'UNKNOWN') throw error
    return false
  }
}

function describeDamage({ offset, lengthBytes, identity }: Damage): string {
  return identity === undefined
    ? `${lengthBytes} unreadable bytes at ${offset}`
    : `a bad body at ${offset}`
}

/** Where the first byte behind the last batch is that is not zero. A batch's padding is zero. */
async function firstNonZero(
  file: DiskFile,
  from: number,
  sizeBytes: number,
): Promise<number | undefined> {
  const page = new Uint8Array(PAGE_BYTES)
  for (let at = from; at < sizeBytes; at += PAGE_BYTES) {
    const length = await file.read(page, at)
    const found = page.subarray(0, length).findIndex((byte) => byte !== 0)
    if (found >= 0) return at + found
  }
  return undefined
}

/** Whether the hints of a footer match their checksum. */
async function hasHints(file: DiskFile, footer: BatchHeader): Promise<boolean> {
  const bytes = new Uint8Array(footer.lengthBytes)
  const length = await file.read(bytes, footer.offset)
  return decodeHints(bytes.subarray(0, length), footer) !== undefined
}
