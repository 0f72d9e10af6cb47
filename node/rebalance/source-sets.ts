/** Which replica sets may hold the blocks of a partition while a change of the layout has sources (L5). */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView, SourceView } from '../../protocol/layout/view.ts'
import { isSameSet } from '../../protocol/register/quorum.ts'

/** The sources in which the partition had another replica set than now, the earliest one first. */
export function changedSources(layout: LayoutView, partition: number): SourceView[] {
  const present = layout.placement.replicas(partition)
  return layout.sources.filter((source) => !isSameSet(source.replicas(partition), present))
}

/** The sets of these sources, and the present set as the last one. */
export function holderSets(layout: LayoutView, partition: number): (readonly NodeId[])[] {
  const earlier = changedSources(layout, partition).map((source) => source.replicas(partition))
  return [...earlier, layout.placement.replicas(partition)]
}
