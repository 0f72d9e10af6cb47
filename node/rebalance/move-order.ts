/** Which partitions get their blocks first: those in danger, then those whose old holders need the room. */

export interface Waiting {
  readonly partition: number
  /** Nodes in reach that may have its blocks. */
  readonly copies: number
  /** Of the fullest of these, 0 to 1. */
  readonly full: number
}

/** Fewest copies first; of these the fullest sources first. */
export function inMoveOrder(waiting: readonly Waiting[]): number[] {
  return waiting
    .toSorted((a, b) => a.copies - b.copies || b.full - a.full || a.partition - b.partition)
    .map(({ partition }) => partition)
}
