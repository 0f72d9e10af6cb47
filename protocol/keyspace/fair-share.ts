/**
 * What part of all partitions each node should hold, from capacities, zones and the number of
 * replicas.
 *
 * A node holds a partition at most once, so no share exceeds 1; zones come before balance, so a zone
 * holds each partition at most once when there are at least R zones, and at least once when there
 * are fewer. Within that, shares follow capacity.
 */

import { assert } from '../assert.ts'

export interface Weighted {
  readonly zone: string
  readonly capacityBytes: number
}

/** What a node competes for: a share of the partitions, alone or together with the other nodes of its zone. */
export interface Claim {
  /** Its fair share. */
  readonly fair: number
  /** Of the zone where zones compete (there are as many zones as replicas, or more), else of the node. */
  readonly share: number
  /** The node's part of that share: 1 where nodes compete. */
  readonly part: number
}

/** Shares in 0..1, in the order of `members`; they sum up to min(replication, members). */
export function fairShares(members: readonly Weighted[], replication: number): number[] {
  return fairClaims(members, replication).map(({ fair }) => fair)
}

/** In the order of `members`. */
export function fairClaims(members: readonly Weighted[], replication: number): Claim[] {
  const zones = new Map<string, number[]>()
  for (const [i, member] of members.entries()) {
    const zone = zones.get(member.zone)
    if (zone) zone.push(i)
    else zones.set(member.zone, [i])
  }
  const replicas = Math.min(replication, members.length)
  const capacity = (i: number): number => members[i]!.capacityBytes
  const groups = [...zones.values()]
  if (groups.length < replicas) {
    return nodeShares(groups, capacity, replicas).map((fair) => ({ fair, share: fair, part: 1 }))
  }
  const zoneTotals = groups.map((group) => group.reduce((sum, i) => sum + capacity(i), 0))
  const zoneShares = pour(zoneTotals, replicas)
  const claims: Claim[] = []
  for (const [z, group] of groups.entries()) {
    const [share, total] = [zoneShares[z]!, zoneTotals[z]!]
    for (const i of group) {
      claims[i] = { fair: (share * capacity(i)) / total, share, part: capacity(i) / total }
    }
  }
  return claims
}

/** Where there are fewer zones than replicas. */
function nodeShares(
  groups: readonly (readonly number[])[],
  capacity: (i: number) => number,
  replicas: number,
): number[] {
  const shares: number[] = []
  // A zone that would get less than one replica of each partition is set to one; what remains is poured
  // over the others, which can only lower them, so look again.
  const open = new Set(groups)
  let rest = replicas
  for (;;) {
    const indexes = [...open].flat()
    const poured = pour(indexes.map(capacity), rest)
    for (const [at, i] of indexes.entries()) shares[i] = poured[at]!
    const poor = [...open].filter(
      (group) => group.reduce((sum, i) => sum + shares[i]!, 0) < 1 - 1e-9,
    )
    if (poor.length === 0) return shares
    for (const group of poor) {
      const within = pour(group.map(capacity), 1)
      for (const [at, i] of group.entries()) shares[i] = within[at]!
      open.delete(group)
      rest -= 1
    }
  }
}

/** Splits `total` in proportion to the weights, no part above 1. */
function pour(weights: readonly number[], total: number): number[] {
  assert(total <= weights.length + 1e-9, 'more to pour than there is room for')
  const parts = Array.from({ length: weights.length }, () => 0)
  const order = weights.map((_, i) => i).sort((a, b) => weights[b]! - weights[a]!)
  let weightLeft = weights.reduce((sum, weight) => sum + weight, 0)
  let left = total
  for (const i of order) {
    // Largest first: once one part stays below 1, so do all the smaller ones.
    const part = Math.min(1, (left * weights[i]!) / weightLeft)
    parts[i] = part
    left -= part
    weightLeft -= weights[i]!
  }
  return parts
}
