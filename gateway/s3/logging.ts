/**
 * The access log of a bucket: PutBucketLogging and GetBucketLogging. bucket-logs.ts writes it.
 *
 * The log of a bucket is stored in a bucket of the same account, and only where the caller may store objects: otherwise the
 * right to turn logging on would be a right to write anywhere in the account.
 */

import { StoreError } from '../../protocol/errors.ts'
import { trimXml } from '../http/ascii.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, xmlResponse, type S3Response } from '../http/response.ts'
import {
  childOf,
  childText,
  refuseOtherChildren,
  tag,
  type XmlElement,
  type XmlLimits,
} from '../http/xml.ts'
import type { LoggingSetting } from '../port/bucket-documents.ts'
import type { BucketAccess } from '../port/buckets.ts'
import { allowsAcls } from '../auth/acl-settings.ts'
import { invalidArgument } from './common.ts'
import type { Call } from './operation.ts'
import { settingXml } from './versioning.ts'

/** Room for grants, so that the refusal can say what is wrong. */
export const LOGGING_LIMITS: XmlLimits = { maxBytes: 64 * 1024, maxElements: 1_000, maxDepth: 6 }
/** The rest of a key of 1,024 bytes is for what follows the prefix. */
const PREFIX_BYTES_MAX = 800

/** A setting as a client asks for it. */
interface WantedLogging extends LoggingSetting {
  readonly hasGrants: boolean
}

/**
 * `PUT /bucket?logging`: an empty status turns logging off. Throws MalformedXML, InvalidTargetBucketForLogging, AccessDenied,
 * NoSuchBucket; NotImplemented for grants on the objects of the log.
 */
export async function putBucketLogging(call: Call): Promise<S3Response> {
  const wanted = parseLogging(await settingXml(call, LOGGING_LIMITS))
  if (wanted !== undefined) await checkTarget(call, wanted)
  await call.changeBucket({ logging: wanted === undefined ? null : settingOf(wanted) })
  return emptyResponse(200)
}

/** `GET /bucket?logging`: an empty status while logging is off. Throws NoSuchBucket. */
export async function getBucketLogging(call: Call): Promise<S3Response> {
  const { logging } = await call.store.getBucketSettings(call.context, call.bucket)
  return xmlResponse('BucketLoggingStatus', logging === undefined ? '' : loggingXml(logging))
}

/** The setting as GetBucketLogging shows it. */
export function loggingXml({ targetBucket, targetPrefix, keyFormat }: LoggingSetting): string {
  const format =
    keyFormat === 'SimplePrefix'
      ? '<SimplePrefix/>'
      : `<PartitionedPrefix>${tag('PartitionDateSource', keyFormat)}</PartitionedPrefix>`
  const named =
    keyFormat === undefined ? '' : `<TargetObjectKeyFormat>${format}</TargetObjectKeyFormat>`
  return `<LoggingEnabled>${tag('TargetBucket', targetBucket)}${named}${tag('TargetPrefix', targetPrefix)}</LoggingEnabled>`
}

/** Undefined when logging is to be off. Throws MalformedXML, InvalidArgument. */
export function parseLogging(root: XmlElement): WantedLogging | undefined {
  if (root.name !== 'BucketLoggingStatus') throw new S3Error('MalformedXML')
  refuseOtherChildren(root, ['LoggingEnabled'])
  const enabled = childOf(root, 'LoggingEnabled')
  if (enabled === undefined) return undefined
  refuseOtherChildren(enabled, [
    'TargetBucket',
    'TargetPrefix',
    'TargetGrants',
    'TargetObjectKeyFormat',
  ])
  const targetBucket = trimXml(childText(enabled, 'TargetBucket'))
  const targetPrefix = childText(enabled, 'TargetPrefix')
  if (!targetBucket || targetPrefix === undefined) throw new S3Error('MalformedXML')
  if (Buffer.byteLength(targetPrefix) > PREFIX_BYTES_MAX) {
    throw invalidArgument('TargetPrefix', targetPrefix.slice(0, 64), 'The prefix is too long')
  }
  const grants = childOf(enabled, 'TargetGrants')
  const keyFormat = keyFormatOf(childOf(enabled, 'TargetObjectKeyFormat'))
  const hasGrants = grants !== undefined && grants.children.length > 0
  return { targetBucket, targetPrefix, keyFormat, hasGrants }
}

function keyFormatOf(format: XmlElement | undefined): LoggingSetting['keyFormat'] {
  if (format === undefined) return undefined
  const [kind, ...more] = format.children
  if (kind === undefined || more.length > 0) throw new S3Error('MalformedXML')
  if (kind.name === 'SimplePrefix' && kind.children.length === 0) return 'SimplePrefix'
  if (kind.name !== 'PartitionedPrefix') throw new S3Error('MalformedXML')
  refuseOtherChildren(kind, ['PartitionDateSource'])
  // AWS's default.
  const source = trimXml(childText(kind, 'PartitionDateSource')) ?? 'EventTime'
  if (source === 'EventTime' || source === 'DeliveryTime') return source
  throw new S3Error('MalformedXML')
}

function settingOf({ targetBucket, targetPrefix, keyFormat }: WantedLogging): LoggingSetting {
  return { targetBucket, targetPrefix, keyFormat }
}

/** As in AWS, a bucket of another account gets the same error as one that does not exist. */
async function checkTarget(call: Call, wanted: WantedLogging): Promise<void> {
  const { targetBucket, targetPrefix, hasGrants } = wanted
  const { info } = await call.access(call.bucket)
  const target = await existing(call, targetBucket)
  if (target?.info.ownerAccount !== info.ownerAccount) {
    throw new S3Error('InvalidTargetBucketForLogging')
  }
  await call.authorize('s3:PutObject', { bucket: targetBucket, key: targetPrefix })
  if (hasDefaultLock(target)) {
    throw new S3Error(
      'InvalidTargetBucketForLogging',
      'The target bucket for logging must not have a default retention of object lock.',
    )
  }
  if (!hasGrants) return
  if (!allowsAcls(target.settings)) {
    throw new S3Error(
      'InvalidArgument',
      'Target grants are not supported for a target bucket with BucketOwnerEnforced.',
      { details: { ArgumentName: 'TargetGrants' } },
    )
  }
  throw new S3Error('NotImplemented', 'TargetGrants are not implemented', {
    details: { Element: 'TargetGrants' },
  })
}

async function existing(call: Call, bucket: string): Promise<BucketAccess | undefined> {
  try {
    return await call.access(bucket)
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NoSuchBucket') return undefined
    throw error
  }
}

/** As in AWS, the log of a bucket cannot be stored where objects are locked by default. */
export function hasDefaultLock({ settings }: BucketAccess): boolean {
  return settings.objectLock?.defaultRetention !== undefined
}
