/** Bodies and parts of the memory backend: received whole, read by ranges. */

import { StoreError } from '../protocol/errors.ts'
import type {
  ChecksumAlgorithm,
  CompletedPart,
  ObjectBody,
  PartInfo,
  PutResult,
  SealedBody,
  SmallBody,
  UploadInfo,
} from './backend.ts'

/** Up to this size a body comes with its metadata. */
export const PACKED_BYTES = 64 * 1024
const CHUNK_BYTES = 1024 * 1024

export interface StoredPart {
  readonly info: PartInfo
  readonly pieces: readonly Uint8Array[]
}

export interface StoredUpload {
  readonly info: UploadInfo
  readonly parts: Map<number, StoredPart>
  completed?: PutResult & SealedBody & { sizeBytes: number }
}

/** Copies the chunks, since a producer may use their memory again. */
export async function receive(
  body: ObjectBody | SmallBody,
): Promise<{ pieces: Uint8Array[]; sealed: SealedBody; sizeBytes: number }> {
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
  const sealed = body.seal()
  const whole = pieces.length > 1 && sizeBytes <= PACKED_BYTES ? [Buffer.concat(pieces)] : pieces
  return { pieces: whole, sealed, sizeBytes }
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

/** Throws InvalidPartOrder, InvalidPart, EntityTooSmall. */
export function chooseParts(
  upload: StoredUpload,
  named: readonly CompletedPart[],
  minPartBytes: number,
): StoredPart[] {
  const chosen: StoredPart[] = []
  let last = 0
  for (const each of named) {
    if (each.partNumber <= last) throw new StoreError('InvalidPartOrder')
    last = each.partNumber
  }
  for (const [index, each] of named.entries()) {
    const part = upload.parts.get(each.partNumber)
    const sums = Object.entries(each.checksums) as [ChecksumAlgorithm, string][]
    const differs =
      part === undefined ||
      part.info.etag !== each.etag ||
      sums.some(([algorithm, value]) => part.info.checksums[algorithm] !== value)
    if (differs) {
      throw new StoreError('InvalidPart', undefined, {
        UploadId: upload.info.uploadId,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    if (index < named.length - 1 && part.info.sizeBytes < minPartBytes) {
      throw new StoreError('EntityTooSmall', undefined, {
        ProposedSize: part.info.sizeBytes,
        MinSizeAllowed: minPartBytes,
        PartNumber: each.partNumber,
        ETag: each.etag,
      })
    }
    chosen.push(part)
  }
  return chosen
}
