/** Cuts between nodes of a calm cluster, both ways. `cluster.wires.mend()` ends them. */

import type { SimulatedCluster } from '../world/cluster.ts'

/** Nothing passes between any of `some` and any of `others`. */
export function cutBetween(
  cluster: SimulatedCluster,
  some: readonly number[],
  others: readonly number[],
): void {
  for (const a of some) {
    for (const b of others) {
      cluster.wires.cut(cluster.idOf(a), cluster.idOf(b))
      cluster.wires.cut(cluster.idOf(b), cluster.idOf(a))
    }
  }
}

/** Nothing passes between the node and any other. */
export function isolate(cluster: SimulatedCluster, node: number): void {
  const others = Array.from({ length: cluster.size }, (_, other) => other)
  cutBetween(
    cluster,
    [node],
    others.filter((other) => other !== node),
  )
}
