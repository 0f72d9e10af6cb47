/** A pool of block-sized buffers, so that large bodies pass without fresh allocations. */

const KEPT_MAX = 16

export class BufferPool {
  readonly #sizeBytes: number
  readonly #free: Uint8Array<ArrayBuffer>[] = []
  readonly #taken = new WeakSet<ArrayBufferLike>()

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
  }

  take(): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop() ?? new Uint8Array(this.#sizeBytes)
    this.#taken.add(buffer.buffer)
    return buffer
  }

  /** Only for buffers that nobody looks at any more, or views of them; what comes from elsewhere is left
   * alone. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer) || this.#free.length >= KEPT_MAX) return
    this.#free.push(new Uint8Array(buffer as ArrayBuffer))
  }
}
