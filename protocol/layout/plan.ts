/**
 * What a change of the members would cost: which partitions move, how many bytes, and whether they fit. Pure, so that the
 * preview for the operator and the change itself are the same computation. Called with what `nextOf` has made of the
 * changes (member-change.ts).
 */

import { place, type Placement } from '../keyspace/placement.ts'
import type { NodeId } from '../ids.ts'
import { formatSize } from '../size.ts'
import type { Member } from './entry.ts'
import { diffOf } from './layout-diff.ts'
import { shownName } from './member-names.ts'
import { nextFault, type NextLayout } from './transition.ts'
import type { LayoutView } from './view.ts'

/** A node whose disk is filled to this share counts as full. */
const FULL_SHARE = 0.9

/**
 * What one node holds before and after the change. Bytes after the change are estimates: all partitions count as
 * equally large.
 */
export interface PlannedShare {
  readonly nodeId: NodeId
  /** The member's name, or a short form of its id. */
  readonly name: string
  readonly zone: string
  readonly change: 'stays' | 'joins' | 'leaves'
  /** After the change. For a node that leaves: before it. */
  readonly capacityBytes: number
  /** An estimate when the node did not report it. */
  readonly usedBytes: number
  readonly usedBytesAfter: number
  /** The most it holds while blocks move: it has all that it gains and has given nothing away yet. */
  readonly usedBytesMost: number
  /** This and the counts below leave the partitions of system registers out. */
  readonly partitions: number
  readonly partitionsAfter: number
  readonly gained: number
  readonly lost: number
}

export interface ChangePlan {
  readonly next: NextLayout
  /** Lines of `diffOf`. */
  readonly changes: readonly string[]
  /** All partitions, also those of system registers. */
  readonly partitions: number
  /** Partitions that other nodes will hold than do now. */
  readonly partitionsMoved: number
  readonly nodes: readonly PlannedShare[]
  /** Estimate: every partition has the same size. */
  readonly movedBytes: number
  /**
   * The least that any placement with the same number of partitions for each node would have to move: the sum over
   * all nodes of what they hold after the change beyond what they hold now. This includes joiners and the nodes that
   * take over from one that leaves. It knows nothing of zones: where only zones change, every move is more than the least.
   */
  readonly leastBytes: number
  /** `movedBytes` divided by `leastBytes`. Undefined when nothing has to move. */
  readonly ratio: number | undefined
  /** No node gets fuller than FULL_SHARE of its capacity by this change. */
  readonly fits: boolean
  /** Why the change must not be made. */
  readonly faults: readonly string[]
  /** Why the change needs --force: it would leave too few members or zones for the replicas. One line for each reason. */
  readonly scarce: readonly string[]
  /** What the operator should know before the change. */
  readonly warnings: readonly string[]
}

