/**
 * Asks whether any member holds registers, to choose between the short and the long way of a change before it begins.
 * Only the answers in JOINT decide (joint-step.ts).
 */

import type { LayoutView } from '../../protocol/layout/view.ts'
import type { LayoutPeers } from './layout-peers.ts'
import { epochMessage, LAYOUT_RPC, readyMessage } from './messages.ts'

export async function holdsData(peers: LayoutPeers, view: LayoutView): Promise<boolean> {
  let holds = false
  const nodes = view.members.map((member) => member.nodeId)
  await peers.gather(
    nodes,
    LAYOUT_RPC.ready,
    epochMessage.encode(view.epoch),
    (_from, bytes) => {
      if (readyMessage.decode(bytes).holds) holds = true
    },
    () => holds,
  )
  return holds
}
