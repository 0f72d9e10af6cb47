/**
 * Records of objects and pages by hand: the messages of records.proto, field by field. Called by versioned.ts.
 *
 * Invariants:
 *   - the bytes are those of the generated codec, in both directions; object-record.test.ts compares the two
 *   - field numbers are those of records.proto, and a field that is added there is added here
 *   - a field that is left out reads as the empty value that proto3 gives it
 *   - unknown fields are skipped, so a record that is read and written again loses them
 *
 * What breaks the wire format throws RangeError (wire.ts). Byte fields of a decoded record are views of its bytes.
 */

import { EMPTY_BYTES } from '../bytes.ts'
import type {
  AclGrantRecord,
  AclRecord,
  LockRecord,
  ObjectRecord,
  PageRecord,
  PageRefRecord,
  PairRecord,
  RenameRecord,
  StorageRecord,
  VersionRecord,
} from './records.js'
import { FieldReader, FieldWriter } from './wire.ts'

/** `start`: where the message begins, behind the version byte. It goes on to the end of `bytes`. */
export function decodeObjectRecord(bytes: Uint8Array, start: number): ObjectRecord {
  const record: ObjectRecord = {
    sequence: 0,
    versions: [],
    uploads: [],
    lastModifiedMs: 0,
    pages: [],
    nullSequence: 0,
  }
  const reader = new FieldReader(bytes, start, bytes.length)
  while (reader.next()) {
    switch (reader.field) {
      case 1:
        record.sequence = reader.value
        break
      case 2:
        record.versions.push(readVersion(reader.message()))
        break
      case 3:
        record.uploads.push(reader.bytes())
        break
      case 4:
        record.lastModifiedMs = reader.value
        break
      case 5:
        record.pages.push(readPageRef(reader.message()))
        break
      case 6:
        record.nullSequence = reader.value
        break
      default:
        break
    }
  }
  return record
}

/** The message, behind `head` bytes that the caller fills. */
export function encodeObjectRecord(record: ObjectRecord, head: number): Uint8Array<ArrayBuffer> {
  const to = scratch.clear()
  to.number(1, record.sequence)
  for (const version of record.versions) to.message(2, version, writeVersion)
  for (const ticket of record.uploads) to.element(3, ticket)
  to.number(4, record.lastModifiedMs)
  for (const ref of record.pages) to.message(5, ref, writePageRef)
  to.number(6, record.nullSequence)
  return to.finish(head)
}

/** As `decodeObjectRecord`. A leaf has versions only, an index page references only. */
export function decodePageRecord(bytes: Uint8Array, start: number): PageRecord {
  const record: PageRecord = { versions: [], pages: [] }
  const reader = new FieldReader(bytes, start, bytes.length)
  while (reader.next()) {
    if (reader.field === 1) record.versions.push(readVersion(reader.message()))
    else if (reader.field === 2) record.pages.push(readPageRef(reader.message()))
  }
  return record
}

/** As `encodeObjectRecord`. */
export function encodePageRecord(record: PageRecord, head: number): Uint8Array<ArrayBuffer> {
  const to = scratch.clear()
  for (const version of record.versions) to.message(1, version, writeVersion)
  for (const ref of record.pages) to.message(2, ref, writePageRef)
  return to.finish(head)
}

/** Nothing here waits, so that one is enough. */
const scratch = new FieldWriter()

