/**
 * Rows by key, in the order of their keys: an insertion costs about as much as a look-up. One generation of the
 * memtable (memtable.ts). Rows are never taken out one by one: the whole generation goes when it is committed.
 *
 * Invariants:
 *   - a key is in exactly one chunk, if and only if `#rows` has it
 *   - each chunk is sorted and not empty; all keys of one come before all keys of the next
 *   - a chunk has at most CHUNK_MAX keys after each insertion
 */

import type { ByteString } from '../../protocol/ids.ts'
import type { IndexWrite } from '../env/ports.ts'

/** Keys in a chunk. A full one is split. */
const CHUNK_MAX = 512

export class SortedRows {
  readonly #rows = new Map<ByteString, IndexWrite>()
  readonly #chunks: ByteString[][] = []

  get size(): number {
    return this.#rows.size
  }

  get(key: ByteString): IndexWrite | undefined {
    return this.#rows.get(key)
  }

  /** Puts a row in, or another one in its place. */
  set(key: ByteString, row: IndexWrite): void {
    if (!this.#rows.has(key)) this.#insert(key)
    this.#rows.set(key, row)
  }

  /** In no particular order: for those that do not care. */
  entries(): IterableIterator<[ByteString, IndexWrite]> {
    return this.#rows.entries()
  }

  values(): IterableIterator<IndexWrite> {
    return this.#rows.values()
  }

  /** Keys from `first` on, ascending. A key that is put in meanwhile may be missed. */
  *keysFrom(first: ByteString): Generator<ByteString> {
    let chunk = this.#chunkOf(first)
    let at = chunk < this.#chunks.length ? placeOf(this.#chunks[chunk]!, first) : 0
    for (; chunk < this.#chunks.length; chunk++, at = 0) {
      const keys = this.#chunks[chunk]!
      for (; at < keys.length; at++) yield keys[at]!
    }
  }

  /** The key is not there yet. */
  #insert(key: ByteString): void {
    const chunks = this.#chunks
    if (chunks.length === 0) {
      chunks.push([key])
      return
    }
    const index = Math.min(this.#chunkOf(key), chunks.length - 1)
    const keys = chunks[index]!
    keys.splice(placeOf(keys, key), 0, key)
    if (keys.length > CHUNK_MAX) chunks.splice(index + 1, 0, keys.splice(CHUNK_MAX >> 1))
  }

  /** The index of the first chunk whose last key is not below `key`; the number of chunks where there is none. */
  #chunkOf(key: ByteString): number {
    let low = 0
    let high = this.#chunks.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#chunks[middle]!.at(-1)! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** The index of the first key that is not below `key`. */
function placeOf(keys: readonly ByteString[], key: ByteString): number {
  let low = 0
  let high = keys.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (keys[middle]! < key) low = middle + 1
    else high = middle
  }
  return low
}
