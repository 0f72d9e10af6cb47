/** Wires what the admin port shows and does. */

import { SecretUpkeep } from '../status/secret-upkeep.ts'
import { Status } from '../status/status.ts'
import type { NodeBase } from './node-base.ts'
import type { NodeRoles } from './node-roles.ts'

export interface StatusParts {
  /** The admin port's backend, and what this node tells the others about itself. */
  readonly status: Status
  /** Encrypts access keys again after a rotation of the cluster secret. */
  readonly secret: SecretUpkeep
}

/** Builds what operators see. It only reads the other roles, except for the commands that they give. */
export function wireStatus(base: NodeBase, roles: NodeRoles): StatusParts {
  const { self, store, layout, forgotten, recovery, startedMs, options } = base
  const { network, disk, clock, logger } = base.env
  const { blocks, damaged } = roles.replica
  const { peers, selfCheck, replicator, bodies } = roles.quorum
  const { space, lostData } = roles.reclaim
  const { resync, recall, upkeep } = roles.repair
  const { rebalance, moves } = roles.rebalance
  const { rotation } = roles.identities
  const secret = new SecretUpkeep({ self, layout, rotation, peers, clock, logger })
  const status = new Status({
    layout,
    network,
    store,
    disk,
    replicator,
    blocks,
    resync,
    recall,
    forgotten,
    selfCheck,
    peers,
    buckets: roles.objects.buckets,
    quotas: roles.objects.quotas,
    clock,
    startedMs,
    recovery: () => recovery.status(store.stats()),
    upkeep,
    secret,
    space: () => space.counters(),
    lost: lostData,
    damaged,
    readRoom: bodies.readRoom,
    serves: (partition) => rebalance.serves(partition),
    moves,
    logger,
    extraGauges: () => [
      ...moves.gauges(rebalance),
      ...roles.lifecycle.gauges(),
      ...roles.notifications.gauges(),
      ...(options.gauges?.() ?? []),
    ],
  })
  return { status, secret }
}
