/**
 * Patterns compared with patterns (pattern.ts): is all that one matches matched by another, can one text
 * match both. Each comparison is counted against a budget, so that policies made to be slow end in the
 * safe answer instead (row 29).
 */

import { ANY_ONE, ANY_TEXT, type PatternUnits } from './pattern.ts'

/** Steps that comparisons may still take; spent, they answer what grants nothing. */
export interface Budget {
  steps: number
}

/**
 * True only when every text that `inner` matches is matched by `outer`. It may say no where yes would be
 * right ('?*' within '*?'): a star of `inner` is only ever taken by a star of `outer`.
 */
export function isWithin(inner: PatternUnits, outer: PatternUnits, budget: Budget): boolean {
  if (outer.length === 1 && outer[0] === ANY_TEXT) return --budget.steps >= 0
  if (!spend(budget, inner, outer)) return false
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
export function mayOverlap(one: PatternUnits, other: PatternUnits, budget: Budget): boolean {
  if (!spend(budget, one, other)) return true
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

/** A star may stand for nothing. */
function skipStars(reach: Uint8Array, units: PatternUnits): void {
  for (let at = 0; at < units.length; at++) {
    if (reach[at] === 1 && units[at] === ANY_TEXT) reach[at + 1] = 1
  }
}

function spend(budget: Budget, one: PatternUnits, other: PatternUnits): boolean {
  budget.steps -= (one.length + 1) * (other.length + 1)
  return budget.steps >= 0
}
