/** Wires what makes this node's replicas equal to the others again: block repair, resync, recall, compaction and scrub. */

import { BlockRepair } from '../repair/block-repair.ts'
import { Puller } from '../repair/puller.ts'
import { Recall } from '../repair/recall.ts'
import { Resync } from '../repair/resync.ts'
import { Upkeep } from '../repair/upkeep.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { NodeBase } from './node-base.ts'
import type { QuorumParts } from './wire-quorum.ts'
import type { ReclaimParts } from './wire-reclaim.ts'
import type { ReplicaParts } from './wire-replica.ts'

export interface RepairParts {
  /** Fetches single blocks that are damaged or missing. */
  readonly blockRepair: BlockRepair
  /** Compares partitions with their other replicas, and pulls what is missing. */
  readonly resync: Resync
  /** Gives this node its votes back on partitions of which it may have forgotten something (D8). */
  readonly recall: Recall
  /** Compaction and scrub. */
  readonly upkeep: Upkeep
}

/** The roles that repair is built on. */
interface RepairGround {
  readonly base: NodeBase
  readonly replica: ReplicaParts
  readonly quorum: QuorumParts
  readonly reclaim: ReclaimParts
}

/** @param pullsBlocks false while a move of blocks fetches those of the partition, at a rate of its own */
export function wireRepair(
  ground: RepairGround,
  pullsBlocks: (partition: number) => boolean,
): RepairParts {
  const { base, replica, quorum, reclaim } = ground
  const { self, store, forgotten, view, memberView, options } = base
  const { disk, clock, random, logger } = base.env
  const { host, blocks, exchange } = replica
  const { peers, selfCheck } = quorum
  const puller = wirePuller(ground, pullsBlocks)
  const resync = new Resync({
    self,
    store,
    puller,
    peers,
    exchange,
    view,
    clock,
    random,
    logger,
  })
  return {
    blockRepair: wireBlockRepair(ground),
    resync,
    recall: new Recall({
      self,
      store,
      host,
      forgotten,
      peers,
      exchange,
      puller,
      view: memberView,
      mayBegin: () => selfCheck.isProven,
      lacks: (partitions) => resync.hinted(partitions),
      clock,
      random,
      logger,
    }),
    upkeep: new Upkeep({
      ...options.upkeep,
      store,
      blocks,
      disk,
      clock,
      logger,
      partitions: () => view().partitions,
      resync: (partition) => resync.hinted([partition]),
      references: reclaim.lostData.references,
    }),
  }
}

/** Repairs one block at a time, from another replica. */
function wireBlockRepair({ base, replica, quorum, reclaim }: RepairGround): BlockRepair {
  const { self, placement } = base
  const { peers, replicator } = quorum
  const { watermarks, collector } = reclaim.space
  return new BlockRepair({
    self,
    blocks: replica.blocks,
    read: (key) => replicator.readOwned(internalContext(), key),
    peers,
    placement,
    watermarks,
    collector,
    logger: base.env.logger,
  })
}

/** Copies registers and blocks from one replica to this one, for resync and recall. */
function wirePuller(
  { base, replica, quorum, reclaim }: RepairGround,
  pullsBlocks: (partition: number) => boolean,
): Puller {
  const { host, blocks, dead } = replica
  const { peers, registers, lost } = quorum
  const { freer, tombstones } = reclaim.space
  return new Puller({
    store: base.store,
    blocks,
    host,
    registers,
    lost,
    peers,
    dead,
    freer,
    tombstones,
    view: base.view,
    pullsBlocks,
    clock: base.env.clock,
  })
}
