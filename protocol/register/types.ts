/**
 * What proposers, readers and acceptors say to each other about one register.
 *
 * The register does not know what its value means: `body` is opaque, `blocks` names the packed
 * blocks and pages that an acceptor must hold before it accepts the value (A5).
 */

import type { BlockKey, BucketId, NodeId, OperationId, RegisterKey } from '../ids.ts'
import type { Ballot } from './ballot.ts'

export interface RegisterValue {
  /** Id of the change that wrote it (P4). An identity change keeps it. */
  readonly operation: OperationId
  readonly tombstone: boolean
  readonly body: Uint8Array
  readonly blocks: readonly BlockKey[]
}

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
  readonly epoch: number
  readonly fence?: Fence | undefined
}

export interface PrepareRequest extends RequestBase {
  readonly type: 'prepare'
  readonly ballot: Ballot
}

export interface AcceptRequest extends RequestBase {
  readonly type: 'accept'
  readonly ballot: Ballot
  readonly value: RegisterValue
  /** Promised together with the acceptance, so that P2 may leave out the next prepare. */
  readonly next: Ballot
}

export interface ReadRequest extends RequestBase {
  readonly type: 'read'
}

export type RegisterRequest = PrepareRequest | AcceptRequest | ReadRequest

/** Promise and read report the whole accepted state, absent when there is none. */
export type RegisterReply =
  | { readonly type: 'promised'; readonly ballot: Ballot; readonly accepted?: Accepted | undefined }
  | { readonly type: 'accepted'; readonly ballot: Ballot }
  | { readonly type: 'state'; readonly accepted?: Accepted | undefined }
  /** A higher ballot stands in the way: `seen` is what to go past (P6). */
  | { readonly type: 'conflict'; readonly seen: Ballot }
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
