/**
 * What a node tells the others about its work for a change of the layout: how much it has learned,
 * and of which partitions it may still lack blocks. The others need it to know when a source is over
 * (L5, L8).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { PartitionProgress } from '../layout/progress.ts'
import { addBit, hasBit } from '../../protocol/keyspace/bitmap.ts'

/** A part of the status reply. */
export interface MoveProgress {
  /** Partitions that it learns before it may vote on them. */
  readonly learning: { readonly total: number; readonly done: number }
  /** For each source, given by its epoch, one bit for each partition: blocks of that source may be missing. */
  readonly lacking: readonly {
    readonly epoch: number
    readonly partitions: Uint8Array<ArrayBuffer>
  }[]
  /** Bytes fetched and left, and the rate. */
  readonly move: PartitionProgress['move']
}

/**
 * Finds the partitions that a node holds and of which it may lack blocks of a source. A source that
 * the node has not begun to look at counts as lacking.
 */
export function movesOf(
  view: LayoutView,
  self: NodeId,
  { learning, whole, move }: Pick<PartitionProgress, 'learning' | 'whole' | 'move'>,
): MoveProgress {
  if (view.sources.length === 0) return { learning, lacking: [], move }
  const held = new Set(view.placement.partitionsOf(self))
  const lacking = view.sources.map((source) => {
    const has = whole.find((each) => each.source === source.epoch)?.bits
    const partitions = new Uint8Array(Math.ceil(view.partitions / 8))
    for (const partition of source.movedTo()) {
      if (!held.has(partition)) continue
      if (has === undefined || !hasBit(has, partition)) addBit(partitions, partition)
    }
    return { epoch: source.epoch, partitions }
  })
  return { learning, lacking, move }
}
