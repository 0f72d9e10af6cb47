/** A map that knows about how many bytes its entries take. It is ordered by age, the oldest entry first. */

/** What an entry costs beside its key and its value. */
const ENTRY_OVERHEAD_BYTES = 150

interface Entry<Value> {
  readonly value: Value
  readonly sizeBytes: number
}

/** It drops nothing by itself: the owner takes the oldest entries out. */
export class SizedMap<Key extends string, Value> {
  readonly #entries = new Map<Key, Entry<Value>>()
  #sizeBytes = 0

  get size(): number {
    return this.#entries.size
  }

  /** About the memory that all entries take. The caller drops the oldest ones when it is too much. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)?.value
  }

  /** Makes the entry the youngest. `valueBytes`: the size of the value. */
  set(key: Key, value: Value, valueBytes: number): void {
    this.delete(key)
    const sizeBytes = ENTRY_OVERHEAD_BYTES + key.length + valueBytes
    this.#entries.set(key, { value, sizeBytes })
    this.#sizeBytes += sizeBytes
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key)
    if (entry === undefined) return
    this.#entries.delete(key)
    this.#sizeBytes -= entry.sizeBytes
  }

  /** Oldest first. The key that is visited may be deleted meanwhile. */
  keys(): IterableIterator<Key> {
    return this.#entries.keys()
  }
}
