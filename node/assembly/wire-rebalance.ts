/** Wires what a change of the layout moves: registers that this node learns, blocks that it fetches or gives up. */

import { BlockMoves, MOVE_BYTES_PER_SECOND } from '../rebalance/block-moves.ts'
import { Rebalance } from '../rebalance/rebalance.ts'
import type { SpaceReclaim } from '../reclaim/space-reclaim.ts'
import type { NodeBase } from './node-base.ts'
import type { QuorumParts } from './wire-quorum.ts'
import type { ReplicaParts } from './wire-replica.ts'

/** The disk is busy when an operation has waited for longer. */
const BUSY_DISK_MS = 100

export interface RebalanceParts {
  /** Registers: learning in PLANNED, the sync in JOINT. */
  readonly rebalance: Rebalance
  /** Blocks: fetched from the sources after the change, and dropped by old holders (L8). */
  readonly moves: BlockMoves
}

/** Builds both parts, and tells the layout manager whom to ask how far this node has come. */
export function wireRebalance(
  base: NodeBase,
  replica: ReplicaParts,
  quorum: QuorumParts,
  space: SpaceReclaim,
): RebalanceParts {
  const { self, store, layout, forgotten, moveFile, options } = base
  const { clock, random, logger } = base.env
  const { host, blocks, exchange, votes } = replica
  const { peers, registers, lost } = quorum
  const rebalance = new Rebalance({
    self,
    storageId: options.storageId,
    file: moveFile,
    chain: layout,
    store,
    blocks,
    host,
    registers,
    lost,
    peers,
    exchange,
    votes,
    forgotten,
    clock,
    random,
    logger,
    move: () => moves.progress(),
  })
  const moves: BlockMoves = wireBlockMoves(base, replica, quorum, space)
  layout.report(rebalance)
  return { rebalance, moves }
}

/** Moves yield to clients: they pause while blocks of clients wait for memory or the disk is slow. */
function wireBlockMoves(
  base: NodeBase,
  { host, blocks, dead }: ReplicaParts,
  { peers, selfCheck, lost, replicator }: QuorumParts,
  { freer }: SpaceReclaim,
): BlockMoves {
  const { self, store, layout, forgotten, moveFile, options } = base
  const { disk, clock, logger } = base.env
  return new BlockMoves({
    self,
    view: () => layout.current(),
    isEpochHeld: () => layout.witness.isHeld(),
    isLatest: () => selfCheck.isProven && layout.witness.isLatest(),
    file: moveFile,
    forgotten,
    store,
    host,
    blocks,
    peers,
    lost,
    dead,
    freer,
    isBusy: () => replicator.room.waitingBytes > 0 || disk.silentMs() > BUSY_DISK_MS,
    bytesPerSecond: options.moveBytesPerSecond ?? MOVE_BYTES_PER_SECOND,
    clock,
    logger,
  })
}
