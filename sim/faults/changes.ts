/**
 * Members that come and go in a simulation, drawn from its seed, while clients work and everything else goes wrong:
 * join, drain, the removal of a dead node, a lost disk that is replaced, zone and capacity, replication, and going
 * back in the middle of any of them.
 *
 * Before a node dies for good, no new fault begins until nothing else is at risk: no fault is under way, no partition is
 * forgotten, no copy lacks anything or is damaged, no other node is dead. So each death costs one copy of three; losing
 * two at once loses data in any system. The node dies in whichever step of a change the cluster is. Faults go on at once,
 * except damage to disks, which waits until the copies are made again.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { LayoutEntry, Member } from '../../protocol/layout/entry.ts'
import { replicationOf } from '../../protocol/layout/entry.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { ChangeTally } from './change-tally.ts'
import { hasFewCopies } from './copies.ts'
import { drawKind } from './kinds.ts'
import type { Crashes } from './crashes.ts'
import { askInTime, Joiners } from './joiners.ts'
import { leftOversOf, mayLackBlocks } from './left-overs.ts'

export const CHANGES = {
  join: 25,
  /** Two at once. */
  'join-two': 8,
  drain: 20,
  remove: 12,
  replace: 14,
  zone: 6,
  capacity: 8,
  replication: 5,
  cancel: 8,
} as const

export type ChangeName = keyof typeof CHANGES

export const CHANGE_NAMES = Object.keys(CHANGES) as ChangeName[]

const PAUSE_MS_MAX = 5_000

const MEMBERS_MAX = 9

const MEMBERS_MIN = 3

/** By which all of it has come to an end, once all is calm. */
const SETTLED_WITHIN_MS = 240_000

/** A dead node whose replacement has not come by then is removed. */
const REPLACED_WITHIN_MS = 60_000

/** How long faults are held off at most until a node may die. */
const SAFE_WITHIN_MS = 20_000

const LOOK_EVERY_MS = 50

/** How long to wait for a change that can be cancelled. */
const UNDER_WAY_WITHIN_MS = 5_000

/** Whether a STABLE entry shows that a change has come through. */
type IsDone = (entry: LayoutEntry) => boolean

/** The step of the layout in which a node died for good. */
export type DeathStep = 'PLANNED' | 'JOINT' | 'STABLE' | 'STABLE with sources'

export class SimulatedChanges {
  readonly tally: ChangeTally<ChangeName>
  readonly deaths = new Map<DeathStep, number>()
  readonly violations: string[] = []
  readonly #cluster: SimulatedCluster
  readonly #crashes: Crashes
  /** Dead for good and not yet out of the layout. */
  #dead: NodeId | undefined
  /** From when on it is removed if it is still there. */
  #removeMs = 0
  readonly #enabled: ReadonlySet<string>
  readonly #joiners: Joiners

  constructor(cluster: SimulatedCluster, crashes: Crashes, enabled: readonly ChangeName[]) {
    this.#cluster = cluster
    this.#crashes = crashes
    this.#joiners = new Joiners(cluster, crashes)
    this.#enabled = new Set(enabled)
    this.tally = new ChangeTally(cluster)
  }

