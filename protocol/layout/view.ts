/**
 * A layout entry as the rest of the program asks it: who is a member, and who holds a partition.
 * Placements are computed when first needed and kept.
 *
 *   member    votes and counts: of P in STABLE and PLANNED, of P and P′ in JOINT (L3)
 *   learner   will be a member, copies meanwhile, and counts nowhere (L1b): only in PLANNED
 *   source    was a member: blocks may still be with it only (L5)
 */

import { assert } from '../assert.ts'
import { partitionCount } from '../keyspace/key.ts'
import type { Placement } from '../keyspace/placement.ts'
import { place } from '../keyspace/placement.ts'
import type { ClusterId, NodeId } from '../ids.ts'
import { isSameSet } from '../register/quorum.ts'
import type { ReplicaSets } from '../register/types.ts'
import type { Genesis, LayoutEntry, LayoutState, Member } from './entry.ts'
import { nextReplicationOf, placeOf, replicationOf } from './entry.ts'

/** What a node is to the layout, and so what it may do. A stranger has no role. */
export type Role = 'member' | 'learner' | 'source'

/** An earlier placement whose blocks may not all have moved (L5). */
export interface SourceView {
  /** The STABLE entry that began with it. */
  readonly epoch: number
  readonly members: readonly Member[]
  /** Who held the partition. Nearest first. */
  replicas(partition: number): readonly NodeId[]
  /** Partitions that other nodes hold in P than held them then. Ascending. */
  movedTo(): readonly number[]
}

const NO_PARTITIONS: readonly number[] = []
const NO_NODES: readonly NodeId[] = []

/**
 * One entry, read only. A node makes a new view for each entry that it adopts. An epoch has one entry, so two views
 * of it have the same members and sets.
 */
export class LayoutView {
  readonly entry: LayoutEntry
  /** P, and in JOINT P′ besides: who votes, and who counts. */
  readonly members: readonly Member[]
  /** In PLANNED: who is in P′ and not in P. */
  readonly learners: readonly Member[]
  /** Members, learners and the nodes of sources: everyone who may speak with the cluster. Where there are
   * several records of a node, the newest. */
  readonly known: readonly Member[]
  /** Oldest first. */
  readonly sources: readonly SourceView[]
  readonly #members = new Map<NodeId, Member>()
  readonly #learners = new Map<NodeId, Member>()
  readonly #known = new Map<NodeId, Member>()
  readonly #sourceNodes = new Set<NodeId>()
  readonly #sets: (ReplicaSets | undefined)[] = []
  readonly #held = new Map<NodeId, readonly number[]>()
  readonly #sourceReplicas: (readonly NodeId[] | undefined)[] = []
  readonly #placement: LazyPlacement
  readonly #nextPlacement: LazyPlacement | undefined
  readonly #sourcePlacements: readonly LazyPlacement[]
  #moved: readonly number[] | undefined

