/** Asks all nodes of the layout how they are. One that is away, or too slow, is not in the answer. */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { WireStatusReply } from '../../protocol/rpc/messages.js'
import type { Network } from '../env/ports.ts'
import type { Peers } from '../quorum/peers.ts'

/**
 * How long a status request to one node may take. All are asked at the same time, so this bounds the
 * whole.
 */
const ASK_TIMEOUT_MS = 2_000
/** For a node that has been slow to answer. */
const ASK_SLOW_TIMEOUT_MS = 250

/**
 * The status of every node of the layout that answers in time, by node. Never rejects. A node that is
 * not connected is not asked. Called for each `shoal status`, plan, and change of the layout.
 *
 * @param own the status of this node, which is not asked
 */
export async function askMembers(
  { network, peers }: { readonly network: Pick<Network, 'self'>; readonly peers: Peers },
  view: LayoutView,
  own: WireStatusReply,
): Promise<Map<NodeId, WireStatusReply>> {
  const replies = new Map<NodeId, WireStatusReply>([[network.self, own]])
  await Promise.all(
    view.known.map(async ({ nodeId }) => {
      if (nodeId === network.self || !peers.connected(nodeId)) return
      const isSlow = peers.health.isSlow(nodeId, 'other')
      const reply = await peers
        .status(nodeId, { timeoutMs: isSlow ? ASK_SLOW_TIMEOUT_MS : ASK_TIMEOUT_MS })
        .catch(() => undefined)
      if (reply !== undefined) replies.set(nodeId, reply)
    }),
  )
  return replies
}
