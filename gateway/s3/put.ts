/**
 * PutObject, and what it shares with UploadPart: opening a body under the limits of the gateway, and keeping the
 * result of its checks for the answer.
 */

import type { ChecksumAlgorithm, ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'
import { openBody } from '../body/body.ts'
import { writeCondition } from './conditions.ts'
import type { Call } from './operation.ts'
import { emptyResponse, type ResponseHeaders, type S3Response } from '../http/response.ts'
import { addChecksums, MAX_OBJECT_PUT_BYTES, objectHeaders } from './common.ts'
import { planEncryption } from './encryption.ts'
import { hasDefaultRetention, lockInHeaders, requireDigestOfLocked } from './locking.ts'
import { newObjectAcl } from './object-acl.ts'
import { tagsInHeader } from './tagging.ts'
import { addExpiration } from './expiration.ts'
import { addVersionHeader } from './version.ts'

/**
 * `PUT /bucket/key`: stores the body as the current version of the object. The answer has the ETag, the checksum, and
 * the version id when the bucket has or had versioning.
 *
 * Refusals that need only the headers come before the body is asked for. The store calls `finish` when it has read
 * the whole body, so a wrong digest or signature makes the put fail and nothing becomes visible (F24).
 */
export async function putObject(call: Call): Promise<S3Response> {
  const { request } = call
  const condition = writeCondition(request.headers)
  const tags = await tagsInHeader(call)
  const acl = await newObjectAcl(call)
  const lock = await lockInHeaders(call)
  if (lock !== undefined || (await hasDefaultRetention(call))) requireDigestOfLocked(call, 'Object')
  const headers = { ...objectHeaders(request), tags, lock, acl }
  const plan = await planEncryption(call)
  const body = new CapturedBody(plan.encrypted(await receiveBody(call)))
  const made = await call.store.putObject(call.context, {
    bucket: call.bucket,
    key: call.key,
    headers,
    body: body.watched,
    encryption: plan.encryption,
    condition,
  })
  const { finished } = body
  const answer: ResponseHeaders = { ETag: `"${finished.etag}"`, ...plan.headers }
  addVersionHeader(answer, made)
  addExpiration(answer, made.expiration)
  addChecksums(answer, finished)
  return emptyResponse(200, answer)
}

/** Up to this size openBody gathers the body as a whole; larger ones are streamed. */
const MAX_GATHERED_BYTES = 64 * 1024

/**
 * Opens the body of PutObject or UploadPart, after telling the client to send it. A body of at most 64 KiB has
 * arrived as a whole when this resolves; a larger one is read while the store asks for its chunks.
 *
 * `algorithms`: see OpenBodyOptions. Throws SlowDown when there is no memory for the body, EntityTooLarge above 5
 * GiB, and the errors of a malformed declaration of the body (body.ts, decode.ts).
 */
export function receiveBody(
  call: Call,
  algorithms?: () => readonly ChecksumAlgorithm[],
): Promise<ObjectBody | SmallBody> {
  call.wantBody(MAX_GATHERED_BYTES)
  return openBody(call.request, call.auth, {
    maxBytes: MAX_OBJECT_PUT_BYTES,
    onBytes: (count) => call.onBytes(count),
    algorithms,
  })
}

/**
 * A body whose result is kept when the backend calls `finish`: the ETag and the checksums are known only then, and
 * the handler needs them for the headers of the answer. Give `watched` to the backend, and read `finished` after it
 * returned.
 */
export class CapturedBody {
  readonly watched: ObjectBody | SmallBody
  #finished: FinishedBody | undefined

  constructor(body: ObjectBody | SmallBody) {
    const finish = (): FinishedBody => (this.#finished = body.finish())
    this.watched =
      'bytes' in body
        ? { bytes: body.bytes, finish }
        : { sizeBytes: body.sizeBytes, chunks: body.chunks, finish }
  }

  /** A store that succeeds without having called `finish` has not checked the body: that is a fault of the store. */
  get finished(): FinishedBody {
    if (this.#finished === undefined) throw new Error('the store did not finish the body')
    return this.#finished
  }
}
