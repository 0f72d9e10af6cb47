/**
 * The three XXHash checksums of S3, with seed 0. Digests are the canonical form of xxHash, which is big-endian; AWS's own
 * clients send the same bytes.
 *
 * hash-wasm can only create a hasher asynchronously, and bodies need theirs at once. So one engine for each algorithm is
 * created when this module is loaded, and all streams of a thread take turns on it: whoever comes next puts away the state
 * of the one before. Nothing is awaited between that and the bytes. A stream that runs alone copies no state.
 */

import { createXXHash128, createXXHash3, createXXHash64, type IHasher } from 'hash-wasm'

export type XxHashAlgorithm = 'XXHASH3' | 'XXHASH64' | 'XXHASH128'

class Engine {
  readonly #hasher: IHasher
  /** Whose state is in the hasher; undefined when nobody needs what is there. */
  #owner: XxHash | undefined

  constructor(hasher: IHasher) {
    this.#hasher = hasher
  }

  /** The hasher, with the state of this stream in it. */
  of(stream: XxHash): IHasher {
    if (this.#owner === stream) return this.#hasher
    if (this.#owner !== undefined) this.#owner.saved = this.#hasher.save()
    this.#owner = stream
    if (stream.saved === undefined) return this.#hasher.init()
    this.#hasher.load(stream.saved)
    stream.saved = undefined
    return this.#hasher
  }

  /** The owner is done. */
  release(): void {
    this.#owner = undefined
  }
}

const [xxHash3, xxHash64, xxHash128] = await Promise.all([
  createXXHash3(),
  createXXHash64(),
  createXXHash128(),
])

const ENGINES: Readonly<Record<XxHashAlgorithm, Engine>> = {
  XXHASH3: new Engine(xxHash3),
  XXHASH64: new Engine(xxHash64),
  XXHASH128: new Engine(xxHash128),
}

/** One stream of bytes. */
export class XxHash {
  /** The state while another stream uses the engine; only the engine touches it. */
  saved: Uint8Array | undefined
  readonly #engine: Engine

  constructor(algorithm: XxHashAlgorithm) {
    this.#engine = ENGINES[algorithm]
  }

  update(bytes: Uint8Array): void {
    this.#engine.of(this).update(bytes)
  }

  /** Big-endian, 8 or 16 bytes. Nothing can be added afterwards. */
  digest(): Uint8Array {
    const digest = this.#engine.of(this).digest('binary')
    this.#engine.release()
    return digest
  }
}
