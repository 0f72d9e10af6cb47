/** Bytes that grow without being copied: in chunks, zero until written. */

const CHUNK_BYTES = 64 << 10

export class SparseBytes {
  private readonly chunks: (Uint8Array | undefined)[] = []

  read(into: Uint8Array, position: number): void {
    for (const { chunk, from, to, at } of this.parts(position, into.length)) {
      const bytes = this.chunks[chunk]
      if (bytes === undefined) into.fill(0, at, at + to - from)
      else into.set(bytes.subarray(from, to), at)
    }
  }

  slice(start: number, end: number): Uint8Array<ArrayBuffer> {
    const bytes = new Uint8Array(Math.max(0, end - start))
    this.read(bytes, start)
    return bytes
  }

  write(bytes: Uint8Array, position: number): void {
    for (const { chunk, from, to, at } of this.parts(position, bytes.length)) {
      const whole = (this.chunks[chunk] ??= new Uint8Array(CHUNK_BYTES))
      whole.set(bytes.subarray(at, at + to - from), from)
    }
  }

  /** Zeros from here on. */
  clear(start: number): void {
    const first = Math.floor(start / CHUNK_BYTES)
    this.chunks[first]?.fill(0, start % CHUNK_BYTES)
    if (this.chunks.length > first + 1) this.chunks.length = first + 1
  }

  flip(offset: number, mask: number): void {
    const chunk = this.chunks[Math.floor(offset / CHUNK_BYTES)]
    const at = offset % CHUNK_BYTES
    if (chunk !== undefined) chunk[at] = (chunk[at] as number) ^ mask
  }

  clone(): SparseBytes {
    const copy = new SparseBytes()
    for (const chunk of this.chunks) copy.chunks.push(chunk?.slice())
    return copy
  }

  private *parts(
    position: number,
    length: number,
  ): Generator<{ chunk: number; from: number; to: number; at: number }> {
    for (let at = 0; at < length;) {
      const from = (position + at) % CHUNK_BYTES
      const to = Math.min(CHUNK_BYTES, from + length - at)
      yield { chunk: Math.floor((position + at) / CHUNK_BYTES), from, to, at }
      at += to - from
    }
  }
}
