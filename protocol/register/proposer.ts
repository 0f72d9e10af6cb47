/** CASPaxos proposer: one operation on one register. (Signatures first; the body follows.) */

import type { NodeId, OperationId, ProposerId, RegisterKey } from '../ids.ts'
import type { Attempt, PriorBallot, ProposerOutcome, Step } from './step.ts'
import type { Fence, RegisterReply, RegisterRequest, RegisterValue, ReplicaSets } from './types.ts'

/**
 * What a change makes of the current state: a new value, or nothing. Pure: it is called again on each
 * retry. A tombstone is passed as a value.
 */
export type Change = (current: RegisterValue | undefined) => ChangeResult

export type ChangeResult =
  | { readonly write: Omit<RegisterValue, 'operation'> }
  /** `rewrite`: write the current value again at the new ballot even when it is known to be chosen. */
  | { readonly keep: true; readonly rewrite?: boolean }

export interface ProposerOptions {
  readonly key: RegisterKey
  readonly operation: OperationId
  readonly proposer: ProposerId
  /** A counter above `above` and above all that it gave before, also before a crash (P1). */
  readonly nextCounter: (above: number) => number
  readonly sets: ReplicaSets
  readonly epoch: number
  readonly fence?: Fence | undefined
  readonly change: Change
  /** P2. */
  readonly prior?: PriorBallot | undefined
  /** P4: from the outcome of an earlier proposer of the same operation. */
  readonly attempt?: Attempt | undefined
  /** Use counters above this only (D3: the mark). */
  readonly above?: number | undefined
}

export class Proposer {
  /** Quorum rounds waited for so far. */
  rounds = 0

  constructor(_options: ProposerOptions) {
    throw new Error('not written yet')
  }

  start(): Step<ProposerOutcome> {
    throw new Error('not written yet')
  }

  onReply(_from: NodeId, _request: RegisterRequest, _reply: RegisterReply): Step<ProposerOutcome> {
    throw new Error('not written yet')
  }

  /** `maybeDelivered` false: the request certainly never left this node. */
  onFailure(
    _from: NodeId,
    _request: RegisterRequest,
    _maybeDelivered: boolean,
  ): Step<ProposerOutcome> {
    throw new Error('not written yet')
  }

  onBackoffOver(): Step<ProposerOutcome> {
    throw new Error('not written yet')
  }

  /** The deadline has passed: `unknown` or `unavailable`. */
  giveUp(): ProposerOutcome {
    throw new Error('not written yet')
  }
}

/** Writes nothing new: makes sure that what it returns is chosen (R2, D3, L5). `rewrite`: also when
 * that is already known. Its outcome is `kept` or, after a rewrite, `kept` at the new ballot. */
export function identityProposer(
  _options: Omit<ProposerOptions, 'change' | 'operation' | 'prior' | 'attempt'> & {
    readonly rewrite?: boolean
  },
): Proposer {
  throw new Error('not written yet')
}
