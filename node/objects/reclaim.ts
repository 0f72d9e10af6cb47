/**
 * A port: what objects and uploads tell the collector of unreferenced blocks (G5), so that they do not know how
 * blocks are freed.
 */

import type { DataId } from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'

/** Data whose last known reference a change has just removed. */
export interface Released {
  readonly owner: BlockOwner
  readonly dataId: DataId
  readonly sizeBytes: number
  /** One block beside the register; when false, blocks of 1 MiB spread over the cluster. */
  readonly packed: boolean
  /** True when `isOver` said so inside that very change, and the owner's other registers (part, upload) were changed
   * before it: then nothing is left to ask, and the blocks may be freed. False: the collector asks in G5's order. */
  readonly mayFree: boolean
}

export interface Reclaim {
  /** True when, by what this node knows now, nothing will ever be proposed again that names the id. Must be asked
   * inside the function of a change, before its accept is sent. */
  isOver(id: DataId): boolean
  /** Never waits and never throws. The scan finds what is lost here. */
  released(list: readonly Released[]): void
}

export const NO_RECLAIM: Reclaim = { isOver: () => false, released: () => {} }
