/**
 * The messages that webhooks get, in the form of AWS's:
 * https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html. Pure.
 */

import { bytesOf, hex, utf8 } from '../../protocol/bytes.ts'
import type { BucketRecord } from '../../protocol/codec/versioned.ts'
import type { RequestOrigin } from '../../protocol/context.ts'
import type { NotificationRule } from '../../protocol/notification/rule.ts'
import type { Ballot } from '../../protocol/register/ballot.ts'
import type { ObjectEvent } from '../objects/notices.ts'

/** As AWS had it before it counted one version for all events: the fields are the same. */
const EVENT_VERSION = '2.1'
const LATER_EVENT_VERSION = '2.3'
const LATER_EVENTS = /^(LifecycleExpiration|ObjectTagging|ObjectAcl):/

/** What lifecycles do is done by S3 itself, as AWS puts it. */
const SERVICE = 's3.amazonaws.com'

export interface Happening {
  readonly bucket: Pick<BucketRecord, 'name' | 'region' | 'ownerAccount'>
  readonly key: string
  readonly ballot: Ballot
  readonly event: ObjectEvent
  readonly rule: Pick<NotificationRule, 'id'>
  readonly timeMs: number
  /** Absent for what no client asked for. */
  readonly origin: RequestOrigin | undefined
}

/** JSON with one record. */
export function eventMessage(happening: Happening): Uint8Array {
  const { bucket, key, ballot, event, rule, timeMs, origin } = happening
  const { name, versionId, sizeBytes, etag } = event
  const { principalId } = origin ?? { principalId: SERVICE }
  const record = {
    eventVersion: LATER_EVENTS.test(name) ? LATER_EVENT_VERSION : EVENT_VERSION,
    eventSource: 'aws:s3',
    awsRegion: bucket.region,
    eventTime: new Date(timeMs).toISOString(),
    eventName: name,
    userIdentity: { principalId: origin === undefined ? SERVICE : `AWS:${principalId}` },
    requestParameters: { sourceIPAddress: origin?.address ?? SERVICE },
    responseElements: {
      'x-amz-request-id': origin?.requestId ?? '',
      'x-amz-id-2': origin?.hostId ?? '',
    },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId: rule.id,
      bucket: {
        name: bucket.name,
        ownerIdentity: { principalId: bucket.ownerAccount },
        arn: `arn:aws:s3:::${bucket.name}`,
      },
      object: {
        key: urlEncoded(key),
        size: sizeBytes,
        eTag: etag,
        versionId,
        sequencer: sequencerOf(ballot),
      },
    },
  }
  return utf8(JSON.stringify({ Records: [record] }))
}

/** What each destination is sent when a bucket is configured. */
export function testMessage(
  bucket: string,
  timeMs: number,
  origin: RequestOrigin | undefined,
): Uint8Array {
  const message = {
    Service: 'Amazon S3',
    Event: 's3:TestEvent',
    Time: new Date(timeMs).toISOString(),
    Bucket: bucket,
    RequestId: origin?.requestId ?? '',
    HostId: origin?.hostId ?? '',
  }
  return utf8(JSON.stringify(message))
}

/**
 * A text that grows, digit by digit, from one change of a key to the next. It is made of the ballot by which the change
 * was chosen: the proposer of a later change has seen the ballot of the one before it (P6), also across a collection (G2).
 */
export function sequencerOf({ counter, proposer }: Ballot): string {
  return (counter.toString(16).padStart(14, '0') + hex(bytesOf(proposer))).toUpperCase()
}

/** As a form encodes it, so with `+` for a space: consumers of AWS's messages decode it so. A slash stays. */
function urlEncoded(key: string): string {
  return encodeURIComponent(key)
    .replaceAll('%20', '+')
    .replaceAll('%2F', '/')
    .replaceAll(/[!'()~]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
}
