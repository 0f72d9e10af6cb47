/** Bodies of registers: one byte of version, then the generated codec. Unknown versions are refused,
 * never misread (F20); a later version adds a decoder here and keeps the earlier ones. */

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
} from './records.js'

export type {
  AccountRecord,
  AccountBucketRecord,
  BucketRecord,
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

const VERSION = 1

export class RecordVersionError extends Error {
  override readonly name = 'RecordVersionError'
}

export interface RecordCodec<T> {
  encode(record: T): Uint8Array
  decode(bytes: Uint8Array): T
}

function versioned<T>(codec: {
  encode(record: Partial<T>): Uint8Array
  decode(bytes: Uint8Array): T
}): RecordCodec<T> {
  return {
    encode(record) {
      const body = codec.encode(record)
      const bytes = new Uint8Array(body.length + 1)
      bytes[0] = VERSION
      bytes.set(body, 1)
      return bytes
    },
    decode(bytes) {
      if (bytes[0] !== VERSION) throw new RecordVersionError(`record of version ${bytes[0]}`)
      return codec.decode(bytes.subarray(1))
    },
  }
}

function byHand<T>(
  decode: (bytes: Uint8Array, start: number) => T,
  encode: (record: T, head: number) => Uint8Array,
): RecordCodec<T> {
  return {
    encode(record) {
      const bytes = encode(record, 1)
      bytes[0] = VERSION
      return bytes
    },
    decode(bytes) {
      if (bytes[0] !== VERSION) throw new RecordVersionError(`record of version ${bytes[0]}`)
      return decode(bytes, 1)
    },
  }
}

/** By hand: every request on an object passes here. */
export const objectCodec: RecordCodec<ObjectRecord> = byHand(decodeObjectRecord, encodeObjectRecord)
export const pageCodec: RecordCodec<PageRecord> = byHand(decodePageRecord, encodePageRecord)
export const manifestCodec: RecordCodec<ManifestRecord> = versioned<ManifestRecord>(ManifestRecord)
export const bucketCodec: RecordCodec<BucketRecord> = versioned<BucketRecord>(BucketRecord)
export const accountCodec: RecordCodec<AccountRecord> = versioned<AccountRecord>(AccountRecord)
export const uploadCodec: RecordCodec<UploadRecord> = versioned<UploadRecord>(UploadRecord)
export const partCodec: RecordCodec<PartRecord> = versioned<PartRecord>(PartRecord)
