/** Wires what answers other nodes, and begins to listen to them. */

import { byteString } from '../../protocol/bytes.ts'
import { bucketId, type NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import { MessageError } from '../../protocol/rpc/message.ts'
import { Service } from '../serving/service.ts'
import type { NodeBase } from './node-base.ts'
import type { NodeRoles } from './node-roles.ts'
import type { Status } from '../status/status.ts'

/** Builds the handlers of all messages. It is built last, from every other role. */
export function wireService(
  base: NodeBase,
  { replica, reclaim, repair, rebalance, objects }: NodeRoles,
  status: Status,
): Service {
  const { layout, sightings, epoch, isReplica } = base
  const { host, blocks, lists, exchange, attempts, dead, readers, votes } = replica
  return new Service({
    host,
    blocks,
    lists,
    exchange,
    witness: () => rebalance.rebalance.witness,
    resync: () => repair.resync,
    attempts,
    dead,
    readers,
    lost: (request) => reclaim.lostData.report.own(request),
    onMissing: (key) => repair.blockRepair.mend(key),
    kept: () => reclaim.space.kept,
    bury: (ids) => objects.buckets.bury(ids),
    epoch,
    role: (peer) => layout.current()?.role(peer),
    storageOf: (peer) => layout.current()?.knownMember(peer)?.storageId,
    isStable: () => layout.current()?.state === 'STABLE',
    isReplica,
    votes,
    sightings,
    observe: (later, from) => layout.observe(later, from),
    layout: (from, type, body) => layout.answer(from, type, body),
    status: () => status.own(),
    usage: ({ bucket, shards }) => objects.usage.of(bucketId(byteString(bucket)), shards),
    nowMs: () => base.env.clock.nowMs(),
  })
}

/**
 * Lets other nodes in: their requests, walks through the DHT, and news of connections reach the roles
 * from here on. The network itself starts later.
 */
export function listen(
  { env, layout, view }: NodeBase,
  service: Service,
  { replica, repair }: Pick<NodeRoles, 'replica' | 'repair'>,
): void {
  const { network } = env
  network.serve((from, message) => service.serve(from, message))
  network.serveWalk((partition) => replicasForWalk(view(), partition))
  network.onPeer(({ type, peer }) => {
    if (type !== 'up' || layout.current() === undefined) return
    repair.resync.peerUp(peer)
    replica.readers.peerUp(peer)
  })
}

/**
 * The replica set of a partition, for a walk of another node. The number comes from the network, and a member of a
 * faulty or other version may ask for any: throws MessageError when the layout has no such partition.
 */
export function replicasForWalk(
  view: Pick<LayoutView, 'partitions' | 'replicas'>,
  partition: number,
): NodeId[] {
  if (partition >= view.partitions) {
    throw new MessageError(`there is no partition ${partition}: the layout has ${view.partitions}`)
  }
  return [...view.replicas(partition)]
}
