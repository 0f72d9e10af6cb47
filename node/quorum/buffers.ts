/** A pool of block-sized buffers, so that large bodies pass without fresh allocations. */

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

  /** All but a few that are free go back to the system. */
  trim(): void {
    this.#free.splice(KEPT_MAX)
  }

  take(): Uint8Array<ArrayBuffer> {
    const buffer = this.#free.pop() ?? new Uint8Array(this.#sizeBytes)
    this.#taken.add(buffer.buffer)
    return buffer
  }

  /** Only for buffers that nobody looks at any more, or views of them; what comes from elsewhere is left
   * alone. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer) || this.#free.length >= this.#keptMax) return
    this.#free.push(new Uint8Array(buffer as ArrayBuffer))
  }
}
