/**
 * One seed of the kernel simulation: acceptors, proposers and readers alone, in one thread, on one event
 * queue, with every choice drawn from the seed. First a phase with faults, then one without, in which
 * everything must come to rest and each key must answer with its latest chosen state.
 */

import { AssertionError } from '../../protocol/assert.ts'
import type { NodeId, OperationId, RegisterKey } from '../../protocol/ids.ts'
import { InputError } from '../../protocol/input.ts'
import { KernelBucket } from './bucket.ts'
import { Checker } from './checker.ts'
import { KernelClients } from './clients.ts'
import { DataBook, dropLeft, Mover } from './data.ts'
import { Driver } from './driver.ts'
import { KernelAttempts, tryFree } from './free.ts'
import { KernelFaults } from './faults.ts'
import { Host } from './host.ts'
import { SeedLinks } from './links.ts'
import type { KernelReplica, KernelWorld } from './parts.ts'
import { type Entry, Layout } from './layout.ts'
import { EventQueue } from './queue.ts'
import { KernelRandom } from './random.ts'
import { Replica } from './replica.ts'
import type { Rules } from './rules.ts'
import { drawScenario, type KernelScenario } from './scenario.ts'
import { KernelLearner, repair, Sync, tryCollect } from './sync.ts'

/** A run that takes longer is stuck in itself. */
const EVENTS_MAX = 200_000
/** How often the driver looks, without faults, before changes that are not at rest count as stuck. */
const REST_LOOKS = 400
const NODE_IDS = Array.from({ length: 24 }, (_, index) => `n${index}` as NodeId)
const KEYS = Array.from({ length: 16 }, (_, index) => String.fromCharCode(index) as RegisterKey)

export interface SeedResult {
  readonly seed: number
  readonly events: number
  readonly operations: number
  /** How many of those were answered with a definite result. */
  readonly answered: number
  readonly epochs: number
  /** How often each kind of change, fault and other thing has happened. */
  readonly counts: ReadonlyMap<string, number>
  readonly digest: number
  readonly violations: readonly string[]
}

export class SeedWorld implements KernelWorld {
  readonly random: KernelRandom
  readonly rules: Rules
  readonly scenario: KernelScenario
  readonly layout: Layout
  readonly checker: Checker
  readonly attempts: KernelAttempts
  readonly bucket: KernelBucket
  readonly data: DataBook
  readonly driver: Driver
  readonly links: SeedLinks
  readonly #counts = new Map<string, number>()
  readonly #queue = new EventQueue()
  readonly #replicas: Replica[]
  readonly #hosts: Host[]
  readonly #faults: KernelFaults
  readonly #clients: KernelClients
  /** Storage ids that have left the cluster, as a mask: they never come back. */
  #left = 0
  #quiet = false
  #events = 0
  #operations = 0
  #digest = 0x811c9dc5

