/**
 * One seed of the kernel simulation: acceptors, proposers and readers alone, in one thread, on one event
 * queue, with every choice drawn from the seed. First a phase with faults, then one without, in which
 * everything must come to rest and each key must answer with its latest chosen state.
 */

import { AssertionError } from '../../protocol/assert.ts'
import type { NodeId, OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { KernelBucket } from './bucket.ts'
import { Checker } from './checker.ts'
import { DataBook, dropLeft, Mover } from './data.ts'
import { Driver } from './driver.ts'
import { KernelAttempts, tryFree } from './free.ts'
import { Host, type WriteKind } from './host.ts'
import { type Entry, Layout } from './layout.ts'
import { EventQueue } from './queue.ts'
import { KernelRandom } from './random.ts'
import { Replica } from './replica.ts'
import type { Rules } from './rules.ts'
import { drawScenario, type KernelScenario } from './scenario.ts'
import { KernelLearner, repair, Sync, tryCollect } from './sync.ts'

/** A run that takes longer is stuck in itself. */
const EVENTS_MAX = 200_000
const CALL_TIMEOUT = 60
/** So often the driver looks, without faults, until all changes are at rest. */
const REST_LOOKS = 400
const NODE_IDS = Array.from({ length: 24 }, (_, index) => `n${index}` as NodeId)
const KEYS = Array.from({ length: 16 }, (_, index) => String.fromCharCode(index) as RegisterKey)

export interface SeedResult {
  readonly seed: number
  readonly events: number
  readonly operations: number
  /** Of those, answered with a definite result. */
  readonly answered: number
  readonly epochs: number
  /** How often each kind of change, fault and other thing has happened. */
  readonly counts: ReadonlyMap<string, number>
  readonly digest: number
  readonly violations: readonly string[]
}

export class KernelWorld {
  readonly random: KernelRandom
  readonly rules: Rules
  readonly scenario: KernelScenario
  readonly layout: Layout
  readonly checker: Checker
  readonly attempts: KernelAttempts
  readonly bucket: KernelBucket
  readonly data: DataBook
  readonly driver: Driver
  /** A directed scenario says which messages never come. */
  isLost: ((from: number, to: number, request: RegisterRequest | undefined) => boolean) | undefined
  readonly #counts = new Map<string, number>()
  /** Earlier states of disks, by node. */
  readonly #images: (ReturnType<Replica['image']> | undefined)[] = []
  readonly #queue = new EventQueue()
  readonly #replicas: Replica[]
  readonly #hosts: Host[]
  /** Bit b of entry a: messages from a to b are lost. */
  readonly #cuts: number[]
  readonly #known: (string | undefined)[] = []
  /** Storage ids that have left the cluster, as a mask: they never come back. */
  #left = 0
  #quiet = false
  #events = 0
  #operations = 0
  #answered = 0
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
    this.#cuts = this.#replicas.map(() => 0)
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
      if (!(error instanceof AssertionError)) throw error
      this.checker.violation(error.message)
    }
    return {
      seed,
      events: this.#events,
      operations: this.#operations,
      answered: this.#answered,
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

  host(replica: Replica): Host {
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

  /** The process stands still for a moment between an answer and what it does with it. */
  stall(run: () => void): void {
    const { random, scenario } = this
    if (random.chance(scenario.latePermille)) this.after(random.int(scenario.stallMax), run)
    else run()
  }

  newOperation(): OperationId {
    this.#operations++
    return `o${this.#operations}` as OperationId
  }

  /** One message: lost, doubled or late as the scenario has it. */
  message(from: number, to: number, deliver: () => void): void {
    if (this.isLost?.(from, to, undefined) === true) return
    if (from === to) return this.after(this.random.int(2), () => this.replica(to).up && deliver())
    const { lossPermille, duplicatePermille } = this.scenario
    if (!this.#quiet) {
      if (this.#cut(from, to) || this.random.chance(lossPermille)) return
      if (this.random.chance(duplicatePermille)) {
        this.after(this.#delay(), () => this.replica(to).up && deliver())
      }
    }
    this.after(this.#delay(), () => this.replica(to).up && deliver())
  }

  /** A request and the first of its replies, or undefined when there is none in time. */
  call(
    from: Replica,
    to: number,
    request: RegisterRequest,
    options: {
      done: (reply: RegisterReply | undefined, maybeDelivered: boolean) => void
      /** Runs on arrival, before the request: blocks that come along (A5). */
      before?: (() => void) | undefined
    },
  ): void {
    this.ask<RegisterReply>(
      from,
      to,
      (respond) => {
        options.before?.()
        if (this.isLost?.(from.index, to, request) === true) return
        this.replica(to).receive(from.index, request, (reply) => {
          this.#mix(reply.type.length * 31 + to)
          respond(reply)
        })
      },
      options.done,
    )
  }

  ask<Reply>(
    from: Replica,
    to: number,
    serve: (respond: (reply: Reply) => void) => void,
    done: (reply: Reply | undefined, maybeDelivered: boolean) => void,
  ): void {
    const { life, index } = from
    let open = true
    const finish = (reply: Reply | undefined, maybeDelivered: boolean): void => {
      if (!open || from.life !== life) return
      open = false
      done(reply, maybeDelivered)
    }
    if (index !== to && !this.#quiet && this.#cut(index, to) && this.random.chance(500)) {
      // The connection is known to be down.
      return this.after(1, () => finish(undefined, false))
    }
    this.message(index, to, () =>
      serve((reply) => this.message(to, index, () => finish(reply, true))),
    )
    this.after(CALL_TIMEOUT, () => finish(undefined, true))
  }

  /** A node has learnt of an epoch, or has started in it, or has done what it had to do on entering. */
  adopted(replica: Replica): void {
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

  caughtUp(replica: Replica, epoch: number): void {
    this.count('learner caught up')
    if (epoch === this.layout.latest) this.layout.caughtUp |= 1 << replica.index
  }

  synced(replica: Replica, epoch: number): void {
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
      this.message(this.random.int(this.#replicas.length), replica.index, () => {
        if (replica.epoch < latest) replica.adopt(latest)
      })
    }
  }

  #begin(): void {
    const { clients, horizon, crashEvery, cutEvery } = this.scenario
    const { layoutEvery, collectEvery, repairEvery, freeEvery } = this.scenario
    const { diskEvery, bucketEvery } = this.scenario
    for (let client = 0; client < clients; client++) {
      this.after(this.random.int(20), () => this.#nextOperation())
    }
    this.#every(crashEvery, () => this.#crash())
    this.#every(cutEvery, () => this.#cutLinks())
    this.#every(layoutEvery, () => this.#lookAtLayout())
    this.#every(diskEvery, () => this.#loseNode())
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

  #nextOperation(): void {
    if (this.#quiet) return
    const { keys, thinkMax, puts, conditional, deletes } = this.scenario
    const again = (): void => this.after(1 + this.random.int(thinkMax), () => this.#nextOperation())
    const replica = this.random.pick(this.#replicas)
    const key = this.random.int(keys)
    const host = this.host(replica)
    if (!replica.up || !this.layout.inCluster(replica.epoch, replica.index)) return again()
    const done = (known: string | undefined): void => {
      if (known !== undefined) {
        this.#known[key] = known
        this.#answered++
      }
      again()
    }
    const draw = this.random.int(100)
    if (draw >= puts + conditional + deletes) {
      this.#operations++
      return host.read(key, (known) => {
        if (known !== undefined && this.random.chance(300)) this.data.fetch(replica, key, known)
        done(known)
      })
    }
    if (host.busy(key)) return again()
    let kind: WriteKind = 'put'
    if (draw >= puts + conditional) kind = 'delete'
    else if (draw >= puts) kind = this.random.chance(500) ? 'swap' : 'create'
    host.write(key, kind, this.#known[key], done)
  }

  #crash(): void {
    const replica = this.random.pick(this.#replicas)
    if (!replica.up) return
    this.#noteFault('crash', replica)
    replica.crash()
    this.after(10 + this.random.int(100), () => this.#restart(replica))
  }

  #restart(replica: Replica): void {
    if (replica.up || replica.lost) return
    if (!this.layout.inCluster(this.layout.latest, replica.index)) {
      this.count('comes back after it was removed')
    }
    replica.restart()
    this.host(replica).restarted()
    this.adopted(replica)
  }

  #cutLinks(): void {
    const victim = this.random.int(this.#replicas.length)
    const oneWay = this.random.chance(300)
    const mask = this.random.next()
    this.#cuts.forEach((_, from) => {
      if (from === victim) this.#cuts[from] = mask
      else if (!oneWay && ((mask >> from) & 1) === 1) this.#cuts[from] = 1 << victim
      else this.#cuts[from] = 0
    })
    this.after(20 + this.random.int(150), () => this.#cuts.fill(0))
  }

  #lookAtLayout(): void {
    this.driver.tick()
    const { random } = this
    const from = random.pick(this.#replicas)
    const to = random.pick(this.#replicas)
    if (from.up && to.up && to.epoch < from.epoch) {
      const { epoch } = from
      this.message(from.index, to.index, () => to.epoch < epoch && to.adopt(epoch))
    }
    if (to.up) dropLeft(this, to)
  }

  /** A disk is lost, or an old image of it comes back, or a node is away until others have long gone on. */
  #loseNode(): void {
    const { random, rules, layout } = this
    const saved = random.pick(this.#replicas)
    if (saved.up) this.#images[saved.index] = saved.image()
    const replica = random.pick(this.#replicas)
    const { index } = replica
    if (replica.lost || !replica.up) return
    const kind = random.int(3)
    const image = this.#images[index]
    if (kind === 0 || (kind === 1 && !image)) {
      this.#noteFault('away for long', replica)
      replica.crash()
      return this.after(200 + random.int(600), () => this.#restart(replica))
    }
    if (!this.driver.mayLose(index)) return
    this.#noteFault(kind === 1 ? 'old image' : 'disk lost', replica)
    replica.crash()
    const votes = kind === 1 ? !rules.refuseOldImage : !rules.newStorageId
    if (votes) {
      replica.exchangeDisk(kind === 1 ? image : undefined, layout.latest)
      return this.after(10 + random.int(100), () => this.#restart(replica))
    }
    replica.lost = true
    this.data.checkAll()
  }

  #noteFault(kind: string, replica: Replica): void {
    const { state, sources } = this.layout.last
    const moving = state === 'STABLE' && sources.length > 0 ? ' with sources' : ''
    const left = this.layout.inCluster(this.layout.latest, replica.index) ? '' : ' of one that left'
    this.count(`${kind}${left} in ${state}${moving}`)
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
    this.#cuts.fill(0)
    for (const replica of this.#replicas) {
      if (!this.#isAdmitted(replica)) continue
      this.#restart(replica)
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

  #isAdmitted({ index, up, life }: Replica): boolean {
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

  #cut(from: number, to: number): boolean {
    return (((this.#cuts[from] as number) >> to) & 1) === 1
  }

  #delay(): number {
    const usual = 1 + this.random.int(6)
    if (this.#quiet || !this.random.chance(this.scenario.latePermille)) return usual
    return usual + this.random.int(200)
  }

  #mix(word: number): void {
    this.#digest = Math.imul(this.#digest ^ word, 0x01000193)
    this.#digest ^= this.#digest >>> 15
  }
}

export function runSeed(seed: number, rules: Rules, focus?: Partial<KernelScenario>): SeedResult {
  return new KernelWorld(seed, rules, focus).run(seed)
}
