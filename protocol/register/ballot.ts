/** Ballots order a register's changes: by counter, then by proposer (docs/correctness.md, Notation). */

import type { ProposerId } from '../ids.ts'

export interface Ballot {
  /** Up to 2^53 − 1. */
  readonly counter: number
  readonly proposer: ProposerId
}

/** Below every ballot that a proposer ever uses. */
export const ZERO_BALLOT: Ballot = { counter: 0, proposer: '' as ProposerId }

/** Negative, zero or positive as in sorting. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.counter !== b.counter) return a.counter - b.counter
  return a.proposer < b.proposer ? -1 : a.proposer > b.proposer ? 1 : 0
}

export function maxBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) >= 0 ? a : b
}

export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.counter === b.counter && a.proposer === b.proposer
}