  constructor(seed: number, rules: Rules, focus?: Partial<KernelScenario>) {
    this.random = new KernelRandom(seed)
    this.rules = rules
    this.scenario = drawScenario(this.random, focus)
    const { replicas, spares, joiners, keys } = this.scenario
    const members = replicas + spares
    const nodes = members + joiners
    const set = Array.from({ length: replicas }, (_, index) => index)
    const first: Entry = { state: 'STABLE', set, cluster: (1 << members) - 1, sources: [] }
    this.layout = new Layout(first, this.nodeId, { ...rules, jointCounts: rules.joint })
    this.links = new SeedLinks(this, nodes, (word) => this.#mix(word))
    this.data = new DataBook(this)
    this.checker = new Checker({
      keys,
      nodes,
      now: () => this.now,
      setsOf: (epoch) => this.layout.epoch(epoch).masks,
      chosen: (key) => this.data.check(key),
    })
    this.attempts = new KernelAttempts(this)
    this.bucket = new KernelBucket(this)
    this.driver = new Driver(this)
    this.#replicas = Array.from(
      { length: nodes },
      (_, index) => new Replica(this, index, index < members),
    )
    this.#hosts = this.#replicas.map((replica) => new Host(this, replica))
    this.#faults = new KernelFaults(this, {
      replicas: this.#replicas,
      hosts: this.#hosts,
      driver: this.driver,
    })
    this.#clients = new KernelClients(this, this.#replicas)
  }

  get nodes(): number {
    return this.#replicas.length
  }

  get now(): number {
    return this.#queue.now
  }

  run(seed: number): SeedResult {
    try {
      this.#begin()
      this.drain()
      this.#settle()
    } catch (error) {
      // No node of the kernel lies, so a check of what others deliver fails only where the protocol is broken.
      if (!(error instanceof AssertionError || error instanceof InputError)) throw error
      this.checker.violation(error.message)
    }
    return {
      seed,
      events: this.#events,
      operations: this.#operations,
      answered: this.#clients.answered,
      epochs: this.layout.latest,
      counts: this.#counts,
      digest: this.#digest >>> 0,
      violations: this.checker.violations,
    }
  }

  readonly nodeId = (index: number): NodeId => NODE_IDS[index] as NodeId
  readonly indexOf = (node: NodeId): number => NODE_IDS.indexOf(node)
  readonly keyName = (key: number): RegisterKey => KEYS[key] as RegisterKey
  readonly keyIndex = (key: RegisterKey): number => key.charCodeAt(0)

  replica(index: number): Replica {
    return this.#replicas[index] as Replica
  }

  host(replica: KernelReplica): Host {
    return this.#hosts[replica.index] as Host
  }

  after(delay: number, run: () => void): void {
    this.#queue.after(delay, run)
  }

  count(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1)
  }

  members(mask: number): number[] {
    const members: number[] = []
    for (let node = 0; node < this.nodes; node++) if ((mask >> node) & 1) members.push(node)
    return members
  }

  /** A node that was no member in any STABLE epoch, with a storage id of its own. */
  fresh(cluster: number): number | undefined {
    const { replicas, spares } = this.scenario
    for (let node = replicas + spares; node < this.nodes; node++) {
      const replica = this.replica(node)
      // One whose plan was given up still waits.
      if (((cluster | this.#left) >> node) & 1) continue
      if (!this.#isAdmitted(replica) || replica.up) return node
    }
    return undefined
  }

  /** The process pauses for a moment between an answer and what it does with it. */
  stall(run: () => void): void {
    const { random, scenario } = this
    if (random.chance(scenario.latePermille)) this.after(random.int(scenario.stallMax), run)
    else run()
  }

  newOperation(): OperationId {
    this.#operations++
    return `o${this.#operations}` as OperationId
  }

  /** A node has learnt of an epoch, or has started in it, or has done what it had to do on entering. */
  adopted(replica: KernelReplica): void {
    const { state, learnerMask, next, moved, sources } = this.layout.epoch(replica.epoch)
    if (replica.entering || this.layout.latest !== replica.epoch) return
    switch (state) {
      case 'PLANNED':
        if (((learnerMask >> replica.index) & 1) === 1) new KernelLearner(this, replica).start()
        return
      case 'JOINT':
        if (!moved || !next?.includes(replica.index)) return
        if (!this.layout.isSynced(replica.index)) new Sync(this, replica).start()
        return
      case 'STABLE':
        if (sources.length > 0) new Mover(this, replica).start()
    }
  }

  caughtUp(replica: KernelReplica, epoch: number): void {
    this.count('learner caught up')
    if (epoch === this.layout.latest) this.layout.caughtUp |= 1 << replica.index
  }

  synced(replica: KernelReplica, epoch: number): void {
    this.count('member synced')
    if (this.layout.synced(epoch, replica.index)) {
      this.after(1 + this.random.int(10), () => this.driver.ready(this.layout.latest))
    }
  }

  /** An entry has its signatures. */
  decided(name: string, entry: Entry): void {
    if (entry.state === 'STABLE') this.#left |= this.layout.last.cluster & ~entry.cluster
    this.layout.push(entry)
    this.count(name)
    const { latest, last } = this.layout
    this.checker.newEpoch(latest)
    this.data.checkAll()
    this.#mix(latest)
    // Joiners start once they are in a plan.
    for (const node of this.members((last.nextCluster ?? 0) & ~last.cluster)) {
      const replica = this.replica(node)
      if (!this.#isAdmitted(replica)) replica.up = true
    }
    this.spread(this.scenario.toldPermille)
  }

  /** Somebody tells the others of the latest epoch. */
  spread(permille = 1000): void {
    const { latest } = this.layout
    for (const replica of this.#replicas) {
      if (!replica.up || (!this.#quiet && !this.random.chance(permille))) continue
      this.links.message(this.random.int(this.#replicas.length), replica.index, () => {
        if (replica.epoch < latest) replica.adopt(latest)
      })
    }
  }

  #begin(): void {
    const { horizon, crashEvery, cutEvery } = this.scenario
    const { layoutEvery, collectEvery, repairEvery, freeEvery } = this.scenario
    const { diskEvery, bucketEvery } = this.scenario
    this.#clients.start()
    this.#every(crashEvery, () => this.#faults.crash())
    this.#every(cutEvery, () => this.links.cutSome())
    this.#every(layoutEvery, () => this.#lookAtLayout())
    this.#every(diskEvery, () => this.#faults.loseNode())
    this.#every(bucketEvery, () => this.#changeBucket())
    this.#every(collectEvery, () => this.#collect())
    this.#every(repairEvery, () => this.#repair())
    this.#every(freeEvery, () => this.#free())
    this.after(horizon, () => this.#heal())
  }

  /** Runs until nothing is left to do, or `until`. */
  drain(until = Infinity): void {
    for (;;) {
      if (this.now >= until) return
      const run = this.#queue.next()
      if (!run || this.checker.violations.length > 0) return
      this.#events++
      if (this.#events > EVENTS_MAX) return this.checker.violation('does not come to rest')
      this.#mix(this.now)
      run()
    }
  }

  /** After the faults: every key answers, with its latest chosen state. */
  #settle(): void {
    for (let key = 0; key < this.scenario.keys; key++) {
      if (this.checker.violations.length > 0) return
      const members = this.layout.last.set.filter((node) => this.replica(node).up)
      const replica = this.replica(this.random.pick(members))
      replica.adopt(this.layout.latest)
      let settled = false
      this.host(replica).identity(key, this.now + 2000, this.now, (current, done) => {
        settled = done
        const latest = this.checker.latest(key)
        const found = current?.value.operation
        if (done && found !== latest?.operation && !(latest?.tombstone === true && !current)) {
          this.checker.violation(`key ${key} ends with ${found}, chosen was ${latest?.operation}`)
        }
      })
      this.drain()
      if (!settled) this.checker.violation(`key ${key} does not answer although all is well`)
    }
  }

  #lookAtLayout(): void {
    this.driver.tick()
    const { random } = this
    const from = random.pick(this.#replicas)
    const to = random.pick(this.#replicas)
    if (from.up && to.up && to.epoch < from.epoch) {
      const { epoch } = from
      this.links.message(from.index, to.index, () => to.epoch < epoch && to.adopt(epoch))
    }
    if (to.up) dropLeft(this, to)
  }

  #changeBucket(): void {
    const replica = this.random.pick(this.#replicas)
    if (replica.up && this.layout.inCluster(replica.epoch, replica.index))
      this.bucket.change(replica)
  }

  #collect(): void {
    const replica = this.random.pick(this.#replicas)
    if (replica.up) tryCollect(this, replica, this.random.int(this.scenario.keys))
  }

  #repair(): void {
    const replica = this.random.pick(this.#replicas)
    if (replica.up) repair(this, replica, this.random.int(this.scenario.keys))
  }

  #free(): void {
    const replica = this.random.pick(this.#replicas)
    if (replica.up) tryFree(this, replica)
  }

  #heal(): void {
    this.#quiet = true
    this.links.quiet()
    this.#clients.stop()
    for (const replica of this.#replicas) {
      if (!this.#isAdmitted(replica)) continue
      this.#faults.restart(replica)
      if (replica.up) replica.adopt(this.layout.latest)
    }
    this.#rest(REST_LOOKS)
  }

  #rest(looks: number): void {
    if (this.driver.rest()) return
    if (looks === 0) {
      const { state, sources } = this.layout.last
      return this.checker.violation(
        `the layout does not come to rest: ${state}, ${sources.length} sources (L7, L8)`,
      )
    }
    this.after(15, () => this.#rest(looks - 1))
  }

  #isAdmitted({ index, up, life }: KernelReplica): boolean {
    return index < this.#firstMembers || up || life > 0
  }

  get #firstMembers(): number {
    return this.scenario.replicas + this.scenario.spares
  }

  #every(mean: number, run: () => void): void {
    if (mean === 0) return
    this.after(1 + this.random.int(2 * mean), () => {
      if (this.#quiet) return
      run()
      this.#every(mean, run)
    })
  }

  #mix(word: number): void {
    this.#digest = Math.imul(this.#digest ^ word, 0x01000193)
    this.#digest ^= this.#digest >>> 15
  }
}

export function runSeed(seed: number, rules: Rules, focus?: Partial<KernelScenario>): SeedResult {
  return new SeedWorld(seed, rules, focus).run(seed)
}