function readVersion(reader: FieldReader): VersionRecord {
  const version: VersionRecord = {
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
  while (reader.next()) readVersionField(version, reader)
  return version
}

function readVersionField(version: VersionRecord, reader: FieldReader): void {
  switch (reader.field) {
    case 1:
      version.versionId = reader.text()
      break
    case 2:
      version.deleteMarker = reader.value !== 0
      break
    case 3:
      version.sizeBytes = reader.value
      break
    case 4:
      version.etag = reader.text()
      break
    case 5:
      version.lastModifiedMs = reader.value
      break
    case 6:
      version.storageClass = reader.text()
      break
    case 7:
      version.system.push(readPair(reader.message()))
      break
    case 8:
      version.user.push(readPair(reader.message()))
      break
    case 9:
      version.checksums.push(readPair(reader.message()))
      break
    case 10:
      version.checksumType = reader.value
      break
    case 11:
      version.storage.push(readStorage(reader.message()))
      break
    case 12:
      version.manifest = reader.bytes()
      break
    case 13:
      version.uploadId = reader.bytes()
      break
    case 14:
      version.sequence = reader.value
      break
    case 15:
      version.tags.push(readPair(reader.message()))
      break
    case 16:
      version.acl = readAcl(reader.message())
      break
    case 17:
      version.encryption = reader.text()
      break
    case 18:
      version.lock = readLock(reader.message())
      break
    case 19:
      version.renamed = readRename(reader.message())
      break
    default:
      break
  }
}

function writeVersion(to: FieldWriter, version: VersionRecord): void {
  to.text(1, version.versionId)
  to.flag(2, version.deleteMarker)
  to.number(3, version.sizeBytes)
  to.text(4, version.etag)
  to.number(5, version.lastModifiedMs)
  to.text(6, version.storageClass)
  for (const pair of version.system) to.message(7, pair, writePair)
  for (const pair of version.user) to.message(8, pair, writePair)
  for (const pair of version.checksums) to.message(9, pair, writePair)
  to.number(10, version.checksumType)
  for (const storage of version.storage) to.message(11, storage, writeStorage)
  to.bytes(12, version.manifest)
  to.bytes(13, version.uploadId)
  to.number(14, version.sequence)
  for (const pair of version.tags) to.message(15, pair, writePair)
  if (version.acl !== undefined) to.message(16, version.acl, writeAcl)
  if (version.encryption !== undefined) to.text(17, version.encryption)
  if (version.lock !== undefined) to.message(18, version.lock, writeLock)
  if (version.renamed !== undefined) to.message(19, version.renamed, writeRename)
}

function readRename(reader: FieldReader): RenameRecord {
  const rename: RenameRecord = { token: '', source: '', sequence: 0, lastModifiedMs: 0 }
  while (reader.next()) {
    if (reader.field === 1) rename.token = reader.text()
    else if (reader.field === 2) rename.source = reader.text()
    else if (reader.field === 3) rename.sequence = reader.value
    else if (reader.field === 4) rename.lastModifiedMs = reader.value
  }
  return rename
}

function writeRename(to: FieldWriter, rename: RenameRecord): void {
  to.text(1, rename.token)
  to.text(2, rename.source)
  to.number(3, rename.sequence)
  to.number(4, rename.lastModifiedMs)
}

function readAcl(reader: FieldReader): AclRecord {
  const acl: AclRecord = { owner: '', grants: [], listed: false }
  while (reader.next()) {
    if (reader.field === 1) acl.owner = reader.text()
    else if (reader.field === 2) acl.grants.push(readGrant(reader.message()))
    else if (reader.field === 3) acl.listed = reader.value !== 0
  }
  return acl
}

function writeAcl(to: FieldWriter, acl: AclRecord): void {
  to.text(1, acl.owner)
  for (const grant of acl.grants) to.message(2, grant, writeGrant)
  to.flag(3, acl.listed)
}

function readGrant(reader: FieldReader): AclGrantRecord {
  const grant: AclGrantRecord = { account: '', group: 0, permission: 0 }
  while (reader.next()) {
    if (reader.field === 1) grant.account = reader.text()
    else if (reader.field === 2) grant.group = reader.value
    else if (reader.field === 3) grant.permission = reader.value
  }
  return grant
}

function writeGrant(to: FieldWriter, grant: AclGrantRecord): void {
  to.text(1, grant.account)
  to.number(2, grant.group)
  to.number(3, grant.permission)
}

function readLock(reader: FieldReader): LockRecord {
  const lock: LockRecord = { mode: 0, retainUntilMs: 0, legalHold: 0 }
  while (reader.next()) {
    if (reader.field === 1) lock.mode = reader.value
    else if (reader.field === 2) lock.retainUntilMs = reader.value
    else if (reader.field === 3) lock.legalHold = reader.value
  }
  return lock
}

function writeLock(to: FieldWriter, lock: LockRecord): void {
  to.number(1, lock.mode)
  to.number(2, lock.retainUntilMs)
  to.number(3, lock.legalHold)
}

function readPair(reader: FieldReader): PairRecord {
  const pair: PairRecord = { name: '', value: '' }
  while (reader.next()) {
    if (reader.field === 1) pair.name = reader.text()
    else if (reader.field === 2) pair.value = reader.text()
  }
  return pair
}

function writePair(to: FieldWriter, pair: PairRecord): void {
  to.text(1, pair.name)
  to.text(2, pair.value)
}

/** Checksum and salt are optional: without the field they are undefined, and not empty. */
function readStorage(reader: FieldReader): StorageRecord {
  const storage: StorageRecord = { dataId: EMPTY_BYTES, sizeBytes: 0, packed: false }
  while (reader.next()) {
    if (reader.field === 1) storage.dataId = reader.bytes()
    else if (reader.field === 2) storage.sizeBytes = reader.value
    else if (reader.field === 3) storage.packed = reader.value !== 0
    else if (reader.field === 4) storage.checksum = reader.bytes()
    else if (reader.field === 5) storage.salt = reader.bytes()
  }
  return storage
}

function writeStorage(to: FieldWriter, storage: StorageRecord): void {
  to.bytes(1, storage.dataId)
  to.number(2, storage.sizeBytes)
  to.flag(3, storage.packed)
  if (storage.checksum !== undefined) to.element(4, storage.checksum)
  if (storage.salt !== undefined) to.element(5, storage.salt)
}

function readPageRef(reader: FieldReader): PageRefRecord {
  const ref: PageRefRecord = { dataId: EMPTY_BYTES, level: 0, newest: 0, oldest: 0, count: 0 }
  while (reader.next()) {
    if (reader.field === 1) ref.dataId = reader.bytes()
    else if (reader.field === 2) ref.level = reader.value
    else if (reader.field === 3) ref.newest = reader.value
    else if (reader.field === 4) ref.oldest = reader.value
    else if (reader.field === 5) ref.count = reader.value
  }
  return ref
}

function writePageRef(to: FieldWriter, ref: PageRefRecord): void {
  to.bytes(1, ref.dataId)
  to.number(2, ref.level)
  to.number(3, ref.newest)
  to.number(4, ref.oldest)
  to.number(5, ref.count)
}
