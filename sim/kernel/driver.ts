/**
 * Who changes the members: plans, replans, goes to JOINT, ends it forward or back, drops sources; several kinds of
 * change one after the other or folded together. An entry is decided when a majority of P of the last STABLE
 * entry has signed it (L1).
 */

import { bits, maskOf } from './masks.ts'
import { dropLeft } from './data.ts'
import {
  type KernelChangeKind,
  type Entry,
  KERNEL_SOURCES_MAX,
  type KernelSource,
} from './layout.ts'
import type { KernelWorld } from './parts.ts'

/** What one change makes of the set and of the cluster. */
interface Target {
  readonly set: readonly number[]
  readonly cluster: number
  readonly kind: KernelChangeKind
}

const SET_MAX = 5

export class Driver {
  readonly #world: KernelWorld
  #deciding = 0

  constructor(world: KernelWorld) {
    this.#world = world
  }

  /** Some member looks how far the change is. */
  tick(): void {
    const { layout, random, scenario } = this.#world
    const { state, sources } = layout.last
    if (this.#deciding > 0 && !scenario.hasty && random.chance(800)) return
    switch (state) {
      case 'STABLE': {
        const droppable = sources.filter((source) =>
          this.#isWhole(source, scenario.hasty || random.chance(300)),
        )
        if (droppable.length > 0 && (scenario.hasty || random.chance(400)))
          this.#drop(random.pick(droppable))
        else if (scenario.hasty || random.chance(500)) this.#plan()
        return
      }
      case 'PLANNED':
        // At times the operator does not want to wait.
        if (random.chance(this.#caughtUp ? 800 : 80)) this.#join()
        else if (random.chance(this.#learnerGone ? 400 : 80)) this.#plan()
        else if (random.chance(scenario.abandonPermille)) this.#abandon()
        return
      case 'JOINT':
        if (layout.isReady) this.#finish()
        else if (random.chance(this.#isStuck ? 500 : scenario.abandonPermille)) this.#abandon()
    }
  }

  /** F+1 of P' say that they are synced. */
  ready(epoch: number): void {
    if (this.#world.layout.latest === epoch && this.#world.layout.isReady) this.#finish()
  }

  /** Without faults: ends what is under way. True when nothing is left to do. */
  rest(): boolean {
    const { layout } = this.#world
    const { state, sources, set, next = [] } = layout.last
    switch (state) {
      case 'PLANNED':
        if (next.some((node) => !set.includes(node) && this.#world.replica(node).lost)) {
          this.#abandon()
        } else if (this.#caughtUp) this.#join()
        return false
      case 'JOINT':
        if (layout.isReady) this.#finish()
        else if (this.#isStuck) this.#abandon()
        return false
      case 'STABLE': {
        const whole = sources.find((source) => this.#isWhole(source, false))
        if (whole) this.#drop(whole)
        else if (sources.length > 0) this.#world.spread()
        else if (set.some((node) => this.#world.replica(node).lost)) this.#mend()
        else return this.#isEmptied()
        return false
      }
    }
  }

  /** No bound on faults is broken when this disk is lost: each set keeps a majority of its disks. */
  mayLose(node: number): boolean {
    const { layout } = this.#world
    const { joint, set, next, sources } = layout.last
    const left = (of: readonly number[]): boolean => {
      const alive = of.filter((each) => each !== node && !this.#world.replica(each).lost)
      return !of.includes(node) || alive.length >= (of.length >> 1) + 1
    }
    if (!left(set) || sources.some((source) => !left(source.set))) return false
    if (!joint || !next || left(next)) return true
    // Then P' is never ready.
    const alive = next.filter((each) => each !== node && !this.#world.replica(each).lost)
    return bits((maskOf(alive) | layout.synchronized) & maskOf(next)) < (next.length >> 1) + 1
  }

  get #caughtUp(): boolean {
    const { learnerMask } = this.#world.layout.last
    return (learnerMask & ~this.#world.layout.caughtUp) === 0
  }

  get #learnerGone(): boolean {
    const { next = [] } = this.#world.layout.last
    return next.some((node) => !this.#world.replica(node).up)
  }

  /** P' has no majority, for all one knows. */
  get #isStuck(): boolean {
    const { next = [] } = this.#world.layout.last
    const up = next.filter((node) => this.#world.replica(node).up)
    return up.length < (next.length >> 1) + 1
  }

  /** L5. `early`: F+1 are enough; else the driver waits for all that live. */
  #isWhole(source: KernelSource, early: boolean): boolean {
    const { set } = this.#world.layout.last
    if (maskOf(set) === maskOf(source.set)) return true
    const whole = set.filter((node) => this.#world.replica(node).whole.has(source.epoch))
    const lost = set.filter((node) => this.#world.replica(node).lost)
    if (whole.length < this.#world.rules.wholeMembers(set.length)) return false
    return early || new Set([...whole, ...lost]).size === set.length
  }

  #drop(source: KernelSource): void {
    const { set, cluster, sources } = this.#world.layout.last
    const left = sources.filter((each) => each !== source)
    this.#decide('source dropped', { state: 'STABLE', set, cluster, sources: left })
  }

  #plan(): void {
    const { layout, random, scenario } = this.#world
    const { state, set, cluster, sources } = layout.last
    let target: Target | undefined
    // Asked for together: one plan.
    for (let times = random.chance(250) ? 2 : 1; times > 0; times--) {
      target = this.#draw(target?.set ?? set, target?.cluster ?? cluster) ?? target
    }
    if (!target) return
    const moved = maskOf(target.set) !== maskOf(set)
    if (moved && sources.length >= KERNEL_SOURCES_MAX)
      return this.#world.count('change refused: sources')
    const name = state === 'PLANNED' ? 'replanned' : `planned: ${target.kind}`
    const direct = state === 'STABLE' && (scenario.hasty || random.chance(100))
    this.#begin(name, target, direct ? 'JOINT' : 'PLANNED')
  }

  #begin(
    name: string,
    { set: next, cluster: nextCluster, kind }: Target,
    state: Entry['state'],
  ): void {
    const { set, cluster, sources } = this.#world.layout.last
    this.#decide(name, { state, set, next, cluster, nextCluster, sources, kind })
  }

  #join(): void {
    const { set, next, cluster, nextCluster, sources, kind } = this.#world.layout.last
    if (!next || nextCluster === undefined || !kind) return
    this.#decide('joint', { state: 'JOINT', set, next, cluster, nextCluster, sources, kind })
  }

  #abandon(): void {
    const { state, set, cluster, sources } = this.#world.layout.last
    this.#decide(`abandoned ${state}`, { state: 'STABLE', set, cluster, sources })
  }

  #finish(): void {
    const { layout } = this.#world
    const { set, next, nextCluster, sources, moved, kind } = layout.last
    if (!next || nextCluster === undefined) return
    const added = moved ? [...sources, { epoch: layout.latest + 1, set }] : sources
    const entry: Entry = { state: 'STABLE', set: next, cluster: nextCluster, sources: added }
    this.#decide(`done: ${kind}`, entry)
  }

  /** Signatures of a majority of P. */
  #decide(name: string, entry: Entry): void {
    const world = this.#world
    const { layout, random } = world
    const base = layout.latest
    const { deciders } = layout.last
    const up = world.members(layout.last.cluster).filter((node) => world.replica(node).up)
    if (up.length === 0) return
    const by = world.replica(random.pick(up))
    let signed = 0
    let open = true
    this.#deciding++
    world.after(80, () => this.#deciding--)
    for (const node of world.members(deciders.mask)) {
      world.links.ask<boolean>(
        by,
        node,
        (respond) => {
          const other = world.replica(node)
          if (other.epoch < base) other.adopt(base)
          respond(other.epoch === base)
        },
        (yes) => {
          if (!open || yes !== true || layout.latest !== base) return
          signed |= 1 << node
          if (bits(signed & deciders.mask) < deciders.need) return
          open = false
          world.decided(name, entry)
        },
      )
    }
  }

  /** One change at random; those that a fault asks for come first. */
  #draw(set: readonly number[], cluster: number): Target | undefined {
    const world = this.#world
    const { random } = world
    const members = world.members(cluster)
    const gone = members.filter((node) => !world.replica(node).up)
    const spare = members.filter((node) => !set.includes(node) && world.replica(node).up)
    const fresh = world.fresh(cluster)
    if (world.scenario.hasty) return this.#swapped(set, cluster, spare)
    if (gone.length > 0 && random.chance(600)) return this.#without(random.pick(gone), set, cluster)
    const seat = random.pick(set)
    const other = spare.length === 0 ? undefined : random.pick(spare)
    switch (random.int(6)) {
      case 0:
        if (fresh === undefined) return undefined
        return {
          set: random.chance(800) ? exchanged(set, seat, fresh) : set,
          cluster: cluster | (1 << fresh),
          kind: 'join',
        }
      case 1: {
        const node = random.pick(members)
        if (gone.includes(node) || members.length === 1) return undefined
        const rest = spare.filter((each) => each !== node)
        const by = rest.length === 0 ? undefined : random.pick(rest)
        const left = exchanged(set, node, by)
        if (left.length === 0) return undefined
        return { set: left, cluster: cluster & ~(1 << node), kind: 'drain' }
      }
      case 2:
        if (other === undefined || set.length >= SET_MAX) return undefined
        return { set: [...set, other], cluster, kind: 'replication up' }
      case 3:
        if (set.length === 1) return undefined
        return { set: exchanged(set, seat, undefined), cluster, kind: 'replication down' }
      case 4:
        return { set, cluster, kind: 'elsewhere' }
      default:
        return this.#swapped(set, cluster, spare)
    }
  }

  /** Partitions move when others join or leave. */
  #swapped(set: readonly number[], cluster: number, spare: readonly number[]): Target | undefined {
    const { random } = this.#world
    if (spare.length === 0) return undefined
    let moved = set
    for (const node of spare) {
      if (random.chance(700)) moved = exchanged(moved, random.pick(moved), node)
    }
    return { set: moved, cluster, kind: 'join' }
  }

  /** A node that is gone is replaced, or removed. */
  #without(node: number, set: readonly number[], cluster: number): Target | undefined {
    const world = this.#world
    const { random } = world
    const without = cluster & ~(1 << node)
    const fresh = world.fresh(cluster)
    if (fresh !== undefined && random.chance(500)) {
      const added = without | (1 << fresh)
      return { set: exchanged(set, node, fresh), cluster: added, kind: 'replace' }
    }
    const spare = world
      .members(without)
      .filter((each) => !set.includes(each) && world.replica(each).up)
    const by = spare.length === 0 ? undefined : random.pick(spare)
    const left = exchanged(set, node, by)
    if (left.length === 0 || without === 0) return undefined
    return { set: left, cluster: without, kind: 'remove' }
  }

  /** In peace: a member whose disk is lost gives its seat to another, or the set is smaller. */
  #mend(): void {
    const { set, cluster } = this.#world.layout.last
    const lost = set.find((node) => this.#world.replica(node).lost)
    const target = lost === undefined ? undefined : this.#without(lost, set, cluster)
    if (target) this.#begin(`planned: ${target.kind}`, target, 'PLANNED')
  }

  /** L8: nodes that are out have dropped what they had. */
  #isEmptied(): boolean {
    const world = this.#world
    let empty = true
    for (let node = 0; node < world.nodes; node++) {
      const replica = world.replica(node)
      if (!replica.up || world.layout.last.set.includes(node)) continue
      if (!replica.holdsRegisters && replica.data.size === 0) continue
      empty = false
      dropLeft(world, replica)
    }
    if (!empty) world.spread()
    return empty
  }
}

/** `by` takes the seat of `node`. The seat is dropped when `by` is undefined or has a seat already. */
function exchanged(
  set: readonly number[],
  node: number,
  by: number | undefined,
): readonly number[] {
  if (by === undefined || set.includes(by)) {
    return by === undefined ? set.filter((each) => each !== node) : set
  }
  return set.map((each) => (each === node ? by : each))
}
