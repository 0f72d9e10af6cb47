/**
 * A port: what changes of objects tell the notifications of buckets (node/notifications/), so that they do not know how
 * events are stored and sent.
 */

import { equalBytes, textOfUtf8 } from '../../protocol/bytes.ts'
import type { BucketRecord, ObjectRecord, VersionRecord } from '../../protocol/codec/versioned.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { objectKeyOf } from '../../protocol/keyspace/register-key.ts'
import type { EventName, NotificationRule } from '../../protocol/notification/rule.ts'
import { VERSIONING } from '../../protocol/object/versions.ts'
import { ZERO_BALLOT, type Ballot } from '../../protocol/register/ballot.ts'
import type { Bucket } from './bucket.ts'
import { versionIdText } from './versions.ts'

/** What happened to one version of an object. */
export interface ObjectEvent {
  readonly name: EventName
  /** Absent in a bucket that never had versioning. */
  readonly versionId?: string | undefined
  /** Of the plain bytes. Absent where AWS says nothing about it. */
  readonly sizeBytes?: number | undefined
  readonly etag?: string | undefined
}

export interface Notices {
  /**
   * Called when the change is chosen and before it is answered, for buckets that have rules. Resolves when the events are
   * stored, or given up: never rejects. `ballot`: of the change, or of one that carries it. It orders the events of a key.
   */
  tell(
    context: RequestContext,
    bucket: Bucket,
    key: string,
    ballot: Ballot,
    events: readonly ObjectEvent[],
  ): Promise<void>
}

export const NO_NOTICES: Notices = { tell: () => Promise.resolve() }

/** By record: every change of an object asks, and a record never changes. */
const knownRules = new WeakMap<BucketRecord, readonly NotificationRule[]>()

const NONE: readonly NotificationRule[] = []

/** The rules of the bucket's notifications. */
export function notificationRulesOf(record: BucketRecord): readonly NotificationRule[] {
  if (record.documents.length === 0) return NONE
  let rules = knownRules.get(record)
  if (rules === undefined) {
    const text = record.documents.find(({ name }) => name === 'notification')?.value
    rules = text === undefined ? NONE : (JSON.parse(text) as NotificationRule[])
    knownRules.set(record, rules)
  }
  return rules
}

/** Whether anybody is told of changes in the bucket. */
export function hasNotices({ record }: Bucket): boolean {
  return notificationRulesOf(record).length > 0
}

/** As AWS names it for the operation that made a version. */
const CREATING: Readonly<Record<string, EventName>> = {
  CopyObject: 'ObjectCreated:Copy',
  PostObject: 'ObjectCreated:Post',
}

/** As AWS names it for the operation that changed a version. Changes of locks are no events. */
const CHANGING: Readonly<Record<string, EventName>> = {
  PutObjectTagging: 'ObjectTagging:Put',
  DeleteObjectTagging: 'ObjectTagging:Delete',
  PutObjectAcl: 'ObjectAcl:Put',
}

/** The event of a new version. `versioning`: the setting that it obeys. */
export function createdEvent(
  operation: string,
  version: VersionRecord,
  versioning: number,
): ObjectEvent {
  const name =
    version.uploadId.length > 0
      ? 'ObjectCreated:CompleteMultipartUpload'
      : (CREATING[operation] ?? 'ObjectCreated:Put')
  return { name, ...named(version, versioning), sizeBytes: version.sizeBytes, etag: version.etag }
}

/** The event of a change of a stored version, if it is one. */
export function changedEvent(
  operation: string,
  version: VersionRecord,
  versioning: number,
): ObjectEvent | undefined {
  const name = CHANGING[operation]
  return name && { name, ...named(version, versioning), etag: version.etag }
}

/** The event of a version, or of a delete marker, that is gone for good. */
export function removedEvent(
  by: 'ObjectRemoved' | 'LifecycleExpiration',
  version: Pick<VersionRecord, 'versionId'>,
  versioning: number,
): ObjectEvent {
  return { name: `${by}:Delete`, ...named(version, versioning) }
}

/** The event of a new delete marker. As in AWS it has the ETag of nothing. */
export function markerEvent(
  by: 'ObjectRemoved' | 'LifecycleExpiration',
  marker: VersionRecord,
): ObjectEvent {
  return {
    name: `${by}:DeleteMarkerCreated`,
    versionId: versionIdText(marker),
    etag: ETAG_OF_NOTHING,
  }
}

const ETAG_OF_NOTHING = 'd41d8cd98f00b204e9800998ecf8427e'

function named(
  version: Pick<VersionRecord, 'versionId'>,
  versioning: number,
): Pick<ObjectEvent, 'versionId'> {
  return versioning === VERSIONING.never ? {} : { versionId: versionIdText(version) }
}

/**
 * Tells of a completed upload, by the object's record after it. A version that is not the current one any more comes before
 * all that is known of the key.
 */
export async function tellCompletion(
  notices: Notices,
  context: RequestContext,
  bucket: Bucket,
  key: RegisterKey,
  now: { readonly record: ObjectRecord; readonly ballot: Ballot | undefined },
  version: VersionRecord,
): Promise<void> {
  if (!hasNotices(bucket)) return
  const [current] = now.record.versions
  const isCurrent = current !== undefined && equalBytes(current.uploadId, version.uploadId)
  const event = createdEvent('', isCurrent ? current : version, bucket.record.versioning)
  const ballot = (isCurrent ? now.ballot : undefined) ?? ZERO_BALLOT
  await notices.tell(context, bucket, textOfUtf8(objectKeyOf(key)), ballot, [event])
}

/** AWS tells nobody of renames, since buckets that have them have no notifications there. Here they are a copy and a delete. */
export async function tellRenamed(
  notices: Notices,
  context: RequestContext,
  bucket: Bucket,
  key: RegisterKey,
  ballot: Ballot,
  written: VersionRecord | undefined,
): Promise<void> {
  if (!hasNotices(bucket)) return
  const event: ObjectEvent = written
    ? { name: 'ObjectCreated:Copy', sizeBytes: written.sizeBytes, etag: written.etag }
    : { name: 'ObjectRemoved:Delete' }
  await notices.tell(context, bucket, textOfUtf8(objectKeyOf(key)), ballot, [event])
}
