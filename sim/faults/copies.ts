/** How many copies there are of what a cluster keeps, which decides what a fault may take away. */

import type { LayoutEntry } from '../../protocol/layout/entry.ts'
import { replicationOf } from '../../protocol/layout/entry.ts'

/** The least number of copies or clocks of which one may go wrong, and the others are still a majority. */
const COPIES_ENOUGH = 3

/**
 * Whether one copy or one clock that goes wrong may be all that a cluster has. Blocks may still be only where an earlier
 * placement put them, so each source counts, too.
 */
export function hasFewCopies(entry: LayoutEntry): boolean {
  const placements = [
    { members: entry.members, replication: replicationOf(entry) },
    ...(entry.sources ?? []),
  ]
  return placements.some(
    ({ members, replication }) => Math.min(replication, members.length) < COPIES_ENOUGH,
  )
}
