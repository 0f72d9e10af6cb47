/**
 * What may happen to a stored register outside the rounds of Paxos: a copy from another replica (sync,
 * repair) and collection of a tombstone. Both are functions over the acceptor's state.
 *
 * Invariants:
 *   - only pairs known to be chosen are copied: the caller has them from F+1 replicas    (L5, G3)
 *   - nothing comes back that was collected: a copy at or below the floor is refused     (G3)
 *   - promised and the floor never fall                                                  (A1, G2)
 */

import { assert } from '../assert.ts'
import type { AcceptorState } from './acceptor.ts'
import { type Ballot, compareBallots, maxBallot, sameBallot } from './ballot.ts'
import type { Accepted } from './types.ts'

export type Copied =
  /** Flush `persist`, blocks first (A5); then the register counts as synced. */
  | { readonly type: 'installed'; readonly state: AcceptorState; readonly persist: Accepted }
  /** The same or a later state is here: synced, once that is flushed. */
  | { readonly type: 'held'; readonly ballot: Ballot }
  /** An identity change has to settle it; never counts as synced (G3). */
  | { readonly type: 'refused' }

/** Takes over a pair that F+1 replicas of a set reported alike. */
export function install(state: AcceptorState, floor: Ballot, chosen: Accepted): Copied {
  const { accepted, promised } = state
  if (accepted && compareBallots(accepted.ballot, chosen.ballot) >= 0) {
    return { type: 'held', ballot: accepted.ballot }
  }
  if (!accepted && compareBallots(chosen.ballot, floor) <= 0) return { type: 'refused' }
  const raised = maxBallot(promised, chosen.ballot)
  assert(compareBallots(raised, promised) >= 0, 'a copy takes no promise back (A1)')
  assert(compareBallots(raised, chosen.ballot) >= 0, 'what is accepted is promised (A3)')
  return {
    type: 'installed',
    state: { promised: raised, accepted: chosen },
    persist: chosen,
  }
}

/** Flush the floor and the removal as one record, the floor being the partition's. */
export interface Collected {
  readonly state: AcceptorState
  readonly floor: Ballot
}

/**
 * Forgets a tombstone that every replica of the STABLE set has reported, flushed, at exactly `ballot`
 * (G2). Undefined when the state has moved on since: then nothing happens.
 */
export function collect(
  state: AcceptorState,
  floor: Ballot,
  ballot: Ballot,
): Collected | undefined {
  const { accepted, promised } = state
  if (!accepted || !accepted.value.tombstone || !sameBallot(accepted.ballot, ballot)) {
    return undefined
  }
  const raised = maxBallot(floor, promised)
  assert(
    compareBallots(raised, floor) >= 0 && compareBallots(raised, ballot) >= 0,
    'the floor covers what was collected (G2)',
  )
  return { state: { promised }, floor: raised }
}
