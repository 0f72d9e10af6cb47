/**
 * The versions of one key in memory, newest first; the first one is the current version.
 *
 * With versioning enabled, each write gets an id of its own. Otherwise a write makes the null version and
 * replaces the earlier null version, if there is one.
 */

import { StoreError } from '../../protocol/errors.ts'
import {
  NULL_VERSION_ID,
  sequenceOfVersionId,
  versionIdOf,
} from '../../protocol/object/version-id.ts'
import type { ListedVersion, ListVersionsPage, ListVersionsRequest } from '../port/versions.ts'
import {
  sameFacts,
  type DeleteResult,
  type ObjectBackend,
  type ObjectInfo,
  type WriteCondition,
} from '../port/objects.ts'
import type { ChecksumAlgorithm, Checksums } from '../port/body.ts'
import type { Versioning } from '../port/buckets.ts'
import { compareKeys, foldKey, foldPage } from './memory-listing.ts'
import { changedMemoryLock } from './memory-locks.ts'

/** One version of a key, or a delete marker, with its bytes. */
export interface StoredVersion {
  readonly info: ObjectInfo
  readonly pieces: readonly Uint8Array[]
  /** The number of the write that made it; newer versions have higher ones. */
  readonly sequence: number
  readonly deleteMarker: boolean
  /** Which rename has brought it here. */
  readonly renamed?: { readonly token: string; readonly source: string; readonly sequence: number }
}

/** Adds the newest version. `versioning` is the current setting of the bucket. */
export function addMemoryVersion(
  versions: readonly StoredVersion[],
  made: StoredVersion,
  versioning: Versioning | undefined,
): StoredVersion[] {
  if (versioning === 'Enabled') return [made, ...versions]
  return [made, ...versions.filter((one) => one.info.versionId !== NULL_VERSION_ID)]
}

/** An id of the same form as that of a node (protocol/object/version-id.ts), or `null` unless versioning is enabled. */
export function newVersionId(versioning: Versioning | undefined, sequence: number): string {
  if (versioning !== 'Enabled') return NULL_VERSION_ID
  // Different enough for tests, and the same in each run.
  const random = Buffer.alloc(8)
  random.writeBigUInt64BE(BigInt.asUintN(64, BigInt(sequence) * 0x9e37_79b9_7f4a_7c15n))
  return versionIdOf(sequence, random)
}

/** The version to read. Throws NoSuchKey, NoSuchVersion, IsDeleteMarker (ObjectBackend.getObject). */
export function readableVersion(
  versions: readonly StoredVersion[],
  versionId: string | undefined,
): StoredVersion {
  const found =
    versionId === undefined
      ? versions[0]
      : versions.find((version) => version.info.versionId === versionId)
  if (found === undefined) {
    throw new StoreError(versionId === undefined ? 'NoSuchKey' : 'NoSuchVersion')
  }
  if (!found.deleteMarker) return found
  const { versionId: VersionId, lastModifiedMs: LastModifiedMs } = found.info
  if (versionId === undefined) {
    throw new StoreError('NoSuchKey', undefined, { DeleteMarker: 'true', VersionId })
  }
  throw new StoreError('IsDeleteMarker', undefined, { VersionId, LastModifiedMs })
}

/** Removes exactly this version. An id that no version has removes nothing, and that is a success. */
export function removeVersion(
  versions: readonly StoredVersion[],
  versionId: string,
): { left: StoredVersion[]; result: DeleteResult } {
  const removed = versions.find((version) => version.info.versionId === versionId)
  if (removed === undefined) return { left: [...versions], result: { deleteMarker: false } }
  return {
    left: versions.filter((version) => version !== removed),
    result: { versionId, deleteMarker: removed.deleteMarker },
  }
}

/**
 * The versions after a change of one of them, which keeps its place. Throws as `readableVersion`, and Conflict when the
 * change was judged by something else (ObjectBackend.changeObject).
 */
export function changeVersionOf(
  versions: readonly StoredVersion[],
  { versionId, change, judged }: Parameters<ObjectBackend['changeObject']>[1],
): { changed: StoredVersion[]; versionId: string } {
  // As in AWS, a delete marker has nothing to change, also when it is not named.
  const marker = versions[0]?.deleteMarker === true ? versions[0].info.versionId : undefined
  const found = readableVersion(versions, versionId ?? marker)
  if (judged !== undefined && !sameFacts(judged, found.info)) throw new StoreError('Conflict')
  const { tags: given, retention, legalHold, grants } = change
  const { info } = found
  const tags = given === undefined ? info.tags : given.length === 0 ? undefined : given
  const lock = changedMemoryLock(info.lock, retention, legalHold)
  const acl = grants === undefined ? info.acl : { ...info.acl, grants }
  const after = { ...found, info: { ...info, tags, lock, acl } }
  return {
    changed: versions.map((each) => (each === found ? after : each)),
    versionId: found.info.versionId,
  }
}