  /** `before` lends its placements where members and replication are the same. */
  constructor(entry: LayoutEntry, before?: LayoutView) {
    assert(
      (entry.state === 'STABLE') === (entry.next === undefined),
      'PLANNED and JOINT have next members, STABLE has none (L2)',
    )
    this.entry = entry
    const { members, next = [], sources = [] } = entry
    for (const { nodeId } of sources.flatMap((source) => source.members)) {
      this.#sourceNodes.add(nodeId)
    }
    for (const member of members) this.#members.set(member.nodeId, member)
    for (const member of next) {
      if (entry.state === 'JOINT') this.#members.set(member.nodeId, member)
      else if (!this.#members.has(member.nodeId)) this.#learners.set(member.nodeId, member)
    }
    const records = [...sources.map((source) => source.members), members, next]
    for (const member of records.flat()) this.#known.set(member.nodeId, member)
    this.members = [...this.#members.values()]
    this.learners = [...this.#learners.values()]
    this.known = [...this.#known.values()]

    const placed = (of: readonly Member[], replication: number): LazyPlacement =>
      before?.lend(of, replication) ?? new LazyPlacement(of, replication, entry.genesis)
    this.#placement = placed(members, replicationOf(entry))
    this.#nextPlacement = entry.next && placed(entry.next, nextReplicationOf(entry))
    this.#sourcePlacements = sources.map((source) => placed(source.members, source.replication))
    this.sources = sources.map((source, i) => this.#sourceView(source, this.#sourcePlacements[i]!))
  }

  get epoch(): number {
    return this.entry.epoch
  }

  get state(): LayoutState {
    return this.entry.state
  }

  get genesis(): Genesis {
    return this.entry.genesis
  }

  get clusterId(): ClusterId {
    return this.entry.genesis.clusterId
  }

  /** Bits of the number of a partition of objects and blocks. */
  get partitionBits(): number {
    return this.entry.genesis.partitionBits
  }

  /** The number of all partitions, also those of system registers. */
  get partitions(): number {
    return partitionCount(this.entry.genesis)
  }

  /** Replicas that a partition should have in P; there are fewer where there are fewer members. */
  get replication(): number {
    return replicationOf(this.entry)
  }

  /** The record of a member; undefined for learners and sources. */
  member(nodeId: NodeId): Member | undefined {
    return this.#members.get(nodeId)
  }

  /** The record of any known node. */
  knownMember(nodeId: NodeId): Member | undefined {
    return this.#known.get(nodeId)
  }

  /** Whether it votes and counts: it is in P or, in JOINT, in P′. */
  isMember(nodeId: NodeId): boolean {
    return this.#members.has(nodeId)
  }

  /** Whether it is in P′ and not in P, in PLANNED. False in JOINT, where it is a member. */
  isLearner(nodeId: NodeId): boolean {
    return this.#learners.has(nodeId)
  }

  /** Whether it belongs to a source and is not a member (any more). It may be a learner. */
  isSource(nodeId: NodeId): boolean {
    return this.#sourceNodes.has(nodeId) && !this.#members.has(nodeId)
  }

  /** Undefined for a stranger. A node of a source that learns to become a member again is a learner. */
  role(nodeId: NodeId): Role | undefined {
    if (this.isMember(nodeId)) return 'member'
    if (this.isLearner(nodeId)) return 'learner'
    return this.isSource(nodeId) ? 'source' : undefined
  }

  /** The active sets of a partition: P's, and in JOINT P′'s besides (L3). Nearest first. The same partition
   * gives the same object. */
  replicaSets(partition: number): ReplicaSets {
    let sets = this.#sets[partition]
    if (sets === undefined) {
      const old = this.placement.replicas(partition)
      const next = this.#jointPlacement?.replicas(partition)
      sets = next === undefined ? [old] : [old, next]
      assert(
        sets.every((set) => set.length > 0),
        'every partition has replicas',
      )
      this.#sets[partition] = sets
    }
    return sets
  }

  /** Every node of the active sets once: P's nearest first, then what P′ adds. */
  replicas(partition: number): readonly NodeId[] {
    const [old, next] = this.replicaSets(partition)
    return next === undefined ? old! : [...new Set([...old!, ...next])]
  }

  /** Partitions that the node holds in any active set, ascending. Repeated calls return the same array. */
  partitionsOf(nodeId: NodeId): readonly number[] {
    let held = this.#held.get(nodeId)
    if (held === undefined) {
      const old = this.placement.partitionsOf(nodeId)
      const next = this.#jointPlacement?.partitionsOf(nodeId)
      held = next === undefined ? old : union(old, next)
      this.#held.set(nodeId, held)
    }
    return held
  }

  /** The placement of P. */
  get placement(): Placement {
    return this.#placement.get()
  }

  /** The placement of P′, in PLANNED and JOINT. */
  get nextPlacement(): Placement | undefined {
    return this.#nextPlacement?.get()
  }

  /** In PLANNED: partitions that the node is to hold and does not hold. Members have such partitions too. */
  learning(nodeId: NodeId): readonly number[] {
    const next = this.nextPlacement
    if (next === undefined || this.state !== 'PLANNED') return NO_PARTITIONS
    const held = new Set(this.placement.partitionsOf(nodeId))
    return next.partitionsOf(nodeId).filter((partition) => !held.has(partition))
  }

  /** In PLANNED and JOINT: partitions that other nodes hold in P′ than in P. Ascending. */
  moved(): readonly number[] {
    const next = this.nextPlacement
    if (next === undefined) return NO_PARTITIONS
    this.#moved ??= differing(this.placement, next)
    return this.#moved
  }

  /** Nodes that may hold blocks of the partition by an earlier placement and are in no active set. Those of the
   * newest source first. The same partition gives the same object. */
  sourceReplicas(partition: number): readonly NodeId[] {
    if (this.sources.length === 0) return NO_NODES
    let nodes = this.#sourceReplicas[partition]
    if (nodes === undefined) {
      const active = new Set(this.replicaSets(partition).flat())
      const earlier = this.sources.toReversed().flatMap((source) => source.replicas(partition))
      nodes = [...new Set(earlier)].filter((nodeId) => !active.has(nodeId))
      this.#sourceReplicas[partition] = nodes
    }
    return nodes
  }

  /** Whether the node may have blocks of the partition: it is in an active set, or held the partition in a source. */
  mayHaveBlocks(nodeId: NodeId, partition: number): boolean {
    return (
      this.replicaSets(partition).some((set) => set.includes(nodeId)) ||
      this.sourceReplicas(partition).includes(nodeId)
    )
  }

  /** Partitions that the node holds in P and for which some source had other holders: blocks of theirs may still
   * have to come. Ascending. */
  waiting(nodeId: NodeId): readonly number[] {
    if (this.sources.length === 0) return NO_PARTITIONS
    const changed = new Set(this.sources.flatMap((source) => source.movedTo()))
    return this.placement.partitionsOf(nodeId).filter((partition) => changed.has(partition))
  }

  /** Text that differs when the place or role of any node does, and is the same when only tokens or secrets change. */
  placesKey(): string {
    const { state, members, next, replication, nextReplication, sources } = this.entry
    return JSON.stringify([state, members, next, replication, nextReplication, sources])
  }

  /** A placement of these members that this view has, computed or not. */
  lend(members: readonly Member[], replication: number): LazyPlacement | undefined {
    const own = [this.#placement, this.#nextPlacement, ...this.#sourcePlacements]
    return own.find((placement) => placement?.isOf(members, replication))
  }

  /** Undefined unless P′ is active. */
  get #jointPlacement(): Placement | undefined {
    return this.state === 'JOINT' ? this.nextPlacement : undefined
  }

  #sourceView(
    { epoch, members }: { epoch: number; members: readonly Member[] },
    placement: LazyPlacement,
  ): SourceView {
    let moved: readonly number[] | undefined
    return {
      epoch,
      members,
      replicas: (partition) => placement.get().replicas(partition),
      movedTo: () => (moved ??= differing(placement.get(), this.placement)),
    }
  }
}

/** The numbers of two ascending lists, each once, ascending. */
function union(some: readonly number[], others: readonly number[]): number[] {
  const all: number[] = []
  let [i, j] = [0, 0]
  while (i < some.length || j < others.length) {
    const [a = Infinity, b = Infinity] = [some[i], others[j]]
    all.push(Math.min(a, b))
    if (a <= b) i++
    if (b <= a) j++
  }
  return all
}

/**
 * A placement that is computed when first asked for, which takes a while, and shared by the views of successive
 * entries.
 */
class LazyPlacement {
  readonly #members: readonly Member[]
  readonly #replication: number
  readonly #genesis: Genesis
  #placement: Placement | undefined

  constructor(members: readonly Member[], replication: number, genesis: Genesis) {
    this.#members = members
    this.#replication = replication
    this.#genesis = genesis
  }

  get(): Placement {
    this.#placement ??= place(this.#members, { ...this.#genesis, replication: this.#replication })
    return this.#placement
  }

  isOf(members: readonly Member[], replication: number): boolean {
    return this.#replication === replication && samePlaces(members, this.#members)
  }
}

/** Partitions whose sets are not of the same nodes, in whatever order. Ascending. */
function differing(a: Placement, b: Placement): number[] {
  const partitions: number[] = []
  for (let partition = 0; partition < a.partitions; partition++) {
    if (!isSameSet(a.replicas(partition), b.replicas(partition))) partitions.push(partition)
  }
  return partitions
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
        member.capacityBytes === other.capacityBytes &&
        placeOf(member) === placeOf(other)
      )
    })
  )
}