/** What it costs to go from the layout of `view` to `next`. `usedBytes` is undefined for a node whose use is not known. */
export function planOf(
  view: LayoutView,
  next: NextLayout,
  usedBytes: (nodeId: NodeId) => number | undefined,
): ChangePlan {
  const before = { members: view.entry.members, replication: view.replication }
  const { genesis, partitions } = view
  const old = view.placement
  const placement = place(next.members, { ...genesis, replication: next.replication })
  const dataPartitions = 1 << genesis.partitionBits
  const { gained, lost, partitionsMoved } = compare(old, placement, partitions, dataPartitions)

  const held = (of: Placement, nodeId: NodeId): number =>
    of.partitionsOf(nodeId).filter((partition) => partition < dataPartitions).length
  const partitionBytes = bytesOfPartition(before.members, (nodeId) => held(old, nodeId), usedBytes)
  const nodeOf = (member: Member, change: PlannedShare['change']): PlannedShare => {
    const { nodeId, zone, capacityBytes } = member
    const [now, after] = [held(old, nodeId), held(placement, nodeId)]
    const used = change === 'joins' ? 0 : (usedBytes(nodeId) ?? now * partitionBytes)
    const gains = gained.get(nodeId) ?? 0
    const losses = lost.get(nodeId) ?? 0
    return {
      nodeId,
      name: shownName(member),
      zone,
      change,
      capacityBytes,
      usedBytes: Math.round(used),
      usedBytesAfter: Math.max(0, Math.round(used + (gains - losses) * partitionBytes)),
      usedBytesMost: Math.round(used + gains * partitionBytes),
      partitions: now,
      partitionsAfter: after,
      gained: gains,
      lost: losses,
    }
  }
  const was = new Map(before.members.map((member) => [member.nodeId, member]))
  const stays = new Set(next.members.map(({ nodeId }) => nodeId))
  const leavers = before.members.filter(({ nodeId }) => !stays.has(nodeId))
  const nodes = [
    ...next.members.map((member) => nodeOf(member, was.has(member.nodeId) ? 'stays' : 'joins')),
    ...leavers.map((member) => nodeOf(member, 'leaves')),
  ]

  const sum = (counts: Iterable<number>): number => [...counts].reduce((all, one) => all + one, 0)
  const movedBytes = Math.round(sum(gained.values()) * partitionBytes)
  const least = sum(nodes.map((node) => Math.max(0, node.partitionsAfter - node.partitions)))
  const leastBytes = Math.round(least * partitionBytes)
  const shareBefore = (node: PlannedShare): number =>
    node.usedBytes / (was.get(node.nodeId)?.capacityBytes ?? node.capacityBytes)
  const fullestBefore = Math.max(...nodes.map(shareBefore))
  const tooFull = nodes.filter((node) =>
    isTooFull(node, node.change === 'joins' ? fullestBefore : shareBefore(node)),
  )
  const faults = [nextFault(view.entry, next), ...fitFault(tooFull)]
  return {
    next,
    changes: diffOf(before, next),
    partitions,
    partitionsMoved,
    nodes,
    movedBytes,
    leastBytes,
    ratio: least === 0 ? undefined : sum(gained.values()) / least,
    fits: tooFull.length === 0,
    faults: faults.filter((fault) => fault !== undefined),
    scarce: scarceOf(before, next),
    warnings: warningsOf(before, next, nodes),
  }
}

/**
 * Why the change leaves too few members or zones for the replicas. A cluster that grows may already have too few:
 * only what gets worse is named.
 */
function scarceOf(before: NextLayout, next: NextLayout): string[] {
  const [count, was] = [next.members.length, before.members.length]
  const { replication } = next
  const scarce: string[] = []
  if (count < replication && (count < was || replication > before.replication)) {
    const lower = replication > before.replication ? [] : [replicationHint(count)]
    scarce.push(
      `${countOf(count, 'member')} for ${replication} replicas: ` +
        [`let ${replication - count} more join first`, ...lower].join(', or '),
    )
  }
  const replicas = Math.min(replication, count)
  const [zones, zonesWere] = [zonesOf(next), zonesOf(before)]
  if (zones < replicas && zones < zonesWere) {
    scarce.push(
      `${countOf(zones, 'zone')} instead of ${zonesWere} for ${replicas} replicas, so that a zone would hold ` +
        'more than one replica of something: let a node join in another zone first',
    )
  }
  return scarce
}

