/**
 * Members that come and go in a simulation, drawn from its seed, while clients work and everything else goes wrong:
 * join, drain, the removal of a dead node, a lost disk that is replaced, zone and capacity, replication, and going
 * back in the middle of any of them.
 *
 * A node dies for good only while nothing else is at risk: no blocks move, no partition is forgotten, no other one is
 * dead. Of three copies one is lost then, as often as that happens; two at once lose data in any system.
 */

import type { NodeId } from '../../protocol/ids.ts'
import type { ShoalNode } from '../../node/node.ts'
import type { SimulatedCluster } from '../cluster.ts'
import { drawKind } from './kinds.ts'
import type { Crashes } from './crashes.ts'

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
/** A node that is killed answers nothing any more; what was asked of it may still happen. */
const ASK_TIMEOUT_MS = 30_000
const MEMBERS_MAX = 9
const MEMBERS_MIN = 3
/** By which all of it has come to an end, once all is calm. */
const SETTLED_WITHIN_MS = 240_000
const TOKEN_MS = 3_600_000
/** A dead node whose replacement has not come by then is removed. */
const REPLACED_WITHIN_MS = 60_000

export class Changes {
  readonly byKind = new Map<ChangeName, number>()
  readonly violations: string[] = []
  readonly #cluster: SimulatedCluster
  readonly #crashes: Crashes
  /** Dead for good and not yet out of the layout. */
  #dead: NodeId | undefined
  /** From when on it is removed if it is still there. */
  #removeMs = 0
  readonly #enabled: ReadonlySet<string>

  constructor(cluster: SimulatedCluster, crashes: Crashes, enabled: readonly ChangeName[]) {
    this.#cluster = cluster
    this.#crashes = crashes
    this.#enabled = new Set(enabled)
  }

