/** How everything about a bucket is changed that decides who may use it. */

import { StoreError } from '../../protocol/errors.ts'
import { changedDocuments } from '../port/bucket-documents.ts'
import type { BucketChange, BucketInfo, BucketSettings } from '../port/buckets.ts'
import type { Call } from './operation.ts'
import { judgingChange } from './policy-rights.ts'

/** Each attempt starts again from the settings of the time. After the last one the client gets 409. */
const CHANGE_ATTEMPTS = 5

/**
 * Makes a change only if the settings that it was checked against still hold. `changeOf` makes the change from the
 * current settings, and may throw; it is called again after a conflict. Otherwise two changes at once, each harmless
 * by itself, could together give what neither caller may give.
 *
 *   read the settings → make the change → check the rights → note the principals as named → store, if unchanged
 *
 * `owned`: the bucket, when it is not the one for which the gate decided. Throws AccessDenied, OperationAborted after too
 * many conflicts, or when the bucket has another owner by now.
 */
export async function changeAccess(
  call: Call,
  changeOf: (settings: BucketSettings) => BucketChange,
  owned?: BucketInfo,
): Promise<void> {
  const { bucket, context, identity, store } = call
  const info = owned ?? (await call.access(bucket)).info
  const { ownerAccount } = info
  for (let attempt = 1; ; attempt++) {
    const judged = await store.getBucketSettings(context, bucket)
    const change = changeOf(judged)
    const after = changedBy(judged, change)
    await call.inTurns(judgingChange(identity, info, judged, after))
    await store.markNamed(context, ownerAccount, change.principals ?? [])
    try {
      return await call.changeBucket(change, { ownerAccount, judged })
    } catch (error) {
      const isConflict = error instanceof StoreError && error.code === 'Conflict'
      if (!isConflict || attempt === CHANGE_ATTEMPTS) throw error
    }
  }
}

/** The settings as they will be after the change. null in a change removes a setting. */
function changedBy(before: BucketSettings, change: BucketChange): BucketSettings {
  const { policy, principals, publicAccessBlock } = change
  return {
    ...before,
    ...changedDocuments(before, change),
    ...(policy !== undefined && { policy: policy ?? undefined, principals }),
    ...(publicAccessBlock !== undefined && { publicAccessBlock: publicAccessBlock ?? undefined }),
  }
}
