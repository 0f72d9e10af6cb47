/**
 * An upload's record and where it is stored. Pure.
 *
 *   ticket           upload id (16) ‖ attempt (24: a data id); 16 bytes of attempt in older records
 *   record.request   digest of the parts that the completion named (32) ‖ attempt
 */

import {
  byteString,
  bytesOf,
  bytesOfHex,
  equalBytes,
  hex,
  textOfUtf8,
  utf8,
  utf8ByteString,
} from '../../protocol/bytes.ts'
import {
  uploadCodec,
  type StorageRecord,
  type UploadRecord,
} from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import { blake3 } from '../../protocol/hash.ts'
import {
  dataId,
  type BucketId,
  type ByteString,
  type DataId,
  type RegisterKey,
} from '../../protocol/ids.ts'
import { shardOf } from '../../protocol/keyspace/key.ts'
import {
  bucketIdOf,
  objectKeyOf,
  objectRegister,
  shardOfKey,
  uploadIdOf,
  uploadRegister,
} from '../../protocol/keyspace/register-key.ts'
import { UPLOAD_ABORTED, UPLOAD_COMPLETING } from '../../protocol/object/upload-state.ts'
import type { RegisterValue } from '../../protocol/register/types.ts'
import type { CompletedPart, UploadInfo } from '../../gateway/port/uploads.ts'
import type { ChecksumAlgorithm } from '../../gateway/port/body.ts'
import type { OwnedBlock } from '../replica/blocks.ts'
import type { Bucket } from './bucket.ts'
import type { FenceSource } from '../quorum/fence-source.ts'
import { checksumTypeOf, objectHeadersOf } from './versions.ts'

const UPLOAD_ID_BYTES = 16
const DIGEST_BYTES = 32
const DATA_ID_BYTES = 24

/** How a request names an upload. */
export interface NamedUpload {
  readonly bucket: string
  readonly key: string
  readonly uploadId: string
}

/** Where an upload is stored. All of its registers are in the partition of its object's shard. */
export interface UploadPlace {
  readonly bucketId: BucketId
  readonly shard: number
  /** Raw bytes. */
  readonly id: ByteString
  /** The same in hex. */
  readonly uploadId: string
  readonly key: string
  readonly register: RegisterKey
  /** The register of the object that the upload will be. */
  readonly object: RegisterKey
  /** Left out when things are cleaned up: that has to be done in deleted buckets too. */
  readonly fence?: FenceSource | undefined
}

/** For requests of clients: whatever they write obeys the bucket's record (T8). */
export interface FencedPlace extends UploadPlace {
  readonly fence: Bucket
}

/** The place of an upload that a request names. Throws NoSuchUpload for an id that is not 32 hex digits. */
export function placeIn(bucket: Bucket, named: NamedUpload, bits: number): FencedPlace {
  if (!/^[0-9a-f]{32}$/.test(named.uploadId)) throw noSuchUpload(named.uploadId)
  const name = utf8ByteString(named.key)
  const shard = shardOf(bucket.id, name, bucket.shards)
  const id = byteString(bytesOfHex(named.uploadId))
  return {
    bucketId: bucket.id,
    shard,
    id,
    uploadId: named.uploadId,
    key: named.key,
    register: uploadRegister(bucket.id, shard, name, id, bits),
    object: objectRegister(bucket.id, shard, name, bits),
    fence: bucket,
  }
}

/**
 * The place of an upload from the key of its register, without a fence. Throws Error for the register of anything else.
 */
export function uploadPlaceOf(register: RegisterKey, bits: number): UploadPlace {
  const bucketId = bucketIdOf(register)
  if (bucketId === undefined) throw new Error('not the register of an upload')
  const shard = shardOfKey(register)
  const id = uploadIdOf(register)
  const name = objectKeyOf(register)
  return {
    bucketId,
    shard,
    id,
    uploadId: hex(bytesOf(id)),
    key: textOfUtf8(name),
    register,
    object: objectRegister(bucketId, shard, name, bits),
  }
}

/**
 * The record of an upload. Undefined when there is no upload, or it is gone. An aborted upload still has its record
 * until its parts are removed.
 */
export function uploadRecordOf(value: RegisterValue | undefined): UploadRecord | undefined {
  return value === undefined || value.tombstone ? undefined : uploadCodec.decode(value.body)
}

