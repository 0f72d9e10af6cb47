import type { NodeId } from '../../protocol/ids.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'

/** Nodes that may have blocks of a partition. No node is named twice. */
export interface BlockHolders {
  /** Those of the active sets. */
  readonly present: readonly NodeId[]
  /** Those that held the partition in an earlier layout, whose blocks may still be on their way (L5). */
  readonly sources: readonly NodeId[]
}

/** Which nodes hold a partition, by the layout that this node knows. */
export interface ReplicaPlacement {
  epoch(): number
  /** One set, or two while the layout is JOINT. In no particular order: `Peers.preferred` orders nodes. */
  sets(partition: number): ReplicaSets
  /** Other nodes that may still have blocks of the partition, from earlier layouts (L5). */
  sources?(partition: number): readonly NodeId[]
  /** A peer answered at a later epoch: fetch and adopt its layout (L4). */
  observe(epoch: number, from: NodeId): Promise<void>
}

/** Who may have blocks of the partition, in the layout of this moment. The answer does not follow a later one. */
export function blockHolders(
  placement: Pick<ReplicaPlacement, 'sets' | 'sources'>,
  partition: number,
): BlockHolders {
  const sets = placement.sets(partition)
  const sources = placement.sources?.(partition) ?? []
  const [only] = sets
  if (only !== undefined && sets.length === 1 && sources.length === 0) {
    return { present: only, sources }
  }
  const present = new Set(sets.flat())
  return { present: [...present], sources: sources.filter((node) => !present.has(node)) }
}
