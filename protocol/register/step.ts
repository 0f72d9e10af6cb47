/**
 * What a proposer or reader asks its host to do. The host obeys every field that is present, and comes
 * back with events; the state machines hold no clock, no timer and no promise.
 */

import type { BlockKey, NodeId, OperationId } from '../ids.ts'
import type { Ballot } from './ballot.ts'
import type { Accepted, AcceptRequest, RegisterRequest, RegisterValue } from './types.ts'

/** Send `request` to `to`; hand the very same object back with the reply or failure. */
export interface Send<Request extends RegisterRequest = RegisterRequest> {
  readonly to: NodeId
  readonly request: Request
}

/** What one event makes of the machine. */
export interface Step<Outcome> {
  /** Empty when there is nothing to ask. */
  readonly send: readonly Send[]
  /** Sleep a random time that grows with `attempt` (from 0), then call `onBackoffOver` (P6, R2). */
  readonly backoff?: { readonly attempt: number }
  /** Send the same accept to the node again, with these blocks in front (A5); when they can't be had,
   * call `onFailure` for it. */
  readonly needBlocks?: {
    readonly node: NodeId
    readonly blocks: readonly BlockKey[]
    readonly request: AcceptRequest
  }
  /** The machine is done: later events are ignored. */
  readonly outcome?: Outcome
}

/** What P2 lets a proposer keep after a write: the next accept may go out at `ballot` without a
 * prepare, upon `accepted`, in the same epoch. Drop it when any conflict on the key was met since. */
export interface PriorBallot {
  /** Of the accept that earned it. It is of no use in another one (L4). */
  readonly epoch: number
  /** Promised by a quorum together with that accept. */
  readonly ballot: Ballot
  /** What that accept has had chosen: the state that the next change replaces. */
  readonly accepted: Accepted
}

/** An accept that was sent and may or may not have happened (P4). A proposer that carries on with the
 * same operation elsewhere (a later epoch, a later generation) must be given it. */
export interface Attempt {
  /** In which that accept was sent. Floors of another epoch say nothing about it. */
  readonly epoch: number
  /** The ballot of the first accept that may have reached an acceptor. */
  readonly ballot: Ballot
  /** Lineage of a state that it did not lead to: the one that it meant to replace at first, or a later
   * one. Empty when the register was absent. */
  readonly bases: readonly OperationId[]
  /** All values that were proposed for it. */
  readonly values: readonly RegisterValue[]
}

export type ProposerOutcome =
  /** Chosen at `ballot`. `prior` is for the next operation of this proposer on this key (P2). */
  | {
      readonly type: 'written'
      readonly ballot: Ballot
      readonly value: RegisterValue
      /** Of an accept of the value: above those of the change before it, and below those of the change after it. */
      readonly writtenAt: Ballot
      /** It was replaced since: this is chosen at `ballot`, and `value` is in its lineage (P4). */
      readonly overtakenBy?: RegisterValue
      readonly prior?: PriorBallot
    }
  /** `change` kept the state, and that state is known to be chosen (P3). `current` is absent when the register is. */
  | { readonly type: 'kept'; readonly current?: Accepted; readonly ballot: Ballot }
  /** Our accept may or may not have happened, now or later (P4): 503, never 412 or 200. */
  | { readonly type: 'unknown' }
  /** No quorum, and nothing of ours has happened or will: the caller may try again. */
  | { readonly type: 'unavailable' }
  /** Fetch the layout, start again with a new proposer and this `attempt` (L4). */
  | { readonly type: 'stale-epoch'; readonly epoch: number; readonly attempt?: Attempt }
  /** Read the bucket's record again, start again with a new proposer and this `attempt` (T8). */
  | { readonly type: 'stale-fence'; readonly generation: number; readonly attempt?: Attempt }

export type ReaderOutcome =
  /** Known to be chosen (R1). `accepted` is absent when the register is. */
  | { readonly type: 'state'; readonly accepted?: Accepted }
  /** Three readings did not agree (R2): run an `identityProposer`. */
  | { readonly type: 'needs-identity' }
  /** No quorum answered. */
  | { readonly type: 'unavailable' }
  /** Fetch the layout, read again (L4). */
  | { readonly type: 'stale-epoch'; readonly epoch: number }
  /** Read the bucket's record again, then this register (T8). */
  | { readonly type: 'stale-fence'; readonly generation: number }
