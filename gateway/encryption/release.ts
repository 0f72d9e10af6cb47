/**
 * Memory of encrypted and decrypted bytes. Each call of a cipher gives memory of its own, outside the heap. Left to the garbage
 * collector, it cost a third of the time of large objects.
 */

/** Yields each part, and gives its memory back once the next one is asked for. */
export function* released(parts: Iterable<Uint8Array>): Generator<Uint8Array> {
  for (const part of parts) {
    yield part
    release(part)
  }
}

/** Whoever still has a view of the memory finds it empty. Memory that others share stays. */
export function release({ buffer, byteLength }: Uint8Array): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}
