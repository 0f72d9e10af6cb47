/**
 * The layout as the admin port shows it, and the changes that can be requested. A node is named by its name or by
 * a unique suffix of its id.
 */

import type { ChangePlan, PlannedShare } from '../../protocol/layout/plan.ts'

/** Data that is being moved: to one node, or in the whole cluster. */
export interface Move {
  readonly pendingBytes: number
  readonly doneBytes: number
  readonly bytesPerSecond: number
  /** At the current rate. Absent when nothing moves or nothing is left. */
  readonly secondsLeft?: number | undefined
}

export const NODE_STATES = ['member', 'learner', 'joining', 'leaving', 'source'] as const
/**
 * member: serves, before and after the change. learner: fetches the data that it will hold, without a vote.
 * joining: has a vote in the new set of members. leaving: serves until the change is done. source: has left, but
 * others still fetch blocks from it.
 */
export type NodeState = (typeof NODE_STATES)[number]

/** A node in the layout, now and after the change that is under way. */
export interface LayoutNode {
  readonly node: string
  /** Its short id when it has no name. */
  readonly name: string
  readonly zone: string
  readonly capacityBytes: number
  readonly addresses: readonly string[]
  readonly state: NodeState
  /** Whether the asked node is connected to it. */
  readonly up: boolean
  /** Whether this is the node that was asked. */
  readonly self: boolean
  /** Partitions that the current layout assigns to it, and their share of all replicas, 0 to 1. */
  readonly partitions: number
  readonly share: number
  /** Partitions after the change that is under way, if there is one. */
  readonly nextPartitions?: number | undefined
  /** Zone and capacity after that change, where they differ. */
  readonly nextZone?: string | undefined
  readonly nextCapacityBytes?: number | undefined
  readonly usedBytes?: number | undefined
  readonly freeBytes?: number | undefined
  /** Partitions that it must have fetched before it gets a vote on them (PLANNED). */
  readonly learning?: { readonly total: number; readonly done: number } | undefined
  /** Data moving to this node. Absent when the node did not report it. */
  readonly move?: Move | undefined
}

/** The layout of the cluster, and the change that is under way. */
export interface LayoutTable {
  readonly cluster: string
  readonly epoch: number
  readonly state: 'STABLE' | 'PLANNED' | 'JOINT'
  /** Why this epoch was made. */
  readonly cause: string
  /** Replicas of each partition, now and after the change that is under way. */
  readonly replication: number
  readonly nextReplication?: number | undefined
  readonly partitions: number
  /** Earlier sets of members from which blocks are still fetched. */
  readonly sources: number
  /** What the change that is under way does, one line for each step. */
  readonly changes: readonly string[]
  /** The same in one line. */
  readonly underWay: string
  /** One line about members that do not vote on the next entry and what ends that, if this node knows any. */
  readonly abstains?: string | undefined
  readonly move: Move
  readonly nodes: readonly LayoutNode[]
}

/** The changes that can be requested. `force` allows fewer members or zones than replicas. */
export type LayoutChange =
  /** The node's data moves away, then it leaves. */
  | { readonly kind: 'drain'; readonly node: string; readonly force?: boolean | undefined }
  /** The node is gone for good. `force` removes it even when it still answers. */
  | { readonly kind: 'remove'; readonly node: string; readonly force?: boolean | undefined }
  /** The node `by` takes the place of `node`. */
  | { readonly kind: 'replace'; readonly node: string; readonly by: string }
  | {
      readonly kind: 'set'
      readonly node: string
      readonly name?: string | undefined
      readonly zone?: string | undefined
      readonly capacityBytes?: number | undefined
      readonly force?: boolean | undefined
    }
  | {
      readonly kind: 'replication'
      readonly replication: number
      readonly force?: boolean | undefined
    }

