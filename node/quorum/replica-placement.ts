import type { NodeId } from '../../protocol/ids.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'

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
