/** A pool of block-sized buffers, so that large bodies need no new allocations. */

const KEPT_MAX = 16

export class BufferPool {
  readonly #sizeBytes: number
  readonly #keptMax: number
  readonly #free: Uint8Array<ArrayBuffer>[] = []
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
    if (!this.#taken.delete(buffer) || this.#free.length >= this.#keptMax) return
    this.#free.push(new Uint8Array(buffer as ArrayBuffer))
  }
}
