/** XOR distance of each member's nearest token from a partition's point, for people to see. */

import type { NodeId } from '../ids.ts'
import type { LayoutView } from '../layout/view.ts'
import { memberTokens } from './placement.ts'
import { TOKEN_BITS } from './token.ts'

/** By member: the first 52 bits of the distance, as hexadecimal digits. Decides nothing (placement.ts does). */
export function xorDistances(view: LayoutView, partition: number): Map<NodeId, string> {
  const { genesis, members, replication } = view
  const point = BigInt(partition) << BigInt(TOKEN_BITS - genesis.partitionBits)
  const distances = new Map<NodeId, string>()
  for (const [i, tokens] of memberTokens(members, { ...genesis, replication }).entries()) {
    let least: bigint | undefined
    for (const token of tokens) {
      const distance = BigInt(token) ^ point
      if (least === undefined || distance < least) least = distance
    }
    distances.set(members[i]!.nodeId, (least ?? 0n).toString(16).padStart(TOKEN_BITS / 4, '0'))
  }
  return distances
}
