/** Wires the lifecycles of buckets. */

import { Lifecycle } from '../lifecycle/lifecycle.ts'
import { MajorityClock } from '../quorum/majority-clock.ts'
import type { NodeBase } from './node-base.ts'
import type { ObjectParts } from './wire-objects.ts'
import type { QuorumParts } from './wire-quorum.ts'

export function wireLifecycle(
  base: NodeBase,
  { peers }: QuorumParts,
  { buckets, objects }: ObjectParts,
): Lifecycle {
  const { self, store, layout, view, isReplica, partitionBits } = base
  const { clock, logger } = base.env
  return new Lifecycle({
    self,
    store,
    view,
    isMember: () => layout.isMember(),
    isReplica,
    connected: (node) => peers.connected(node),
    partitionBits,
    buckets,
    objects,
    majorityClock: new MajorityClock({ peers, view, clock }),
    clock,
    logger,
  })
}
