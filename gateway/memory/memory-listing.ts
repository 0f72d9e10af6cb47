/**
 * Listings over keys in memory, shared by the memory backend and the models of tests.
 * The order is that of UTF-8 bytes; a common prefix is at the place of its first key.
 */

import { utf8ByteString } from '../../protocol/bytes.ts'

/** Compares in the order of S3. The order of UTF-16 differs beyond the basic plane. */
export function compareKeys(a: string, b: string): number {
  const left = utf8ByteString(a)
  const right = utf8ByteString(b)
  return left < right ? -1 : left > right ? 1 : 0
}

/** The common prefix that contains `key`; undefined when the key is listed itself. */
export function foldKey(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

export interface FoldedPage<Entry> {
  readonly entries: readonly Entry[]
  readonly prefixes: readonly string[]
  /** The last key or prefix of the page, if more follow. */
  readonly next?: string | undefined
}

/** Makes a page of entries that are already in order. It starts after `after`, a key or a common prefix. */
export function foldPage<Entry>(
  entries: Iterable<Entry>,
  keyOf: (entry: Entry) => string,
  request: {
    prefix: string
    delimiter?: string | undefined
    after?: string | undefined
    limit: number
  },
): FoldedPage<Entry> {
  const { prefix, delimiter = '', after, limit } = request
  const found: Entry[] = []
  const prefixes: string[] = []
  let last: string | undefined
  for (const entry of entries) {
    const key = keyOf(entry)
    if (!key.startsWith(prefix)) continue
    if (after !== undefined && compareKeys(key, after) <= 0) continue
    const folded = foldKey(key, prefix, delimiter)
    if (folded !== undefined && (folded === after || folded === prefixes.at(-1))) continue
    if (found.length + prefixes.length === limit) return { entries: found, prefixes, next: last }
    if (folded === undefined) found.push(entry)
    else prefixes.push(folded)
    last = folded ?? key
  }
  return { entries: found, prefixes }
}
