/**
 * Bodies of registers: one byte of version, then a message of records.proto.
 *
 * ```
 * 0         1
 * version   ObjectRecord, PageRecord, ManifestRecord, BucketRecord, AccountRecord, UploadRecord or PartRecord
 * ```
 *
 * The register's key says which record it is; the bytes do not. Unknown versions are refused, never misread (F20); a
 * later version adds a decoder here and keeps the earlier ones.
 *
 * Version 2 is a record with something that an older program would drop when it writes the record again, or overlook: a
 * version or an upload with a lock, or with an owner or an access control list of its own, a bucket that has object lock, an
 * encrypted version, upload or part. Its form is that of version 1.
 *
 * Called by protocol/object and node/objects, which read and change the records, and by node/reclaim, which looks in
 * them for data ids.
 */

import { assert } from '../assert.ts'
import {
  decodeObjectRecord,
  decodePageRecord,
  encodeObjectRecord,
  encodePageRecord,
} from './object-record.ts'
import {
  AccountRecord,
  BucketRecord,
  ManifestRecord,
  PartRecord,
  UploadRecord,
  type ObjectRecord,
  type PageRecord,
  type VersionRecord,
} from './records.js'

export type {
  AccountRecord,
  AclRecord,
  AccountBucketRecord,
  BucketRecord,
  LockRecord,
  ManifestRecord,
  ObjectRecord,
  PageRecord,
  PageRefRecord,
  PairRecord,
  PartRecord,
  StorageRecord,
  UploadRecord,
  VersionRecord,
} from './records.js'

/** What is written, except where a part of the record must not be overlooked. */
const VERSION = 1
const VERSION_GUARDED = 2
/** The name of the document that says that a bucket has object lock (BucketRecord.documents). */
const OBJECT_LOCK = 'objectLock'

/** The record was written by a later version of the program, or is no record. */
export class RecordVersionError extends Error {
  override readonly name = 'RecordVersionError'
}

/** Throws RecordVersionError for the first byte of a record that this program does not know. */
export function checkRecordVersion(version: number | undefined): void {
  if (version === VERSION || version === VERSION_GUARDED) return
  throw new RecordVersionError(`record of version ${version}`)
}

/** One kind of record. */
export interface RecordCodec<T> {
  /** The result has memory of its own. */
  encode(record: T): Uint8Array
  /**
   * Bytes of the result are views of `bytes`. Throws RecordVersionError, or what the message's codec throws.
   */
  decode(bytes: Uint8Array): T
}

/** With a generated codec. `isGuarded`: the record is of version 2. */
function versioned<T>(
  codec: {
    encode(record: Partial<T>): Uint8Array
    decode(bytes: Uint8Array): T
  },
  isGuarded: (record: T) => boolean = () => false,
): RecordCodec<T> {
  return {
    encode(record) {
      const body = codec.encode(record)
      const bytes = new Uint8Array(body.length + 1)
      bytes[0] = isGuarded(record) ? VERSION_GUARDED : VERSION
      bytes.set(body, 1)
      return bytes
    },
    decode(bytes) {
      checkRecordVersion(bytes[0])
      return codec.decode(bytes.subarray(1))
    },
  }
}

/** With a codec that leaves room for the version byte, and so saves a copy. */
function byHand<T extends { readonly versions: readonly VersionRecord[] }>(
  decode: (bytes: Uint8Array, start: number) => T,
  encode: (record: T, head: number) => Uint8Array,
): RecordCodec<T> {
  return {
    encode(record) {
      const bytes = encode(record, 1)
      assert(bytes[0] === 0, 'the codec leaves a byte for the version')
      const { versions } = record
      bytes[0] = versions.some(isGuardedVersion) ? VERSION_GUARDED : VERSION
      return bytes
    },
    decode(bytes) {
      checkRecordVersion(bytes[0])
      return decode(bytes, 1)
    },
  }
}

function isGuardedVersion({
  lock,
  acl,
  encryption,
}: Pick<VersionRecord, 'lock' | 'acl' | 'encryption'>): boolean {
  return lock !== undefined || acl !== undefined || encryption !== undefined
}

/** By hand: every request on an object passes here. */
export const objectCodec: RecordCodec<ObjectRecord> = byHand(decodeObjectRecord, encodeObjectRecord)
/** Older versions of an object: the content of a packed block, by hand for the same reason. */
export const pageCodec: RecordCodec<PageRecord> = byHand(decodePageRecord, encodePageRecord)
/** The parts of a completed upload: the content of a packed block. */
export const manifestCodec: RecordCodec<ManifestRecord> = versioned<ManifestRecord>(
  ManifestRecord,
  ({ storage }) => storage.some(({ salt }) => salt !== undefined),
)
export const bucketCodec: RecordCodec<BucketRecord> = versioned<BucketRecord>(
  BucketRecord,
  ({ documents }) => documents.some(({ name }) => name === OBJECT_LOCK),
)
export const accountCodec: RecordCodec<AccountRecord> = versioned<AccountRecord>(AccountRecord)
export const uploadCodec: RecordCodec<UploadRecord> = versioned<UploadRecord>(
  UploadRecord,
  (upload) =>
    isGuardedVersion(upload) || (upload.result !== undefined && isGuardedVersion(upload.result)),
)
export const partCodec: RecordCodec<PartRecord> = versioned<PartRecord>(
  PartRecord,
  ({ storage }) => storage?.salt !== undefined,
)
