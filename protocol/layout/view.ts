/**
 * A layout entry as the rest of the program asks it: who is a member, and who holds a partition.
 * Placements are computed when first needed and kept.
 */

import { partitionCount } from '../keyspace/key.ts'
import type { Placement } from '../keyspace/placement.ts'
import { place } from '../keyspace/placement.ts'
import type { ClusterId, NodeId } from '../ids.ts'
import type { ReplicaSets } from '../register/types.ts'
import type { Genesis, LayoutEntry, Member } from './entry.ts'

export class LayoutView {
  readonly entry: LayoutEntry
  /** P, and in JOINT P′ besides: everyone who may speak with the cluster. */
  readonly members: readonly Member[]
  readonly #byNode = new Map<NodeId, Member>()
  readonly #sets: (ReplicaSets | undefined)[] = []
  #placement: Placement | undefined
  #nextPlacement: Placement | undefined

  /** `before` lends its placements where the member lists are the same. */
  constructor(entry: LayoutEntry, before?: LayoutView) {
    this.entry = entry
    for (const member of entry.members) this.#byNode.set(member.nodeId, member)
    for (const member of entry.next ?? []) this.#byNode.set(member.nodeId, member)
    this.members = [...this.#byNode.values()]
    if (before !== undefined) {
      this.#placement = before.#lend(entry.members)
      if (entry.next !== undefined) this.#nextPlacement = before.#lend(entry.next)
    }
  }

  get epoch(): number {
    return this.entry.epoch
  }

  get state(): 'STABLE' | 'JOINT' {
    return this.entry.state
  }

  get genesis(): Genesis {
    return this.entry.genesis
  }

  get clusterId(): ClusterId {
    return this.entry.genesis.clusterId
  }

  get partitionBits(): number {
    return this.entry.genesis.partitionBits
  }

  /** Those of system registers included. */
  get partitions(): number {
    return partitionCount(this.entry.genesis)
  }

  member(nodeId: NodeId): Member | undefined {
    return this.#byNode.get(nodeId)
  }

  isMember(nodeId: NodeId): boolean {
    return this.#byNode.has(nodeId)
  }

  /** The active sets of a partition: one in STABLE, P's and P′'s in JOINT (L3). Nearest first. The
   * same partition gives the same object. */
  replicaSets(partition: number): ReplicaSets {
    let sets = this.#sets[partition]
    if (sets === undefined) {
      const old = this.placement.replicas(partition)
      const next = this.nextPlacement?.replicas(partition)
      sets = next === undefined ? [old] : [old, next]
      this.#sets[partition] = sets
    }
    return sets
  }

  /** Every node of the active sets once: P's nearest first, then what P′ adds. */
  replicas(partition: number): readonly NodeId[] {
    const [old, next] = this.replicaSets(partition)
    return next === undefined ? old! : [...new Set([...old!, ...next])]
  }

  /** Partitions that the node holds, in any active set. Ascending. */
  partitionsOf(nodeId: NodeId): readonly number[] {
    const old = this.placement.partitionsOf(nodeId)
    const next = this.nextPlacement?.partitionsOf(nodeId)
    return next === undefined ? old : [...new Set([...old, ...next])].sort((a, b) => a - b)
  }

  get placement(): Placement {
    this.#placement ??= place(this.entry.members, this.entry.genesis)
    return this.#placement
  }

  /** Absent in STABLE. */
  get nextPlacement(): Placement | undefined {
    const { next } = this.entry
    if (next === undefined) return undefined
    this.#nextPlacement ??= place(next, this.entry.genesis)
    return this.#nextPlacement
  }

  #lend(members: readonly Member[]): Placement | undefined {
    if (samePlaces(members, this.entry.members)) return this.#placement
    const { next } = this.entry
    return next !== undefined && samePlaces(members, next) ? this.#nextPlacement : undefined
  }
}

/** Both lists are in node order. */
function samePlaces(a: readonly Member[], b: readonly Member[]): boolean {
  return (
    a.length === b.length &&
    a.every((member, i) => {
      const other = b[i]!
      return (
        member.nodeId === other.nodeId &&
        member.zone === other.zone &&
        member.capacityBytes === other.capacityBytes
      )
    })
  )
}
