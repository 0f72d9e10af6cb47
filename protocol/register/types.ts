/**
 * What proposers, readers and acceptors say to each other about one register.
 *
 * The register does not know what its value means: `body` is opaque, `blocks` names the packed
 * blocks and pages that an acceptor must hold before it accepts the value (A5).
 */

import type { BlockKey, BucketId, NodeId, OperationId, RegisterKey } from '../ids.ts'
import type { Ballot } from './ballot.ts'

/** What a register holds. A change makes a new one; nothing of it is ever edited in place. */
export interface RegisterValue {
  /** Id of the change that wrote it (P4). An identity change keeps it. */
  readonly operation: OperationId
  /** The register is deleted, and may be collected once every replica has this very state (G1, G2). */
  readonly tombstone: boolean
  /** A record of protocol/codec/; the first byte is its version (F20). */
  readonly body: Uint8Array
  /** At most 255. An acceptor of the value has all of them, flushed (A5). */
  readonly blocks: readonly BlockKey[]
  /** Operation of the state that the change replaced; absent when it replaced nothing, or that is not known.
   * A proposer whose accept was overtaken can tell from it that the accept has not happened (P4). */
  readonly replaced?: OperationId | undefined
  /** Those before `replaced`, newest first, at most EARLIER_MAX: so a proposer that was overtaken more than
   * once still learns what became of its accept (P4). */
  readonly earlier?: readonly OperationId[] | undefined
  /**
   * Set by a change that replaced nothing: the highest floor that its quorum reported (G2, P4). The changes after it
   * carry it on, as long as `earlier` reaches back to it.
   */
  readonly above?: Ballot | undefined
}

/** A value and the ballot that it was accepted at. The same value may have several: an identity change gives it another. */
export interface Accepted {
  readonly ballot: Ballot
  readonly value: RegisterValue
}

/** Which generation of which bucket the sender knows (T8). Absent for registers outside buckets. */
export interface Fence {
  readonly bucket: BucketId
  readonly generation: number
}

interface RequestBase {
  readonly key: RegisterKey
  /** In which the sender chose the replicas (L4). */
  readonly epoch: number
  /** Of the bucket that the register belongs to; absent for system registers. */
  readonly fence?: Fence | undefined
}

/** Asks for a promise, and for what was accepted so far (A2). */
export interface PrepareRequest extends RequestBase {
  readonly type: 'prepare'
  readonly ballot: Ballot
}

/** Asks to accept a value (A3). */
export interface AcceptRequest extends RequestBase {
  readonly type: 'accept'
  readonly ballot: Ballot
  readonly value: RegisterValue
  /** Promised together with the acceptance, so that P2 may leave out the next prepare. */
  readonly next: Ballot
}

/** Asks what was accepted. It promises nothing (R1). */
export interface ReadRequest extends RequestBase {
  readonly type: 'read'
  /** `ballot`: leave the value out of the reply; only the nearest replica sends it (R1). */
  readonly want: 'value' | 'ballot'
}

export type RegisterRequest = PrepareRequest | AcceptRequest | ReadRequest

export type RegisterReply = PromisedReply | StateReply | ConflictReply | ShortReply

/** The whole accepted state, absent when there is none. */
export interface PromisedReply {
  readonly type: 'promised'
  /** The ballot of the prepare that is answered. */
  readonly ballot: Ballot
  readonly accepted?: Accepted | undefined
  /** The floor of the partition, when the register is absent. Something below it may have been collected here,
   * so a proposer can tell "never written" from "written, deleted, collected" (P4, G2). */
  readonly floor?: Ballot | undefined
  /** The wall clock of the acceptor's node (T10). Older programs leave it out. */
  readonly clockMs?: number | undefined
}

/** Answers a read. Both fields absent: the register is absent. `ballot` alone: the value was not wanted. */
export interface StateReply {
  readonly type: 'state'
  readonly ballot?: Ballot | undefined
  readonly accepted?: Accepted | undefined
}

/** A higher ballot was promised or accepted: use one above `seen` (P6). */
export interface ConflictReply {
  readonly type: 'conflict'
  readonly seen: Ballot
  /** For an accept: this acceptor has not accepted that ballot and never will (otherwise its accepted ballot
   * or, after a collection, its floor would be at least that). A proposer refused so by every replica
   * knows that its change has not happened (P4). Absent means unknown. */
  readonly never?: boolean | undefined
}

/** Replies without a state. */
export type ShortReply =
  | { readonly type: 'accepted'; readonly ballot: Ballot }
  /** The acceptor must have these blocks first (A5): an answer, not a conflict. */
  | { readonly type: 'need-blocks'; readonly blocks: readonly BlockKey[] }
  /** The acceptor's epoch is later (L4). */
  | { readonly type: 'stale-epoch'; readonly epoch: number }
  /** The acceptor knows a later generation of the bucket (T8). */
  | { readonly type: 'stale-fence'; readonly generation: number }
  /** No vote and no read from here: damaged state, failed or full disk (A4, D3, D5). */
  | { readonly type: 'no-vote'; readonly reason: 'faulty' | 'full' | 'failed' | 'not-a-replica' }

/** The active replica sets: one in STABLE, two in JOINT; a majority of each must answer (L3). */
export type ReplicaSets = readonly (readonly NodeId[])[]
