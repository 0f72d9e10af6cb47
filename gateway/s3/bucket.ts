/** Operations on buckets: list, create, head, delete, location. */

import { lowerCase, trimXml } from '../http/ascii.ts'
import { StoreError } from '../../protocol/errors.ts'
import { S3Error } from '../http/errors.ts'
import type { Call } from './operation.ts'
import { parameter } from '../http/request.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import { parseTagSet } from '../http/tags.ts'
import { childOf, childText, parsingXml, tag, xmlDate } from '../http/xml.ts'
import { escapeXml } from '../http/xml-text.ts'
import type { XmlElement, XmlLimits } from '../http/xml.ts'
import type { BucketDocuments, Tag } from '../port/bucket-documents.ts'
import { newBucketAccess, resetBucketAcl } from './acl.ts'
import { isBucketName } from './bucket-name.ts'
import { invalidArgument, ownerXml, gatherBody } from './common.ts'
import { decodeListToken, encodeListToken } from './list.ts'

/** AWS's maximum for one page of ListBuckets, and its default. */
const MAX_LISTED = 10_000
/** AWS's first region, which behaves unlike the others in two operations of buckets. */
const OLDEST_REGION = 'us-east-1'
/** How often a creation begins again when its own bucket is deleted meanwhile. */
const CREATE_ATTEMPTS = 5
const MAX_BODY_BYTES = 64 * 1024
/** Room for the location, the kind of bucket and more than 50 tags, so that a refusal can say what is wrong. */
export const CREATE_BUCKET_LIMITS: XmlLimits = {
  maxBytes: MAX_BODY_BYTES,
  maxElements: 400,
  maxDepth: 4,
}
/** The elements of a configuration that are built. */
const CONFIGURED: ReadonlySet<string> = new Set(['LocationConstraint', 'Tags'])

/**
 * `GET /`: the buckets of the caller's account, by name. A cluster has one region, so `bucket-region` shows all of
 * them or none. Throws InvalidArgument.
 */
export async function listBuckets(call: Call): Promise<S3Response> {
  const { request } = call
  const prefix = parameter(request, 'prefix') ?? ''
  const region = parameter(request, 'bucket-region')
  const token = parameter(request, 'continuation-token')
  const limit = maxBuckets(parameter(request, 'max-buckets'))
  const after = token === undefined ? undefined : decodeListToken(token)
  const { buckets, next } =
    region === undefined || region === call.region
      ? await call.store.listBuckets(call.context, {
          ownerAccount: call.identity.accountId,
          prefix,
          after,
          limit,
        })
      : { buckets: [], next: undefined }
  let xml = ''
  for (const bucket of buckets) {
    xml += `<Bucket><Name>${escapeXml(bucket.name)}</Name><CreationDate>${xmlDate(bucket.createdMs)}</CreationDate><BucketRegion>${escapeXml(bucket.region)}</BucketRegion></Bucket>`
  }
  return xmlResponse(
    'ListAllMyBucketsResult',
    `${ownerXml(call.identity.accountId)}<Buckets>${xml}</Buckets>` +
      (next === undefined ? '' : tag('ContinuationToken', encodeListToken(next))) +
      (prefix === '' ? '' : tag('Prefix', prefix)),
  )
}

/** Unlike the page of an object listing, 0 and numbers above the maximum are refused. Throws InvalidArgument. */
function maxBuckets(text: string | undefined): number {
  if (text === undefined) return MAX_LISTED
  const value = Number(text)
  if (!/^\d{1,5}$/.test(text) || value < 1 || value > MAX_LISTED) {
    throw invalidArgument('max-buckets', text, `max-buckets must be between 1 and ${MAX_LISTED}`)
  }
  return value
}

/**
 * `PUT /bucket`: 200. The bucket belongs to the caller's account. Throws InvalidBucketName, BucketAlreadyExists,
 * BucketAlreadyOwnedByYou, TooManyBuckets, InvalidLocationConstraint, MalformedXML, what `parseTags` throws, AccessDenied
 * for tags, an ownership, grants or object lock without the right to each, what `newBucketAccess` throws, NotImplemented for
 * elements that Shoal would have to ignore.
 */
