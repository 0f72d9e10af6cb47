/**
 * Keys of registers: partition (2) ‖ space (1) ‖ rest. They order as listings do.
 *
 *   object   bucket id (16) ‖ shard u16 ‖ object key
 *   upload   bucket id (16) ‖ shard u16 ‖ object key ‖ 0x00 ‖ upload id (16)
 *   part     bucket id (16) ‖ shard u16 ‖ upload id (16) ‖ part number u16
 *   system   name
 *
 * Object keys are UTF-8 ByteStrings without 0x00 (the gateway refuses it), so that the separator
 * sorts below every byte of a longer key.
 *
 * What reads or makes a key throws InputError where the bytes do not fit: keys come in messages of peers and from the
 * index, and object keys from callers.
 */

import { readU16, u16 } from '../bytes.ts'
import type { BucketId, ByteString, RegisterKey } from '../ids.ts'
import { checkInput } from '../input.ts'
import type { KeyRange, Keyspace } from './key.ts'
import { metadataPartition, prefixEnd, systemPartition } from './key.ts'
import type { KeySpace, SystemKind } from './space.ts'
import { spaceOfByte, SPACES } from './space.ts'

export const UPLOAD_ID_BYTES = 16

const SPACE_AT = 2
const REST_AT = 3
const SHARD_AT = REST_AT + 16
const NAME_AT = SHARD_AT + 2
/** Every register of a part has a key of this length. A key from a damaged file may have another one. */
export const PART_KEY_BYTES = NAME_AT + UPLOAD_ID_BYTES + 2

export type RegisterRange = KeyRange<RegisterKey>

export function objectRegister(
  bucketId: BucketId,
  shard: number,
  objectKey: ByteString,
  bits: number,
): RegisterKey {
  checkObjectKey(objectKey)
  return (head('object', bucketId, shard, bits) + objectKey) as RegisterKey
}

/** `uploadId` is 16 raw bytes. */
export function uploadRegister(
  bucketId: BucketId,
  shard: number,
  objectKey: ByteString,
  uploadId: ByteString,
  bits: number,
): RegisterKey {
  checkObjectKey(objectKey)
  checkUploadId(uploadId)
  return (head('upload', bucketId, shard, bits) + objectKey + '\0' + uploadId) as RegisterKey
}

export function partRegister(
  bucketId: BucketId,
  shard: number,
  uploadId: ByteString,
  partNumber: number,
  bits: number,
): RegisterKey {
  checkUploadId(uploadId)
  checkInput(partNumber >= 0 && partNumber <= 0xffff, 'a part number has two bytes')
  return (head('part', bucketId, shard, bits) + uploadId + u16(partNumber)) as RegisterKey
}

export function systemRegister(
  kind: SystemKind,
  name: ByteString,
  keyspace: Keyspace,
): RegisterKey {
  const partition = systemPartition(kind, name, keyspace)
  return (u16(partition) + String.fromCharCode(SPACES[kind]) + name) as RegisterKey
}

/**
 * Objects of one shard that begin with `prefix` and come after `after`. To step over a folded
 * common prefix, pass it followed by '\xff', which no UTF-8 key contains.
 */
export function objectRange(
  bucketId: BucketId,
  shard: number,
  prefix: ByteString,
  after: ByteString | undefined,
  bits: number,
): RegisterRange {
  const base = head('object', bucketId, shard, bits)
  return rangeOf(base + prefix, after === undefined ? undefined : base + after + '\0')
}

/**
 * Uploads of one shard, by object key, then by upload id. `after` without an upload id
 * comes after all uploads of that key.
 */
export function uploadRange(
  bucketId: BucketId,
  shard: number,
  prefix: ByteString,
  after: { readonly objectKey: ByteString; readonly uploadId?: ByteString | undefined } | undefined,
  bits: number,
): RegisterRange {
  const base = head('upload', bucketId, shard, bits)
  if (after === undefined) return rangeOf(base + prefix)
  const { objectKey, uploadId } = after
  const behind = uploadId === undefined ? '\x01' : '\0' + uploadId + '\0'
  return rangeOf(base + prefix, base + objectKey + behind)
}

/** Uploads of exactly one object key. */
export function objectUploadRange(
  bucketId: BucketId,
  shard: number,
  objectKey: ByteString,
  bits: number,
): RegisterRange {
  return rangeOf(head('upload', bucketId, shard, bits) + objectKey + '\0')
}