/** The register's value for a record. `block`: the manifest that the record names. */
export function uploadValue(
  record: UploadRecord,
  block?: OwnedBlock,
): Omit<RegisterValue, 'operation'> {
  return {
    tombstone: false,
    body: uploadCodec.encode(record),
    blocks: block === undefined ? [] : [block.key],
  }
}

/** The record of an upload that is over and whose outcome no request asks for any more. */
export function uploadTombstone(record: UploadRecord): Omit<RegisterValue, 'operation'> {
  const { result: _, ...rest } = record
  return { tombstone: true, body: uploadCodec.encode(rest), blocks: [] }
}

/**
 * The record of an upload that never was, for a tombstone: it makes sure that nothing that is under way for an absent
 * upload can happen.
 */
export function noUpload(key: string): UploadRecord {
  return {
    state: UPLOAD_ABORTED,
    key,
    initiatedMs: 0,
    storageClass: '',
    system: [],
    user: [],
    tags: [],
    checksumAlgorithm: '',
    checksumType: 0,
    request: new Uint8Array(0),
    bucket: '',
  }
}

/** What clients know of an upload. */
export function uploadInfoOf(record: UploadRecord, uploadId: string): UploadInfo {
  return {
    key: record.key,
    uploadId,
    initiatedMs: record.initiatedMs,
    checksumAlgorithm:
      record.checksumAlgorithm === '' ? undefined : (record.checksumAlgorithm as ChecksumAlgorithm),
    checksumType: checksumTypeOf(record.checksumType),
    ...(record.encryption !== undefined && { encryption: record.encryption }),
    ...objectHeadersOf(record),
  }
}

/** A digest (32 bytes) of the parts that a completion names: a repeated completion must name the same ones. */
export function requestDigest(parts: readonly CompletedPart[]): Uint8Array<ArrayBuffer> {
  const text = parts.map((part) => `${part.partNumber}:${part.etag}`).join(',')
  return new Uint8Array(blake3(utf8(text)))
}

/** The record's `request` for a completion: see above. */
export function requestOf(digest: Uint8Array, attempt: DataId): Uint8Array<ArrayBuffer> {
  return bytesOf(byteString(digest) + attempt)
}

/** Whether the completion under way, or the one that is done, named the parts with this digest. */
export function isSameRequest(record: UploadRecord, digest: Uint8Array): boolean {
  return equalBytes(record.request.subarray(0, DIGEST_BYTES), digest)
}

/** The attempt of a "completing" upload. */
export function ticketOf(place: UploadPlace, { request }: UploadRecord): Uint8Array<ArrayBuffer> {
  return bytesOf(place.id + byteString(request.subarray(DIGEST_BYTES)))
}

/** Undefined in records of an older program version: the attempt belongs to an earlier boot. */
export function attemptOf({ request }: UploadRecord): DataId | undefined {
  const attempt = request.subarray(DIGEST_BYTES)
  return attempt.length === DATA_ID_BYTES ? dataId(byteString(attempt)) : undefined
}

/** A ticket as it is in an object, refused or not. */
export function partsOfTicket(ticket: Uint8Array): {
  readonly uploadId: ByteString
  readonly attempt: DataId | undefined
  /** The ticket as it was admitted. */
  readonly ticket: Uint8Array<ArrayBuffer>
} {
  const long = ticket.length >= UPLOAD_ID_BYTES + DATA_ID_BYTES
  const length = UPLOAD_ID_BYTES + (long ? DATA_ID_BYTES : 16)
  const attempt = byteString(ticket.subarray(UPLOAD_ID_BYTES, length))
  return {
    uploadId: byteString(ticket.subarray(0, UPLOAD_ID_BYTES)),
    attempt: long ? dataId(attempt) : undefined,
    ticket: ticket.slice(0, length),
  }
}

/**
 * Whether the upload is still in exactly this attempt. Any other state means that somebody else has gone on with it.
 */
export function isCompleting(record: UploadRecord | undefined, ticketed: UploadRecord): boolean {
  return record?.state === UPLOAD_COMPLETING && equalBytes(record.request, ticketed.request)
}

/** Raw data ids of what is stored. Empty parts have none. */
export function uploadDataIds(storage: readonly StorageRecord[]): Set<ByteString> {
  return new Set(
    storage.filter(({ sizeBytes }) => sizeBytes > 0).map((each) => byteString(each.dataId)),
  )
}

/** 404, for clients: also for an upload that is over. */
export function noSuchUpload(uploadId: string): StoreError {
  return new StoreError('NoSuchUpload', undefined, { UploadId: uploadId })
}
