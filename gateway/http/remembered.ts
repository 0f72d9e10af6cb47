/**
 * Results of pure functions of texts that many requests share: the credential and the date of a signature, the list of
 * signed headers, the address of a connection. Nothing that may change or be revoked is kept, only what the text
 * itself says (T7).
 */

/** Longer texts are rare, and are worked out each time. */
const LENGTH_MAX = 256

/**
 * `compute`, with results kept by text. At `entriesMax` all are dropped, so that clients who send other texts each time
 * cost no more than without. Neither a failure nor `undefined` is kept.
 */
export function remembering<T>(
  entriesMax: number,
  compute: (text: string) => T,
): (text: string) => T {
  const known = new Map<string, T>()
  return (text) => {
    const before = known.get(text)
    if (before !== undefined) return before
    if (text.length > LENGTH_MAX) return compute(text)
    // A part of a text keeps the whole in memory, so the parts of a request are copied first.
    const copy = Buffer.from(text, 'utf16le').toString('utf16le')
    const value = compute(copy)
    if (value === undefined) return value
    if (known.size >= entriesMax) known.clear()
    known.set(copy, value)
    return value
  }
}
