/** What a proposer is given: the register, the change, and what is known from earlier proposers of the operation. */

import type { BlockKey, OperationId, ProposerId, RegisterKey } from '../ids.ts'
import type { Attempt, PriorBallot } from './step.ts'
import type { Fence, RegisterValue, ReplicaSets } from './types.ts'

/**
 * What a change makes of the current state: a new value, or nothing. Pure: it is called again on each
 * retry. A tombstone is passed as a value. `chosen`: a majority of each set has accepted this very state,
 * and so holds all blocks that it names (A5); otherwise it may be on fewer replicas. `clockMs`: what the clocks of a majority
 * of each set have passed, 0 when they did not say. Undefined when none was asked: a change that needs it keeps the state, and is
 * called again (T10).
 */
export type Change = (
  current: RegisterValue | undefined,
  chosen: boolean,
  clockMs: number | undefined,
) => ChangeResult

export type ChangeResult =
  | { readonly write: Omit<RegisterValue, 'operation'> }
  /** `rewrite`: write the current value again at the new ballot even when it is known to be chosen. */
  | { readonly keep: true; readonly rewrite?: boolean }

export interface ProposerOptions {
  readonly key: RegisterKey
  /** Drawn once for the change, and kept through all its retries (P4). Empty for an identity change. */
  readonly operation: OperationId
  readonly proposer: ProposerId
  /** A counter above `above` and above all that it gave before, also before a crash (P1). */
  readonly nextCounter: (above: number) => number
  /** The active sets of the register's partition in `epoch`. */
  readonly sets: ReplicaSets
  readonly epoch: number
  readonly fence?: Fence | undefined
  readonly change: Change
  /** From the outcome of the last change by this proposer, when it met no conflict since (P2). Used once. */
  readonly prior?: PriorBallot | undefined
  /**
   * Whether acceptors also promise a ballot for the next change of this proposer (`prior` of the outcome). They keep that
   * promise in memory, so it is for who uses it. Default true.
   */
  readonly promisesNext?: boolean | undefined
  /** P4: from the outcome of an earlier proposer of the same operation. */
  readonly attempt?: Attempt | undefined
  /** Whether the proposer of an operation may still want to know what became of it; all may, unless given. The lineage
   * leaves the others out. */
  readonly isRecent?: ((operation: OperationId) => boolean) | undefined
  /** The proposer uses only counters above this (D3: the mark). */
  readonly above?: number | undefined
  /** Blocks that no replica has any more (A5): what is proposed does not name them, so that they hold up
   * nothing. Looked at again for each round. */
  readonly lost?: ReadonlySet<BlockKey> | undefined
  /** The sets leave out a replica whose state is damaged (D3): what it has accepted is not known. */
  readonly isPartial?: boolean | undefined
}
