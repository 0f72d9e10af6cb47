/** Wires what finds data that no register names any more, and what finds registers whose data is lost for good. */

import type { BlockKey, DataId } from '../../protocol/ids.ts'
import { objectOf } from '../../protocol/object/object.ts'
import type { UploadSweep } from '../objects/upload-sweeper.ts'
import { LostData } from '../reclaim/lost-data.ts'
import { SpaceReclaim } from '../reclaim/space-reclaim.ts'
import { internalContext } from '../tools/internal-context.ts'
import type { NodeBase } from './node-base.ts'
import type { QuorumParts } from './wire-quorum.ts'
import type { ReplicaParts } from './wire-replica.ts'

/** Roles that are built later answer these. Nothing calls them before the node is built. */
export interface ReclaimNeeds {
  readonly uploads: () => UploadSweep
  /** Frees blocks of this node that no reader holds. */
  readonly forget: (keys: readonly BlockKey[]) => Promise<unknown>
  /** What was freed on this node since its start. */
  readonly freed: () => { blocks: number; bytes: number; registers: number }
}

export interface ReclaimParts {
  /** Finds and frees what no register names any more. */
  readonly space: SpaceReclaim
  /** Finds registers whose blocks no node has any more, and lists them. */
  readonly lostData: LostData
}

export function wireReclaim(
  base: NodeBase,
  replica: ReplicaParts,
  quorum: QuorumParts,
  needs: ReclaimNeeds,
): ReclaimParts {
  return {
    space: wireSpace(base, replica, quorum, needs),
    lostData: wireLostData(base, replica, quorum),
  }
}

/** The collector, its scan and the queue of what is to be freed. */
function wireSpace(
  base: NodeBase,
  { attempts, dead, host, blocks, readers }: ReplicaParts,
  { peers, registers, replicator, pages }: QuorumParts,
  { uploads, forget, freed }: ReclaimNeeds,
): SpaceReclaim {
  const { self, store, layout, placement, view, partitionBits } = base
  const { clock, logger } = base.env
  return new SpaceReclaim({
    ...base.options.space,
    self,
    store,
    attempts,
    dead,
    host,
    peers,
    registers,
    placement,
    view,
    isMember: () => layout.isMember(),
    isEpochHeld: () => layout.witness.isHeld(),
    ownerOf: (key) => blocks.ownerOf(key),
    peek: (key) => host.peek(key)?.value,
    readBlock: (key) => replicator.read(internalContext(), key),
    objectReferences: async (key, value) => {
      const ids = new Set<DataId>()
      const found = pages.references(internalContext(), key, objectOf(value))
      for await (const id of found) ids.add(id)
      return ids
    },
    care: {
      upload: (key) => uploads().upload(key),
      part: (key) => uploads().part(key),
      tickets: (key) => uploads().tickets(key),
    },
    forget,
    readers,
    freed,
    clock,
    logger,
    partitionBits,
  })
}

/** The check of blocks that registers name, and the list of what is lost. */
function wireLostData(
  base: NodeBase,
  { blocks }: ReplicaParts,
  { peers, registers, replicator, loss }: QuorumParts,
): LostData {
  const { self, store, view, partitionBits } = base
  const { disk, clock, logger } = base.env
  return new LostData({
    self,
    disk,
    store,
    blocks,
    view,
    peers,
    readOwned: (key) => replicator.readOwned(internalContext(), key),
    isLost: (key) => loss.isLost(key),
    readRegister: async (key) => (await registers.read(internalContext(), { key })).accepted?.value,
    clock,
    logger,
    partitionBits,
  })
}
