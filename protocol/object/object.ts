/**
 * An object's register: its record, the conditions of writes, the tickets of completions. What puts and
 * deletes make of its versions: versions.ts. Pure, since a change is called again on each retry.
 *
 * Invariants:
 *   - each block that a record refers to, also from its pages, is named by the state itself or has been on a
 *     majority since an earlier state that was chosen: a state names the current version's blocks and
 *     what its change has made, and all that the state before it named unless that was chosen (A5, P7)
 *   - a completion's ticket enters the object before the upload says "completing", stays through
 *     overwrites and tombstones, and leaves with the very change that makes the version visible: so
 *     that happens once, no matter how many nodes finish the upload, or how late          (P4, G5)
 */

import { byteString } from '../bytes.ts'
import { objectCodec, type ObjectRecord, type VersionRecord } from '../codec/versioned.ts'
import { dataId, type BlockKey, type DataId, type RegisterKey } from '../ids.ts'
import { checkInput } from '../input.ts'
import { dataIdOf, packedBlockKey } from '../keyspace/block-key.ts'
import type { RegisterValue } from '../register/types.ts'

/** Conditions of a write on the current version. Those that are undefined hold. */
export interface StateCondition {
  /** ETags without quotes; '*' is any. */
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  readonly ifMatchSizeBytes?: number | undefined
  readonly ifMatchLastModifiedMs?: number | undefined
  /** There is an object, and it was modified after this second. */
  readonly ifModifiedSinceMs?: number | undefined
  /** It was not modified after this second. Also holds where there is none. */
  readonly ifUnmodifiedSinceMs?: number | undefined
}

export type ConditionVerdict = 'holds' | 'fails' | 'absent'

const NOTHING: ObjectRecord = {
  sequence: 0,
  versions: [],
  uploads: [],
  lastModifiedMs: 0,
  pages: [],
  nullSequence: 0,
}

/** A register without a value, and one that was collected, is an object without versions. */
export function objectOf(value: RegisterValue | undefined): ObjectRecord {
  return value === undefined ? NOTHING : objectOfBody(value.body)
}

/**
 * Throws RecordVersionError (F20). A record from before there were versions is read as one with one null
 * version.
 */
export function objectOfBody(body: Uint8Array): ObjectRecord {
  const record = objectCodec.decode(body)
  const newest = record.versions[0]
  if (newest === undefined || newest.sequence !== 0) return record
  // Written before there were versions: one null version, of the last write.
  const { sequence } = record
  return {
    ...record,
    versions: [{ ...newest, sequence }],
    lastModifiedMs: newest.lastModifiedMs,
    nullSequence: sequence,
  }
}

/** What GET without a version id sees; undefined means NoSuchKey. */
export function currentVersion(record: ObjectRecord): VersionRecord | undefined {
  const newest = record.versions[0]
  return newest === undefined || newest.deleteMarker ? undefined : newest
}

/** `absent`: If-Match names an ETag, and there is no object (404 for PUT, as S3). */
export function verdict(
  current: VersionRecord | undefined,
  condition: StateCondition | undefined,
): ConditionVerdict {
  if (condition === undefined) return 'holds'
  const { ifMatch, ifNoneMatch, ifMatchSizeBytes, ifMatchLastModifiedMs } = condition
  const { ifModifiedSinceMs, ifUnmodifiedSinceMs } = condition
  if (current === undefined) {
    const wanted = [ifMatch, ifMatchSizeBytes, ifMatchLastModifiedMs, ifModifiedSinceMs]
    return wanted.some((each) => each !== undefined) ? 'absent' : 'holds'
  }
  const named = (etags: readonly string[]): boolean =>
    etags.includes('*') || etags.includes(current.etag)
  if (ifMatch !== undefined && !named(ifMatch)) return 'fails'
  if (ifNoneMatch !== undefined && named(ifNoneMatch)) return 'fails'
  if (ifMatchSizeBytes !== undefined && ifMatchSizeBytes !== current.sizeBytes) return 'fails'
  if (
    ifMatchLastModifiedMs !== undefined &&
    secondOf(ifMatchLastModifiedMs) !== secondOf(current.lastModifiedMs)
  )
    return 'fails'
  const second = secondOf(current.lastModifiedMs)
  if (ifModifiedSinceMs !== undefined && second <= secondOf(ifModifiedSinceMs)) return 'fails'
  if (ifUnmodifiedSinceMs !== undefined && second > secondOf(ifUnmodifiedSinceMs)) return 'fails'
  return 'holds'
}

