/** Why a node can not serve yet, or any more: the answer of `/health/ready` and the line that a start logs. */

import { leftLine } from '../layout/former.ts'
import type { StatusOptions } from './status-options.ts'

/**
 * The first reason why this node can't serve, for people. Undefined when it is ready: it is a member,
 * a majority of the members is connected, and they have written down that this boot is its own (D2).
 * Reads memory only.
 */
export function notReadyReason(
  options: Pick<StatusOptions, 'layout' | 'peers' | 'selfCheck'>,
): string | undefined {
  const { layout, peers, selfCheck } = options
  const view = layout.current()
  if (view === undefined) return 'this node is not a member of a cluster yet'
  const left = layout.leftIn()
  if (left !== undefined) {
    return layout.role() === undefined
      ? leftLine(left)
      : `this node has left the members (epoch ${left}): others still copy blocks from it, so let it run`
  }
  if (!layout.isMember()) return 'this node is not a member of a cluster yet'
  const up = view.members.filter(({ nodeId }) => peers.connected(nodeId)).length
  if (up * 2 <= view.members.length) return `only ${up} of ${view.members.length} members are up`
  if (!selfCheck.isProven) {
    return 'not enough members have written down yet that this node has started'
  }
  return undefined
}
