/**
 * What puts and deletes make of an object's versions. Pure, since a change is called again on each retry;
 * where it needs a page that it was not given, it says which one (pages.ts).
 *
 * Invariants:
 *   - `sequence` rises by one with every write, deletes included                              (T4)
 *   - Last-Modified never falls or repeats within one key, across deletes                      (T4)
 *   - there is at most one null version; `nullSequence` is its sequence, or 0 when there is none
 */

import { assert } from '../assert.ts'
import { byteString, EMPTY_BYTES } from '../bytes.ts'
import type {
  AclRecord,
  LockRecord,
  ObjectRecord,
  PageRefRecord,
  PairRecord,
  VersionRecord,
} from '../codec/versioned.ts'
import { dataId, type DataId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { lockOfNew, type LockDefault } from './lock.ts'
import { withoutTicketsOf } from './object.ts'
import {
  countOf,
  isLacking,
  refill,
  replace,
  spill,
  takeOut,
  takeOutAll,
  type Lacking,
  type MadePage,
  type PageTools,
  type Wanted,
} from './pages.ts'
import { NULL_VERSION_ID, sequenceOfVersionId, versionIdOf } from './version-id.ts'

/** Versioning of a bucket: never configured, enabled, suspended (BucketRecord.versioning). */
export const VERSIONING = { never: 0, enabled: 1, suspended: 2 } as const

/** What a change makes of a record. The caller proposes `record`, with `made` riding along (A5). */
export interface Edited {
  readonly record: ObjectRecord
  /** To be stored with the record, which names them. */
  readonly made: readonly MadePage[]
  /** What the record no longer refers to. */
  readonly removed: readonly VersionRecord[]
  /** Pages that the record, or a page on the edited path, no longer refers to: to be freed (G5). */
  readonly dropped: readonly PageRefRecord[]
}

/** What a new version needs to know besides the record. */
export interface VersionNeighbours {
  /** One of VERSIONING, as the bucket's record has it. */
  readonly versioning: number
  /** 8 bytes, drawn once for the operation (T5). */
  readonly random: Uint8Array
  /** Display only (T4). */
  readonly nowMs: number
  readonly pages: PageTools
  /** Of the bucket, for versions without retention of their own. */
  readonly lockDefault?: LockDefault | undefined
  /** What the clocks of a majority have passed (T10). 0 or left out: they did not say. */
  readonly clockMs?: number | undefined
  /** Versions may move to pages: what the record before this one named is on a majority (A5). */
  readonly maySpill: boolean
}

/** The version becomes the current one: with an id of its own where versioning is enabled, else in place
 * of the null version, in the register or in a page. The version of an upload removes the upload's tickets. */
export function withVersion(
  record: ObjectRecord,
  version: VersionRecord,
  { versioning, random, nowMs, pages, maySpill, lockDefault, clockMs }: VersionNeighbours,
): Edited | Lacking {
  const sequence = record.sequence + 1
  const isNull = versioning !== VERSIONING.enabled
  const freed = isNull ? withoutNull(record, pages) : unchanged(record)
  if (isLacking(freed)) return freed
  const lastModifiedMs = nextModified(record, nowMs)
  const versionId = isNull ? '' : versionIdOf(sequence, random)
  // A delete marker holds no data, and nothing keeps it.
  const lock = version.deleteMarker
    ? undefined
    : lockOfNew(version.lock, lockDefault, clockMs || lastModifiedMs)
  const placed: VersionRecord = { ...version, versionId, sequence, lastModifiedMs }
  const newest = lock === undefined ? placed : { ...placed, lock }
  const all = { versions: [newest, ...freed.record.versions], pages: freed.record.pages }
  const spilled = maySpill ? spill(all, pages) : { kept: all, made: [] }
  checkInput(countOf(spilled.kept) === countOf(all), 'a version that moves to a page is not lost')
  assert(spilled.kept.versions[0] === newest, 'the newest version is in the register')
  checkInput(lastModifiedMs > record.lastModifiedMs, 'Last-Modified rises (T4)')
  return {
    record: {
      ...spilled.kept,
      sequence,
      uploads:
        version.uploadId.length === 0 ? record.uploads : withoutTicketsOf(record, version.uploadId),
      lastModifiedMs,
      nullSequence: isNull ? sequence : freed.record.nullSequence,
    },
    made: [...freed.made, ...spilled.made],
    removed: freed.removed,
    dropped: freed.dropped,
  }
}

/** A delete without a version id in a versioned bucket. */
export function withDeleteMarker(
  record: ObjectRecord,
  surroundings: VersionNeighbours,
): Edited | Lacking {
  return withVersion(record, DELETE_MARKER, surroundings)
}

/** Undefined when there is no such version, and so nothing to delete. */
export function withoutVersion(
  record: ObjectRecord,
  wanted: Wanted,
  pages: PageTools,
): Edited | Lacking | undefined {
  const taken = takeOut(record, wanted, pages)
  if (taken === undefined || isLacking(taken)) return taken
  const filled = refill(taken.kept, pages)
  if (isLacking(filled)) return filled
  const isNull = taken.taken.versionId === ''
  assert(taken.taken.versionId === wanted.versionId, 'only the wanted version is taken out')
  return {
    record: {
      ...record,
      ...filled.kept,
      sequence: record.sequence + 1,
      nullSequence: isNull ? 0 : record.nullSequence,
    },
    // Either a page was edited, or the register has run empty: never both.
    made: taken.made,
    removed: [taken.taken],
    dropped: [...taken.dropped, ...filled.dropped],
  }
}

/** What may change of a version. A field that is left out stays. */
export interface VersionChange {
  readonly tags?: readonly PairRecord[] | undefined
  readonly acl?: AclRecord | undefined
  /** Undefined removes it. */
  readonly lock?: LockRecord | undefined
}

/**
 * Changes what may change of a version: its tags, its access control list and its lock. It keeps its place, its time and
 * everything else, wherever it is, and no sequence is used up. A delete marker has nothing to change. Undefined when there is no such version.
 */
export function withVersionChange(
  record: ObjectRecord,
  wanted: Wanted,
  { tags, acl, ...locks }: VersionChange,
  { pages, maySpill }: Pick<VersionNeighbours, 'pages' | 'maySpill'>,
): Edited | Lacking | undefined {
  const changed = (version: VersionRecord): VersionRecord => {
    const { lock, ...rest } = tags === undefined ? version : { ...version, tags: [...tags] }
    const next = 'lock' in locks ? locks.lock : lock
    const listed = acl === undefined ? rest : { ...rest, acl }
    return next === undefined ? listed : { ...listed, lock: next }
  }
  const edit = replace(record, wanted, changed, pages)
  if (edit === undefined || isLacking(edit)) return edit
  // Longer tags may be too much for the register. What is in a page already leaves it as it was.
  const spilled = maySpill && edit.made.length === 0 ? spill(edit.kept, pages) : undefined
  const kept = spilled?.kept ?? edit.kept
  checkInput(countOf(kept) === countOf(record), 'a version that changes is not lost')
  return {
    record: { ...record, ...kept },
    made: [...edit.made, ...(spilled?.made ?? [])],
    removed: [],
    dropped: edit.dropped,
  }
}

/** As `withoutVersion` for several at once, in one write. Never takes the newest one. Undefined when none is there. */
export function withoutVersions(
  record: ObjectRecord,
  sequences: ReadonlySet<number>,
  pages: PageTools,
): Edited | Lacking | undefined {
  const edit = takeOutAll(record, sequences, pages)
  if (isLacking(edit)) return edit
  const { kept, taken, made, dropped } = edit
  if (taken.length === 0) return undefined
  assert(kept.versions[0] === record.versions[0], 'the newest version stays')
  checkInput(countOf(kept) + taken.length === countOf(record), 'only these versions go')
  const hasNull = taken.every(({ versionId }) => versionId !== '')
  return {
    record: {
      ...record,
      ...kept,
      sequence: record.sequence + 1,
      nullSequence: hasNull ? record.nullSequence : 0,
    },
    made,
    removed: taken,
    dropped,
  }
}

/** Where a version with this id ('null' included) would be; undefined when this key can't have one. */
export function wantedOf(record: ObjectRecord, versionId: string): Wanted | undefined {
  if (versionId === NULL_VERSION_ID) {
    const { nullSequence } = record
    return nullSequence === 0 ? undefined : { sequence: nullSequence, versionId: '' }
  }
  const sequence = sequenceOfVersionId(versionId)
  return sequence === undefined ? undefined : { sequence, versionId }
}

/** All that a version refers to; parts that a manifest lists are not among them. */
export function dataIdsOf(version: VersionRecord): DataId[] {
  const ids = version.storage
    .filter(({ sizeBytes }) => sizeBytes > 0)
    .map((storage) => dataId(byteString(storage.dataId)))
  if (version.manifest.length > 0) ids.push(dataId(byteString(version.manifest)))
  return ids
}

/** What records leave out. Do not change it. */
export const EMPTY_VERSION: VersionRecord = {
  versionId: '',
  deleteMarker: false,
  sizeBytes: 0,
  etag: '',
  lastModifiedMs: 0,
  storageClass: '',
  system: [],
  user: [],
  checksums: [],
  checksumType: 0,
  storage: [],
  manifest: EMPTY_BYTES,
  uploadId: EMPTY_BYTES,
  sequence: 0,
  tags: [],
}

/** `withVersion` fills in id, sequence and time. */
const DELETE_MARKER: VersionRecord = { ...EMPTY_VERSION, deleteMarker: true }

function unchanged(record: ObjectRecord): Edited {
  return { record, made: [], removed: [], dropped: [] }
}

/** It may leave the register without any version: a new one follows. */
function withoutNull(record: ObjectRecord, pages: PageTools): Edited | Lacking {
  const { nullSequence } = record
  if (nullSequence === 0) return unchanged(record)
  const taken = takeOut(record, { sequence: nullSequence, versionId: '' }, pages)
  if (isLacking(taken)) return taken
  if (taken === undefined) return unchanged({ ...record, nullSequence: 0 })
  const { kept, made, dropped } = taken
  assert(taken.taken.versionId === '', 'only the null version is written over')
  return { record: { ...record, ...kept, nullSequence: 0 }, made, removed: [taken.taken], dropped }
}

/** Display only, but it must rise: the wall clock may run backwards (T4, G4). */
function nextModified(record: ObjectRecord, nowMs: number): number {
  return Math.max(record.lastModifiedMs + 1, Math.floor(nowMs))
}
