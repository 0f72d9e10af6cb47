/**
 * Majorities. In JOINT a quorum is a majority of the old set and a majority of the new one, counted in
 * each, never in the union; a node that is in both counts in both (L3).
 */

import { assert } from '../assert.ts'
import type { NodeId } from '../ids.ts'
import type { ReplicaSets } from './types.ts'

/** F+1 of a set of `size` nodes: any two such parts of it have a node in common. */
export function majority(size: number): number {
  return (size >> 1) + 1
}

/** The same nodes, in whatever order. */
export function isSameSet(a: readonly NodeId[], b: readonly NodeId[]): boolean {
  return a.length === b.length && a.every((node) => b.includes(node))
}

/** Every member of any set, once. */
export function membersOf(sets: ReplicaSets): NodeId[] {
  const members: NodeId[] = []
  for (const set of sets) for (const node of set) if (!members.includes(node)) members.push(node)
  return members
}

/** The votes of one round. A proposer makes a new one for each prepare and each accept: votes never cross rounds (P1). */
export class Quorum {
  readonly #sets: ReplicaSets
  /** Each node that has answered is in one of the two, once. */
  readonly #yes: NodeId[] = []
  readonly #no: NodeId[] = []

  constructor(sets: ReplicaSets) {
    assert(sets.length > 0, 'a quorum is counted in some set (L3)')
    this.#sets = sets
  }

  /** Counts a vote. A node that has voted, either way, is not counted again. */
  add(node: NodeId): void {
    if (!this.answered(node)) this.#yes.push(node)
  }

  /** The node refused or can't be reached. */
  fail(node: NodeId): void {
    if (!this.answered(node)) this.#no.push(node)
  }

  /** Whether the node has voted in this round, either way. */
  answered(node: NodeId): boolean {
    return this.#yes.includes(node) || this.#no.includes(node)
  }

  /** A majority of each set has voted for it (L3). */
  get reached(): boolean {
    for (const set of this.#sets) if (count(set, this.#yes) < majority(set.length)) return false
    return true
  }

  /** True when too many have refused for a quorum to come together. */
  get impossible(): boolean {
    for (const set of this.#sets) {
      if (set.length - count(set, this.#no) < majority(set.length)) return true
    }
    return false
  }
}

/** True when `nodes` hold a majority of each set. */
export function isQuorum(sets: ReplicaSets, nodes: readonly NodeId[]): boolean {
  assert(sets.length > 0, 'a quorum is counted in some set (L3)')
  for (const set of sets) if (count(set, nodes) < majority(set.length)) return false
  return true
}

/** How many of the set are among `nodes`. */
export function count(set: readonly NodeId[], nodes: readonly NodeId[]): number {
  let found = 0
  for (const node of set) if (nodes.includes(node)) found++
  return found
}
