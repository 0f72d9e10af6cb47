/**
 * Wires all roles of a node, each from those before it. Called once, by node.ts.
 *
 * Some roles call roles that are built after them: the block store hands damaged blocks to repair, for example. These
 * calls are passed as functions, and all of them are in this file. None is called before every role is built.
 */

import { Peers } from '../quorum/peers.ts'
import type { Service } from '../serving/service.ts'
import type { NodeBase } from './node-base.ts'
import type { NodeRoles } from './node-roles.ts'
import { wireIdentities } from './wire-identities.ts'
import { wireLifecycle } from './wire-lifecycle.ts'
import { wireNotifications } from './wire-notifications.ts'
import { wireObjects, type ObjectParts } from './wire-objects.ts'
import { wireQuorum } from './wire-quorum.ts'
import { wireRebalance, type RebalanceParts } from './wire-rebalance.ts'
import { wireReclaim } from './wire-reclaim.ts'
import { wireRepair, type RepairParts } from './wire-repair.ts'
import { wireReplica } from './wire-replica.ts'
import { wireSelfCheck } from './wire-self-check.ts'
import { wireService } from './wire-serving.ts'
import { wireStatus, type StatusParts } from './wire-status.ts'
import type { SelfCheck } from '../repair/self-check.ts'

/** Everything that node.ts starts, stops or shows. */
export interface WiredNode extends NodeRoles, StatusParts {
  /** Answers requests of other nodes. */
  readonly service: Service
}

/** Builds every role, in the order in which they depend on each other. Starts nothing. */
export function wireNode(base: NodeBase): WiredNode {
  const { network, clock, disk } = base.env
  const peers = new Peers(network, clock, disk, () => service)
  const replica = wireReplica(base, {
    peers,
    boot: () => selfCheck.boot,
    isProven: () => selfCheck.isProven,
    serves: (partition) => rebalance.rebalance.serves(partition),
    repairBlock: (key) => repair.blockRepair.mend(key),
    pullDamaged: (partition) => repair.resync.foundDamage(partition),
    scrub: () => repair.upkeep.scrub(),
  })
  const selfCheck: SelfCheck = wireSelfCheck(base, peers, () => {
    replica.attempts.release(selfCheck.boot)
    repair.recall.kick()
  })
  const quorum = wireQuorum(base, replica, {
    peers,
    selfCheck,
    onGap: (peer, partition) => repair.resync.gap(peer, partition),
  })
  const reclaim = wireReclaim(base, replica, quorum, {
    uploads: () => objects.uploads.sweeper,
    forget: (keys) => service.forget(keys),
    freed: () => ({
      blocks: service.freedBlocks,
      bytes: service.freedBytes,
      registers: service.registersCollected,
    }),
  })
  const repair: RepairParts = wireRepair(
    { base, replica, quorum, reclaim },
    (partition) => !rebalance.rebalance.movesBlocks(partition),
  )
  const rebalance: RebalanceParts = wireRebalance(base, replica, quorum, reclaim.space)
  const notifications = wireNotifications(base)
  const objects: ObjectParts = wireObjects(base, quorum, reclaim, notifications)
  const identities = wireIdentities(base, quorum.registers, objects.buckets)
  const lifecycle = wireLifecycle(base, quorum, objects)
  const roles = {
    replica,
    quorum,
    reclaim,
    repair,
    rebalance,
    objects,
    identities,
    lifecycle,
    notifications,
  }
  const { status, secret } = wireStatus(base, roles)
  const service: Service = wireService(base, roles, status)
  return { ...roles, status, secret, service }
}
