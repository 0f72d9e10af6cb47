/**
 * The body of a part. Whether it is encrypted is known only when the store has read the upload: before the first chunk is
 * asked for (UploadBackend.putPart).
 */

import { encryptedLate, encryptedResult, type BodyKey } from '../encryption/encrypting.ts'
import type { FinishedBody, ObjectBody, SmallBody } from '../port/body.ts'
import type { PartEncryption } from './encryption.ts'

export class PartBody implements ObjectBody {
  readonly chunks: AsyncIterable<Uint8Array>
  /** Set by `admit`. */
  encryption: PartEncryption | undefined
  readonly #plain: ObjectBody | SmallBody
  #key: BodyKey | undefined

  constructor(plain: ObjectBody | SmallBody) {
    this.#plain = plain
    const chunks = 'bytes' in plain ? whole(plain.bytes) : plain.chunks
    this.chunks = { [Symbol.asyncIterator]: () => this.#begin(chunks) }
  }

  finish(): FinishedBody {
    const finished = this.#plain.finish()
    // An empty body has no chunk, and no key.
    return this.#key === undefined ? finished : encryptedResult(finished, this.#key)
  }

  #begin(chunks: AsyncIterable<Uint8Array>): AsyncIterator<Uint8Array> {
    const { encryption } = this
    if (encryption === undefined) return chunks[Symbol.asyncIterator]()
    return encryptedLate(chunks, async () => (this.#key = await encryption.key()))
  }
}

async function* whole(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  if (bytes.length > 0) yield bytes
}
