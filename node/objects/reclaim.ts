/**
 * What the metadata role tells the collector of unreferenced blocks (G5), as a port, so that objects and
 * uploads know nothing of how blocks are freed.
 */

import type { DataId } from '../../protocol/ids.ts'
import type { BlockOwner } from '../../protocol/keyspace/owner.ts'

/** Data that a change has just taken the last known reference from. */
export interface Released {
  readonly owner: BlockOwner
  readonly dataId: DataId
  readonly sizeBytes: number
  /** One block beside the register, else blocks of 1 MiB spread over the cluster. */
  readonly packed: boolean
  /**
   * `isOver` said so inside that very change, and the owner's other registers (part, upload) were changed
   * before: then nothing is left to ask, and the blocks may go. Otherwise the collector asks in G5's order.
   */
  readonly settled: boolean
}

export interface Reclaim {
  /** By what this node knows at this moment, nothing will ever be proposed again that names the id. To be
   * asked inside the function of a change, before its accept is sent. */
  isOver(id: DataId): boolean
  /** Never waits and never throws: what is lost here, the scan finds (orphans are found by asking). */
  released(list: readonly Released[]): void
}

export const NO_RECLAIM: Reclaim = { isOver: () => false, released: () => {} }