/**
 * Checks the condition of a write against the version that it would replace or remove. A delete marker as current
 * version counts as no object. Throws NoSuchKey, PreconditionFailed.
 */
export function checkCondition(
  judged: StoredVersion | undefined,
  condition: WriteCondition | undefined,
  change: 'put' | 'delete' | 'delete version',
): void {
  if (condition === undefined) return
  const { ifMatch, ifNoneMatch, ifMatchSizeBytes, ifMatchLastModifiedMs } = condition
  const { ifModifiedSinceMs, ifUnmodifiedSinceMs } = condition
  if (judged === undefined || judged.deleteMarker) {
    const numbers = [ifMatchSizeBytes, ifMatchLastModifiedMs, ifModifiedSinceMs]
    if (ifMatch === undefined && numbers.every((each) => each === undefined)) return
    // As in AWS, deleting a delete marker fails the condition, while a key without any version is absent.
    const isAbsent = change === 'put' || (change === 'delete' && judged === undefined)
    throw new StoreError(isAbsent ? 'NoSuchKey' : 'PreconditionFailed')
  }
  const { info } = judged
  const matches = (tags: readonly string[]): boolean =>
    tags.includes('*') || tags.includes(info.etag)
  const holds =
    (ifMatch === undefined || matches(ifMatch)) &&
    (ifNoneMatch === undefined || !matches(ifNoneMatch)) &&
    (ifMatchSizeBytes === undefined || ifMatchSizeBytes === info.sizeBytes) &&
    (ifMatchLastModifiedMs === undefined ||
      secondOf(ifMatchLastModifiedMs) === secondOf(info.lastModifiedMs)) &&
    (ifModifiedSinceMs === undefined ||
      secondOf(info.lastModifiedMs) > secondOf(ifModifiedSinceMs)) &&
    (ifUnmodifiedSinceMs === undefined ||
      secondOf(info.lastModifiedMs) <= secondOf(ifUnmodifiedSinceMs))
  if (!holds) throw new StoreError('PreconditionFailed')
}

function secondOf(timeMs: number): number {
  return Math.floor(timeMs / 1000)
}

/** One page of all versions. `order` are the keys of the bucket in the order of listings. */
export function listVersionsOf(
  objects: ReadonlyMap<string, readonly StoredVersion[]>,
  order: readonly string[],
  request: ListVersionsRequest,
): ListVersionsPage {
  const { prefix, delimiter, limit } = request
  const entries: ListedVersion[] = []
  for (const key of order) {
    const versions = objects.get(key) ?? []
    const below = startOf(versions, key, request)
    for (const version of versions) {
      if (version.sequence >= below) continue
      entries.push(listedVersion(version, version === versions[0]))
    }
  }
  const page = foldPage(entries, (entry) => entry.key, { prefix, delimiter, limit })
  const last = page.entries.at(-1)
  return {
    versions: page.entries,
    prefixes: page.prefixes,
    nextKeyMarker: page.next,
    nextVersionIdMarker:
      page.next !== undefined && last?.key === page.next ? last.versionId : undefined,
  }
}

/** Versions of this key with a lower sequence are listed: 0 means none, Infinity all. */
function startOf(
  versions: readonly StoredVersion[],
  key: string,
  { keyMarker, versionIdMarker, prefix, delimiter = '' }: ListVersionsRequest,
): number {
  if (keyMarker === undefined) return Infinity
  const order = compareKeys(key, keyMarker)
  if (order > 0) return foldKey(key, prefix, delimiter) === keyMarker ? 0 : Infinity
  if (order < 0 || versionIdMarker === undefined) return 0
  // The place of a deleted null version is not known, so the listing begins with the first version.
  if (versionIdMarker === NULL_VERSION_ID) {
    return versions.find((one) => one.info.versionId === NULL_VERSION_ID)?.sequence ?? Infinity
  }
  return sequenceOfVersionId(versionIdMarker) ?? 0
}

function listedVersion({ info, deleteMarker }: StoredVersion, isLatest: boolean): ListedVersion {
  const algorithm = firstAlgorithm(info.checksums)
  return {
    key: info.key,
    sizeBytes: info.sizeBytes,
    etag: info.etag,
    lastModifiedMs: info.lastModifiedMs,
    storageClass: info.storageClass,
    versionId: info.versionId,
    checksumAlgorithm: algorithm,
    checksumType: algorithm === undefined ? undefined : info.checksumType,
    owner: info.acl?.owner,
    isLatest,
    deleteMarker,
  }
}

/** The entry of a listing of objects. */
export function listedObject(version: StoredVersion): ListedVersion {
  return listedVersion(version, true)
}

function firstAlgorithm(checksums: Checksums): ChecksumAlgorithm | undefined {
  return Object.keys(checksums)[0] as ChecksumAlgorithm | undefined
}
