/** The part of a status reply that says what others should not rely on, and what the node waits for. */

import type { NodeId } from '../../protocol/ids.ts'
import { bitmapOf, shortBitmapOf } from '../../protocol/keyspace/bitmap.ts'
import { partitionOfKey } from '../../protocol/keyspace/key.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply, WireStuck } from '../../protocol/rpc/messages.js'
import type { Stuck } from '../rebalance/stuck.ts'
import type { BlockMoves } from '../rebalance/block-moves.ts'
import type { DamagedRegisters } from '../repair/damaged-registers.ts'
import type { Forgotten } from '../repair/forgotten.ts'

export interface UntoldOptions {
  readonly self: NodeId
  readonly damaged: Pick<DamagedRegisters, 'list'>
  readonly forgotten: Pick<Forgotten, 'lackingBlocks'>
  /** Whether its registers of the partition are complete, and not left over from an earlier time (L9). */
  readonly serves: (partition: number) => boolean
  /** What the fetching of blocks waits for. */
  readonly moves: Pick<BlockMoves, 'mover'>
}

/**
 * Three sets of partitions, and what the node waits for. `untold`: its registers prove nothing,
 * because some are damaged, forgotten or left over. `thin`: its list of blocks proves nothing (D8).
 * `stuck`: it waits for blocks of other nodes.
 *
 * @param open partitions of which the node may have forgotten something
 */
export function untoldOf(
  { self, damaged, forgotten, serves, moves }: UntoldOptions,
  view: LayoutView,
  open: readonly number[],
): Pick<WireStatusReply, 'untold' | 'thin' | 'damagedRegisters' | 'stuck'> {
  const bytes = Math.ceil(view.partitions / 8)
  const faulty = damaged.list().map(partitionOfKey)
  const unserved = view.partitionsOf(self).filter((partition) => !serves(partition))
  const thin = forgotten.lackingBlocks().filter((partition) => partition < view.partitions)
  return {
    untold: bitmapOf([...open, ...faulty, ...unserved], bytes),
    thin: bitmapOf(thin, bytes),
    damagedRegisters: faulty.length,
    stuck: stuckOf(moves.mover.stuck()),
  }
}

/** This many fit into one message, however many partitions there are. */
const GROUPS_MAX = 64

/** Partitions that wait for the same nodes. */
interface Group {
  /** In any order until the message is made. */
  readonly partitions: number[]
  readonly nodes: Set<NodeId>
  readonly failing: Set<NodeId>
  unreadable: number
}

/**
 * Partitions that wait for the same nodes are one group. When there are too many groups, the smallest become one that
 * waits for all of their nodes.
 */
function stuckOf(stuck: ReadonlyMap<number, Stuck>): WireStuck[] {
  const groups = new Map<string, Group>()
  for (const [partition, { unheard, unreadable, failing }] of stuck) {
    const name = `${unheard.join(' ')}/${failing.join(' ')}`
    const group: Group = groups.get(name) ?? {
      partitions: [],
      nodes: new Set(unheard),
      failing: new Set(failing),
      unreadable: 0,
    }
    groups.set(name, group)
    group.partitions.push(partition)
    group.unreadable += unreadable
  }
  const [...sorted] = groups.values()
  sorted.sort((a, b) => b.partitions.length - a.partitions.length)
  const rest = sorted.splice(groups.size > GROUPS_MAX ? GROUPS_MAX - 1 : GROUPS_MAX)
  if (rest.length > 0) {
    sorted.push({
      partitions: rest.flatMap(({ partitions }) => partitions),
      nodes: new Set(rest.flatMap(({ nodes }) => [...nodes])),
      failing: new Set(rest.flatMap(({ failing }) => [...failing])),
      unreadable: rest.reduce((sum, { unreadable }) => sum + unreadable, 0),
    })
  }
  return sorted.map(({ partitions, nodes, failing, unreadable }) => ({
    partitions: shortBitmapOf(partitions.sort((a, b) => a - b)),
    nodes: [...nodes],
    failing: [...failing],
    unreadable,
  }))
}
