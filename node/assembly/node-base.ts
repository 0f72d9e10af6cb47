/**
 * What every role of a node is built on: the ports, what the start found on the disk, and the layout at the moment
 * of the call. Made once by node.ts and given to each `wire…` function.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../env/ports.ts'
import type { WatchedDisk } from '../env/watched-disk.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Store } from '../log/store.ts'
import type { ReplicaPlacement } from '../quorum/replica-placement.ts'
import type { MoveFile } from '../rebalance/move-file.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import type { Sightings } from '../replica/sightings.ts'
import type { RecoveryStatus } from '../status/recovery.ts'
import type { NodeOptions } from './node-options.ts'

/** The ports of the node. The disk is watched, so that a disk that does not answer is noticed (D11). */
export type NodeEnvironment = Environment & { readonly disk: WatchedDisk }

/** What a start has found on its disk. */
export interface NodeFindings {
  readonly store: Store
  readonly layout: LayoutManager
  /** Partitions of which this node may have forgotten something (D8). */
  readonly forgotten: Forgotten
  /** How far this node has come with changes of the layout (L5, L9). */
  readonly moveFile: MoveFile
  /** How far this node has seen the others come (D2). */
  readonly sightings: Sightings
  /** The sequence that the log would have given to the next record when it was opened. */
  readonly startSequence: number
  /** By the monotonic clock. */
  readonly startedMs: number
  /** What the start has replayed of the log. */
  readonly recovery: RecoveryStatus
}

/**
 * The base of every role. `view` and what depends on it ask the layout manager at each call, so that
 * no role keeps an old layout (L6b).
 */
export interface NodeBase extends NodeFindings {
  readonly env: NodeEnvironment
  readonly options: NodeOptions
  readonly self: NodeId
  /** The layout in force. Throws while this node is not a member of a cluster. */
  readonly view: () => LayoutView
  /** The layout in force; undefined while this node is not one of its members. */
  readonly memberView: () => LayoutView | undefined
  /** 0 while this node is not a member of a cluster. */
  readonly epoch: () => number
  /**
   * How many bits of a hash are the partition, from the genesis record. Throws while this node is not
   * a member of a cluster.
   */
  readonly partitionBits: () => number
  /** Whether this node is in an active set of the partition. It may not have a vote yet: see `votes` in wire-replica.ts. */
  readonly isReplica: (partition: number) => boolean
  /** Where replicas are, for the roles that call them. */
  readonly placement: ReplicaPlacement
}

/** Puts the base together. Nothing is started. */
export function createNodeBase(
  env: NodeEnvironment,
  options: NodeOptions,
  findings: NodeFindings,
): NodeBase {
  const { layout } = findings
  const { self } = env.network
  const view = (): LayoutView => {
    const current = layout.current()
    if (current === undefined) throw new Error('this node is not a member of a cluster yet')
    return current
  }
  const epoch = (): number => layout.current()?.epoch ?? 0
  return {
    ...findings,
    env,
    options,
    self,
    view,
    memberView: () => (layout.isMember() ? layout.current() : undefined),
    epoch,
    partitionBits: () => view().partitionBits,
    isReplica: (partition) =>
      layout.isMember() &&
      partition < view().partitions &&
      view().replicas(partition).includes(self),
    placement: {
      epoch,
      sets: (partition) => view().replicaSets(partition),
      sources: (partition) => view().sourceReplicas(partition),
      observe: (later, from) => layout.observe(later, from),
    },
  }
}