/** The changes that can be planned. Plans may also add nodes that do not exist yet. */
export type PlannedChange =
  | Exclude<LayoutChange, { kind: 'replace' }>
  | {
      readonly kind: 'replace'
      readonly node: string
      /** Without `by`, an empty node takes the place, by default in the same zone and with the same capacity. */
      readonly by?: string | undefined
      readonly zone?: string | undefined
      readonly capacityBytes?: number | undefined
    }
  | { readonly kind: 'add'; readonly zone: string; readonly capacityBytes: number }

/** What a planned change means for one node. */
export interface PlanNode extends Omit<PlannedShare, 'nodeId'> {
  readonly node: string
}

/** What a change would move. `ratio` is absent when nothing has to move. */
export interface LayoutPlan extends Omit<ChangePlan, 'next' | 'nodes' | 'ratio' | 'scarce'> {
  readonly ratio?: number | undefined
  readonly nodes: readonly PlanNode[]
}

/** The layout after a change was begun. `node` and `by` are the ids of the named nodes. */
export interface LayoutChanged {
  readonly epoch: number
  readonly state: LayoutTable['state']
  readonly changes: readonly string[]
  readonly node?: string | undefined
  readonly by?: string | undefined
}

/**
 * Data that a change of the layout waits for in vain, and that the operator gives up by accepting the loss: blocks
 * that only a node that is gone for good may have, and damaged registers without another replica.
 */
export interface LossReport {
  /** A hash of the report, 16 hexadecimal digits. Accepting it names this id, so only what was shown is given up. */
  readonly id: string
  readonly epoch: number
  /** Earlier sets of members whose blocks are still missing. They are given up together. */
  readonly sources: readonly LostSource[]
  /** Damaged registers of the node that was asked. */
  readonly registers: readonly LostRegister[]
  /** One line: why no source may be given up now, although registers may be. */
  readonly sourcesRefusal?: string | undefined
  /** One line: why nothing may be given up now, and what would help instead. */
  readonly refusal?: string | undefined
}

/** An earlier set of members whose blocks are still missing. */
export interface LostSource {
  /** The epoch with which these members became a source. */
  readonly epoch: number
  /** Given up are blocks of these partitions that were written before `epoch` and that no answering node has. */
  readonly partitions: readonly number[]
  /** Names of the nodes that have not reported which blocks they have. */
  readonly waitsFor: readonly string[]
  /** For each of `waitsFor`, for how many seconds the asked node has not been connected to it; 0 when it answers. */
  readonly awaySeconds: readonly number[]
  /** How many blocks are named by some node but can be read from none. */
  readonly unreadable: number
}

/** A damaged register without another replica. */
export interface LostRegister {
  readonly partition: number
  /** 'object', 'bucket', 'user' … */
  readonly kind: string
  readonly name: string
}

/** Shows and changes the layout. All methods throw LayoutRefusal and StoreError Unavailable. */
export interface LayoutBackend {
  layoutTable(): Promise<LayoutTable>
  /** What a change would move. */
  planChange(change: PlannedChange): Promise<LayoutPlan>
  /** Begins a change. Resolves when the layout contains it. */
  applyChange(change: LayoutChange): Promise<LayoutChanged>
  /** Cancels the change that is under way: the earlier members stay. Refused when there is none or it is done. */
  cancelChange(): Promise<LayoutChanged>
  /** Ends PLANNED without waiting for learners, and begins JOINT. */
  proceedChange(): Promise<LayoutChanged>
  /** What `acceptLoss` would give up now. */
  lossReport(): Promise<LossReport>
  /** Gives up what the report with this id lists. Refused when the report has changed since. */
  acceptLoss(id: string): Promise<LossReport>
}

/** A change was refused and nothing has changed. The message is one line that says what to do instead. */
export class LayoutRefusal extends Error {
  /** 400: the change is invalid. 404: the node does not exist. 409: the change is not possible now. */
  readonly status: 400 | 404 | 409

  constructor(status: 400 | 404 | 409, message: string) {
    super(message)
    this.name = 'LayoutRefusal'
    this.status = status
  }
}
