/**
 * Patterns compared with patterns (pattern.ts): is all that one matches matched by another, can one text
 * match both. Comparisons are linear where they can be and counted in any case, so that policies made to
 * be slow end in the safe answer instead (F29).
 */

import type { Meter } from '../work.ts'
import {
  ANY_ONE,
  ANY_TEXT,
  compilePattern,
  matchesPattern,
  type Pattern,
  type PatternUnits,
} from './pattern.ts'

/** A pattern in all the forms that comparisons need, made once. */
export interface Comparable {
  readonly units: PatternUnits
  readonly compiled: Pattern
  /**
   * The units as text, wildcards as characters of their own. Undefined when the pattern holds such a
   * character itself.
   */
  readonly text: string | undefined
  readonly hasOne: boolean
  /** Units before the first wildcard. */
  readonly fixedLength: number
  /** '*' alone. */
  readonly isEverything: boolean
}

/** Wildcards in `Comparable.text`; no character has these values. */
const STAR = 0xffff
const ONE = 0xfffe

export function comparable(units: PatternUnits): Comparable {
  const wildcard = units.findIndex((unit) => unit < 0)
  if (wildcard < 0 && units.length <= SHARED_UNITS_MAX) return sharedOf(units)
  return comparableOf(units, wildcard)
}

/** Fields of ARNs that all policies have are kept once. */
const shared = new Map<string, Comparable>()
const SHARED_MAX = 256
const SHARED_UNITS_MAX = 12

function sharedOf(units: PatternUnits): Comparable {
  const key = units.join()
  const known = shared.get(key)
  if (known !== undefined) return known
  const made = comparableOf(units, -1)
  if (shared.size < SHARED_MAX) shared.set(key, made)
  return made
}

function comparableOf(units: PatternUnits, wildcard: number): Comparable {
  const codes = units.map((unit) => (unit === ANY_TEXT ? STAR : unit === ANY_ONE ? ONE : unit))
  const isAmbiguous = units.includes(STAR) || units.includes(ONE)
  return {
    units,
    compiled: compilePattern(units),
    text: isAmbiguous ? undefined : codes.map((code) => String.fromCharCode(code)).join(''),
    hasOne: units.includes(ANY_ONE),
    fixedLength: wildcard < 0 ? units.length : wildcard,
    isEverything: units.length === 1 && units[0] === ANY_TEXT,
  }
}

/**
 * True only when every text that `inner` matches is matched by `outer`. It may say no where yes would be
 * right ('?*' within '*?'): a star of `inner` is only ever taken by a star of `outer`.
 */
export function isWithin(inner: Comparable, outer: Comparable, meter: Meter): boolean {
  if (outer.isEverything) return true
  if (haveOtherStarts(inner, outer, meter)) return false
  // A wildcard of inner is then a character that only a star of outer takes.
  if (!outer.hasOne && inner.text !== undefined && outer.text !== undefined) {
    return matchesPattern(outer.compiled, inner.text, meter)
  }
  return isWithinUnits(inner.units, outer.units, meter)
}

function isWithinUnits(inner: PatternUnits, outer: PatternUnits, meter: Meter): boolean {
  meter.take((inner.length + 1) * (outer.length + 1))
  // reach[j]: the part of inner read so far is within the first j units of outer.
  let reach = new Uint8Array(outer.length + 1)
  reach[0] = 1
  skipStars(reach, outer)
  for (const unit of inner) {
    const next = new Uint8Array(outer.length + 1)
    let any = false
    for (let at = 0; at < outer.length; at++) {
      if (reach[at] === 0) continue
      const wanted = outer[at] as number
      if (wanted === ANY_TEXT) next[at] = 1
      else if (unit !== ANY_TEXT && (wanted === unit || wanted === ANY_ONE)) next[at + 1] = 1
      else continue
      any = true
    }
    if (!any) return false
    skipStars(next, outer)
    reach = next
  }
  return reach[outer.length] === 1
}

/** False only when no text matches both. */
export function mayOverlap(one: Comparable, other: Comparable, meter: Meter): boolean {
  if (one.isEverything || other.isEverything) return true
  if (haveOtherStarts(one, other, meter)) return false
  if (isPlain(one)) return matchesPattern(other.compiled, one.text as string, meter)
  if (isPlain(other)) return matchesPattern(one.compiled, other.text as string, meter)
  return mayUnitsOverlap(one.units, other.units, meter)
}

/** Without wildcards. */
function isPlain({ units, fixedLength, text }: Comparable): boolean {
  return fixedLength === units.length && text !== undefined
}

/** The texts before the wildcards differ, so nothing matches both. */
function haveOtherStarts(one: Comparable, other: Comparable, meter: Meter): boolean {
  const length = Math.min(one.fixedLength, other.fixedLength)
  for (let at = 0; at < length; at++) {
    if (one.units[at] === other.units[at]) continue
    meter.take(1 + at)
    return true
  }
  meter.take(1 + length)
  return false
}

function mayUnitsOverlap(one: PatternUnits, other: PatternUnits, meter: Meter): boolean {
  meter.take((one.length + 1) * (other.length + 1))
  // reach[j]: some text matches what was read of one, and the first j units of the other.
  let reach = new Uint8Array(other.length + 1)
  reach[0] = 1
  skipStars(reach, other)
  for (const unit of one) {
    const next = new Uint8Array(other.length + 1)
    if (unit === ANY_TEXT) {
      const from = reach.indexOf(1)
      if (from >= 0) next.fill(1, from)
    } else {
      for (let at = 0; at < other.length; at++) {
        if (reach[at] === 0) continue
        const wanted = other[at] as number
        if (wanted === ANY_TEXT) next[at] = 1
        else if (wanted === unit || wanted === ANY_ONE || unit === ANY_ONE) next[at + 1] = 1
      }
      skipStars(next, other)
    }
    reach = next
  }
  return reach[other.length] === 1
}

/** A star may match nothing. */
function skipStars(reach: Uint8Array, units: PatternUnits): void {
  for (let at = 0; at < units.length; at++) {
    if (reach[at] === 1 && units[at] === ANY_TEXT) reach[at + 1] = 1
  }
}
