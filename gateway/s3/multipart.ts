/**
 * Multipart uploads: create, upload or copy a part, list, abort. Completion: complete.ts.
 *
 * An upload decides at its creation what every part must bring: the checksum algorithm and whether the object's
 * checksum is that of all bytes or of the parts' checksums (checksum-plan.ts). Parts may arrive in any order and
 * through any node. A part that is uploaded again replaces the earlier one of its number.
 */

import type { Meter } from '../../protocol/work.ts'
import { lowerCase, upperCase } from '../http/ascii.ts'
import type { UploadInfo } from '../port/uploads.ts'
import type { ChecksumAlgorithm } from '../port/body.ts'
import {
  checksumHeader,
  declaredChecksum,
  DEFAULT_ALGORITHM,
  isCombinable,
} from '../body/checksum.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { parseCopySourceRange } from '../http/range.ts'
import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import { joinedXml, meteredName, tag, xmlDate } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import {
  algorithmHeader,
  checksumValuesXml,
  invalidArgument,
  MAX_OBJECT_PUT_BYTES,
  objectHeaders,
  pageSize,
  requestedPart,
} from './common.ts'
import { algorithmsOfPart, type ChecksumType } from './checksum-plan.ts'
import { copyBody, copyResult, copySourceOf, openSource, sourceHeaders } from './copy.ts'
import { customerKey } from './customer-key.ts'
import { checkUploadKey, partEncryption, planEncryption } from './encryption.ts'
import { PartBody } from './part-body.ts'
import { encryptedBody } from '../encryption/encrypting.ts'
import { listedOwners, listingOf, named, prefixesXml } from './list.ts'
import { addAbort } from './expiration.ts'
import { newObjectAcl } from './object-acl.ts'
import { CapturedBody, receiveBody } from './put.ts'
import { hasDefaultRetention, lockInHeaders, requireDigestOfLocked } from './locking.ts'
import { tagsInHeader } from './tagging.ts'

/**
 * `POST /bucket/key?uploads`: the id of a new upload. Headers, metadata, tags and lock of the later object are those of this
 * request. Throws InvalidRequest for a checksum type that does not go with its algorithm.
 */
export async function createMultipartUpload(call: Call): Promise<S3Response> {
  const { request, bucket, key } = call
  const checksum = checksumPlan(call)
  const tags = await tagsInHeader(call)
  const acl = await newObjectAcl(call)
  const lock = await lockInHeaders(call)
  const plan = await planEncryption(call)
  const upload = await call.store.createUpload(call.context, {
    bucket,
    key,
    headers: { ...objectHeaders(request), tags, lock, acl },
    ...checksum,
    encryption: plan.encryption,
  })
  const headers: ResponseHeaders = { ...plan.headers }
  if (checksum.checksumAlgorithm !== undefined) {
    headers['x-amz-checksum-algorithm'] = checksum.checksumAlgorithm
    headers['x-amz-checksum-type'] = checksum.checksumType ?? 'COMPOSITE'
  }
  addAbort(headers, upload.abort)
  return xmlResponse(
    'InitiateMultipartUploadResult',
    tag('Bucket', bucket) + tag('Key', key) + tag('UploadId', upload.uploadId),
    headers,
  )
}

/** What x-amz-checksum-algorithm and x-amz-checksum-type ask for; empty when neither was sent. */
interface ChecksumPlan {
  readonly checksumAlgorithm?: ChecksumAlgorithm
  readonly checksumType?: ChecksumType
}

/**
 * The checksum of an upload. Only CRCs can be combined into that of the whole object, so all others are COMPOSITE;
 * CRC64NVME has no composite form in AWS, so it is FULL_OBJECT. The other CRCs may be either and are COMPOSITE by
 * default, as in AWS. Throws InvalidRequest.
 */
function checksumPlan(call: Call): ChecksumPlan {
  const { headers } = call.request
  const algorithm = algorithmHeader(headers, 'x-amz-checksum-algorithm')
  const type = checksumTypeHeader(call)
  if (algorithm === undefined) {
    if (type === undefined) return {}
    throw new S3Error(
      'InvalidRequest',
      'The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.',
    )
  }
  const wholeOnly = algorithm === 'CRC64NVME'
  const compositeOnly = !isCombinable(algorithm)
  if ((type === 'FULL_OBJECT' && compositeOnly) || (type === 'COMPOSITE' && wholeOnly)) {
    throw new S3Error(
      'InvalidRequest',
      `The ${type} checksum type cannot be used with the ${lowerCase(algorithm)} checksum algorithm.`,
    )
  }
  return {
    checksumAlgorithm: algorithm,
    checksumType: type ?? (wholeOnly ? 'FULL_OBJECT' : 'COMPOSITE'),
  }
}

