/** Ballots of layout proposals: (counter, node id). A node never uses a counter twice (P1): it
 * promises each of its ballots to itself, durably, before anyone else hears of it. */

import type { NodeId } from '../ids.ts'
import { fieldsOf, integerOf, matchOf } from './json.ts'

/** Ordered by counter, then by node id. The counter begins at 1. */
export interface LayoutBallot {
  readonly counter: number
  readonly nodeId: NodeId
}

/** Below 0 when `a` is the lower one, 0 when both are the same. */
export function compareLayoutBallots(a: LayoutBallot, b: LayoutBallot): number {
  if (a.counter !== b.counter) return a.counter - b.counter
  return a.nodeId < b.nodeId ? -1 : a.nodeId > b.nodeId ? 1 : 0
}

/** Throws ShapeError. */
export function readBallot(value: unknown): LayoutBallot {
  const fields = fieldsOf(value, ['counter', 'nodeId'])
  return {
    counter: integerOf(fields.counter, 1, Number.MAX_SAFE_INTEGER - 1),
    nodeId: matchOf(fields.nodeId, /^[1-9A-HJ-NP-Za-km-z]{8,128}$/) as NodeId,
  }
}