/** Parts of one upload with a number above `afterPart`. */
export function partRange(
  bucketId: BucketId,
  shard: number,
  uploadId: ByteString,
  afterPart: number,
  bits: number,
): RegisterRange {
  checkUploadId(uploadId)
  const base = head('part', bucketId, shard, bits) + uploadId
  return rangeOf(base, afterPart < 0 ? undefined : base + u16(Math.min(afterPart, 0xffff)) + '\0')
}

/** All objects of one shard. */
export function shardRange(bucketId: BucketId, shard: number, bits: number): RegisterRange {
  return rangeOf(head('object', bucketId, shard, bits))
}

/** The parts of all uploads of one shard. */
export function partsOfShard(bucketId: BucketId, shard: number, bits: number): RegisterRange {
  return rangeOf(head('part', bucketId, shard, bits))
}

/** Every register of one partition, or of one space in it. */
export function partitionRange(partition: number, space?: KeySpace): RegisterRange {
  // Behind the last partition of 16 bits there is no two-byte number: 0xffff ‖ 0xff bounds it, as
  // no space uses the byte 0xff.
  if (space !== undefined) return rangeOf(u16(partition) + String.fromCharCode(SPACES[space]))
  const end = partition === 0xffff ? '\xff\xff\xff' : u16(partition + 1)
  return { start: u16(partition) as RegisterKey, end: end as RegisterKey }
}

/** Undefined for a space that this program version does not know. */
export function spaceOf(key: RegisterKey): KeySpace | undefined {
  return spaceOfByte(key.charCodeAt(SPACE_AT))
}

/** The bucket that an object, upload or part belongs to; undefined for system registers. */
export function bucketIdOf(key: RegisterKey): BucketId | undefined {
  const space = key.charCodeAt(SPACE_AT)
  if (space !== SPACES.object && space !== SPACES.upload && space !== SPACES.part) return undefined
  return key.slice(REST_AT, SHARD_AT) as BucketId
}

/** The shard of an object, upload or part. */
export function shardOfKey(key: RegisterKey): number {
  checkInput(bucketIdOf(key) !== undefined, 'only registers of a bucket have a shard')
  return readU16(key, SHARD_AT)
}

/** The object key of an object or an upload. */
export function objectKeyOf(key: RegisterKey): ByteString {
  if (spaceOf(key) === 'object') return key.slice(NAME_AT)
  checkInput(spaceOf(key) === 'upload', 'only objects and uploads have an object key')
  return key.slice(NAME_AT, key.length - UPLOAD_ID_BYTES - 1)
}

/** What the keys of all objects of one shard begin with, from one of them. */
export function objectHeadOf(key: RegisterKey): ByteString {
  return key.slice(0, NAME_AT)
}

/** The upload id (16 raw bytes) of an upload or a part. */
export function uploadIdOf(key: RegisterKey): ByteString {
  if (spaceOf(key) === 'upload') return key.slice(key.length - UPLOAD_ID_BYTES)
  checkInput(spaceOf(key) === 'part', 'only uploads and parts have an upload id')
  return key.slice(NAME_AT, NAME_AT + UPLOAD_ID_BYTES)
}

export function partNumberOf(key: RegisterKey): number {
  checkInput(spaceOf(key) === 'part' && key.length === PART_KEY_BYTES, 'not the key of a part')
  return readU16(key, NAME_AT + UPLOAD_ID_BYTES)
}

/** The name of a bucket, account, user … */
export function systemNameOf(key: RegisterKey): ByteString {
  checkInput(bucketIdOf(key) === undefined, 'not a system register')
  return key.slice(REST_AT)
}

/** Partitions of shards that were asked for lately: each costs a hash. */
const partitions = new Map<string, number>()
const PARTITIONS_MAX = 16_384

function head(space: KeySpace, bucketId: BucketId, shard: number, bits: number): ByteString {
  const name = bucketId + u16(shard) + String.fromCharCode(bits)
  let partition = partitions.get(name)
  if (partition === undefined) {
    partition = metadataPartition(bucketId, shard, bits)
    if (partitions.size >= PARTITIONS_MAX) partitions.clear()
    partitions.set(name, partition)
  }
  return u16(partition) + String.fromCharCode(SPACES[space]) + bucketId + u16(shard)
}

function rangeOf(prefix: ByteString, from: ByteString = prefix): RegisterRange {
  const start = from > prefix ? from : prefix
  const end = prefixEnd(prefix)
  return { start: start as RegisterKey, end: (start < end ? end : start) as RegisterKey }
}

function checkObjectKey(objectKey: ByteString): void {
  checkInput(!objectKey.includes('\0'), 'an object key has no zero byte')
}

function checkUploadId(uploadId: ByteString): void {
  checkInput(uploadId.length === UPLOAD_ID_BYTES, 'an upload id has 16 bytes')
}
