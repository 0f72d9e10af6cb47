/**
 * Memory for answers that are made as a whole and are large, such as pages of lists: used again once the kernel has taken the
 * answer. Fresh memory for each would make V8 collect garbage several times a second (docs/architecture.md, Buffers).
 */

/** Smaller answers are not worth it. */
const POOLED_BYTES_MIN = 16 * 1024
/** Larger ones are rare. */
const POOLED_BYTES_MAX = 1024 * 1024
const SIZE_BYTES_MIN = 64 * 1024
const KEPT_MAX = 8
const POISON = 0xdb

/** Each piece has one owner, from `take` to `give`. A piece that is never given back is left to the collector. */
export class AnswerMemory {
  readonly #poisoned: boolean
  readonly #free: Uint8Array[] = []
  /** So that a piece is given back only once. */
  readonly #taken = new WeakSet<ArrayBufferLike>()

  /** `poisoned`: what is given back is overwritten at once, so that a late reader is found. */
  constructor({ poisoned = false } = {}) {
    this.#poisoned = poisoned
  }

  /** At least `sizeBytes`, with any content. */
  take(sizeBytes: number): Uint8Array {
    if (sizeBytes < POOLED_BYTES_MIN || sizeBytes > POOLED_BYTES_MAX) return fresh(sizeBytes)
    const at = this.#free.findIndex(({ length }) => length >= sizeBytes)
    let size = SIZE_BYTES_MIN
    while (size < sizeBytes) size *= 2
    const piece = at < 0 ? fresh(size) : this.#free.splice(at, 1)[0]!
    this.#taken.add(piece.buffer)
    return piece
  }

  /** Only when nobody reads or writes the piece any more. A part of it stands for the whole. */
  give({ buffer }: Uint8Array): void {
    if (!this.#taken.delete(buffer)) return
    const piece = new Uint8Array(buffer)
    if (this.#poisoned) piece.fill(POISON)
    if (this.#free.length < KEPT_MAX) this.#free.push(piece)
  }
}

/** Not cleared: it is about to be written. */
function fresh(sizeBytes: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(sizeBytes).buffer)
}
