/** Announces in the DHT which slices of the keyspace a node holds (docs/architecture.md). */

import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../env/ports.ts'

/** The keyspace has 2^8 slices. Nodes announce each slice under a CID of its own. */
const SLICE_BITS = 8

/**
 * Announces the slices that this node holds partitions of. Called at the start and whenever the
 * members or their places change. Works in the background; a failure is only logged, because requests
 * go by the layout and not by the DHT.
 */
export function provide(
  { network, logger }: Pick<Environment, 'network' | 'logger'>,
  view: LayoutView,
): void {
  const shift = Math.max(view.partitionBits - SLICE_BITS, 0)
  // A walk looks for objects, never for system registers.
  const held = view.partitionsOf(network.self).filter((each) => each < 1 << view.partitionBits)
  const slices = new Set(held.map((partition) => partition >> shift))
  network.provideSlices([...slices]).catch((error: unknown) => {
    logger.debug({ error: String(error) }, 'announcing slices failed')
  })
}
