/** What a node says of its work for the layout, to those who show it. */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { PartitionProgress } from '../layout/progress.ts'
import { addBit, hasBit } from '../../protocol/keyspace/bitmap.ts'

export interface MoveProgress {
  /** Partitions, before it gets a vote on them. */
  readonly learning: { readonly total: number; readonly done: number }
  /** By the epoch of a source, one bit a partition: blocks of that source may be missing. */
  readonly lacking: readonly {
    readonly epoch: number
    readonly partitions: Uint8Array<ArrayBuffer>
  }[]
  readonly move: PartitionProgress['move']
}

/** Of the partitions that a node holds, those of which it has not said that it has all blocks of the source. */
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
