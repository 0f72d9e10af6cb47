/** What a quorum of promises shows: the state that a proposer has to go on from. Called by RegisterProposer. */

import type { NodeId } from '../ids.ts'
import { type Ballot, compareBallots } from './ballot.ts'
import type { Accepted } from './types.ts'

/** The promise of one replica. */
export interface Promised {
  readonly from: NodeId
  /** What it has accepted last; undefined where the register is absent. */
  readonly accepted: Accepted | undefined
  /** The floor of the partition where the register is absent, ZERO_BALLOT otherwise (G2). */
  readonly floor: Ballot
}

/**
 * The state accepted at the highest ballot. If any state was chosen, it is this one or an earlier one that this one followed
 * (A2, P1). Undefined when the register is absent on the whole quorum.
 */
export function highestAccepted(promises: readonly Promised[]): Accepted | undefined {
  let top: Accepted | undefined
  for (const { accepted } of promises) {
    if (accepted && (!top || compareBallots(accepted.ballot, top.ballot) > 0)) top = accepted
  }
  return top
}
