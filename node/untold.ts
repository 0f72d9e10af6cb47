/** The part of a status reply about what others should not count on, and what the node waits for. */

import type { NodeId } from '../protocol/ids.ts'
import { bitmapOf } from '../protocol/keyspace/bitmap.ts'
import { partitionOfKey } from '../protocol/keyspace/key.ts'
import type { LayoutView } from '../protocol/layout/view.ts'
import type { WireStatusReply } from '../protocol/rpc/messages.js'
import type { BlockMoves } from './rebalance/block-moves.ts'
import type { DamagedRegisters } from './repair/damaged-registers.ts'
import type { Forgotten } from './repair/forgotten.ts'

export interface UntoldOptions {
  readonly self: NodeId
  readonly damaged: Pick<DamagedRegisters, 'list'>
  readonly forgotten: Pick<Forgotten, 'lacksBlocks'>
  /** Whether its registers of the partition are complete, and not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  readonly moves: Pick<BlockMoves, 'mover'>
}

/** @param open partitions of which the node may have forgotten something */
export function untoldOf(
  { self, damaged, forgotten, serves, moves }: UntoldOptions,
  view: LayoutView,
  open: readonly number[],
): Pick<WireStatusReply, 'untold' | 'thin' | 'damagedRegisters' | 'stuck'> {
  const bytes = Math.ceil(view.partitions / 8)
  const faulty = damaged.list().map(partitionOfKey)
  const unserved = view.partitionsOf(self).filter((partition) => !serves(partition))
  const thin: number[] = []
  for (let partition = 0; partition < view.partitions; partition++) {
    if (forgotten.lacksBlocks(partition)) thin.push(partition)
  }
  const stuck = new Map<string, { partitions: number[]; nodes: NodeId[]; unreadable: number }>()
  for (const [partition, { unheard, unreadable }] of moves.mover.stuck()) {
    const name = unheard.join(' ')
    const group = stuck.get(name) ?? { partitions: [], nodes: [...unheard], unreadable: 0 }
    stuck.set(name, group)
    group.partitions.push(partition)
    group.unreadable += unreadable
  }
  return {
    untold: bitmapOf([...open, ...faulty, ...unserved], bytes),
    thin: bitmapOf(thin, bytes),
    damagedRegisters: faulty.length,
    stuck: [...stuck.values()].map(({ partitions, ...rest }) => ({
      ...rest,
      partitions: bitmapOf(partitions, bytes),
    })),
  }
}
