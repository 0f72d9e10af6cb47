/**
 * Changes of what may change of a stored version: its tags, its access control list and its lock. Called by objects.ts.
 *
 * The change is one of the object's register, so it is linearizable with writes, deletes and other changes. It makes no
 * version: order, ETag and Last-Modified stay as they are.
 */

import type { VersionRecord } from '../../protocol/codec/versioned.ts'
import { StoreError } from '../../protocol/errors.ts'
import type { RegisterKey } from '../../protocol/ids.ts'
import { storedLock, UNLOCKED, type LockRights } from '../../protocol/object/lock.ts'
import { find, isLacking } from '../../protocol/object/pages.ts'
import {
  VERSIONING,
  wantedOf,
  withVersionChange,
  type VersionChange,
} from '../../protocol/object/versions.ts'
import { sameFacts, type ObjectBackend, type ObjectChange } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import { aclOf, storedAcl } from './acls.ts'
import type { Bucket } from './bucket.ts'
import { changedEvent, hasNotices, type Notices } from './notices.ts'
import type { EditInput, ObjectChanges } from './object-changes.ts'
import { tagPairs, tagsOf, unreadable, versionIdText, withRetention } from './versions.ts'

/**
 * Changes the current version, or the one that the request names. Throws as `Backend.changeObject` says.
 */
export async function changeVersion(
  changes: ObjectChanges,
  notices: Notices,
  context: RequestContext,
  bucket: Bucket,
  register: RegisterKey,
  request: Parameters<ObjectBackend['changeObject']>[1],
): ReturnType<ObjectBackend['changeObject']> {
  const { key, versionId, change, judged } = request
  const rights: LockRights = {
    bypassGovernance: change.bypassGovernance === true,
    liftsHold: change.legalHold === false,
  }
  let refusal: StoreError | undefined
  const changing = new Map<unknown, VersionRecord>()
  const edit = (input: EditInput): ReturnType<typeof withVersionChange> => {
    const { record, pages, chosen } = input
    const wanted = versionId === undefined ? record.versions[0] : wantedOf(record, versionId)
    const version = wanted && find(record, wanted, pages.known)
    if (isLacking(version)) return version
    // As in AWS, a delete marker has nothing to change, also when it is not named.
    const named = version?.deleteMarker === true ? versionIdText(version) : versionId
    refusal = unreadable(key, named, version) ?? misjudged(version, judged)
    if (wanted === undefined || version === undefined || refusal !== undefined) return undefined
    const edited = withVersionChange(record, wanted, changedFields(version, change), {
      pages,
      maySpill: chosen,
    })
    changing.set(edited, version)
    return edited
  }
  const outcome = await changes.run(context, bucket, register, edit, { rights })
  if (outcome.type === 'kept') throw refusal ?? new StoreError('Unavailable')
  const { record, edited, versioning, ballot } = outcome
  const version = changing.get(edited)
  if (version !== undefined && hasNotices(bucket)) {
    const event = changedEvent(context.operation, version, versioning)
    if (event !== undefined) await notices.tell(context, bucket, key, ballot, [event])
  }
  return {
    // Of the current version the chosen record tells which one it was: other calls of the edit may have met another.
    versionId: versionId ?? versionIdText(record.versions[0] as VersionRecord),
    versioned: bucket.record.versioning !== VERSIONING.never,
  }
}

function changedFields(
  version: VersionRecord,
  { tags, grants, retention, legalHold }: ObjectChange,
): VersionChange {
  const changesLock = retention !== undefined || legalHold !== undefined
  return {
    ...(tags !== undefined && { tags: tagPairs(tags) }),
    ...(grants !== undefined && { acl: storedAcl({ ...aclOf(version.acl), grants }) }),
    ...(changesLock && {
      lock: storedLock(withRetention(version.lock ?? UNLOCKED, retention, legalHold)),
    }),
  }
}

/** The right to the change was decided by something that is not true any more. */
function misjudged(
  version: VersionRecord | undefined,
  judged: Parameters<typeof sameFacts>[0] | undefined,
): StoreError | undefined {
  if (judged === undefined) return undefined
  const found = version && {
    versionId: versionIdText(version),
    tags: tagsOf(version.tags),
    acl: aclOf(version.acl),
  }
  if (sameFacts(judged, found ?? null)) return undefined
  return new StoreError('Conflict', 'the object changed while the request was judged')
}
