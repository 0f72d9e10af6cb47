/** The parts of a node that its status is made from. wire-status.ts in assembly/ provides them. */

import type { NodeStatus } from '../../gateway/port/status.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { Clock, Logger, Network } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Store } from '../log/store.ts'
import type { Buckets } from '../objects/buckets.ts'
import type { Quotas } from '../objects/quotas.ts'
import type { Peers } from '../quorum/peers.ts'
import type { ReadRoom } from '../quorum/read-room.ts'
import type { Replicator } from '../quorum/replicator.ts'
import type { BlockMoves } from '../rebalance/block-moves.ts'
import type { LostData } from '../reclaim/lost-data.ts'
import type { SpaceCounters } from '../reclaim/space-reclaim.ts'
import type { DamagedRegisters } from '../repair/damaged-registers.ts'
import type { Forgotten } from '../repair/forgotten.ts'
import type { Recall } from '../repair/recall.ts'
import type { Resync } from '../repair/resync.ts'
import type { SelfCheck } from '../repair/self-check.ts'
import type { Upkeep } from '../repair/upkeep.ts'
import type { BlockStore } from '../replica/blocks.ts'
import type { SecretUpkeep } from './secret-upkeep.ts'

/**
 * What the status, the admin port's backend and the metrics read. Most fields name only the few
 * functions that are called, so that tests can give them alone.
 */
export interface StatusOptions {
  readonly layout: LayoutManager
  readonly network: Network
  readonly store: Store
  /** Knows how long the disk has been silent (D11). */
  readonly disk: DiskWatch
  readonly replicator: Replicator
  readonly blocks: BlockStore
  readonly resync: Resync
  /** Partitions on which this node does not vote, because it may have forgotten something (D8). */
  readonly recall: Pick<Recall, 'forgotten'>
  /** Why that is so, which blocks may be missing, and what is lost for good (D8). */
  readonly forgotten: Pick<Forgotten, 'notes' | 'lacksBlocks' | 'lackingBlocks' | 'noteLost'>
  /** Whether the members know that this start's boot is its own (D2). */
  readonly selfCheck: Pick<SelfCheck, 'isProven'>
  readonly peers: Peers
  readonly buckets: Buckets
  readonly quotas: Pick<Quotas, 'usage'>
  readonly clock: Clock
  /** By the monotonic clock. */
  readonly startedMs: number
  /** What the start had to read from the log. */
  readonly recovery: () => NodeStatus['recovery']
  readonly upkeep: Upkeep
  readonly secret: Pick<SecretUpkeep, 'status' | 'rotate'>
  /** What the collector has done and has to do. */
  readonly space: () => SpaceCounters
  /** Objects that no replica has any more. */
  readonly lost: Pick<LostData, 'report' | 'objects'>
  /** Registers that are damaged and not repaired yet (D3). */
  readonly damaged: Pick<DamagedRegisters, 'waiting' | 'list' | 'giveUp'>
  /** Memory for blocks on their way to readers. */
  readonly readRoom: ReadRoom
  /** What it has of the partition is not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  /** What the fetching of blocks waits for. */
  readonly moves: Pick<BlockMoves, 'mover'>
  readonly logger: Logger
  /** Metrics of the process, and of moves of blocks. */
  readonly extraGauges: () => readonly Gauge[]
}
