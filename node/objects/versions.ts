/**
 * Between the records of versions and parts, and what the gateway shows of them. Pure.
 *
 * A record writes defaults as empty or 0, so that it stays small:
 *
 *   versionId     '' is the null version, which clients see as 'null'
 *   storageClass  '' is STANDARD
 *   checksumType  0 none, 1 FULL_OBJECT, 2 COMPOSITE
 */

import { textOfUtf8 } from '../../protocol/bytes.ts'
import type {
  BucketRecord,
  LockRecord,
  PairRecord,
  PartRecord,
  StorageRecord,
  VersionRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { ByteString, RegisterKey } from '../../protocol/ids.ts'
import { LEGAL_HOLD, LOCK_MODE, storedLock, UNLOCKED } from '../../protocol/object/lock.ts'
import { plainSizeOf } from '../../protocol/object/pieces.ts'
import { NULL_VERSION_ID } from '../../protocol/object/version-id.ts'
import { VERSIONING } from '../../protocol/object/versions.ts'
import type { Tag } from '../../gateway/port/bucket-documents.ts'
import type { PartInfo } from '../../gateway/port/uploads.ts'
import type { DataEncryption } from '../../gateway/port/encryption.ts'
import type { ListedVersion } from '../../gateway/port/versions.ts'
import type {
  ObjectHeaders,
  ObjectInfo,
  ObjectLock,
  ObjectPart,
  PutResult,
  Retention,
} from '../../gateway/port/objects.ts'
import { expirationIn } from './bucket-lifecycle.ts'
import type { ChecksumAlgorithm, Checksums, FinishedBody } from '../../gateway/port/body.ts'
import { aclField, aclOf } from './acls.ts'

/** By the number in the record. */
const CHECKSUM_TYPES = [undefined, 'FULL_OBJECT', 'COMPOSITE'] as const

/** It is undefined where the data has no checksum, or one without a type. */
export type RecordedChecksumType = 'FULL_OBJECT' | 'COMPOSITE' | undefined

export function checksumTypeNumber(type: RecordedChecksumType): number {
  return CHECKSUM_TYPES.indexOf(type)
}

export function checksumTypeOf(number: number): RecordedChecksumType {
  return CHECKSUM_TYPES[number]
}

/** Names with their values, as records store them. Undefined values are left out. */
export function pairs(record: Readonly<Record<string, string | undefined>>): PairRecord[] {
  const list: PairRecord[] = []
  // `for … in` would be optimised and given up by V8 again and again: it reads the values without noting their types.
  for (const name of Object.keys(record)) {
    const value = record[name]
    if (value !== undefined) list.push({ name, value })
  }
  return list
}

/** The pairs as a record. It has no prototype: names come from clients (F28). */
export function unpaired(list: readonly PairRecord[]): Record<string, string> {
  const record = Object.create(null) as Record<string, string>
  for (const { name, value } of list) record[name] = value
  return record
}

/** Tags as records store them. */
export function tagPairs(tags: readonly Tag[] = []): PairRecord[] {
  return tags.map(({ key, value }) => ({ name: key, value }))
}

/** Tags as the gateway names them. */
export function tagsOf(list: readonly PairRecord[]): Tag[] | undefined {
  return list.length === 0 ? undefined : list.map(({ name, value }) => ({ key: name, value }))
}

/** A lock as records store it, as a field of theirs. */
export function lockField(lock: ObjectLock | undefined): { lock?: LockRecord } {
  if (lock === undefined) return {}
  const stored = storedLock(withRetention(UNLOCKED, lock.retention ?? null, lock.legalHold))
  return stored === undefined ? {} : { lock: stored }
}

/** The lock after a change of it. What is undefined stays; null removes retention. */
export function withRetention(
  lock: LockRecord,
  retention: Retention | null | undefined,
  legalHold: boolean | undefined,
): LockRecord {
  return {
    mode: retention === undefined ? lock.mode : LOCK_MODE[retention?.mode ?? 'none'],
    retainUntilMs: retention === undefined ? lock.retainUntilMs : (retention?.untilMs ?? 0),
    legalHold: legalHold === undefined ? lock.legalHold : LEGAL_HOLD[legalHold ? 'on' : 'off'],
  }
}

/** A lock as the gateway names it. */
export function lockOf(lock: LockRecord | undefined): ObjectLock | undefined {
  if (lock === undefined) return undefined
  const { mode, retainUntilMs } = lock
  const isNever = lock.legalHold === LEGAL_HOLD.never
  const legalHold = isNever ? undefined : lock.legalHold === LEGAL_HOLD.on
  if (mode === LOCK_MODE.none) return { legalHold }
  const name = mode === LOCK_MODE.governance ? 'governance' : 'compliance'
  return { retention: { mode: name, untilMs: retainUntilMs }, legalHold }
}

/** A version that is not placed yet: id, sequence and Last-Modified come from the change that writes it (T4, T5). */
export function versionRecordOf(
  headers: ObjectHeaders,
  finished: FinishedBody,
  body: Pick<VersionRecord, 'sizeBytes' | 'storage' | 'manifest' | 'uploadId' | 'encryption'>,
): VersionRecord {
  return {
    versionId: '',
    sequence: 0,
    deleteMarker: false,
    etag: finished.etag,
    lastModifiedMs: 0,
    storageClass: headers.storageClass === 'STANDARD' ? '' : headers.storageClass,
    system: pairs(headers.system),
    user: pairs(headers.user),
    tags: tagPairs(headers.tags),
    checksums: pairs(finished.checksums),
    checksumType: checksumTypeNumber(finished.checksumType),
    ...lockField(headers.lock),
    ...aclField(headers.acl),
    ...body,
  }
}

/**
 * Why a request for this version, or for the current one when it names none, finds nothing to return: NoSuchKey,
 * NoSuchVersion or IsDeleteMarker, as Backend.getObject says. Undefined when it does.
 */
export function unreadable(
  key: string,
  asked: string | undefined,
  version: VersionRecord | undefined,
): StoreError | undefined {
  if (version === undefined) {
    return asked === undefined
      ? new StoreError('NoSuchKey', undefined, { Key: key })
      : new StoreError('NoSuchVersion', undefined, { Key: key, VersionId: asked })
  }
  if (!version.deleteMarker) return undefined
  const details = { Key: key, VersionId: versionIdText(version) }
  return asked === undefined
    ? new StoreError('NoSuchKey', undefined, { ...details, DeleteMarker: 'true' })
    : new StoreError('IsDeleteMarker', undefined, {
        ...details,
        LastModifiedMs: version.lastModifiedMs,
      })
}

/** The version id as clients see it. */
export function versionIdText({ versionId }: Pick<VersionRecord, 'versionId'>): string {
  return versionId === '' ? NULL_VERSION_ID : versionId
}

/** The headers that the client stored with an object, a version or an upload. */
export function objectHeadersOf(
  record: Pick<VersionRecord, 'system' | 'user' | 'storageClass' | 'tags' | 'lock' | 'acl'>,
): ObjectHeaders {
  return {
    system: unpaired(record.system),
    user: unpaired(record.user),
    tags: tagsOf(record.tags),
    lock: lockOf(record.lock),
    acl: aclOf(record.acl),
    storageClass: record.storageClass === '' ? 'STANDARD' : record.storageClass,
  }
}

/**
 * What HEAD shows of a version. `storage`: the complete list, also when the record has a manifest instead. Only objects
 * of uploads have parts.
 */
export function objectInfoOf(
  key: string,
  version: VersionRecord,
  storage: readonly StorageRecord[],
): ObjectInfo {
  return {
    key,
    sizeBytes: version.sizeBytes,
    etag: version.etag,
    lastModifiedMs: version.lastModifiedMs,
    versionId: versionIdText(version),
    checksums: unpaired(version.checksums) as Checksums,
    checksumType: checksumTypeOf(version.checksumType),
    parts: version.uploadId.length === 0 ? undefined : storage.map(objectPartOf),
    ...(version.encryption !== undefined && {
      encryption: dataEncryptionOf(version.encryption, storage),
    }),
    ...objectHeadersOf(version),
  }
}

/** Salts are copied: they are views of the whole record, which would be sent with them to another thread. */
function dataEncryptionOf(record: string, storage: readonly StorageRecord[]): DataEncryption {
  const bodies = storage.map(({ salt, sizeBytes }) => ({
    salt: new Uint8Array(salt ?? []),
    storedBytes: sizeBytes,
  }))
  return { record, bodies }
}

/**
 * What a PUT answers. Without versioning clients get no version id, which `versioned` says.
 *
 * @param versioning the bucket's, when the version was written
 */
export function putResultOf(
  bucket: { readonly record: BucketRecord },
  key: RegisterKey,
  version: VersionRecord,
  versioning: number,
): PutResult {
  return {
    versionId: versionIdText(version),
    versioned: versioning !== VERSIONING.never,
    lastModifiedMs: version.lastModifiedMs,
    expiration: expirationIn(bucket, key, version),
  }
}

/** Checksums are raw bytes in the record and base64 for clients. */
function objectPartOf({ sizeBytes: storedBytes, checksum, salt }: StorageRecord): ObjectPart {
  const sizeBytes = salt === undefined ? storedBytes : plainSizeOf(storedBytes)
  return checksum === undefined
    ? { sizeBytes }
    : { sizeBytes, checksum: Buffer.from(checksum).toString('base64') }
}

/** One entry of a list of versions. A list names only the algorithm of the version's first checksum. */
export function listedVersionOf(
  name: ByteString,
  version: VersionRecord,
  isLatest: boolean,
): ListedVersion {
  const checksumAlgorithm = version.checksums[0]?.name ?? ''
  return {
    key: textOfUtf8(name),
    sizeBytes: version.sizeBytes,
    etag: version.etag,
    lastModifiedMs: version.lastModifiedMs,
    storageClass: version.storageClass === '' ? 'STANDARD' : version.storageClass,
    versionId: versionIdText(version),
    checksumAlgorithm:
      checksumAlgorithm === '' ? undefined : (checksumAlgorithm as ChecksumAlgorithm),
    checksumType: checksumTypeOf(version.checksumType),
    owner: aclOf(version.acl)?.owner,
    isLatest,
    deleteMarker: version.deleteMarker,
  }
}

/** What clients know of a part. */
export function partInfoOf(part: PartRecord): PartInfo {
  return {
    partNumber: part.partNumber,
    sizeBytes: part.sizeBytes,
    etag: part.etag,
    lastModifiedMs: part.lastModifiedMs,
    checksums: unpaired(part.checksums) as Checksums,
  }
}