/** HTTP dates have whole seconds. */
function secondOf(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

/** Lets one completion write its version. A ticket is upload id (16) ‖ attempt (24; 16 in
 * older records). */
export function withTicket(record: ObjectRecord, ticket: Uint8Array<ArrayBuffer>): ObjectRecord {
  const ticketed = { ...record, uploads: [...without(record, ticket), ticket] }
  checkInput(
    ticketState(ticketed, ticket) === 'good',
    'a completion may write what it has a ticket for',
  )
  return ticketed
}

/** The completion's condition failed, which others that carry the ticket learn from the record. There it is the ticket
 * and a zero byte. */
export function withRefusedTicket(record: ObjectRecord, ticket: Uint8Array): ObjectRecord {
  const refusing = { ...record, uploads: [...without(record, ticket), refused(ticket)] }
  checkInput(ticketState(refusing, ticket) === 'refused', 'a refused ticket writes no version')
  return refusing
}

/** The ticket is taken back: the completion that had it gave up, and no version was written. */
export function withoutTicket(record: ObjectRecord, ticket: Uint8Array): ObjectRecord {
  const left = { ...record, uploads: without(record, ticket) }
  checkInput(ticketState(left, ticket) === 'gone', 'a ticket that is taken back writes no version')
  return left
}

/** `gone`: its version was written, or it was taken back. */
export function ticketState(record: ObjectRecord, ticket: Uint8Array): 'good' | 'refused' | 'gone' {
  const wanted = byteString(ticket)
  const names = record.uploads.map((each) => byteString(each))
  if (names.includes(wanted)) return 'good'
  return names.includes(byteString(refused(ticket))) ? 'refused' : 'gone'
}

/** The tickets that are left when this upload's version is written. */
export function withoutTicketsOf(
  record: ObjectRecord,
  uploadId: Uint8Array,
): Uint8Array<ArrayBuffer>[] {
  return without(record, uploadId)
}

/** What the change has made or taken out, and the state that it was made of. */
export interface ValueChange {
  readonly before: RegisterValue | undefined
  /** A majority has accepted `before`. */
  readonly chosen: boolean
  /** Pages, in the partition of the register. */
  readonly made?: readonly DataId[]
  readonly gone?: ReadonlySet<DataId>
}

/** The current version's packed block or manifest is named first: a read brings it along. */
export function objectValue(
  key: RegisterKey,
  record: ObjectRecord,
  { before, chosen, made = [], gone = new Set() }: ValueChange,
): Omit<RegisterValue, 'operation'> {
  const blocks = new Set(blocksOf(key, record.versions[0]))
  for (const id of made) blocks.add(packedBlockKey(key, id))
  if (!chosen) {
    for (const block of before?.blocks ?? []) if (!gone.has(dataIdOf(block))) blocks.add(block)
  }
  return {
    tombstone: record.versions.length === 0 && record.uploads.length === 0,
    body: objectCodec.encode(record),
    blocks: [...blocks],
  }
}

/** Manifest, and packed blocks (of small parts too), in the partition of the register. */
function blocksOf(key: RegisterKey, version: VersionRecord | undefined): BlockKey[] {
  if (version === undefined) return []
  const packed = version.storage
    .filter((storage) => storage.packed && storage.sizeBytes > 0)
    .map((storage) => packedBlockKey(key, dataId(byteString(storage.dataId))))
  const { manifest } = version
  if (manifest.length === 0) return packed
  return [packedBlockKey(key, dataId(byteString(manifest))), ...packed]
}

/** The tickets that don't begin with these bytes. */
function without({ uploads }: ObjectRecord, start: Uint8Array): Uint8Array<ArrayBuffer>[] {
  const text = byteString(start)
  return uploads.filter((each) => !byteString(each).startsWith(text))
}

function refused(ticket: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(ticket.length + 1)
  bytes.set(ticket)
  return bytes
}
