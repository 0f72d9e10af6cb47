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
export interface ShareClaim {
  /** Its fair share. */
  readonly fair: number
  /** The zone's share where zones compete (there are at least as many zones as replicas), otherwise the node's. */
  readonly share: number
  /** The node's part of that share: 1 where nodes compete. */
  readonly part: number
  /** Factor for the odds of its tokens (`zonePull`), 1 unless given. */
  readonly pull?: number | undefined
}

/** How far a zone of several nodes may be off its share (a fraction of it), where a node has many partitions. */
const ZONE_SLACK_MAX = 0.1
/** Partitions a node at which the slack is half of that: with few, chance alone brings nodes near their bound. */
const ZONE_SLACK_HALF = 150

/** Shares in 0..1, in the order of `members`; they sum up to min(replication, members). */
export function fairShares(members: readonly Weighted[], replication: number): number[] {
  return fairClaims(members, replication).map(({ fair }) => fair)
}

/** Claims in the order of `members`. `slack`: that of zones (`zoneSlack`); 0 in clusters before placement 3. */
export function fairClaims(
  members: readonly Weighted[],
  replication: number,
  slack = 0,
): ShareClaim[] {
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
  const claims: ShareClaim[] = []
  for (const [z, group] of groups.entries()) {
    const [share, total] = [zoneShares[z]!, zoneTotals[z]!]
    const pull = group.length > 1 ? zonePull(share, replicas / groups.length, slack) : 1
    for (const i of group) {
      claims[i] = { fair: (share * capacity(i)) / total, share, part: capacity(i) / total, pull }
    }
  }
  return claims
}

/**
 * What a zone's odds are multiplied by, so that its nodes may hold up to `slack` more or less than their fair share.
 *
 * A new node takes most of its partitions from nodes of its own zone, because a set has one node of a zone. With 4
 * zones and 3 replicas that is three quarters; its share asks for a quarter only. Placement 2 makes that up at
 * once: the whole zone's odds, 1/(1−share), rise a little, and take as much from the other zones. So each change
 * moves 1 + 2/zones of the least possible. Within the slack the odds stay at those of a zone of mean share,
 * and nothing but the change itself moves. A share that differs by more is corrected by what exceeds the slack.
 *
 * A relative change of the odds changes a share by (1 − share) times as much.
 */
function zonePull(share: number, mean: number, slack: number): number {
  if (mean >= 1 || slack === 0) return 1
  const room = 1 + slack / (1 - mean)
  return Math.min(Math.max((1 - share) / (1 - mean), 1 / room), room)
}

/**
 * How far a zone may be off its share, as a fraction of it.
 *
 * @param each partitions that a node holds, on average
 */
export function zoneSlack(each: number): number {
  return (ZONE_SLACK_MAX * each) / (each + ZONE_SLACK_HALF)
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
