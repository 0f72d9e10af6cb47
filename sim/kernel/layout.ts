/**
 * The agreed list of epochs, decided in one place here: how members agree on it (L1) is not the kernel's
 * matter. A change goes STABLE(P), JOINT(P, P'), STABLE(P') (L2); F+1 of P' must be synced first (L7).
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import { bits, type SetMask } from './checker.ts'

export interface Epoch {
  /** P and P' in JOINT; P alone in STABLE. */
  readonly joint: boolean
  readonly sets: readonly (readonly number[])[]
  /** What requests of this epoch are counted in (L3). */
  readonly ids: ReplicaSets
  readonly masks: readonly SetMask[]
  /** Who may hold registers of the partition. */
  readonly memberMask: number
}

export class Layout {
  readonly epochs: Epoch[] = []
  readonly #nodeId: (index: number) => NodeId
  /** L2: false counts JOINT in P' alone. */
  readonly #jointCounts: boolean
  /** Members of P' of the present JOINT that are synced (L7). */
  #synced = 0

  constructor(first: readonly number[], nodeId: (index: number) => NodeId, jointCounts: boolean) {
    this.#nodeId = nodeId
    this.#jointCounts = jointCounts
    this.#push([first])
  }

  get latest(): number {
    return this.epochs.length - 1
  }

  epoch(number: number): Epoch {
    return this.epochs[number] as Epoch
  }

  member(epoch: number, node: number): boolean {
    return (this.epoch(epoch).memberMask & (1 << node)) !== 0
  }

  begin(target: readonly number[]): void {
    const [present] = this.epoch(this.latest).sets
    this.#synced = 0
    this.#push([present as readonly number[], target])
  }

  /** A member of P' is synced in JOINT `epoch`. True when that makes F+1. */
  synced(epoch: number, node: number): boolean {
    if (epoch !== this.latest) return false
    this.#synced |= 1 << node
    const target = this.epoch(epoch).sets[1] as readonly number[]
    return bits(this.#synced & maskOf(target)) >= (target.length >> 1) + 1
  }

  isSynced(node: number): boolean {
    return (this.#synced & (1 << node)) !== 0
  }

  /** Ends JOINT: forward to P', or back to P (L8). */
  end(forward: boolean): void {
    const [from, to] = this.epoch(this.latest).sets
    this.#push([(forward ? to : from) as readonly number[]])
  }

  #push(sets: readonly (readonly number[])[]): void {
    const joint = sets.length > 1
    const counted = joint && !this.#jointCounts ? sets.slice(1) : sets
    this.epochs.push({
      joint,
      sets,
      ids: counted.map((set) => set.map(this.#nodeId)),
      masks: sets.map((set) => ({ mask: maskOf(set), need: (set.length >> 1) + 1 })),
      memberMask: sets.reduce((mask, set) => mask | maskOf(set), 0),
    })
  }
}

function maskOf(set: readonly number[]): number {
  return set.reduce((mask, node) => mask | (1 << node), 0)
}
