/**
 * The operations of object lock: of a bucket, and retention and legal hold of a version. What a lock keeps from happening
 * is decided by the store, inside the change of the object (docs/correctness.md, T10).
 */

import { S3Error } from '../http/errors.ts'
import { holdText, lockSettingXml, parseLockSetting, retentionXml } from '../http/locks.ts'
import {
  emptyResponse,
  xmlResponse,
  type ResponseHeaders,
  type S3Response,
} from '../http/response.ts'
import { tag } from '../http/xml.ts'
import type { ObjectInfo } from '../port/objects.ts'
import {
  bypassesGovernance,
  checkFuture,
  lockInBody,
  lockXml,
  requireObjectLock,
} from './locking.ts'
import { bucketLacking } from './common.ts'
import type { Call } from './operation.ts'
import { addVersionHeader, requestedVersion } from './version.ts'

/**
 * `PUT /bucket?object-lock`: 200. Gives the bucket object lock, for good, and replaces its default retention. Versions that
 * exist keep what they have. Throws what `lockXml` and `parseLockSetting` throw, InvalidBucketState while versioning is
 * not enabled, NoSuchBucket.
 */
export async function putObjectLockConfiguration(call: Call): Promise<S3Response> {
  const objectLock = parseLockSetting(await lockXml(call))
  await call.changeBucket({ objectLock })
  return emptyResponse(200)
}

/** `GET /bucket?object-lock`. Throws ObjectLockConfigurationNotFoundError, NoSuchBucket. */
export async function getObjectLockConfiguration(call: Call): Promise<S3Response> {
  const { objectLock } = await call.store.getBucketSettings(call.context, call.bucket)
  if (objectLock === undefined) {
    throw bucketLacking(call, 'ObjectLockConfigurationNotFoundError')
  }
  return xmlResponse('ObjectLockConfiguration', lockSettingXml(objectLock))
}

/**
 * `PUT /bucket/key?retention`: 200. An empty document removes retention. Throws what `lockInBody` throws, InvalidRequest for
 * a bucket without object lock, InvalidArgument for a time that is past, AccessDenied where the lock does not allow it,
 * NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker.
 */
export async function putObjectRetention(call: Call): Promise<S3Response> {
  const versionId = requestedVersion(call)
  const { retention = null } = await lockInBody(call)
  await requireObjectLock(call)
  if (retention !== null) checkFuture(call, retention, 'RetainUntilDate')
  const bypassGovernance = await bypassesGovernance(call, () =>
    call.authorizeAlso('s3:BypassGovernanceRetention'),
  )
  await call.changeObject(versionId, { retention, bypassGovernance })
  return emptyResponse(200)
}

/** `PUT /bucket/key?legal-hold`: 200. Throws as `putObjectRetention`. */
export async function putObjectLegalHold(call: Call): Promise<S3Response> {
  const versionId = requestedVersion(call)
  const { legalHold = false } = await lockInBody(call)
  await requireObjectLock(call)
  await call.changeObject(versionId, { legalHold })
  return emptyResponse(200)
}

/**
 * `GET /bucket/key?retention`, also when it has ended. Throws NoSuchObjectLockConfiguration, InvalidRequest for a bucket
 * without object lock, NoSuchKey, NoSuchVersion, MethodNotAllowed for a delete marker.
 */
export async function getObjectRetention(call: Call): Promise<S3Response> {
  const { info, headers } = await lockedObject(call)
  const retention = info.lock?.retention
  if (retention === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
  return xmlResponse('Retention', retentionXml(retention), headers)
}

/** `GET /bucket/key?legal-hold`: OFF where there was one. Throws as `getObjectRetention`. */
export async function getObjectLegalHold(call: Call): Promise<S3Response> {
  const { info, headers } = await lockedObject(call)
  const legalHold = info.lock?.legalHold
  if (legalHold === undefined) throw new S3Error('NoSuchObjectLockConfiguration')
  return xmlResponse('LegalHold', tag('Status', holdText(legalHold)), headers)
}

async function lockedObject(call: Call): Promise<{ info: ObjectInfo; headers: ResponseHeaders }> {
  const { bucket, key } = call
  const versionId = requestedVersion(call)
  await requireObjectLock(call)
  const { info, versioned } = await call.getObject({ bucket, key, versionId, withData: false })
  const headers: ResponseHeaders = {}
  addVersionHeader(headers, { versioned, versionId: info.versionId })
  return { info, headers }
}