  async run(isOver: () => boolean): Promise<void> {
    const { random } = this.#cluster
    if (this.#enabled.size === 0) return
    while (!isOver()) {
      await this.#sleep(random() * PAUSE_MS_MAX)
      if (isOver()) break
      const kind = drawKind(CHANGES, this.#possible(), random)
      if (kind !== undefined) {
        const epoch = this.#cluster.latestView()?.epoch ?? 0
        this.tally.note(kind, epoch, await this.#apply(kind))
      }
      await this.#tend()
    }
  }

  /** Once all is calm, every change comes to its end, nothing waits, and nodes that have left hold nothing any more. */
  async settle(): Promise<string[]> {
    if (this.#enabled.size === 0) return []
    const { clock } = this.#cluster
    const untilMs = clock.monotonicMs() + SETTLED_WITHIN_MS
    let last = 'no node is up'
    while (clock.monotonicMs() < untilMs) {
      await this.#sleep(1_000)
      await this.#tend()
      const found = this.#unsettled()
      if (found.length === 0) return this.violations
      last = found.join(', ')
    }
    return [...this.violations, `changes have not ended within ${SETTLED_WITHIN_MS} ms: ${last}`]
  }

  /** Members by the highest epoch that anybody knows, by number. */
  members(): number[] {
    const view = this.#cluster.latestView()
    if (view === undefined) return []
    return this.#cluster.numbers.filter((number) => view.isMember(this.#cluster.idOf(number)))
  }

  #unsettled(): string[] {
    const view = this.#cluster.latestView()
    if (view === undefined) return ['no node is up']
    const found: string[] = []
    if (view.state !== 'STABLE') found.push(`epoch ${view.epoch} is ${view.state}`)
    if (view.sources.length > 0) found.push(`${view.sources.length} sources`)
    for (const number of this.#cluster.numbers) {
      const id = this.#cluster.idOf(number)
      const node = this.#cluster.node(number)
      if (node === undefined) {
        found.push(view.isMember(id) ? `member ${number} is not up` : `${number} is not in yet`)
        continue
      }
      if (node.layout.current()?.epoch !== view.epoch) found.push(`node ${number} is behind`)
      // A node that has left can no longer ask the others. It keeps its files, and is switched off.
      const strange = view.role(id) === undefined ? 0 : leftOversOf(node)
      if (strange > 0)
        found.push(`node ${number} keeps ${strange} rows of partitions that it does not hold`)
    }
    if (this.#dead !== undefined && view.isMember(this.#dead)) found.push('a dead member')
    return found
  }

  /** Kinds of changes that are possible with the present number of members. */
  #possible(): ReadonlySet<string> {
    // A change that is asked for soon after another one is merged with it.
    const entry = this.#cluster.latestView()?.entry
    const planned = (entry?.next ?? entry?.members ?? []).length
    const out = new Set<string>()
    if (planned <= MEMBERS_MIN) for (const kind of ['drain', 'remove']) out.add(kind)
    if (planned >= MEMBERS_MAX) out.add('join')
    if (planned + 1 >= MEMBERS_MAX) out.add('join-two')
    // With two copies one dead node leaves no majority.
    if (this.#dead !== undefined)
      for (const kind of ['remove', 'replace', 'replication']) out.add(kind)
    return new Set([...this.#enabled].filter((kind) => !out.has(kind)))
  }

  /** Undefined when the change was refused, or can't be asked for now. */
  async #apply(kind: ChangeName): Promise<IsDone | undefined> {
    const { random } = this.#cluster
    const members = this.members()
    const up = members.filter((number) => this.#cluster.node(number) !== undefined)
    const through = up[Math.floor(random() * up.length)]
    const node = through === undefined ? undefined : this.#cluster.node(through)
    if (node === undefined) return undefined
    const targetNumber = members[Math.floor(random() * members.length)]!
    const target = this.#cluster.idOf(targetNumber)
    const { changes } = node.layout
    switch (kind) {
      case 'join': {
        const joiner = await this.#joiners.join(node)
        return joiner && has(joiner)
      }
      case 'join-two': {
        const both = await Promise.all([this.#joiners.join(node), this.#joiners.join(node)])
        const joiners = both.filter((joiner) => joiner !== undefined)
        if (joiners.length === 0) return undefined
        return (stable) => joiners.every((joiner) => has(joiner)(stable))
      }
      case 'drain':
        if (target === this.#dead) return undefined
        return this.#ask(
          () => changes.apply({ kind, nodeId: target }, { force: true }),
          (stable) => !has(target)(stable),
        )
      case 'remove':
        if (!(await this.#die(targetNumber, 0))) return undefined
        return (stable) => !has(target)(stable)
      case 'replace': {
        if (!(await this.#die(targetNumber, REPLACED_WITHIN_MS))) return undefined
        await this.#sleep(random() * 2_000)
        const heir = await this.#joiners.join(this.#anyMember() ?? node, target)
        return heir && ((stable) => has(heir)(stable) && !has(target)(stable))
      }
      case 'zone': {
        const zone = `zone-${Math.floor(random() * 3)}`
        return this.#ask(
          () => changes.apply({ kind: 'set', nodeId: target, zone }),
          (stable) => memberOf(stable, target)?.zone === zone,
        )
      }
      case 'capacity': {
        const capacityBytes = 2 ** (39 + Math.floor(random() * 3))
        return this.#ask(
          () => changes.apply({ kind: 'set', nodeId: target, capacityBytes }),
          (stable) => memberOf(stable, target)?.capacityBytes === capacityBytes,
        )
      }
      case 'replication': {
        const replication = random() < 0.5 ? 5 : 3
        return this.#ask(
          () => changes.apply({ kind, replication }, { force: true }),
          (stable) => replicationOf(stable) === replication,
        )
      }
      case 'cancel': {
        const untilMs = this.#cluster.clock.monotonicMs() + UNDER_WAY_WITHIN_MS
        while (this.#cluster.clock.monotonicMs() < untilMs) {
          if (this.#cluster.latestView()?.state !== 'STABLE') break
          await this.#sleep(LOOK_EVERY_MS)
        }
        return this.#ask(
          () => changes.cancel(),
          () => true,
        )
      }
    }
  }

  /** What an operator does now and then. */
  async #tend(): Promise<void> {
    this.tally.look()
    this.#switchOffLeft()
    await this.#removeDead()
    const through = this.#anyMember()
    if (through !== undefined) await this.#joiners.renew(through)
  }

  /** Somebody has to say that it will not come back. */
  async #removeDead(): Promise<void> {
    const dead = this.#dead
    const node = this.#anyMember()
    if (dead === undefined || node === undefined) return
    const view = this.#cluster.latestView()
    if (view !== undefined && !view.known.some(({ nodeId }) => nodeId === dead)) {
      this.#dead = undefined
      this.#crashes.noDamage = false
      return
    }
    if (view?.isMember(dead) !== true || view.state !== 'STABLE') return
    if (this.#cluster.clock.monotonicMs() < this.#removeMs) return
    const remove = (): Promise<unknown> =>
      node.layout.changes.apply({ kind: 'remove', nodeId: dead }, { force: true })
    await this.#ask(remove, () => true)
  }

  /** Kills it for good once nothing else is at risk; false when that did not come in time. No disk is damaged until it is
   * replaced. */
  async #die(number: number, replacedWithinMs: number): Promise<boolean> {
    if (this.#dead !== undefined) return false
    const { clock } = this.#cluster
    this.#crashes.noDamage = true
    const died = await this.#crashes.hold(async () => {
      const untilMs = clock.monotonicMs() + SAFE_WITHIN_MS
      const level = new Set<ShoalNode>()
      for (; clock.monotonicMs() < untilMs; await this.#sleep(LOOK_EVERY_MS)) {
        if (this.#riskOf(number, level) !== undefined) continue
        // Damage that is not noticed yet counts as a lost copy, too.
        await Promise.all(this.members().map((member) => this.#cluster.scrub(member)))
        if (this.#riskOf(number, level) !== undefined) continue
        this.#noteDeath()
        this.#dead = this.#cluster.idOf(number)
        this.#removeMs = clock.monotonicMs() + replacedWithinMs
        this.#cluster.retire(number)
        return true
      }
      this.#cluster.trace(`${number} may not die: ${this.#riskOf(number, level)}`)
      return false
    })
    if (!died) this.#crashes.noDamage = false
    return died
  }

  #noteDeath(): void {
    const view = this.#cluster.latestView()!
    const step =
      view.state === 'STABLE' && view.sources.length > 0 ? 'STABLE with sources' : view.state
    this.deaths.set(step, (this.deaths.get(step) ?? 0) + 1)
  }

  /**
   * What else is at risk, so that `target` may not die now.
   *
   * @param level nodes that were level with the others once since this death was planned: a node that lacks only what
   *   was written a moment ago is no risk, since a majority has that
   */
  #riskOf(target: number, level: Set<ShoalNode>): string | undefined {
    if (!this.#crashes.isQuiet || this.#crashes.busy.size > 0) return 'faults are under way'
    const view = this.#cluster.latestView()
    if (view?.isMember(this.#cluster.idOf(target)) !== true) return 'it is no member'
    if (hasFewCopies(view.entry)) return 'there are few copies'
    // One that has left and is a source still vouches for blocks, as members do.
    const vouching = view.known.filter(({ nodeId }) => view.role(nodeId) !== 'learner')
    for (const { nodeId } of vouching) {
      const number = this.#cluster.numbers.find((one) => this.#cluster.idOf(one) === nodeId)
      const node = number === undefined ? undefined : this.#cluster.node(number)
      // A node that has not been a member yet holds no copy that counts.
      if (number !== undefined && this.#cluster.isJoining(number)) continue
      if (node === undefined) return `${number} is down`
      // After a death among three members both others must vote on the next entry, or the layout can't change any more. An
      // abstention ends by itself once all are up, so no member dies before that.
      if (node.layout.status().abstainsFrom !== undefined) return `${number} has lost its vote`
      if (node.recall.forgotten().length > 0) return `${number} has forgotten`
      if (mayLackBlocks(node, view)) return `${number} may lack blocks`
      if (node.resync.isLevel) level.add(node)
      if (!level.has(node)) return `${number} is not level`
      if (node.upkeep.scrubStatus().left > 0) return `${number} is damaged`
    }
    return undefined
  }

  /** Who has left is switched off, as the page says. */
  #switchOffLeft(): void {
    const view = this.#cluster.latestView()
    if (view === undefined) return
    for (const number of this.#cluster.numbers) {
      const node = this.#cluster.node(number)
      const role = view.role(this.#cluster.idOf(number))
      if (node === undefined || role !== undefined || this.#crashes.busy.has(number)) continue
      // It has to learn of that by itself. What comes after that it need not hear of.
      const own = node.layout.current()
      if (own === undefined || own.role(this.#cluster.idOf(number)) !== undefined) continue
      this.#cluster.retire(number)
    }
  }

  /** A refusal is no fault: another change is under way, or no node answers. */
  async #ask(run: () => Promise<unknown>, isDone: IsDone): Promise<IsDone | undefined> {
    try {
      await askInTime(this.#cluster, run())
      return isDone
    } catch (error) {
      this.#cluster.trace(
        `change refused: ${error instanceof Error ? error.message : String(error)}`,
      )
      return undefined
    }
  }

  #anyMember(): ShoalNode | undefined {
    for (const number of this.members()) {
      const node = this.#cluster.node(number)
      if (node !== undefined) return node
    }
    return undefined
  }

  #sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#cluster.clock.after(delayMs, resolve))
  }
}

function memberOf({ members }: LayoutEntry, node: NodeId): Member | undefined {
  return members.find(({ nodeId }) => nodeId === node)
}

function has(node: NodeId): IsDone {
  return (stable) => memberOf(stable, node) !== undefined
}