function replicationHint(count: number): string {
  return `say that fewer replicas are enough (shoal layout replication ${count})`
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`
}

function zonesOf({ members }: NextLayout): number {
  return new Set(members.map(({ zone }) => zone)).size
}

/** How many replicas of objects and blocks each node gains and loses, and how many of all partitions get other nodes. */
function compare(
  old: Placement,
  next: Placement,
  partitions: number,
  dataPartitions: number,
): { gained: Map<NodeId, number>; lost: Map<NodeId, number>; partitionsMoved: number } {
  const gained = new Map<NodeId, number>()
  const lost = new Map<NodeId, number>()
  const count = (of: Map<NodeId, number>, nodes: readonly NodeId[]): void => {
    for (const node of nodes) of.set(node, (of.get(node) ?? 0) + 1)
  }
  let partitionsMoved = 0
  for (let partition = 0; partition < partitions; partition++) {
    const [from, to] = [old.replicas(partition), next.replicas(partition)]
    const added = to.filter((node) => !from.includes(node))
    const removed = from.filter((node) => !to.includes(node))
    if (added.length + removed.length > 0) partitionsMoved++
    if (partition >= dataPartitions) continue
    count(gained, added)
    count(lost, removed)
  }
  return { gained, lost, partitionsMoved }
}

/** The mean over the nodes whose used bytes are known. Keys are hashes, so partitions have about the same size. */
function bytesOfPartition(
  members: readonly Member[],
  held: (nodeId: NodeId) => number,
  usedBytes: (nodeId: NodeId) => number | undefined,
): number {
  let [bytes, replicas] = [0, 0]
  for (const { nodeId } of members) {
    const used = usedBytes(nodeId)
    if (used === undefined) continue
    bytes += used
    replicas += held(nodeId)
  }
  return replicas === 0 ? 0 : bytes / replicas
}

/** A node counts only when the change makes it fuller: a cluster that is too full may still grow or replace a lost node. */
function isTooFull(node: PlannedShare, shareBefore: number): boolean {
  if (node.change === 'leaves') return false
  const share = node.usedBytesAfter / node.capacityBytes
  return share > FULL_SHARE && share > shareBefore
}

/** One line about the fullest of these nodes; none when there are none. */
function fitFault(tooFull: readonly PlannedShare[]): string[] {
  const share = (node: PlannedShare): number => node.usedBytesAfter / node.capacityBytes
  const [worst] = [...tooFull].sort((a, b) => share(b) - share(a))
  if (worst === undefined) return []
  const { name, usedBytesAfter, capacityBytes } = worst
  const others = tooFull.length > 1 ? ` and ${tooFull.length - 1} more are too small` : ''
  return [
    `it does not fit: ${name} would hold ${formatSize(usedBytesAfter)} of ${formatSize(capacityBytes)} ` +
      `(${Math.round(share(worst) * 100)} %; ${FULL_SHARE * 100} % is full)${others}: ` +
      'let another node join first',
  ]
}

/** Lines about what the change makes worse, or leaves bad, without forbidding it. */
function warningsOf(
  before: NextLayout,
  next: NextLayout,
  nodes: readonly PlannedShare[],
): readonly string[] {
  const warnings: string[] = []
  const [count, zones] = [next.members.length, zonesOf(next)]
  const replicas = Math.min(next.replication, count)
  if (count < next.replication) {
    const kept = count === 1 ? '1 replica' : `${count} replicas`
    warnings.push(`${kept} of everything instead of ${next.replication}: there are too few members`)
  }
  // Operators of a cluster with one zone have set no zones, so the warning would mean nothing to them.
  if (zones < replicas && (zones > 1 || zonesOf(before) > 1)) {
    warnings.push(
      `${zones} ${zones === 1 ? 'zone' : 'zones'} for ${replicas} replicas: ` +
        'losing one zone may take more than one replica of something',
    )
  }
  if (replicas === 2) warnings.push('2 replicas: losing either one stops reads and writes')
  if (next.replication < before.replication) {
    warnings.push(`replication ${before.replication} → ${next.replication}: less can be lost`)
  }
  const tight = nodes.find((node) => node.usedBytesMost > node.capacityBytes)
  if (tight !== undefined) {
    warnings.push(
      `${tight.name} needs ${formatSize(tight.usedBytesMost)} of ${formatSize(tight.capacityBytes)} ` +
        'while blocks move: it gives away its own only when the others have them',
    )
  }
  return warnings
}