export async function createBucket(call: Call): Promise<S3Response> {
  const { bytes } = await gatherBody(call, MAX_BODY_BYTES)
  if (!isBucketName(call.bucket)) {
    throw new S3Error('InvalidBucketName', undefined, { details: { BucketName: call.bucket } })
  }
  let tags: Tag[] = []
  if (bytes.length > 0) {
    const root = await call.inTurns(parsingXml(bytes, CREATE_BUCKET_LIMITS))
    checkLocation(root, call.region)
    const set = childOf(root, 'Tags')
    if (set !== undefined) tags = parseTagSet(set, 'Bucket')
  }
  if (tags.length > 0) await call.authorizeAlso('s3:TagResource')
  const objectLock =
    lowerCase(call.request.headers['x-amz-bucket-object-lock-enabled'] ?? '') === 'true'
  if (objectLock) {
    // As in AWS: object lock comes with versioning.
    await call.authorizeAlso('s3:PutBucketObjectLockConfiguration')
    await call.authorizeAlso('s3:PutBucketVersioning')
  }
  const access = await newBucketAccess(call)
  const documents = { ...access, ...(tags.length > 0 && { tags }) }
  for (let attempt = 1; !(await createdOrReset(call, documents, objectLock)); attempt++) {
    if (attempt === CREATE_ATTEMPTS) throw new StoreError('Conflict', 'others delete the bucket')
  }
  return emptyResponse(200, { Location: `/${call.bucket}` })
}

/** Creates the bucket, or takes the caller's own as it is. False: it was deleted in between. */
async function createdOrReset(
  call: Call,
  documents: BucketDocuments,
  objectLock: boolean,
): Promise<boolean> {
  try {
    await call.store.createBucket(call.context, {
      bucket: call.bucket,
      ownerAccount: call.identity.accountId,
      region: call.region,
      documents,
      objectLock,
    })
    return true
  } catch (error) {
    // As in AWS, the owner of a bucket may create it again in the oldest region.
    const isOwn = error instanceof StoreError && error.code === 'BucketAlreadyOwnedByYou'
    // Whoever asked for object lock must not take a bucket without it for one.
    if (!isOwn || call.region !== OLDEST_REGION || objectLock) throw error
  }
  try {
    await resetBucketAcl(call, documents.acl)
    return true
  } catch (error) {
    // CreateBucket never answers it.
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return false
    throw error
  }
}

/**
 * Buckets can only be created in this region; a configuration without a location means it too. Throws
 * InvalidLocationConstraint for another region, NotImplemented for an element that asks for anything else.
 */
function checkLocation(root: XmlElement, region: string): void {
  if (root.name !== 'CreateBucketConfiguration') throw new S3Error('MalformedXML')
  for (const child of root.children) {
    const isEmpty = child.children.length === 0 && child.text === ''
    if (!CONFIGURED.has(child.name) && !isEmpty) {
      throw new S3Error('NotImplemented', undefined, { details: { Element: child.name } })
    }
  }
  const location = trimXml(childText(root, 'LocationConstraint') ?? '')
  if (location !== '' && location !== region) {
    throw new S3Error('InvalidLocationConstraint', undefined, {
      details: { LocationConstraint: location },
    })
  }
}

/**
 * `HEAD /bucket`: 200 when the bucket exists and the caller may list it. The region is in a header that the gate adds
 * to every answer about a bucket (gate.ts).
 */
export async function headBucket(call: Call): Promise<S3Response> {
  await call.store.headBucket(call.context, call.bucket)
  return emptyResponse(200, {
    'Content-Type': 'application/xml',
    'x-amz-access-point-alias': 'false',
  })
}

/** `DELETE /bucket`: 204. Throws BucketNotEmpty while the bucket has any version of an object, NoSuchBucket. */
export async function deleteBucket(call: Call): Promise<S3Response> {
  await call.deleteBucket()
  return emptyResponse(204)
}

/** `GET /bucket?location`: the region as the content of one element. Throws NoSuchBucket. */
export async function getBucketLocation(call: Call): Promise<S3Response> {
  const { region } = await call.store.headBucket(call.context, call.bucket)
  // As in AWS, the location of the oldest region is empty.
  return xmlResponse('LocationConstraint', region === OLDEST_REGION ? '' : escapeXml(region))
}
