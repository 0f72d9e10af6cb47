/**
 * The agreed list of epochs: STABLE(P), PLANNED(P to P'), JOINT(P, P'), STABLE(P') with sources (L2, docs/correctness.md 4).
 * One partition is played, so that P and P' are its replica sets. Other tests try that two entries are never
 * decided for one epoch; here an entry counts as decided when enough members have signed it (world.ts).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import { bits, maskOf, setMask, type SetMask } from './masks.ts'

/** How many earlier sets may still have blocks to give. */
export const KERNEL_SOURCES_MAX = 3

/** Why the members change. `elsewhere`: this partition keeps its set. */
export type KernelChangeKind =
  'join' | 'drain' | 'remove' | 'replace' | 'replication up' | 'replication down' | 'elsewhere'

export interface KernelSource {
  /** The epoch of the STABLE entry that it began with. */
  readonly epoch: number
  readonly set: readonly number[]
}

/** What an entry says. */
export interface Entry {
  readonly state: 'STABLE' | 'PLANNED' | 'JOINT'
  /** P. */
  readonly set: readonly number[]
  /** P' in PLANNED and JOINT. */
  readonly next?: readonly number[]
  /** All members of the cluster, as a mask, by P; and by P'. */
  readonly cluster: number
  readonly nextCluster?: number
  readonly sources: readonly KernelSource[]
  readonly kind?: KernelChangeKind
}

export interface Epoch extends Entry {
  readonly joint: boolean
  /** P and P' in JOINT; P alone otherwise. */
  readonly sets: readonly (readonly number[])[]
  /** What requests of this epoch are counted in (L3). */
  readonly ids: ReplicaSets
  readonly masks: readonly SetMask[]
  /** Who may hold registers of the partition and vote. */
  readonly memberMask: number
  /** L1b: who pulls in PLANNED. */
  readonly learnerMask: number
  /** Who keeps blocks for others. */
  readonly sourceMask: number
  /** Who is asked for a block: members first, then the newest source. */
  readonly holders: readonly number[]
  /** P and P' differ. */
  readonly moved: boolean
  /** Who decides the next entry: P of the last STABLE (L1). */
  readonly deciders: SetMask
}

export interface LayoutRules {
  /** L2: false counts JOINT in P' alone. */
  readonly jointCounts: boolean
  /** L1b: true counts learners. */
  readonly learnersVote: boolean
  /** L1: `next` has an entry that ends PLANNED or JOINT decided by P'. */
  readonly decidedBy: 'stable' | 'next'
  /** L5: false keeps what was synced in an earlier JOINT. */
  readonly syncedOnce: boolean
  readonly needSynced: (setSize: number) => number
}

export class Layout {
  readonly epochs: Epoch[] = []
  readonly #nodeId: (index: number) => NodeId
  readonly #rules: LayoutRules
  /** Members of P' of the present JOINT that are synced (L7). */
  #synced = 0
  /** Learners of the present PLANNED that have caught up. */
  caughtUp = 0

  constructor(first: Entry, nodeId: (index: number) => NodeId, rules: LayoutRules) {
    this.#nodeId = nodeId
    this.#rules = rules
    this.push(first)
  }

  get latest(): number {
    return this.epochs.length - 1
  }

  get last(): Epoch {
    return this.epochs[this.epochs.length - 1] as Epoch
  }

  epoch(number: number): Epoch {
    return this.epochs[number] as Epoch
  }

  member(epoch: number, node: number): boolean {
    return (this.epoch(epoch).memberMask & (1 << node)) !== 0
  }

  /** May speak with the others, and vote where it has a seat. */
  inCluster(epoch: number, node: number): boolean {
    const { cluster, joint, nextCluster = 0 } = this.epoch(epoch)
    return ((cluster | (joint ? nextCluster : 0)) & (1 << node)) !== 0
  }

  /** True when the node was out of the cluster in some epoch from `from` to `to`. */
  wasOut(node: number, from: number, to: number): boolean {
    for (let epoch = from; epoch <= to; epoch++) if (!this.inCluster(epoch, node)) return true
    return false
  }

  /** A member of P' is synced in JOINT `epoch`. True when that makes F+1. */
  synced(epoch: number, node: number): boolean {
    if (epoch !== this.latest && this.#rules.syncedOnce) return false
    this.#synced |= 1 << node
    return this.isReady
  }

  /** L7: F+1 of P' are synced; or nothing moves. */
  get isReady(): boolean {
    const { joint, next, moved } = this.last
    if (!joint || !next) return false
    return !moved || bits(this.#synced & maskOf(next)) >= this.#rules.needSynced(next.length)
  }

  isSynced(node: number): boolean {
    return (this.#synced & (1 << node)) !== 0
  }

  get synchronized(): number {
    return this.#synced
  }

  push(entry: Entry): void {
    const { state, set, next, sources } = entry
    const joint = state === 'JOINT'
    const sets = joint && next ? [set, next] : [set]
    const learnerMask = state === 'PLANNED' && next ? maskOf(next) & ~maskOf(set) : 0
    let counted: readonly (readonly number[])[] = sets
    if (joint && !this.#rules.jointCounts) counted = sets.slice(1)
    if (learnerMask !== 0 && this.#rules.learnersVote && next) {
      counted = [[...set, ...next.filter((node) => !set.includes(node))]]
    }
    const memberMask = counted.reduce((mask, each) => mask | maskOf(each), maskOf(set))
    const holders = [...new Set([...sets.flat(), ...sources.flatMap((source) => source.set)])]
    const decides = state !== 'STABLE' && next && this.#rules.decidedBy === 'next' ? next : set
    if (joint && this.#rules.syncedOnce) this.#synced = 0
    this.caughtUp = 0
    this.epochs.push({
      ...entry,
      joint,
      sets,
      ids: counted.map((each) => each.map(this.#nodeId)),
      masks: sets.map(setMask),
      memberMask,
      learnerMask,
      sourceMask: sources.reduce((mask, source) => mask | maskOf(source.set), 0),
      holders,
      moved: next !== undefined && maskOf(next) !== maskOf(set),
      deciders: setMask(decides),
    })
  }
}
