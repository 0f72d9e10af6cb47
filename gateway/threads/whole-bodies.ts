/** Bodies that are in memory as a whole, in the form of streams. */

import type { ObjectBody, SmallBody } from '../port/body.ts'

/** A small body as a stream of one chunk. */
export function streamOf(body: ObjectBody | SmallBody): ObjectBody {
  if (!('bytes' in body)) return body
  const { bytes } = body
  return {
    sizeBytes: bytes.length,
    chunks: readWhole(bytes, 0, bytes.length),
    finish: () => body.finish(),
  }
}

export async function* readWhole(
  bytes: Uint8Array,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  if (start < end) yield bytes.subarray(start, end)
}
