/** Announces in the DHT which slices of the keyspace a node holds (docs/architecture.md). */

import { sliceOf } from '../../protocol/keyspace/slice.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../env/ports.ts'

/**
 * Announces the slices that this node holds partitions of. Called at the start and whenever the
 * members or their places change. Works in the background; a failure is only logged, because requests
 * go by the layout and not by the DHT.
 */
export function provide(
  { network, logger }: Pick<Environment, 'network' | 'logger'>,
  view: LayoutView,
): void {
  // A walk looks for objects, never for system registers.
  const held = view.partitionsOf(network.self).filter((each) => each < 1 << view.partitionBits)
  const slices = new Set(held.map((partition) => sliceOf(partition, view.partitionBits)))
  network.provideSlices([...slices]).catch((error: unknown) => {
    logger.debug({ error: String(error) }, 'announcing slices failed')
  })
}
