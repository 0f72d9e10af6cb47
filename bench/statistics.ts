/** What several rounds of one measurement come to. */

export interface Rounds {
  readonly median: number
  /** From the smallest to the largest, as a share of the median. */
  readonly spread: number
}

/** The middle one; of an even number the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no values')
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  const upper = sorted[middle]!
  return sorted.length % 2 === 1 ? upper : (sorted[middle - 1]! + upper) / 2
}

export function roundsOf(values: readonly number[]): Rounds {
  const middle = median(values)
  const range = Math.max(...values) - Math.min(...values)
  return { median: middle, spread: middle === 0 ? 0 : range / middle }
}
