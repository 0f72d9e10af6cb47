/**
 * The layout as the admin port shows it, and how a change of it is asked for. A NODE is named by its name or by a
 * suffix of its id that is unique.
 */

import type { ChangePlan, PlannedShare } from '../../protocol/layout/plan.ts'

/** What is moved to a node, from it, or all in all. */
export interface Move {
  readonly pendingBytes: number
  readonly doneBytes: number
  readonly bytesPerSecond: number
  /** At the present rate. Absent: nothing moves, or nothing is left. */
  readonly secondsLeft?: number | undefined
}

export const NODE_STATES = ['member', 'learner', 'joining', 'leaving', 'source'] as const
/**
 * member: it serves, and goes on to. learner: it fetches what it will hold, without a vote. joining: it has a vote
 * in the new set, and the change is about to be done. leaving: it serves until the change is done. source: it has
 * left, and others still fetch blocks from it.
 */
export type NodeState = (typeof NODE_STATES)[number]

export interface LayoutNode {
  readonly node: string
  /** Its short id where it has none. */
  readonly name: string
  readonly zone: string
  readonly capacityBytes: number
  readonly addresses: readonly string[]
  readonly state: NodeState
  /** False: it is away. */
  readonly up: boolean
  /** The one that was asked. */
  readonly self: boolean
  /** That it holds as the layout is, and their share of all places, 0 to 1. */
  readonly partitions: number
  readonly share: number
  /** After the change that is under way. Absent: none is. */
  readonly nextPartitions?: number | undefined
  /** Zone and capacity after it, where they change. */
  readonly nextZone?: string | undefined
  readonly nextCapacityBytes?: number | undefined
  readonly usedBytes?: number | undefined
  readonly freeBytes?: number | undefined
  /** Partitions that it must have before it gets a vote on them (PLANNED). */
  readonly learning?: { readonly total: number; readonly done: number } | undefined
  /** To this node. Absent: it did not say. */
  readonly move?: Move | undefined
}

export interface LayoutTable {
  readonly cluster: string
  readonly epoch: number
  readonly state: 'STABLE' | 'PLANNED' | 'JOINT'
  /** Why the epoch came. */
  readonly cause: string
  /** Replicas of each partition, and after the change that is under way. */
  readonly replication: number
  readonly nextReplication?: number | undefined
  readonly partitions: number
  /** Earlier sets of members from which blocks are still fetched. */
  readonly sources: number
  /** What the change that is under way does, a line each. */
  readonly changes: readonly string[]
  /** All of that in one line. */
  readonly underWay: string
  /** Members that do not vote on the next entry, and what ends that, in one line. Absent: none that this node knows. */
  readonly abstains?: string | undefined
  readonly move: Move
  readonly nodes: readonly LayoutNode[]
}

/** The changes that can be asked for. `force`: make it even when fewer members or zones than replicas would be left. */
export type LayoutChange =
  /** Its data moves away, then it leaves. */
  | { readonly kind: 'drain'; readonly node: string; readonly force?: boolean | undefined }
  /** It is gone. `force` also leaves it out when it answers. */
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

/** What can be tried on paper: nodes that do not exist yet as well. */
export type PlannedChange =
  | Exclude<LayoutChange, { kind: 'replace' }>
  | {
      readonly kind: 'replace'
      readonly node: string
      /** Absent: an empty node, in the zone and with the capacity of the old one unless given. */
      readonly by?: string | undefined
      readonly zone?: string | undefined
      readonly capacityBytes?: number | undefined
    }
  | { readonly kind: 'add'; readonly zone: string; readonly capacityBytes: number }

export interface PlanNode extends Omit<PlannedShare, 'nodeId'> {
  readonly node: string
}

/** What a change would move. `ratio` is absent where nothing has to. */
export interface LayoutPlan extends Omit<ChangePlan, 'next' | 'nodes' | 'ratio' | 'scarce'> {
  readonly ratio?: number | undefined
  readonly nodes: readonly PlanNode[]
}

/** What a change that was begun has made of the layout. Node ids stand for the names that were given. */
export interface LayoutChanged {
  readonly epoch: number
  readonly state: LayoutTable['state']
  readonly changes: readonly string[]
  readonly node?: string | undefined
  readonly by?: string | undefined
}

/**
 * What a change of the layout waits for in vain, and what the operator gives up by accepting the loss: blocks that only
 * a node that is gone for good may have, and damaged registers without another replica.
 */
export interface LossReport {
  /** A hash of the report, 16 hexadecimal digits. Accepting names it, so that exactly what was shown is given up. */
  readonly id: string
  readonly epoch: number
  /** Earlier sets of members whose blocks are waited for. They are given up together. */
  readonly sources: readonly LostSource[]
  /** Damaged registers of the node that was asked. */
  readonly registers: readonly LostRegister[]
  /** Why no source may be given up now, although registers may be; one line. */
  readonly sourcesRefusal?: string | undefined
  /** Why nothing may be given up now, and what would help instead; one line. */
  readonly refusal?: string | undefined
}

export interface LostSource {
  /** The epoch with which these members became a source. */
  readonly epoch: number
  /** Blocks of these partitions that were written before `epoch`, and that no answering node has, are given up. */
  readonly partitions: readonly number[]
  /** Names of the nodes that have not said which blocks they have, or that they have all of them. */
  readonly waitsFor: readonly string[]
  /** For each of `waitsFor`: how long the node that was asked has not been connected to it, seconds; 0 when it answers. */
  readonly awaySeconds: readonly number[]
  /** How many blocks were named by some node, and are given by none. */
  readonly unreadable: number
}

export interface LostRegister {
  readonly partition: number
  /** 'object', 'bucket', 'user' … */
  readonly kind: string
  readonly name: string
}

/** The part of the port that shows and changes the layout. All methods throw LayoutRefusal and StoreError Unavailable. */
export interface LayoutBackend {
  layoutTable(): Promise<LayoutTable>
  /** What a change would move. */
  planChange(change: PlannedChange): Promise<LayoutPlan>
  /** Begins it; resolves when the layout says so. */
  applyChange(change: LayoutChange): Promise<LayoutChanged>
  /** Gives up the change that is under way: the members of before stay. Refused when there is none, or it is over. */
  cancelChange(): Promise<LayoutChanged>
  /** Ends PLANNED without waiting for learners: JOINT begins. */
  proceedChange(): Promise<LayoutChanged>
  /** What accepting would give up now. */
  lossReport(): Promise<LossReport>
  /** Gives up what the report with this id lists. Refused when the report has changed since. */
  acceptLoss(id: string): Promise<LossReport>
}

/** A change that is not made, and why: one line that says what to do instead. Nothing has changed. */
export class LayoutRefusal extends Error {
  /** 400: it makes no sense. 404: there is no such node. 409: not as things are. */
  readonly status: 400 | 404 | 409

  constructor(status: 400 | 404 | 409, message: string) {
    super(message)
    this.name = 'LayoutRefusal'
    this.status = status
  }
}
