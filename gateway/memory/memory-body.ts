/** Bodies of the memory backend: received as a whole, read in ranges. */

import type { ObjectBody, FinishedBody, SmallBody } from '../port/body.ts'

/** Up to this size a body is returned with its metadata. */
export const PACKED_BYTES = 64 * 1024
const CHUNK_BYTES = 1024 * 1024

/** Copies the chunks, because the producer may reuse their memory. */
export async function receive(
  body: ObjectBody | SmallBody,
): Promise<{ pieces: Uint8Array[]; finished: FinishedBody; sizeBytes: number }> {
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
  const finished = body.finish()
  const whole = pieces.length > 1 && sizeBytes <= PACKED_BYTES ? [Buffer.concat(pieces)] : pieces
  return { pieces: whole, finished, sizeBytes }
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
