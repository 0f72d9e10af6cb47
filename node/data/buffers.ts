/** A pool of block-sized buffers, so that large bodies pass without fresh allocations. */

const KEPT_MAX = 16

export class BufferPool {
  readonly #sizeBytes: number
  readonly #free: Uint8Array<ArrayBuffer>[] = []

  constructor(sizeBytes: number) {
    this.#sizeBytes = sizeBytes
  }

  take(): Uint8Array<ArrayBuffer> {
    return this.#free.pop() ?? new Uint8Array(this.#sizeBytes)
  }

  /** Only for buffers that nobody looks at any more. */
  give(buffer: Uint8Array<ArrayBuffer>): void {
    if (buffer.length === this.#sizeBytes && this.#free.length < KEPT_MAX) this.#free.push(buffer)
  }
}
