/** RenameObject in memory: one step, so that nobody ever sees both keys, or neither. */

import { StoreError } from '../../protocol/errors.ts'
import type { RenameRequest } from '../port/objects.ts'
import type { MemoryBuckets } from './memory-buckets.ts'
import { checkCondition, type StoredVersion } from './memory-versions.ts'

/** Throws as `Backend.renameObject` says. */
export function renameInMemory(buckets: MemoryBuckets, request: RenameRequest): void {
  const { source, key, seen, encryption, condition, token } = request
  const bucket = buckets.get(request.bucket)
  if (bucket.settings.versioning !== undefined) {
    throw new StoreError('InvalidBucketState', 'RenameObject is for buckets without versioning.')
  }
  const [found] = bucket.objects.get(source) ?? []
  const [now] = bucket.objects.get(key) ?? []
  if (token !== undefined && now?.renamed?.token === token) {
    if (now.renamed.source !== source) throw new StoreError('TokenMismatch')
    return
  }
  if (found === undefined) throw new StoreError('NoSuchKey')
  const { info, sequence } = found
  if (info.etag !== seen?.etag || info.lastModifiedMs !== seen.lastModifiedMs) {
    throw new StoreError('Conflict', 'the source was changed during the rename')
  }
  try {
    checkCondition(now, condition, 'put')
  } catch {
    throw new StoreError('PreconditionFailed')
  }
  const lastModifiedMs = Math.max(info.lastModifiedMs, (now?.info.lastModifiedMs ?? 0) + 1)
  const { encryption: before, ...rest } = info
  const made: StoredVersion = {
    ...found,
    info: {
      ...rest,
      key,
      lastModifiedMs,
      ...(encryption !== undefined &&
        before !== undefined && { encryption: { record: encryption, bodies: before.bodies } }),
    },
    ...(token !== undefined && { renamed: { token, source, sequence } }),
  }
  buckets.replace(bucket, key, [made])
  buckets.replace(bucket, source, [])
}
