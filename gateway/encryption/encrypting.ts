/**
 * Bodies on their way into the store, encrypted piece by piece with AES-256-GCM (protocol/object/pieces.ts).
 *
 * The key of a body comes from the data key and a salt that no other body has. The nonce of a piece is its index. So no key
 * ever meets a nonce twice, and a piece that was moved to another place, or to another body, does not pass its tag.
 */

import { createCipheriv, type CipherGCM } from 'node:crypto'
import { PACKED_BYTES_MAX } from '../../protocol/limits.ts'
import { PIECE_PLAIN_BYTES } from '../../protocol/object/pieces.ts'
import type { FinishedBody, ObjectBody, SmallBody } from '../port/body.ts'
import { derivedKey } from './data-keys.ts'
import { released } from './release.ts'

/** With what one body is encrypted. */
export interface BodyKey {
  readonly dataKey: Uint8Array
  /** 16 random bytes, drawn for this body alone. */
  readonly salt: Uint8Array
  /** The ETag must not be the MD5 of the plain bytes: SSE-C and SSE-KMS. */
  readonly hidesEtag: boolean
}

/** The key of the pieces of a body. */
export function pieceKey(dataKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return derivedKey(dataKey, 'shoal body 1', salt)
}

/** The nonce of a piece: 12 bytes. */
export function pieceNonce(index: number): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeUIntBE(index, 6, 6)
  return nonce
}

/** The encrypted form of a body. What `finish` of the body throws is thrown to the store. */
export function encryptedBody(body: ObjectBody | SmallBody, key: BodyKey): ObjectBody | SmallBody {
  const finish = (): FinishedBody => encryptedResult(body.finish(), key)
  const pieces = new PieceEncryption(pieceKey(key.dataKey, key.salt))
  if (!('bytes' in body)) return { chunks: encryptedChunks(body.chunks, pieces), finish }
  const bytes = Buffer.concat([...pieces.update(body.bytes), ...pieces.finish()])
  if (bytes.length <= PACKED_BYTES_MAX) return { bytes, finish }
  return { sizeBytes: bytes.length, chunks: once(bytes), finish }
}

/** The encrypted form of chunks whose key is known only when the first one is asked for. */
export async function* encryptedLate(
  chunks: AsyncIterable<Uint8Array>,
  key: () => Promise<BodyKey>,
): AsyncGenerator<Uint8Array> {
  const { dataKey, salt } = await key()
  yield* encryptedChunks(chunks, new PieceEncryption(pieceKey(dataKey, salt)))
}

/** What the store gets to know of an encrypted body. */
export function encryptedResult(finished: FinishedBody, key: BodyKey): FinishedBody {
  const { etag } = finished
  return { ...finished, etag: key.hidesEtag ? hiddenEtag(key.dataKey, etag) : etag, salt: key.salt }
}

/** 32 hex digits that tell nothing about the MD5 to anyone without the key. The same bytes give the same ones. */
function hiddenEtag(dataKey: Uint8Array, md5: string): string {
  const digest = derivedKey(dataKey, 'shoal etag 1', Buffer.from(md5, 'hex'))
  return Buffer.from(digest.subarray(0, 16)).toString('hex')
}

async function* encryptedChunks(
  chunks: AsyncIterable<Uint8Array>,
  pieces: PieceEncryption,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) yield* released(pieces.update(chunk))
  yield* pieces.finish()
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

/** Cuts a stream into pieces. Nothing is kept of it: what is encrypted goes on at once. Of use for one body only. */
class PieceEncryption {
  readonly #key: Uint8Array
  #cipher: CipherGCM | undefined
  #index = 0
  /** How many bytes of the client the present piece still takes. */
  #left = 0

  constructor(key: Uint8Array) {
    this.#key = key
  }

  update(bytes: Uint8Array): Uint8Array[] {
    const out: Uint8Array[] = []
    for (let at = 0; at < bytes.length;) {
      const cipher = (this.#cipher ??= this.#begin())
      const count = Math.min(this.#left, bytes.length - at)
      out.push(cipher.update(bytes.subarray(at, at + count)))
      at += count
      this.#left -= count
      if (this.#left === 0) out.push(this.#end(cipher))
    }
    return out
  }

  /** Ends the last piece, which has no bytes of the client when they end where a piece ends. An empty body has none. */
  finish(): Uint8Array[] {
    if (this.#index === 0) return []
    return [this.#end(this.#cipher ?? this.#begin())]
  }

  #begin(): CipherGCM {
    this.#left = PIECE_PLAIN_BYTES
    return createCipheriv('aes-256-gcm', this.#key, pieceNonce(this.#index++))
  }

  /** The tag. */
  #end(cipher: CipherGCM): Uint8Array {
    cipher.final()
    this.#cipher = undefined
    return cipher.getAuthTag()
  }
}