/** Reads x-amz-checksum-type. Throws InvalidRequest. */
export function checksumTypeHeader(call: Call): ChecksumType | undefined {
  const type = upperCase(call.request.headers['x-amz-checksum-type'] ?? '') || undefined
  if (type === undefined || type === 'FULL_OBJECT' || type === 'COMPOSITE') return type
  throw new S3Error('InvalidRequest', 'Value for x-amz-checksum-type header is invalid.')
}

/**
 * The upload that the request names. An id that is missing or malformed names no upload: NoSuchUpload, from the
 * store.
 */
export function requestedUpload(call: Call): { bucket: string; key: string; uploadId: string } {
  const { bucket, key } = call
  return { bucket, key, uploadId: parameter(call.request, 'uploadId') ?? '' }
}

/**
 * `PUT /bucket/key?partNumber=N&uploadId=…`. Which checksums the part needs is known only when the store has read the
 * upload, so the body asks for the algorithms when its first byte is hashed (`admit` comes before). Throws
 * NoSuchUpload, InvalidRequest when the part declares another checksum than its upload needs, and the errors of the
 * body.
 */
export async function uploadPart(call: Call): Promise<S3Response> {
  const partNumber = requestedPart(parameter(call.request, 'partNumber') ?? '')
  const declared = declaredChecksum(call.request)
  const customer = customerKey(call.request, 'write')
  const isLocked = await hasDefaultRetention(call)
  let algorithms: readonly ChecksumAlgorithm[] = []
  const plain = await receiveBody(call, () => algorithms)
  const part = new PartBody(plain)
  const body = new CapturedBody(part)
  await call.store.putPart(call.context, {
    ...requestedUpload(call),
    partNumber,
    body: body.watched,
    admit: (upload) => {
      if (isLocked || upload.lock !== undefined) requireDigestOfLocked(call, 'Part')
      algorithms = algorithmsOfPart(upload, declared)
      part.encryption = partEncryption(call, upload, customer)
    },
  })
  const { etag, checksums } = body.finished
  const headers: ResponseHeaders = { ETag: `"${etag}"`, ...part.encryption?.headers }
  // As in AWS, the checksum of a part has no type, and the declared one is shown.
  const shown = declared?.algorithm ?? algorithms[0]
  const value = shown === undefined ? undefined : checksums[shown]
  if (shown !== undefined && value !== undefined) headers[checksumHeader(shown)] = value
  return emptyResponse(200, headers)
}

/**
 * `PUT /bucket/key?partNumber=N&uploadId=…` with `x-amz-copy-source`: a part from a range of an object, or from all
 * of it. The upload is read before the source, because the checksum of the part is computed with the upload's
 * algorithm. Throws what `openSource` throws, NoSuchUpload, InvalidArgument for a range outside the source,
 * EntityTooLarge above 5 GiB.
 */
export async function uploadPartCopy(call: Call): Promise<S3Response> {
  const { headers } = call.request
  const partNumber = requestedPart(parameter(call.request, 'partNumber') ?? '')
  const target = requestedUpload(call)
  const upload = await call.store.getUpload(call.context, target)
  const encryption = partEncryption(call, upload, customerKey(call.request, 'write'))
  const reader = await openSource(call, copySourceOf(call))
  const { sizeBytes } = reader.info
  const rangeHeader = headers['x-amz-copy-source-range']
  const range =
    rangeHeader === undefined
      ? { start: 0, end: sizeBytes }
      : parseCopySourceRange(rangeHeader, sizeBytes)
  if (range.end - range.start > MAX_OBJECT_PUT_BYTES) throw new S3Error('EntityTooLarge')
  const algorithm = upload.checksumAlgorithm ?? DEFAULT_ALGORITHM
  const copied = copyBody(reader, range, algorithm)
  const body = new CapturedBody(
    encryption === undefined ? copied : encryptedBody(copied, await encryption.key()),
  )
  const part = await call.store.putPart(call.context, { ...target, partNumber, body: body.watched })
  const { etag, checksums } = body.finished
  const result = copyResult(part.lastModifiedMs, etag, checksumValuesXml(checksums))
  return xmlResponse('CopyPartResult', result, { ...sourceHeaders(reader), ...encryption?.headers })
}

/**
 * `DELETE /bucket/key?uploadId=…`: 204. The parts are removed later, in the background. Throws NoSuchUpload, and
 * OperationAborted while a completion of the upload is under way.
 */
export async function abortMultipartUpload(call: Call): Promise<S3Response> {
  await call.store.abortUpload(call.context, requestedUpload(call))
  return emptyResponse(204)
}

/**
 * `GET /bucket/key?uploadId=…`: the stored parts by number, after `part-number-marker`. `max-parts=0` shows no part,
 * but the store still reads one: the answer describes the upload, which must exist. Throws NoSuchUpload,
 * InvalidArgument.
 */
