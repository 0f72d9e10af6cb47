/** What promises show: the state that a proposer has to go on from. Called by RegisterProposer. */

import { assert } from '../assert.ts'
import type { NodeId } from '../ids.ts'
import { type Ballot, compareBallots, sameBallot } from './ballot.ts'
import type { ProposerOptions } from './proposer-options.ts'
import { isQuorum, majority, membersOf } from './quorum.ts'
import type { Accepted, ReplicaSets } from './types.ts'
import { namesLost } from './value.ts'

/** The promise of one replica. */
export interface Promised {
  readonly from: NodeId
  /** What it has accepted last; undefined where the register is absent. */
  readonly accepted: Accepted | undefined
  /** The floor of the partition where the register is absent, ZERO_BALLOT otherwise (G2). */
  readonly floor: Ballot
  /** Its wall clock when it promised; 0 when it did not say, as older programs do not. */
  readonly clockMs: number
}

/**
 * The state accepted at the highest ballot. If any state was chosen, it is this one or an earlier one that this one followed
 * (A2, P1). Undefined when the register is absent on the whole quorum.
 */
function highestAccepted(promises: readonly Promised[]): Accepted | undefined {
  let top: Accepted | undefined
  for (const { accepted } of promises) {
    if (accepted && (!top || compareBallots(accepted.ballot, top.ballot) > 0)) top = accepted
  }
  return top
}

/** What a proposer goes on from. */
export interface Standing {
  /** Undefined when the register is absent. */
  readonly current: Accepted | undefined
  /** A majority of each set shows this very state, or all that promised show that there is none. */
  readonly isAgreed: boolean
  /** More promises can show that another state is to be followed: wait for those of all replicas. */
  readonly isOpen: boolean
}

/**
 * The state to go on from. It is the one accepted at the highest ballot, unless it names blocks that no replica has any more
 * and is known not to have been chosen (A5). Then the next one is followed: an accept that never counted, and whose data
 * is gone, must not replace what counts.
 *
 * It is known when every replica has promised, and those that can have accepted the state are no majority. These are the
 * ones that show it, and the ones that show a later state.
 */
export function standingOf(
  promises: readonly Promised[],
  {
    sets,
    lost,
    isPartial,
    operation,
  }: Pick<ProposerOptions, 'sets' | 'lost' | 'isPartial' | 'operation'>,
): Standing {
  // The proposer's own value is not lost: its blocks are at hand.
  const isLost = ({ value }: Accepted): boolean =>
    isPartial !== true && value.operation !== operation && namesLost(value, lost)
  const top = highestAccepted(promises)
  const isAgreed = top === undefined || isQuorum(sets, holders(promises, top.ballot, 'exactly'))
  if (top === undefined || isAgreed || !isLost(top)) {
    return { current: top, isAgreed, isOpen: false }
  }
  if (promises.length < membersOf(sets).length) return { current: top, isAgreed, isOpen: true }
  let current: Accepted | undefined = top
  while (
    current !== undefined &&
    isLost(current) &&
    !isQuorum(sets, holders(promises, current.ballot, 'orLater'))
  ) {
    const { ballot }: Accepted = current
    current = highestAccepted(
      promises.filter(({ accepted }) => accepted && compareBallots(accepted.ballot, ballot) < 0),
    )
  }
  // When nothing is left, there is nothing to write in its place.
  return { current: current ?? top, isAgreed, isOpen: false }
}

/** Those that show a state of this ballot, or also those that show a later one. */
function holders(
  promises: readonly Promised[],
  ballot: Ballot,
  which: 'exactly' | 'orLater',
): NodeId[] {
  return promises
    .filter(({ accepted }) => {
      if (accepted === undefined) return false
      if (which === 'exactly') return sameBallot(accepted.ballot, ballot)
      return compareBallots(accepted.ballot, ballot) >= 0
    })
    .map(({ from }) => from)
}

/**
 * The latest time that a majority of each set has passed by the clocks of its own replicas (T10). Neither the proposer's
 * clock nor those of a minority that are ahead can raise it. `promises` are from a majority of each set.
 */
export function majorityClockMs(sets: ReplicaSets, promises: readonly Promised[]): number {
  const times = sets.map((set) => {
    const clocks = promises.filter(({ from }) => set.includes(from)).map(({ clockMs }) => clockMs)
    const passed = clocks.sort((a, b) => b - a)[majority(set.length) - 1]
    assert(passed !== undefined, 'a quorum of promises has a majority of each set (L3)')
    return passed
  })
  return Math.min(...times)
}
