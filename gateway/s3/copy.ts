/**
 * CopyObject, and what it shares with UploadPartCopy: finding, checking and hashing a source.
 *
 * A copy reads the bytes of the source and writes them again as new data. It never refers to the blocks of the
 * source, because a block belongs to one register for good (G5).
 *
 * Source and target need their own rights (F30): the gate has checked the target, `openSource` checks the source.
 */

import { createHash } from 'node:crypto'
import { StoreError } from '../../protocol/errors.ts'
import type { ObjectHeaders, ObjectInfo, ObjectReader } from '../port/objects.ts'
import type { ChecksumAlgorithm, ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'
import { createChecksum, DEFAULT_ALGORITHM, type ChecksumHasher } from '../body/checksum.ts'
import { evaluateCopySource, writeCondition } from './conditions.ts'
import { parseCopySource, type NamedSource } from '../http/copy-source.ts'
import { S3Error } from '../http/errors.ts'
import type { HeaderRecord } from '../http/request.ts'
import type { Call } from './operation.ts'
import type { ByteRange } from '../http/range.ts'
import { xmlResponse, type ResponseHeaders, type S3Response } from '../http/response.ts'
import { tag, xmlDate } from '../http/xml.ts'
import {
  algorithmHeader,
  algorithmOf,
  checksumXml,
  keepRedirect,
  MAX_OBJECT_PUT_BYTES,
  objectHeaders,
  REDIRECT_LOCATION,
} from './common.ts'
import { openReader, planEncryption } from './encryption.ts'
import { addExpiration } from './expiration.ts'
import { newObjectAcl } from './object-acl.ts'
import { CapturedBody } from './put.ts'
import { lockInHeaders } from './locking.ts'
import { tagsAction, tagsInHeader } from './tagging.ts'
import { addVersionHeader, checkedVersionId, markerAsSource, readAction } from './version.ts'

/**
 * `PUT /bucket/key` with `x-amz-copy-source`. Metadata comes from the source, or with `x-amz-metadata-directive:
 * REPLACE` from the request. Tags likewise, with `x-amz-tagging-directive`; as in AWS, `x-amz-tagging` is ignored unless
 * it replaces the tags, and other tags alone do not make a copy of an object to itself. The checksum is computed again:
 * with the algorithm of the request, else that of the source, else CRC64NVME. The lock of the source stays with it: the copy
 * has that of the request, or the default of its bucket.
 *
 * The answer names the version that was copied and the one that was made. Throws InvalidRequest for a copy that would
 * change nothing and for a source above 5 GiB, PreconditionFailed for a condition of the source or of the write, and
 * the errors of reading the source.
 */
export async function copyObject(call: Call): Promise<S3Response> {
  const { headers } = call.request
  const condition = writeCondition(headers)
  const named = copySourceOf(call)
  const replaces = headers['x-amz-metadata-directive'] === 'REPLACE'
  const storageClass = headers['x-amz-storage-class']
  // Copying a named version of an object to the object itself is a restore.
  const toItself =
    named.bucket === call.bucket && named.key === call.key && named.versionId === undefined
  const changes = replaces || storageClass !== undefined || headers[REDIRECT_LOCATION] !== undefined
  if (toItself && !changes && !asksForEncryption(headers)) {
    throw new S3Error(
      'InvalidRequest',
      "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, storage class, website redirect location or encryption attributes.",
    )
  }
  const replacesTags = headers['x-amz-tagging-directive'] === 'REPLACE'
  const given = replacesTags ? await tagsInHeader(call) : undefined
  const acl = await newObjectAcl(call)
  const lock = await lockInHeaders(call)
  const reader = await openSource(call, named)
  const { info } = reader
  const tags = replacesTags ? given : await tagsOfSource(call, named, info)
  if (info.sizeBytes > MAX_OBJECT_PUT_BYTES) {
    throw new S3Error(
      'InvalidRequest',
      `The specified copy source is larger than the maximum allowable size for a copy source: ${MAX_OBJECT_PUT_BYTES}`,
    )
  }
  const kept: ObjectHeaders = replaces
    ? objectHeaders(call.request)
    : { ...keptHeaders(call, info), storageClass: storageClass ?? 'STANDARD' }
  const algorithm =
    algorithmHeader(headers, 'x-amz-checksum-algorithm') ??
    algorithmOf(info.checksums) ??
    DEFAULT_ALGORITHM
  const plan = await planEncryption(call)
  const plain = copyBody(reader, { start: 0, end: info.sizeBytes }, algorithm)
  const body = new CapturedBody(plan.encrypted(plain))
  const made = await call.store.putObject(call.context, {
    bucket: call.bucket,
    key: call.key,
    headers: { ...kept, tags, lock, acl },
    body: body.watched,
    encryption: plan.encryption,
    condition,
  })
  const answer = { ...sourceHeaders(reader), ...plan.headers }
  addVersionHeader(answer, made)
  addExpiration(answer, made.expiration)
  const { finished } = body
  const result = copyResult(made.lastModifiedMs, finished.etag, checksumXml(finished))
  return xmlResponse('CopyObjectResult', result, answer)
}

/** As in AWS, the redirect of a website does not go along: the copy has that of its own request. */
function keptHeaders(
  call: Call,
  { system, user }: ObjectInfo,
): Omit<ObjectHeaders, 'storageClass'> {
  const { [REDIRECT_LOCATION]: _redirect, ...kept } = system
  keepRedirect(call.request.headers, kept)
  return { system: kept, user }
}

/**
 * The tags that a copy takes along. As in AWS, these need the right to read the tags of the source, and the right to put
 * tags on the target. Throws AccessDenied.
 */
async function tagsOfSource(
  call: Call,
  { bucket, key, versionId }: NamedSource,
  info: ObjectInfo,
): Promise<ObjectInfo['tags']> {
  if (info.tags === undefined) return undefined
  await call.authorize(tagsAction(versionId), { bucket, key, versionId }, info)
  await call.authorizeAlso('s3:PutObjectTagging')
  return info.tags
}

/** A copy of an object to itself changes something when it is to be encrypted in a given way. */
function asksForEncryption(headers: HeaderRecord): boolean {
  return (
    headers['x-amz-server-side-encryption'] !== undefined ||
    headers['x-amz-server-side-encryption-customer-algorithm'] !== undefined
  )
}

/** Headers that name the version of the source that was copied. */
export function sourceHeaders({ info, versioned }: ObjectReader): ResponseHeaders {
  return versioned ? { 'x-amz-copy-source-version-id': info.versionId } : {}
}

/** The content of CopyObjectResult and CopyPartResult. */
export function copyResult(lastModifiedMs: number, etag: string, sums: string): string {
  return tag('LastModified', xmlDate(lastModifiedMs)) + tag('ETag', `"${etag}"`) + sums
}

/** The source that the header names, with a well-formed version id. Throws InvalidArgument, NotImplemented. */
export function copySourceOf(call: Call): NamedSource {
  const named = parseCopySource(call.request.headers['x-amz-copy-source'] ?? '')
  if (named.versionId !== undefined) checkedVersionId(named.versionId, 'x-amz-copy-source')
  return named
}

/**
 * Authorises and opens the source, and checks its conditions. The right comes before everything else, so a caller
 * without it does not learn whether the source exists. Throws AccessDenied, NoSuchBucket, NoSuchKey, NoSuchVersion,
 * InvalidRequest for a delete marker, PreconditionFailed.
 */
export async function openSource(call: Call, named: NamedSource): Promise<ObjectReader> {
  const { bucket, key, versionId } = named
  await call.authorize(readAction(versionId), { bucket, key, versionId })
  await checkSourceOwner(call, bucket)
  const reader = await openReader(call, await readSource(call, named), true, named)
  evaluateCopySource(call.request.headers, reader.info, call.nowMs)
  return reader
}

/** Reads the source. Its errors are those of a source, not of the object that the request names. */
async function readSource(call: Call, named: NamedSource): Promise<ObjectReader> {
  try {
    return await call.getObject({ ...named, withData: true })
  } catch (error) {
    if (!(error instanceof StoreError)) throw error
    if (error.code === 'IsDeleteMarker') throw markerAsSource()
    // Details about a delete marker are given only for the requested object, not for a source.
    if (error.code === 'NoSuchKey') throw new StoreError('NoSuchKey')
    throw error
  }
}

/** Throws AccessDenied when the bucket of the source belongs to another account than the caller expects. */
async function checkSourceOwner(call: Call, bucket: string): Promise<void> {
  const expected = call.request.headers['x-amz-source-expected-bucket-owner']
  if (expected === undefined) return
  const { ownerAccount } = await call.store.headBucket(call.context, bucket)
  if (ownerAccount !== expected) throw new S3Error('AccessDenied')
}

/**
 * The bytes of `range` as a body for the store, hashed while the store reads them. A packed source that came with its
 * metadata is given as a whole. The body ends with an error, and nothing is written, when the source ends too early.
 */
export function copyBody(
  reader: ObjectReader,
  range: ByteRange,
  algorithm: ChecksumAlgorithm,
): ObjectBody | SmallBody {
  const hashes = new CopyHashes(algorithm)
  const { bytes, info } = reader
  const finish = (): FinishedBody => hashes.finish()
  if (bytes !== undefined || range.start === range.end) {
    const part = (bytes ?? new Uint8Array(0)).subarray(range.start, range.end)
    hashes.update(part)
    return { bytes: part, finish }
  }
  const sizeBytes = range.end - range.start
  return { sizeBytes, chunks: hashed(reader, range, hashes, info), finish }
}

async function* hashed(
  reader: ObjectReader,
  range: ByteRange,
  hashes: CopyHashes,
  info: ObjectInfo,
): AsyncGenerator<Uint8Array> {
  let left = range.end - range.start
  for await (const chunk of reader.read(range.start, range.end)) {
    hashes.update(chunk)
    left -= chunk.length
    yield chunk
  }
  if (left !== 0) throw new Error(`the store read ${left} bytes too few of ${info.key}`)
}

/** The MD5 and the checksum of a copied body. `finish` is called once, after the last byte. */
class CopyHashes {
  readonly #md5 = createHash('md5')
  readonly #checksum: ChecksumHasher
  readonly #algorithm: ChecksumAlgorithm

  constructor(algorithm: ChecksumAlgorithm) {
    this.#algorithm = algorithm
    this.#checksum = createChecksum(algorithm)
  }

  update(bytes: Uint8Array): void {
    this.#md5.update(bytes)
    this.#checksum.update(bytes)
  }

  finish(): FinishedBody {
    const etag = this.#md5.digest('hex')
    const value = Buffer.from(this.#checksum.digest()).toString('base64')
    return { etag, checksums: { [this.#algorithm]: value }, checksumType: 'FULL_OBJECT' }
  }
}
