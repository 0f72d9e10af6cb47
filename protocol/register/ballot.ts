/** Ballots order a register's changes: by counter, then by proposer (docs/correctness.md, Notation). */

import type { ProposerId } from '../ids.ts'

export interface Ballot {
  /** From 0 up to 2^53 − 1. A peer may name one up to BALLOT_COUNTER_MAX. */
  readonly counter: number
  /** Empty in ZERO_BALLOT and in a mark (A1), which no proposer ever uses. */
  readonly proposer: ProposerId
}

/**
 * The highest counter that is taken from a peer. Counters rise by a few at a time, so no sound node ever comes near it;
 * and what a faulty peer sends leaves room for the higher ones that a proposer must use next (P6).
 */
export const BALLOT_COUNTER_MAX = 2 ** 52

/** Below every ballot that a proposer ever uses. */
export const ZERO_BALLOT: Ballot = { counter: 0, proposer: '' as ProposerId }

/** Negative, zero or positive as in sorting. */
export function compareBallots(a: Ballot, b: Ballot): number {
  if (a.counter !== b.counter) return a.counter - b.counter
  return a.proposer < b.proposer ? -1 : a.proposer > b.proposer ? 1 : 0
}

/** The later one. */
export function maxBallot(a: Ballot, b: Ballot): Ballot {
  return compareBallots(a, b) >= 0 ? a : b
}

/** Equal in both parts: then both carry the same value (P1). */
export function sameBallot(a: Ballot, b: Ballot): boolean {
  return a.counter === b.counter && a.proposer === b.proposer
}
