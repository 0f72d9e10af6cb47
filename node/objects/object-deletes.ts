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
import type { DeleteResult, ObjectBackend, WriteCondition } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { Bucket } from './bucket.ts'
import type { EditInput, ObjectChanges } from './object-changes.ts'
import { conditionError } from './object-errors.ts'
import { versionIdText } from './versions.ts'

/** Removes the object, or writes a delete marker where the bucket has or had versioning. */
export async function deleteCurrent(
  changes: ObjectChanges,
  context: RequestContext,
  bucket: Bucket,
  key: RegisterKey,
  around: (input: EditInput) => VersionNeighbours,
  condition: WriteCondition | undefined,
): Promise<DeleteResult> {
  const outcome = await changes.run(context, bucket, key, (input) => {
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
  if (outcome.versioning === VERSIONING.never) return { deleteMarker: false }
  return { versionId: versionIdText(outcome.record.versions[0]!), deleteMarker: true }
}

/** Removes one version for good. */
export async function deleteVersion(
  changes: ObjectChanges,
  context: RequestContext,
  bucket: Bucket,
  key: RegisterKey,
  request: Pick<Parameters<ObjectBackend['deleteObject']>[1], 'condition' | 'bypassGovernance'> & {
    readonly versionId: string
  },
): Promise<DeleteResult> {
  const { versionId, condition, bypassGovernance = false } = request
  let result: DeleteResult = { deleteMarker: false }
  let refused = false
  const edit = ({ record, pages }: EditInput): ReturnType<typeof withoutVersion> => {
    result = { deleteMarker: false }
    refused = false
    const wanted = wantedOf(record, versionId)
    const version = wanted && find(record, wanted, pages.known)
    if (isLacking(version)) return version
    refused = verdict(version?.deleteMarker ? undefined : version, condition) !== 'holds'
    if (wanted === undefined || version === undefined || refused) return undefined
    result = { versionId, deleteMarker: version.deleteMarker }
    return withoutVersion(record, wanted, pages)
  }
  const rights = { bypassGovernance, liftsHold: false }
  await changes.run(context, bucket, key, edit, { rights })
  if (refused) throw conditionError('fails')
  return result
}
