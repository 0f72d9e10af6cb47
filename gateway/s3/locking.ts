/**
 * What operations on objects share about object lock: the document or headers that ask for a lock, the rights to it, the
 * digest that AWS then wants, the headers of answers, and the bypass of governance mode.
 */

import { contentMd5, declaredChecksum } from '../body/checksum.ts'
import { lowerCase } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import {
  HOLD_HEADER,
  holdText,
  LOCK_LIMITS,
  MODE_HEADER,
  modeText,
  parseLegalHold,
  parseLockHeaders,
  parseRetention,
  UNTIL_HEADER,
} from '../http/locks.ts'
import type { ResponseHeaders } from '../http/response.ts'
import { xmlDate, type XmlElement } from '../http/xml.ts'
import type { ObjectInfo, ObjectLock, Retention } from '../port/objects.ts'
import type { LockDocument } from '../auth/condition-values.ts'
import { digestedXml, invalidArgument } from './common.ts'
import type { Call } from './operation.ts'

const BYPASS_HEADER = 'x-amz-bypass-governance-retention'
/** AWS's text for a bucket without object lock. */
const MISSING = 'Bucket is missing Object Lock Configuration'

/** Documents that were read already: a decision about the request may need one before the handler does. */
const documents = new WeakMap<Call, Promise<LockDocument>>()

/**
 * The document of PutObjectRetention or PutObjectLegalHold, which is read once. As in AWS, it must have a digest. Throws
 * MalformedXML, and the errors of a wrong digest.
 */
export function lockInBody(call: Call): Promise<LockDocument> {
  let document = documents.get(call)
  if (document === undefined) {
    document = readDocument(call)
    documents.set(call, document)
  }
  return document
}

async function readDocument(call: Call): Promise<LockDocument> {
  const root = await lockXml(call)
  return call.operation.name === 'PutObjectLegalHold'
    ? { legalHold: parseLegalHold(root) }
    : { retention: parseRetention(root) }
}

/** The body of an operation of object lock. Throws MissingRequestBodyError, InvalidRequest without a digest, MalformedXML. */
export function lockXml(call: Call): Promise<XmlElement> {
  return digestedXml(call, LOCK_LIMITS)
}

/**
 * The lock that the headers ask for, for an object that is about to be stored. It needs rights of its own, and a bucket with
 * object lock. Throws InvalidArgument, AccessDenied, InvalidRequest.
 */
export async function lockInHeaders(call: Call): Promise<ObjectLock | undefined> {
  const lock = parseLockHeaders(call.request.headers)
  if (lock === undefined) return undefined
  if (lock.retention !== undefined) {
    checkFuture(call, lock.retention, UNTIL_HEADER)
    await call.authorizeAlso('s3:PutObjectRetention')
  }
  if (lock.legalHold !== undefined) await call.authorizeAlso('s3:PutObjectLegalHold')
  await requireObjectLock(call)
  return lock
}

/** By the clock of this node. When it is wrong, a lock may be refused, or one be made that has ended: none ends early. */
export function checkFuture(call: Call, { untilMs }: Retention, argument: string): void {
  if (untilMs > call.nowMs) return
  throw invalidArgument(argument, xmlDate(untilMs), 'The retain until date must be in the future!')
}

/** Throws InvalidRequest when the bucket has no object lock, NoSuchBucket. */
export async function requireObjectLock(call: Call): Promise<void> {
  if (!(await hasObjectLock(call))) throw new S3Error('InvalidRequest', MISSING)
}

/** Whether the bucket of a call has object lock. Asked once for each, also for many keys. */
const locking = new WeakMap<Call, Promise<boolean>>()

function hasObjectLock(call: Call): Promise<boolean> {
  let known = locking.get(call)
  if (known === undefined) {
    known = readLocking(call)
    locking.set(call, known)
  }
  return known
}

/** Object lock stays for good, so only the record of a bucket without it may be out of date. */
async function readLocking(call: Call): Promise<boolean> {
  const { settings } = await call.access(call.bucket)
  if (settings.objectLock !== undefined) return true
  const { objectLock } = await call.store.getBucketSettings(call.context, call.bucket)
  return objectLock !== undefined
}

/**
 * As in AWS, what is stored with a lock, also with the default retention of its bucket, needs a digest. `of` is AWS's
 * word for the request: Object or Part. Throws InvalidRequest.
 */
export function requireDigestOfLocked({ request }: Call, of: 'Object' | 'Part'): void {
  if (contentMd5(request) !== undefined || declaredChecksum(request) !== undefined) return
  throw new S3Error(
    'InvalidRequest',
    `Content-MD5 OR x-amz-checksum- HTTP header is required for Put ${of} requests with Object Lock parameters`,
  )
}

/** Whether new versions in the bucket get a retention that their requests do not ask for. */
export async function hasDefaultRetention(call: Call): Promise<boolean> {
  const { settings } = await call.access(call.bucket)
  return settings.objectLock?.defaultRetention !== undefined
}

/**
 * Whether the request passes over governance mode. The caller then needs the right to it: `authorize` checks that. As in
 * AWS, only in buckets with object lock. Throws AccessDenied, InvalidArgument.
 */
export async function bypassesGovernance(
  call: Call,
  authorize: () => void | Promise<void>,
): Promise<boolean> {
  const header = call.request.headers[BYPASS_HEADER]
  if (header === undefined) return false
  const bypasses = lowerCase(header) === 'true'
  if (bypasses) await authorize()
  if (await hasObjectLock(call)) return bypasses
  throw invalidArgument(
    BYPASS_HEADER,
    header,
    `${BYPASS_HEADER} is only applicable to Object Lock enabled buckets.`,
  )
}

/** As in AWS, each part of a lock is told only to callers who may read it. Without a lock there is no header. */
export async function addLockHeaders(
  headers: ResponseHeaders,
  call: Call,
  info: ObjectInfo,
  versionId: string | undefined,
): Promise<void> {
  const { bucket, key } = call
  const object = { bucket, key, versionId }
  const { retention, legalHold } = info.lock ?? {}
  if (retention !== undefined && (await call.may('s3:GetObjectRetention', object, info))) {
    headers[MODE_HEADER] = modeText(retention.mode)
    headers[UNTIL_HEADER] = xmlDate(retention.untilMs)
  }
  if (legalHold !== undefined && (await call.may('s3:GetObjectLegalHold', object, info))) {
    headers[HOLD_HEADER] = holdText(legalHold)
  }
}
