/**
 * An object's register: all its versions, newest first, and what changes make of them. Pure, since a
 * change is called again on each retry.
 *
 * Invariants:
 *   - `sequence` rises by one with every write, deletes included                    (T4)
 *   - Last-Modified never falls or repeats within one key                            (T4)
 *   - a completion's ticket enters the object before the upload says "completing", stays through
 *     overwrites and tombstones, and leaves with the very change that makes the version visible: so
 *     that happens once, however many finish the upload and however late they come    (P4, G5)
 */

import { byteString } from '../bytes.ts'
import { objectCodec, type ObjectRecord, type VersionRecord } from '../codec/versioned.ts'
import type { BlockKey } from '../ids.ts'
import type { RegisterValue } from '../register/types.ts'

export interface Condition {
  /** ETags without quotes; '*' is any. */
  readonly ifMatch?: readonly string[] | undefined
  readonly ifNoneMatch?: readonly string[] | undefined
  readonly ifMatchSizeBytes?: number | undefined
  readonly ifMatchLastModifiedMs?: number | undefined
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

export function objectOf(value: RegisterValue | undefined): ObjectRecord {
  return value === undefined ? NOTHING : objectCodec.decode(value.body)
}

/** What GET without a version id sees. Undefined: NoSuchKey. */
export function currentVersion(record: ObjectRecord): VersionRecord | undefined {
  const newest = record.versions[0]
  return newest === undefined || newest.deleteMarker ? undefined : newest
}

/** `absent`: If-Match names an ETag, and there is no object (404 for PUT, as S3). */
export function verdict(
  current: VersionRecord | undefined,
  condition: Condition | undefined,
): ConditionVerdict {
  if (condition === undefined) return 'holds'
  const { ifMatch, ifNoneMatch, ifMatchSizeBytes, ifMatchLastModifiedMs } = condition
  if (current === undefined) {
    const wanted =
      ifMatch !== undefined || ifMatchSizeBytes !== undefined || ifMatchLastModifiedMs !== undefined
    return wanted ? 'absent' : 'holds'
  }
  const named = (etags: readonly string[]): boolean =>
    etags.includes('*') || etags.includes(current.etag)
  if (ifMatch !== undefined && !named(ifMatch)) return 'fails'
  if (ifNoneMatch !== undefined && named(ifNoneMatch)) return 'fails'
  if (ifMatchSizeBytes !== undefined && ifMatchSizeBytes !== current.sizeBytes) return 'fails'
  if (
    ifMatchLastModifiedMs !== undefined &&
    // HTTP dates have whole seconds.
    Math.floor(ifMatchLastModifiedMs / 1000) !== Math.floor(current.lastModifiedMs / 1000)
  )
    return 'fails'
  return 'holds'
}

/** Replaces the null version; of an upload, its tickets go. `nowMs` is display only (T4). */
export function withNullVersion(
  record: ObjectRecord,
  version: VersionRecord,
  nowMs: number,
): ObjectRecord {
  return {
    sequence: record.sequence + 1,
    versions: [{ ...version, lastModifiedMs: nextModified(record, nowMs) }],
    uploads: version.uploadId.length === 0 ? record.uploads : without(record, version.uploadId),
  }
}

/** A delete in an unversioned bucket: nothing is left but the sequence and open completions. */
export function withoutVersions(record: ObjectRecord): ObjectRecord {
  return { sequence: record.sequence + 1, versions: [], uploads: record.uploads }
}

/** Lets one completion write its version. A ticket is upload id (16) ‖ attempt (16). */
export function withTicket(record: ObjectRecord, ticket: Uint8Array<ArrayBuffer>): ObjectRecord {
  return { ...record, uploads: [...without(record, ticket), ticket] }
}

/** The completion's condition failed: whoever else carries the ticket learns that. */
export function withRefusedTicket(record: ObjectRecord, ticket: Uint8Array): ObjectRecord {
  return { ...record, uploads: [...without(record, ticket), refused(ticket)] }
}

export function withoutTicket(record: ObjectRecord, ticket: Uint8Array): ObjectRecord {
  return { ...record, uploads: without(record, ticket) }
}

/** `gone`: its version was written, or it was taken back. */
export function ticketState(record: ObjectRecord, ticket: Uint8Array): 'good' | 'refused' | 'gone' {
  const wanted = byteString(ticket)
  const names = record.uploads.map((each) => byteString(each))
  if (names.includes(wanted)) return 'good'
  return names.includes(byteString(refused(ticket))) ? 'refused' : 'gone'
}

export function objectValue(
  record: ObjectRecord,
  blocks: readonly BlockKey[],
): Omit<RegisterValue, 'operation'> {
  return {
    tombstone: record.versions.length === 0 && record.uploads.length === 0,
    body: objectCodec.encode(record),
    blocks,
  }
}

function nextModified(record: ObjectRecord, nowMs: number): number {
  const before = record.versions[0]?.lastModifiedMs ?? 0
  return Math.max(before + 1, nowMs)
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
