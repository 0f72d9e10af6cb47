/** What the status of a node is made from. */

import type { NodeStatus } from '../../gateway/port/status.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { Clock, Logger, Network } from '../env/ports.ts'
import type { DiskWatch } from '../env/watched-disk.ts'
import type { LayoutManager } from '../layout/layout-manager.ts'
import type { Store } from '../log/store.ts'
import type { Buckets } from '../objects/buckets.ts'
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

export interface StatusOptions {
  readonly layout: LayoutManager
  readonly network: Network
  readonly store: Store
  readonly disk: DiskWatch
  readonly replicator: Replicator
  readonly blocks: BlockStore
  readonly resync: Resync
  readonly recall: Pick<Recall, 'forgotten'>
  readonly forgotten: Pick<Forgotten, 'notes' | 'lacksBlocks' | 'lackingBlocks' | 'noteLost'>
  readonly selfCheck: Pick<SelfCheck, 'isProven'>
  readonly peers: Peers
  readonly buckets: Buckets
  readonly clock: Clock
  readonly startedMs: number
  readonly recovery: () => NodeStatus['recovery']
  readonly upkeep: Upkeep
  readonly secret: Pick<SecretUpkeep, 'status' | 'rotate'>
  /** What the collector has done and has to do. */
  readonly space: () => SpaceCounters
  readonly lost: Pick<LostData, 'report' | 'objects'>
  /** Registers that are damaged and not repaired yet (D3). */
  readonly damaged: Pick<DamagedRegisters, 'waiting' | 'list' | 'giveUp'>
  readonly readRoom: ReadRoom
  /** What it has of the partition is not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  readonly moves: Pick<BlockMoves, 'mover'>
  readonly logger: Logger
  readonly extraGauges: () => readonly Gauge[]
}
