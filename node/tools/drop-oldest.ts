/** Bounds a map or set, which lists what was added first, first. */

interface Bounded<Key> {
  readonly size: number
  keys(): Iterable<Key>
  delete(key: Key): boolean
}

/** Deletes the oldest entries until at most `entriesMax` are left. */
export function dropOldest<Key>(entries: Bounded<Key>, entriesMax: number): void {
  for (const oldest of entries.keys()) {
    if (entries.size <= entriesMax) return
    entries.delete(oldest)
  }
}
