/** What a quorum of promises shows. */

import type { NodeId } from '../ids.ts'
import { type Ballot, compareBallots } from './ballot.ts'
import type { Accepted } from './types.ts'

export interface Promised {
  readonly from: NodeId
  readonly accepted: Accepted | undefined
  readonly floor: Ballot
}

export function highestAccepted(promises: readonly Promised[]): Accepted | undefined {
  let top: Accepted | undefined
  for (const { accepted } of promises) {
    if (accepted && (!top || compareBallots(accepted.ballot, top.ballot) > 0)) top = accepted
  }
  return top
}
