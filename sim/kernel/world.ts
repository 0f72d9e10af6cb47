/**
 * One seed of the kernel simulation: acceptors, proposers and readers alone, in one thread, on one event
 * queue, with every choice drawn from the seed. First a phase with faults, then one without, in which
 * everything must come to rest and each key must answer with its latest chosen state.
 */

import { AssertionError } from '../../protocol/assert.ts'
import type { NodeId, OperationId, RegisterKey } from '../../protocol/ids.ts'
import type { RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import { Checker } from './checker.ts'
import { Attempts, tryFree } from './free.ts'
import { Host, type WriteKind } from './host.ts'
import { Layout } from './layout.ts'
import { EventQueue } from './queue.ts'
import { Random } from './random.ts'
import { Replica } from './replica.ts'
import type { Rules } from './rules.ts'
import { drawScenario, type Scenario } from './scenario.ts'
import { repair, Sync, tryCollect } from './sync.ts'

/** A run that takes longer is stuck in itself. */
const EVENTS_MAX = 200_000
const CALL_TIMEOUT = 60
const NODE_IDS = Array.from({ length: 16 }, (_, index) => `n${index}` as NodeId)
const KEYS = Array.from({ length: 16 }, (_, index) => String.fromCharCode(index) as RegisterKey)

export interface SeedResult {
  readonly seed: number
  readonly events: number
  readonly operations: number
  /** Of those, answered with a definite result. */
  readonly answered: number
  readonly epochs: number
  readonly digest: number
  readonly violations: readonly string[]
}

export class World {
  readonly random: Random
  readonly rules: Rules
  readonly scenario: Scenario
  readonly layout: Layout
  readonly checker: Checker
  readonly attempts: Attempts
  readonly #queue = new EventQueue()
  readonly #replicas: Replica[]
  readonly #hosts: Host[]
  /** Bit b of entry a: messages from a to b are lost. */
  readonly #cuts: number[]
  readonly #known: (string | undefined)[] = []
  #quiet = false
  #events = 0
  #operations = 0
  #answered = 0
  #digest = 0x811c9dc5

  constructor(seed: number, rules: Rules, focus?: Partial<Scenario>) {
    this.random = new Random(seed)
    this.rules = rules
    this.scenario = drawScenario(this.random, focus)
    const { replicas, spares, keys } = this.scenario
    const nodes = replicas + spares
    const first = Array.from({ length: replicas }, (_, index) => index)
    this.layout = new Layout(first, this.nodeId, rules.joint)
    this.checker = new Checker({
      keys,
      nodes,
      now: () => this.now,
      setsOf: (epoch) => this.layout.epoch(epoch).masks,
    })
    this.attempts = new Attempts(this)
    this.#replicas = Array.from({ length: nodes }, (_, index) => new Replica(this, index))
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
      this.#drain()
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

  newOperation(): OperationId {
    this.#operations++
    return `o${this.#operations}` as OperationId
  }

  /** One message: lost, doubled or late as the scenario has it. */
  message(from: number, to: number, deliver: () => void): void {
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
    const { life, index } = from
    let open = true
    const finish = (reply: RegisterReply | undefined, maybeDelivered: boolean): void => {
      if (!open || from.life !== life) return
      open = false
      options.done(reply, maybeDelivered)
    }
    if (index !== to && !this.#quiet && this.#cut(index, to) && this.random.chance(500)) {
      // The connection is known to be down.
      return this.after(1, () => finish(undefined, false))
    }
    this.message(index, to, () => {
      options.before?.()
      this.replica(to).receive(request, (reply) => {
        this.#mix(reply.type.length * 31 + to)
        this.message(to, index, () => finish(reply, true))
      })
    })
    this.after(CALL_TIMEOUT, () => finish(undefined, true))
  }

  /** A node has learnt of an epoch. */
  adopted(replica: Replica): void {
    const { joint, sets } = this.layout.epoch(replica.epoch)
    if (!joint || this.layout.latest !== replica.epoch || !sets[1]?.includes(replica.index)) return
    if (!this.layout.isSynced(replica.index)) new Sync(this, replica).start()
  }

  synced(replica: Replica, epoch: number): void {
    if (!this.layout.synced(epoch, replica.index)) return
    this.after(1 + this.random.int(10), () => {
      if (this.layout.latest === epoch) this.#decideEpoch(() => this.layout.end(true))
    })
  }

  #begin(): void {
    const { clients, horizon, crashEvery, cutEvery } = this.scenario
    const { layoutEvery, collectEvery, repairEvery, freeEvery } = this.scenario
    for (let client = 0; client < clients; client++) {
      this.after(this.random.int(20), () => this.#nextOperation())
    }
    this.#every(crashEvery, () => this.#crash())
    this.#every(cutEvery, () => this.#cutLinks())
    this.#every(layoutEvery, () => this.#changeLayout())
    this.#every(collectEvery, () => this.#collect())
    this.#every(repairEvery, () => this.#repair())
    this.#every(freeEvery, () => this.#free())
    this.after(horizon, () => this.#heal())
  }

  #drain(): void {
    for (;;) {
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
      const members = this.layout.epoch(this.layout.latest).sets[0] as readonly number[]
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
      this.#drain()
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
    if (!replica.up) return again()
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
      return host.read(key, done)
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
    replica.crash()
    this.after(10 + this.random.int(100), () => this.#restart(replica))
  }

  #restart(replica: Replica): void {
    if (replica.up) return
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

  #changeLayout(): void {
    const { layout, random } = this
    const { joint, sets } = layout.epoch(layout.latest)
    const present = sets[0] as readonly number[]
    if (joint) {
      // Going back is always allowed (L8).
      if (random.chance(200)) this.#decideEpoch(() => layout.end(false))
      return
    }
    const outside = this.#replicas.map(({ index }) => index).filter((i) => !present.includes(i))
    if (outside.length === 0) return
    const target = [...present]
    for (let swap = random.int(outside.length); swap >= 0; swap--) {
      // Two swaps may meet at one seat: then the first newcomer never comes.
      target[random.int(target.length)] = outside[swap] as number
    }
    this.#decideEpoch(() => layout.begin(target))
  }

  #decideEpoch(decide: () => void): void {
    decide()
    const { latest } = this.layout
    this.checker.newEpoch(latest)
    this.#mix(latest)
    for (const replica of this.#replicas) {
      this.message(this.random.int(this.#replicas.length), replica.index, () => {
        if (replica.epoch < latest) replica.adopt(latest)
      })
    }
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
      this.#restart(replica)
      replica.adopt(this.layout.latest)
    }
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

export function runSeed(seed: number, rules: Rules, focus?: Partial<Scenario>): SeedResult {
  return new World(seed, rules, focus).run(seed)
}
