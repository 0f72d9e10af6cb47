/** PutObject. */

import type { ChecksumAlgorithm, ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'
import { openBody } from '../body/body.ts'
import { writeCondition } from './conditions.ts'
import type { Call } from './operation.ts'
import { emptyResponse, type ResponseHeaders, type S3Response } from '../http/response.ts'
import { addChecksums, MAX_OBJECT_PUT_BYTES, objectHeaders } from './common.ts'
import { addVersionHeader } from './version.ts'

export async function putObject(call: Call): Promise<S3Response> {
  const { request } = call
  const condition = writeCondition(request.headers)
  const headers = objectHeaders(request)
  const body = new CapturedBody(await receiveBody(call))
  const made = await call.store.putObject(call.context, {
    bucket: call.bucket,
    key: call.key,
    headers,
    body: body.watched,
    condition,
  })
  const { finished } = body
  const answer: ResponseHeaders = { ETag: `"${finished.etag}"` }
  addVersionHeader(answer, made)
  addChecksums(answer, finished)
  return emptyResponse(200, answer)
}

/** Up to this size openBody gathers the body as a whole; larger ones are streamed. */
const MAX_GATHERED_BYTES = 64 * 1024

/** Opens the body of PutObject or UploadPart. `algorithms`: see OpenBodyOptions. */
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

/** Keeps the result of the backend's call of `finish`, for the headers of the answer. */
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

  get finished(): FinishedBody {
    if (this.#finished === undefined) throw new Error('the store did not finish the body')
    return this.#finished
  }
}
