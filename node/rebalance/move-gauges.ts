/**
 * Metrics of data that moves: blocks and registers that come to this node, and blocks that it drops. Called by
 * BlockMoves.
 */

import { counter, gauge } from '../tools/gauge.ts'
import type { Gauge } from '../../gateway/port/admin.ts'
import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'

/** Blocks that arrive here and that are dropped, since the start of this node. */
export interface MoveFigures {
  /** What the block mover has fetched. How much is left is an estimate. */
  progress(): {
    readonly pendingBytes: number
    readonly doneBytes: number
    readonly bytesPerSecond: number
  }
  /** What was dropped here, and what was first given to holders that lacked it. `left` counts partitions. */
  readonly drop: {
    readonly counters: {
      readonly blocks: number
      readonly bytes: number
      readonly givenBytes: number
    }
    readonly left: number
  }
  /** Partitions that wait for a node, or for blocks that no node gives. */
  readonly mover: { stuck(): { readonly size: number } }
}

/**
 * The metrics of this moment. Counters begin at 0 with each start of the node.
 *
 * @param isUp whether this node is connected to that one
 * @param copiedBytes bytes of registers, with their packed blocks and pages, that were fetched
 *   (Rebalance.copiedBytes)
 */
export function moveGauges(
  view: LayoutView | undefined,
  isUp: (node: NodeId) => boolean,
  moves: MoveFigures,
  copiedBytes: number,
): Gauge[] {
  const { pendingBytes, doneBytes, bytesPerSecond } = moves.progress()
  const { counters, left } = moves.drop
  return [
    counter(
      'shoal_move_bytes_total',
      'Bytes of blocks fetched for changes of the layout',
      doneBytes,
    ),
    counter(
      'shoal_move_register_bytes_total',
      'Bytes of registers, and of packed blocks with them, fetched for changes of the layout',
      copiedBytes,
    ),
    gauge('shoal_move_pending_bytes', 'Bytes of blocks still to fetch, estimated', pendingBytes),
    gauge(
      'shoal_move_bytes_per_second',
      'Bytes of blocks fetched in a second, over the last seconds',
      bytesPerSecond,
    ),
    gauge(
      'shoal_move_stuck_partitions',
      'Partitions whose blocks wait for a node',
      moves.mover.stuck().size,
    ),
    ...stateGauges(view),
    gauge(
      'shoal_degraded_partitions',
      'Partitions with a holder that is down',
      degraded(view, isUp),
    ),
    counter('shoal_dropped_blocks_total', 'Blocks left to the present holders', counters.blocks),
    counter(
      'shoal_dropped_bytes_total',
      'Bytes of the blocks left to the present holders',
      counters.bytes,
    ),
    counter(
      'shoal_given_bytes_total',
      'Bytes of blocks that a present holder lacked',
      counters.givenBytes,
    ),
    gauge(
      'shoal_foreign_partitions',
      'Partitions that other nodes hold now, and of which something is left here',
      left,
    ),
  ]
}

/** The step of the layout: a change goes from 0 to 1, 2 and back to 0. It is over when there are no sources. */
function stateGauges(view: LayoutView | undefined): Gauge[] {
  const state = view?.state ?? 'STABLE'
  return [
    gauge(
      'shoal_layout_state',
      'Step of a change of the layout: 0 STABLE, 1 PLANNED, 2 JOINT',
      ['STABLE', 'PLANNED', 'JOINT'].indexOf(state),
    ),
    gauge(
      'shoal_layout_sources',
      'Earlier sets of members from which blocks are still fetched',
      view?.sources.length ?? 0,
    ),
    gauge(
      'shoal_layout_learners',
      'Nodes that learn what they will hold, without a vote',
      view?.learners.length ?? 0,
    ),
  ]
}

/** How many partitions have a holder that is down, as this node sees it. */
function degraded(view: LayoutView | undefined, isUp: (node: NodeId) => boolean): number {
  const down = new Set(view?.members.map(({ nodeId }) => nodeId).filter((node) => !isUp(node)))
  if (view === undefined || down.size === 0) return 0
  let count = 0
  for (let partition = 0; partition < view.partitions; partition++) {
    if (view.replicas(partition).some((node) => down.has(node))) count++
  }
  return count
}
