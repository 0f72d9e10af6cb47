/** Deletes of objects and of single versions, as changes of their registers. Called by objects.ts. */

import type { RegisterKey } from '../../protocol/ids.ts'
import { currentVersion, verdict } from '../../protocol/object/object.ts'
import { find, isLacking } from '../../protocol/object/pages.ts'
import {
  VERSIONING,
  wantedOf,
  withDeleteMarker,
  withoutVersion,
  type VersionNeighbours,
} from '../../protocol/object/versions.ts'
import type { DeleteResult, ObjectBackend } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Bucket } from './bucket.ts'
import { hasNotices, markerEvent, removedEvent, type Notices } from './notices.ts'
import type { EditInput, ObjectChanges } from './object-changes.ts'
import { conditionError } from './object-errors.ts'
import { versionIdText } from './versions.ts'

type DeleteRequest = Parameters<ObjectBackend['deleteObject']>[1]

/** What a delete works with. */
export interface DeleteTools {
  readonly changes: ObjectChanges
  readonly notices: Notices
  readonly around: (input: EditInput) => VersionNeighbours
}

/** Throws as `Backend.deleteObject` says. */
export async function deleteCurrent(
  { changes, notices, around }: DeleteTools,
  context: RequestContext,
  bucket: Bucket,
  register: RegisterKey,
  { key, condition }: DeleteRequest,
): Promise<DeleteResult> {
  const outcome = await changes.run(context, bucket, register, (input) => {
    const { record, versioning, pages } = input
    if (verdict(currentVersion(record), condition) !== 'holds') return undefined
    if (versioning !== VERSIONING.never) return withDeleteMarker(record, around(input))
    const wanted = wantedOf(record, 'null')
    return wanted && withoutVersion(record, wanted, pages)
  })
  if (outcome.type === 'kept') {
    const { record } = outcome
    const judged = verdict(currentVersion(record), condition)
    if (judged !== 'holds') {
      // As AWS: 404 when there is no object, 412 when there is a delete marker.
      throw conditionError(record.versions.length === 0 ? judged : 'fails')
    }
    // Deleting what does not exist succeeds.
    return { deleteMarker: false }
  }
  const { record, versioning, ballot } = outcome
  const marker = versioning === VERSIONING.never ? undefined : record.versions[0]!
  if (hasNotices(bucket)) {
    const event = marker
      ? markerEvent('ObjectRemoved', marker)
      : removedEvent('ObjectRemoved', { versionId: '' }, versioning)
    await notices.tell(context, bucket, key, ballot, [event])
  }
  if (marker === undefined) return { deleteMarker: false }
  return { versionId: versionIdText(marker), deleteMarker: true }
}

/** Throws as `Backend.deleteObject` says. */
export async function deleteVersion(
  { changes, notices }: DeleteTools,
  context: RequestContext,
  bucket: Bucket,
  register: RegisterKey,
  request: DeleteRequest & { readonly versionId: string },
): Promise<DeleteResult> {
  const { key, versionId, condition, bypassGovernance = false } = request
  let refused = false
  const edit = ({ record, pages }: EditInput): ReturnType<typeof withoutVersion> => {
    refused = false
    const wanted = wantedOf(record, versionId)
    const version = wanted && find(record, wanted, pages.known)
    if (isLacking(version)) return version
    refused = verdict(version?.deleteMarker ? undefined : version, condition) !== 'holds'
    if (wanted === undefined || version === undefined || refused) return undefined
    return withoutVersion(record, wanted, pages)
  }
  const rights = { bypassGovernance, liftsHold: false }
  const outcome = await changes.run(context, bucket, register, edit, { rights })
  if (outcome.type === 'kept') {
    if (refused) throw conditionError('fails')
    return { deleteMarker: false }
  }
  if (hasNotices(bucket)) {
    const id = versionId === 'null' ? '' : versionId
    const event = removedEvent('ObjectRemoved', { versionId: id }, outcome.versioning)
    await notices.tell(context, bucket, key, outcome.ballot, [event])
  }
  const [removed] = outcome.edited.removed
  return { versionId, deleteMarker: removed?.deleteMarker === true }
}
