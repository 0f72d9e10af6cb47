/** The status of the cluster as one node knows it: what `shoal status` prints. */

import type { LostStatus, NodeStatus } from '../../gateway/port/status.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { hasBit } from '../../protocol/keyspace/bitmap.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import { nameOf } from '../process/node-name.ts'
import { abstainsLine, heldOf } from './layout-table.ts'
import { spareOf } from './spare-replicas.ts'
import type { StatusOptions } from './status-options.ts'
import { warningsOf } from './status-warnings.ts'

/** By node. A node that did not answer in time is not in it. */
type Replies = ReadonlyMap<NodeId, WireStatusReply>

/**
 * Puts the status together: cluster-wide figures from the replies, the node's own from its parts.
 *
 * @param replies of the nodes that answered, this one included
 * @param lost what is lost for good, as all members know it
 */
export function nodeStatusOf(
  options: StatusOptions,
  view: LayoutView,
  replies: Replies,
  lost: LostStatus,
): NodeStatus {
  const { layout, network, resync, clock, startedMs, recovery, upkeep } = options
  const spare = spareOf(view, replies)
  const held = heldOf(view, replies, (node) => layout.silentMs(node))
  const abstaining = layout.abstaining()
  const abstains = abstaining && abstainsLine(view, network.self, abstaining)
  // A member that is gone for good could not be removed or replaced.
  const isTight = abstaining?.canLoseOne === false
  return {
    node: network.self,
    cluster: view.clusterId,
    epoch: view.epoch,
    layoutState: view.state,
    replication: view.replication,
    warnings: warningsOf(options, { view, replies, lost, held: held?.line, abstains }),
    members: membersOf(view, replies),
    partitions: countPartitions(view, replies),
    resync: {
      pending: sum(replies, (reply) => reply.resyncPending),
      done: sum(replies, (reply) => reply.resyncDone),
      running: resync.running,
    },
    recovery: recovery(),
    space: spaceOf(options),
    upkeep: upkeep.status(),
    lost: lost.objects.length,
    sources: view.sources.length,
    ...(held !== undefined && { held: { partitions: held.partitions, nodes: held.nodes } }),
    moves: {
      pendingBytes: sum(replies, (reply) => reply.movePendingBytes),
      bytesPerSecond: sum(replies, (reply) => reply.moveBytesPerSecond),
    },
    canLoseANode: spare.canLoseANode && !isTight,
    canLoseANodeWhy: spare.canLoseANode && isTight ? abstains! : spare.why,
    uptimeSeconds: Math.floor((clock.monotonicMs() - startedMs) / 1000),
  }
}

/** One entry for each member. What a member that is away has not told is undefined. */
function membersOf(view: LayoutView, replies: Replies): NodeStatus['members'] {
  return view.members.map((member) => {
    const reply = replies.get(member.nodeId)
    return {
      node: member.nodeId,
      name: nameOf(view, member.nodeId),
      zone: member.zone,
      addresses: member.addresses,
      capacityBytes: member.capacityBytes,
      up: reply !== undefined,
      freeBytes: reply?.freeBytes,
      usedBytes: reply?.logBytes,
      forgottenPartitions: reply?.forgotten,
      forgottenWhy: reply?.forgottenWhy,
      lostPartitions: reply?.lostPartitions,
    }
  })
}

function spaceOf({ store, space }: Pick<StatusOptions, 'store' | 'space'>): NodeStatus['space'] {
  const { totalBytes, freeBytes, logBytes, deadBytes, removalBytes } = store.stats()
  const { freedBlocks, freedBytes, registersCollected, queued } = space()
  return {
    totalBytes,
    freeBytes,
    logBytes,
    deadBytes,
    removalBytes,
    freedBlocks,
    freedBytes,
    registersCollected,
    queued,
  }
}

/** A partition is whole when every replica is up and has nothing left to compare. */
function countPartitions(view: LayoutView, replies: Replies): NodeStatus['partitions'] {
  const counts = { total: view.partitions, whole: 0, degraded: 0, unverified: 0 }
  for (let partition = 0; partition < view.partitions; partition++) {
    let up = true
    let level = true
    for (const node of view.replicas(partition)) {
      const reply = replies.get(node)
      if (reply === undefined || reply.epoch !== view.epoch) up = false
      else if (hasBit(reply.behind, partition)) level = false
    }
    if (!up) counts.degraded++
    else if (level) counts.whole++
    else counts.unverified++
  }
  return counts
}

/** Over all nodes that answered. */
function sum(replies: Replies, of: (reply: WireStatusReply) => number): number {
  let total = 0
  for (const reply of replies.values()) total += of(reply)
  return total
}
