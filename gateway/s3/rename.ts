/**
 * RenameObject: an object gets another key of its bucket. AWS has it for directory buckets alone, Shoal for all that never had
 * versioning. How the store does it, and what a crash in the middle leaves: node/objects/renames.ts.
 */

import { StoreError } from '../../protocol/errors.ts'
import { parseRenameSource } from '../http/copy-source.ts'
import { S3Error } from '../http/errors.ts'
import { emptyResponse, type S3Response } from '../http/response.ts'
import type { ObjectInfo } from '../port/objects.ts'
import { invalidArgument, MAX_OBJECT_PUT_BYTES } from './common.ts'
import { evaluateRenameSource, renameCondition } from './conditions.ts'
import { rewrappedFor } from './encryption.ts'
import type { Call } from './operation.ts'

const TOKEN_HEADER = 'x-amz-client-token'

/**
 * `PUT /bucket/key?renameObject` with `x-amz-rename-source: bucket/old-key`: 200 without a body, once the object has the new key
 * and no more the old one. Needs the rights to put the new key, and to get and delete the old one; the bytes never leave the
 * store. A repeat with the same `x-amz-client-token` succeeds without doing it again.
 *
 * Throws NoSuchKey, PreconditionFailed for a condition of either key, InvalidRequest for what cannot be renamed,
 * InvalidBucketState where the bucket has or had versioning, OperationAborted (ConditionalRequestConflict with a condition of the
 * new key) when the source changes meanwhile, IdempotencyParameterMismatch.
 */
export async function renameObject(call: Call): Promise<S3Response> {
  const { bucket, key, nowMs } = call
  const { headers } = call.request
  const source = sourceOf(call)
  const token = tokenOf(call)
  const condition = renameCondition(headers)
  for (const action of ['s3:GetObject', 's3:DeleteObject']) {
    await call.authorize(action, { bucket, key: source, versionId: undefined })
  }
  const seen = await find(call, source)
  if (seen === undefined && token === undefined) {
    throw new StoreError('NoSuchKey', undefined, { Key: source })
  }
  if (seen !== undefined) evaluateRenameSource(headers, seen, nowMs)
  if (seen !== undefined && seen.sizeBytes > MAX_OBJECT_PUT_BYTES) {
    throw refusal(
      `an object of more than ${MAX_OBJECT_PUT_BYTES} bytes, because its bytes are copied`,
    )
  }
  const record = seen?.encryption?.record
  const encryption = record === undefined ? undefined : await rewrappedFor(call, record, source)
  await call.store.renameObject(call.context, {
    bucket,
    source,
    key,
    seen: seen && { etag: seen.etag, lastModifiedMs: seen.lastModifiedMs },
    encryption,
    condition,
    token,
  })
  return emptyResponse(200)
}

/** The old key. Throws InvalidArgument, and InvalidRequest for one that cannot be meant. */
function sourceOf({ request, bucket, key }: Call): string {
  const named = parseRenameSource(request.headers['x-amz-rename-source'] ?? '')
  if (named.bucket !== bucket) throw refusal('an object of another bucket')
  if (named.key === key) throw refusal('an object to the key that it has')
  // As in AWS.
  if (named.key.endsWith('/') || key.endsWith('/')) throw refusal('keys that end with a slash')
  return named.key
}

function refusal(what: string): S3Error {
  return new S3Error('InvalidRequest', `RenameObject cannot rename ${what}.`)
}

function tokenOf({ request }: Call): string | undefined {
  const token = request.headers[TOKEN_HEADER]
  if (token === undefined || token === '') return undefined
  if (/^[\x21-\x7e]{1,64}$/.test(token)) return token
  throw invalidArgument(TOKEN_HEADER, token, 'A client token has 1 to 64 printable characters.')
}

async function find(call: Call, key: string): Promise<ObjectInfo | undefined> {
  const named = { bucket: call.bucket, key, versionId: undefined }
  try {
    return (await call.getObject({ ...named, withData: false })).info
  } catch (error) {
    if (error instanceof StoreError && error.code === 'NoSuchKey') return undefined
    throw error
  }
}
