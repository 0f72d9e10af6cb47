/**
 * Patterns with `*` (any text) and `?` (one UTF-16 unit), matched without regular expressions.
 *
 * A pattern falls into the pieces between its stars. The first and last are anchored; each of the
 * others is looked for from where the one before it ended, and the leftmost place is always right. The
 * search never looks back in the text: a piece of plain units by its borders (Knuth, Morris and Pratt),
 * one with `?` by all candidate starts as bits of machine words (Shift-And). Time is O(text) and
 * O(text × piece / 32), whatever the pattern (F29). The comparisons are counted.
 */

import { assert } from '../assert.ts'
import { Meter } from '../work.ts'

/** The wildcards, among UTF-16 units. Negative, so no character is taken for one. */
export const ANY_ONE = -1
export const ANY_TEXT = -2

/** UTF-16 units, ANY_ONE, ANY_TEXT. */
export type PatternUnits = readonly number[]

export interface Pattern {
  /** Between the stars: one piece when there is no star, else at least two. */
  readonly pieces: readonly PatternUnits[]
  /**
   * For each piece without `?` that is searched for: entry i is the length of the longest proper prefix of its first
   * i + 1 units that they also end with.
   */
  readonly borders: readonly (Int32Array | undefined)[]
  /** Units that any match has at least. */
  readonly lengthMin: number
}

/** Units of text in which `*` and `?` are wildcards. */
export function wildcardUnits(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => {
    const unit = text.charCodeAt(at)
    return unit === 0x2a ? ANY_TEXT : unit === 0x3f ? ANY_ONE : unit
  })
}

/** Units of literal text. */
export function literalUnits(text: string): number[] {
  return Array.from({ length: text.length }, (_, at) => text.charCodeAt(at))
}

export function compilePattern(units: PatternUnits): Pattern {
  const pieces: PatternUnits[] = []
  let from = 0
  for (let at = units.indexOf(ANY_TEXT); at >= 0; at = units.indexOf(ANY_TEXT, from)) {
    pieces.push(units.slice(from, at))
    from = at + 1
  }
  const lengthMin = units.length - pieces.length
  pieces.push(units.slice(from))
  const borders = pieces.map((piece, at) =>
    at === 0 || at === pieces.length - 1 || piece.includes(ANY_ONE) ? undefined : bordersOf(piece),
  )
  return { pieces, borders, lengthMin }
}

function bordersOf(piece: PatternUnits): Int32Array {
  const borders = new Int32Array(piece.length)
  let length = 0
  for (let at = 1; at < piece.length; at++) {
    while (length > 0 && piece[at] !== piece[length]) length = borders[length - 1] as number
    if (piece[at] === piece[length]) length++
    borders[at] = length
  }
  assert(length < piece.length || length === 0, 'a border is shorter than its piece')
  return borders
}

export function matchesPattern(pattern: Pattern, text: string, meter: Meter): boolean {
  const { pieces, borders, lengthMin } = pattern
  meter.take(4)
  if (text.length < lengthMin) return false
  const first = pieces[0] as PatternUnits
  if (pieces.length === 1) {
    if (text.length !== first.length) return false
    meter.take(first.length)
    return standsAt(first, text, 0)
  }
  const last = pieces.at(-1) as PatternUnits
  meter.take(first.length + last.length)
  const end = text.length - last.length
  if (!standsAt(first, text, 0) || !standsAt(last, text, end)) return false
  let at = first.length
  for (let index = 1; index < pieces.length - 1; index++) {
    const piece = pieces[index] as PatternUnits
    const known = borders[index]
    const found =
      known === undefined
        ? endOfFirst(piece, text, at, end, meter)
        : endOfPlain(piece, known, text, at, end)
    meter.take(2 + (found ?? end) - at)
    if (found === undefined) return false
    at = found
  }
  return true
}

/** True when `text` matches a pattern in which nothing but `*` and `?` is special. */
export function matchesWildcards(pattern: string, text: string): boolean {
  return matchesPattern(compilePattern(wildcardUnits(pattern)), text, new Meter())
}

function standsAt(piece: PatternUnits, text: string, at: number): boolean {
  return piece.every((unit, index) => unit === ANY_ONE || unit === text.charCodeAt(at + index))
}

/** Where the leftmost occurrence of a piece without `?` within [start, end) ends. */
function endOfPlain(
  piece: PatternUnits,
  borders: Int32Array,
  text: string,
  start: number,
  end: number,
): number | undefined {
  if (piece.length === 0) return start
  let length = 0
  for (let at = start; at < end; at++) {
    const unit = text.charCodeAt(at)
    while (length > 0 && unit !== piece[length]) length = borders[length - 1] as number
    if (unit === piece[length]) length++
    if (length === piece.length) return at + 1
  }
  return undefined
}

/** Where the leftmost occurrence within [start, end) ends. */
function endOfFirst(
  piece: PatternUnits,
  text: string,
  start: number,
  end: number,
  meter: Meter,
): number | undefined {
  if (piece.length === 0) return start
  const words = Math.ceil(piece.length / 32)
  const masks = masksOf(piece, words)
  meter.take((masks.size + end - start) * words + piece.length * 16)
  const anyOne = masks.get(ANY_ONE) as Int32Array
  const state = new Int32Array(words)
  const lastWord = words - 1
  const lastBit = 1 << ((piece.length - 1) & 31)
  for (let at = start; at < end; at++) {
    const mask = masks.get(text.charCodeAt(at)) ?? anyOne
    // Bit i of the state: the text before here ends with the first i + 1 units of the piece.
    let carry = 1
    for (let word = 0; word < words; word++) {
      const before = state[word] as number
      state[word] = ((before << 1) | carry) & (mask[word] as number)
      carry = before >>> 31
    }
    if (((state[lastWord] as number) & lastBit) !== 0) return at + 1
  }
  return undefined
}

/** For each unit of the piece, the places where it may be; places of wildcards are in all. */
function masksOf(piece: PatternUnits, words: number): Map<number, Int32Array> {
  const anyOne = new Int32Array(words)
  for (const [at, unit] of piece.entries()) if (unit === ANY_ONE) mark(anyOne, at)
  const masks = new Map<number, Int32Array>([[ANY_ONE, anyOne]])
  for (const [at, unit] of piece.entries()) {
    let mask = masks.get(unit)
    if (mask === undefined) {
      mask = anyOne.slice()
      masks.set(unit, mask)
    }
    mark(mask, at)
  }
  return masks
}

function mark(mask: Int32Array, at: number): void {
  mask[at >> 5] = (mask[at >> 5] as number) | (1 << (at & 31))
}
