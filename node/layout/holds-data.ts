/**
 * Whether any member holds registers, as far as they answer: a look before a change, so that it goes the right way.
 * Only what is said in JOINT decides (joint-step.ts).
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
