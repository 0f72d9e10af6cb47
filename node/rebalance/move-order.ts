/** Which partitions get their blocks first: those in danger, then those whose old holders need the room. */

export interface Waiting {
  readonly partition: number
  /** How many nodes in reach may have its blocks. */
  readonly copies: number
  /** How full the disk of the fullest of these is, 0 to 1. */
  readonly full: number
}

/**
 * The partitions: fewest copies first; among equals, the fullest sources first; then by number, so that the order is
 * the same each time.
 */
export function inMoveOrder(waiting: readonly Waiting[]): number[] {
  return waiting
    .toSorted((a, b) => a.copies - b.copies || b.full - a.full || a.partition - b.partition)
    .map(({ partition }) => partition)
}
