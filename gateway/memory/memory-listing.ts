/**
 * Listing over an array of keys in memory: what the memory backend and the tests' models share.
 * Order is by UTF-8 bytes; a common prefix stands where its first key stands.
 */

import { utf8ByteString } from '../../protocol/bytes.ts'

/** Orders as S3 does. UTF-16 order differs beyond the basic plane. */
export function compareKeys(a: string, b: string): number {
  const left = utf8ByteString(a)
  const right = utf8ByteString(b)
  return left < right ? -1 : left > right ? 1 : 0
}

/** The common prefix that `key` folds into, undefined when it stands for itself. */
export function foldKey(key: string, prefix: string, delimiter: string): string | undefined {
  if (delimiter === '') return undefined
  const at = key.indexOf(delimiter, prefix.length)
  return at < 0 ? undefined : key.slice(0, at + delimiter.length)
}

export interface FoldedPage<Row> {
  readonly rows: readonly Row[]
  readonly prefixes: readonly string[]
  /** The last key or prefix of the page, when more follow. */
  readonly next?: string | undefined
}

/** Folds rows that are already in order. `after` is exclusive: a key or a common prefix. */
export function foldPage<Row>(
  rows: Iterable<Row>,
  keyOf: (row: Row) => string,
  request: {
    prefix: string
    delimiter?: string | undefined
    after?: string | undefined
    limit: number
  },
): FoldedPage<Row> {
  const { prefix, delimiter = '', after, limit } = request
  const found: Row[] = []
  const prefixes: string[] = []
  let last: string | undefined
  for (const row of rows) {
    const key = keyOf(row)
    if (!key.startsWith(prefix)) continue
    if (after !== undefined && compareKeys(key, after) <= 0) continue
    const folded = foldKey(key, prefix, delimiter)
    if (folded !== undefined && (folded === after || folded === prefixes.at(-1))) continue
    if (found.length + prefixes.length === limit) return { rows: found, prefixes, next: last }
    if (folded === undefined) found.push(row)
    else prefixes.push(folded)
    last = folded ?? key
  }
  return { rows: found, prefixes }
}
