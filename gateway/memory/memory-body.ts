/** Bodies of the memory backend: received as a whole, read in ranges. */

import { plainSizeOf } from '../../protocol/object/pieces.ts'
import type { ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'
import type { EncryptedBody } from '../port/encryption.ts'

/** Up to this size a body is returned with its metadata. */
export const PACKED_BYTES = 64 * 1024
const CHUNK_BYTES = 1024 * 1024

/** A body that has arrived. */
export interface ReceivedBody {
  readonly pieces: Uint8Array[]
  readonly finished: Omit<FinishedBody, 'salt'>
  /** Of the plain bytes. */
  readonly sizeBytes: number
  /** Present when it is encrypted. */
  readonly encrypted: EncryptedBody | undefined
}

/** Copies the chunks, because the producer may reuse their memory. */
export async function receive(body: ObjectBody | SmallBody): Promise<ReceivedBody> {
  const pieces: Uint8Array[] = []
  let sizeBytes = 0
  if ('bytes' in body) {
    if (body.bytes.length > 0) pieces.push(Uint8Array.from(body.bytes))
    sizeBytes = body.bytes.length
  } else {
    for await (const chunk of body.chunks) {
      pieces.push(Uint8Array.from(chunk))
      sizeBytes += chunk.length
    }
  }
  const { salt, ...finished } = body.finish()
  const whole = pieces.length > 1 && sizeBytes <= PACKED_BYTES ? [Buffer.concat(pieces)] : pieces
  if (salt === undefined) return { pieces: whole, finished, sizeBytes, encrypted: undefined }
  const encrypted = { salt, storedBytes: sizeBytes }
  return { pieces: whole, finished, sizeBytes: plainSizeOf(sizeBytes), encrypted }
}

export async function* readPieces(
  pieces: readonly Uint8Array[],
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  let at = 0
  for (const piece of pieces) {
    const from = Math.max(start - at, 0)
    const to = Math.min(end - at, piece.length)
    for (let offset = from; offset < to; offset += CHUNK_BYTES) {
      yield piece.subarray(offset, Math.min(offset + CHUNK_BYTES, to))
    }
    at += piece.length
  }
}