export async function listParts(call: Call): Promise<S3Response> {
  const limit = pageSize(call.request, 'max-parts')
  const marker = parameter(call.request, 'part-number-marker') ?? '0'
  if (!/^\d{1,9}$/.test(marker)) {
    throw invalidArgument(
      'part-number-marker',
      marker,
      'Provided part-number-marker not an integer',
    )
  }
  const { upload, parts, next } = await call.store.listParts(call.context, {
    ...requestedUpload(call),
    after: Number(marker),
    limit: Math.max(limit, 1),
  })
  checkUploadKey(call, upload, customerKey(call.request, 'read'))
  const shown = limit === 0 ? [] : parts
  let partsXml = ''
  for (const part of shown) {
    const sums = checksumValuesXml(part.checksums)
    partsXml += `<Part>${tag('PartNumber', part.partNumber)}${tag('LastModified', xmlDate(part.lastModifiedMs))}${tag('ETag', `"${part.etag}"`)}${tag('Size', part.sizeBytes)}${sums}</Part>`
  }
  const peopleXml = await uploadPeople(call)
  const headers: ResponseHeaders = {}
  addAbort(headers, upload.abort)
  return xmlResponse(
    'ListPartsResult',
    tag('Bucket', call.bucket) +
      tag('Key', call.key) +
      tag('UploadId', upload.uploadId) +
      peopleXml(upload) +
      tag('StorageClass', upload.storageClass) +
      checksumKindXml(upload) +
      tag('PartNumberMarker', Number(marker)) +
      tag('NextPartNumberMarker', shown.at(-1)?.partNumber) +
      tag('MaxParts', limit) +
      tag('IsTruncated', limit > 0 && next !== undefined) +
      partsXml,
    headers,
  )
}

/**
 * Writes who began an upload, and who owns its object. Both are the account of the object's owner: an upload does not keep
 * which user of it began. An owner of its own counts where lists do (BucketOwnerEnforced: nowhere).
 */
async function uploadPeople(call: Call): Promise<(upload: UploadInfo) => string> {
  const owners = await listedOwners(call, 'Initiator', 'Owner')
  return ({ acl }) =>
    (acl?.owner === undefined ? undefined : owners.of?.(acl.owner)) ?? owners.common
}

/** The checksum that the upload was created with. Both elements are left out when there is none. */
function checksumKindXml(upload: UploadInfo): string {
  return (
    tag('ChecksumAlgorithm', upload.checksumAlgorithm) + tag('ChecksumType', upload.checksumType)
  )
}

/**
 * `GET /bucket?uploads`: the open uploads by key, then by upload id. Those of one key may be on two pages, so the
 * markers for the next page are a key and an upload id. Throws InvalidArgument, NoSuchBucket.
 */
export async function listMultipartUploads(call: Call): Promise<S3Response> {
  const listing = listingOf(call, 'max-uploads')
  const { prefix, delimiter, limit, write } = listing
  const keyMarker = parameter(call.request, 'key-marker')
  // As in S3, an upload id marker without a key marker means nothing.
  const uploadIdMarker =
    keyMarker === undefined ? undefined : parameter(call.request, 'upload-id-marker')
  const request = { bucket: call.bucket, prefix, delimiter, keyMarker, uploadIdMarker, limit }
  if (limit === 0) await call.store.headBucket(call.context, call.bucket)
  const turn = call.onPage(limit)
  if (turn !== undefined) await turn
  const page =
    limit === 0
      ? { uploads: [], prefixes: [] }
      : await call.store.listUploads(call.context, request)
  const peopleXml = await uploadPeople(call)
  const entry = (upload: (typeof page.uploads)[number], meter: Meter): string =>
    `<Upload><Key>${meteredName(upload.key, write, meter)}</Key><UploadId>${escapeXml(upload.uploadId)}</UploadId>${peopleXml(upload)}${tag('StorageClass', upload.storageClass)}${tag('Initiated', xmlDate(upload.initiatedMs))}${checksumKindXml(upload)}</Upload>`
  const entries = await call.inTurns(joinedXml(page.uploads, entry))
  const { nextKeyMarker, nextUploadIdMarker } = page
  return xmlResponse(
    'ListMultipartUploadsResult',
    tag('Bucket', call.bucket) +
      named('KeyMarker', keyMarker ?? '', write) +
      tag('UploadIdMarker', uploadIdMarker ?? '') +
      (nextKeyMarker === undefined ? '' : named('NextKeyMarker', nextKeyMarker, write)) +
      tag('NextUploadIdMarker', nextUploadIdMarker) +
      named('Prefix', prefix, write) +
      (delimiter === undefined ? '' : named('Delimiter', delimiter, write)) +
      listing.encodingXml +
      tag('MaxUploads', limit) +
      tag('IsTruncated', nextKeyMarker !== undefined) +
      entries +
      (await prefixesXml(call, page.prefixes, write)),
  )
}
