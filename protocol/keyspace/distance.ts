/** XOR distance of each member's nearest token from a partition's point, for people to see. */

import type { NodeId } from '../ids.ts'
import type { LayoutView } from '../layout/view.ts'
import { TOKEN_BITS, tokenCount, tokensOf } from './token.ts'

/** Hexadecimal, the first 52 bits. */
export function xorDistances(view: LayoutView, partition: number): Map<NodeId, string> {
  const { members } = view
  const mean = members.reduce((sum, member) => sum + member.capacityBytes, 0) / members.length
  const point = BigInt(partition) << BigInt(TOKEN_BITS - view.partitionBits)
  const distances = new Map<NodeId, string>()
  for (const { nodeId, capacityBytes } of members) {
    let least: bigint | undefined
    for (const token of tokensOf(nodeId, tokenCount(capacityBytes, mean))) {
      const distance = BigInt(token) ^ point
      if (least === undefined || distance < least) least = distance
    }
    distances.set(nodeId, (least ?? 0n).toString(16).padStart(TOKEN_BITS / 4, '0'))
  }
  return distances
}
