/**
 * A pool of block-sized buffers, so that large bodies need no new allocations. docs/architecture.md (Buffers) says how
 * their ownership passes.
 */

import { poison } from './poison.ts'

/** Free buffers that a pool keeps when nothing else is said, and after `trim`. */
const KEPT_MAX = 16

/** quorum/body.ts has one for writes and one for reads, net/framing.ts one for blocks that peers send. */
export class BufferPool {
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #free: Uint8Array<ArrayBuffer>[] = []
  /** Memory of buffers that are in use, so that one is given back only once. */
  readonly #taken = new WeakSet<ArrayBufferLike>()

  constructor(sizeBytes: number, keptMax = KEPT_MAX) {
    this.#sizeBytes = sizeBytes
    this.#keptMax = keptMax
  }

  /** Returns all free buffers but a few to the system. */
  trim(): void {
    this.#free.splice(KEPT_MAX)
  }

  /** A buffer of `sizeBytes` with any content. It is the caller's until it is given back. */
  take(): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop() ?? new Uint8Array(this.#sizeBytes)
    this.#taken.add(buffer.buffer)
    return buffer
  }

  /** Only for buffers that are no longer used, or views of them. Buffers from elsewhere are ignored. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer)) return
    const whole = new Uint8Array(buffer as ArrayBuffer)
    poison(whole)
    if (this.#free.length < this.#keptMax) this.#free.push(whole)
  }
}