  async run(untilMs: number): Promise<void> {
    const { clock, random } = this.#cluster
    if (this.#enabled.size === 0) return
    while (clock.monotonicMs() < untilMs) {
      await this.#sleep(random() * PAUSE_MS_MAX)
      if (clock.monotonicMs() >= untilMs) break
      const kind = drawKind(CHANGES, this.#enabled, random)
      if (kind !== undefined && (await this.#apply(kind))) {
        this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1)
      }
      await this.#tend()
    }
  }

  /** Once all is calm: every change comes to its end, nobody waits, and who has left has nothing any more. */
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
      // One that has left can ask nobody any more: it keeps its files, and is switched off.
      const strange = view.role(id) === undefined ? 0 : leftOvers(node)
      if (strange > 0)
        found.push(`node ${number} keeps ${strange} rows of partitions that it does not hold`)
    }
    if (this.#dead !== undefined && view.isMember(this.#dead)) found.push('a dead member')
    return found
  }

  async #apply(kind: ChangeName): Promise<boolean> {
    const { random } = this.#cluster
    const members = this.members()
    const up = members.filter((number) => this.#cluster.node(number) !== undefined)
    const through = up[Math.floor(random() * up.length)]
    const node = through === undefined ? undefined : this.#cluster.node(through)
    if (node === undefined) return false
    const target = this.#cluster.idOf(members[Math.floor(random() * members.length)]!)
    // A change that is asked for soon after another one goes together with it.
    const entry = this.#cluster.latestView()!.entry
    const planned = (entry.next ?? entry.members).length
    switch (kind) {
      case 'join':
        return planned < MEMBERS_MAX && this.#join(node)
      case 'join-two': {
        if (planned + 1 >= MEMBERS_MAX) return false
        const both = await Promise.all([this.#join(node), this.#join(node)])
        return both.some((joined) => joined)
      }
      case 'drain':
        if (planned <= MEMBERS_MIN || target === this.#dead) return false
        return this.#ask(() => node.layout.changes.apply({ kind: 'drain', nodeId: target }))
      case 'remove':
      case 'replace': {
        if (planned <= MEMBERS_MIN && kind === 'remove') return false
        if (!(await this.#mayDie(target))) return false
        const number = this.#cluster.numbers.find((one) => this.#cluster.idOf(one) === target)!
        if (this.#crashes.busy.has(number)) return false
        this.#dead = target
        this.#cluster.retire(number)
        await this.#sleep(random() * 2_000)
        const isReplaced = kind === 'replace'
        this.#removeMs = this.#cluster.clock.monotonicMs() + (isReplaced ? REPLACED_WITHIN_MS : 0)
        return !isReplaced || this.#join(this.#anyMember() ?? node, target)
      }
      case 'zone':
        return this.#ask(() =>
          node.layout.changes.apply({
            kind: 'set',
            nodeId: target,
            zone: `zone-${Math.floor(random() * 3)}`,
          }),
        )
      case 'capacity':
        return this.#ask(() =>
          node.layout.changes.apply({
            kind: 'set',
            nodeId: target,
            capacityBytes: 2 ** (39 + Math.floor(random() * 3)),
          }),
        )
      case 'replication':
        // With two copies one dead node leaves no majority.
        if (this.#dead !== undefined) return false
        return this.#ask(() =>
          node.layout.changes.apply({ kind: 'replication', replication: random() < 0.5 ? 5 : 3 }),
        )
      case 'cancel':
        return this.#ask(() => node.layout.changes.cancel())
    }
  }

  async #join(through: ShoalNode, replace?: NodeId): Promise<boolean> {
    const token = await this.#inTime(through.admin.issueToken({ ttlMs: TOKEN_MS, uses: 1 })).catch(
      () => undefined,
    )
    if (token === undefined) return false
    const number = this.#cluster.add({ token, replace })
    this.#crashes.join(number)
    return true
  }

  /** What an operator does now and then. */
  async #tend(): Promise<void> {
    this.#switchOffLeft()
    await this.#removeDead()
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
    await this.#ask(() => node.layout.changes.apply({ kind: 'remove', nodeId: dead }))
  }

  /** Nothing else is at risk. From now on until it is replaced nothing is damaged either. */
  async #mayDie(target: NodeId): Promise<boolean> {
    if (this.#dead !== undefined) return false
    this.#crashes.noDamage = true
    // What is damaged already and nobody has met counts as a lost copy, too.
    await Promise.all(this.members().map((number) => this.#cluster.scrub(number)))
    const isSafe = this.#isSafe(target)
    if (!isSafe) this.#crashes.noDamage = false
    return isSafe
  }

  #isSafe(target: NodeId): boolean {
    if (this.#crashes.busy.size > 0) return false
    const view = this.#cluster.latestView()
    if (view === undefined || view.state !== 'STABLE' || view.sources.length > 0) return false
    if ((view.entry.replication ?? view.genesis.replication) < 3 || view.members.length < 3)
      return false
    for (const { nodeId } of view.members) {
      const number = this.#cluster.numbers.find((one) => this.#cluster.idOf(one) === nodeId)
      const node = number === undefined ? undefined : this.#cluster.node(number)
      if (node === undefined || node.recall.forgotten().length > 0 || !node.resync.isLevel)
        return false
      if (node.upkeep.scrubStatus().left > 0) return false
    }
    return view.isMember(target)
  }

  /** Who has left is switched off, as the page says. */
  #switchOffLeft(): void {
    const view = this.#cluster.latestView()
    if (view === undefined) return
    for (const number of this.#cluster.numbers) {
      const node = this.#cluster.node(number)
      const role = view.role(this.#cluster.idOf(number))
      if (node === undefined || role !== undefined || this.#crashes.busy.has(number)) continue
      // It has to learn of that by itself.
      if (node.layout.current()?.epoch !== view.epoch) continue
      this.#cluster.retire(number)
    }
  }

  /** Refusals are no fault: another change is under way, or nobody answers. */
  async #ask(run: () => Promise<unknown>): Promise<boolean> {
    try {
      await this.#inTime(run())
      return true
    } catch (error) {
      this.#cluster.trace(
        `change refused: ${error instanceof Error ? error.message : String(error)}`,
      )
      return false
    }
  }

  async #inTime<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    const late = this.#sleep(ASK_TIMEOUT_MS).then(() => {
      throw new Error('no answer in time')
    })
    late.catch(() => {})
    return Promise.race([work, late])
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

/** Registers and blocks in partitions that the node holds no more, and of which it is no source. */
function leftOvers(node: ShoalNode): number {
  const view = node.layout.current()
  if (view === undefined) return 0
  let count = 0
  for (const letter of ['r', 'b']) {
    const start = Uint8Array.of(letter.charCodeAt(0))
    const end = Uint8Array.of(letter.charCodeAt(0) + 1)
    node.store.range(start, end, 1_000_000, (key) => {
      const partition = key[1]! * 256 + key[2]!
      const holds = view.replicas(partition).includes(node.nodeId)
      if (!holds && !view.sourceReplicas(partition).includes(node.nodeId)) count++
    })
  }
  return count
}
