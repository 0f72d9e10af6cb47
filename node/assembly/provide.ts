/** Announces in the DHT which slices of the keyspace a node holds (docs/architecture.md). */

import type { LayoutView } from '../../protocol/layout/view.ts'
import type { Environment } from '../env/ports.ts'

/** Slices of the keyspace that nodes provide under a CID of their own. */
const SLICE_BITS = 8

/** Best effort, in the background. */
export function provide(
  { network, logger }: Pick<Environment, 'network' | 'logger'>,
  view: LayoutView,
): void {
  const shift = Math.max(view.partitionBits - SLICE_BITS, 0)
  // A walk starts from an object: nobody looks for system registers that way.
  const held = view.partitionsOf(network.self).filter((each) => each < 1 << view.partitionBits)
  const slices = new Set(held.map((partition) => partition >> shift))
  network.provideSlices([...slices]).catch((error: unknown) => {
    logger.debug({ error: String(error) }, 'announcing slices failed')
  })
}
