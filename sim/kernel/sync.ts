/**
 * The ways in which registers come and go beside Paxos: the head start of a learner in PLANNED (L1b), sync of
 * one member of P' in JOINT (L5-L7), anti-entropy, and collection of tombstones in STABLE (G2, G3).
 */

import { maxBallot, sameBallot, ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { majority } from '../../protocol/register/quorum.ts'
import type { Accepted, ReadRequest, StateReply } from '../../protocol/register/types.ts'
import type { KernelReplica, KernelSummary, KernelWorld } from './parts.ts'

/** A learner reads everything this often before it says that it has caught up. */
const PASSES = 2

/** Work of one node that is void once its epoch is over or the node has crashed (L6). */
export abstract class EpochWork {
  protected readonly world: KernelWorld
  protected readonly replica: KernelReplica
  protected readonly epoch: number
  protected readonly life: number

  constructor(world: KernelWorld, replica: KernelReplica) {
    this.world = world
    this.replica = replica
    this.epoch = replica.epoch
    this.life = replica.life
  }

  protected get crashed(): boolean {
    return this.replica.life !== this.life
  }

  protected get over(): boolean {
    return this.crashed || this.replica.epoch !== this.epoch
  }

  protected later(run: () => void): void {
    this.world.after(5 + this.world.random.int(20), () => {
      if (!this.over) run()
    })
  }
}

/** Copies what F+1 of P agree on, for a head start; what is missing or changes meanwhile is left to the sync. */
export class KernelLearner extends EpochWork {
  start(): void {
    this.#pass(1, 0)
  }

  #pass(pass: number, key: number): void {
    const { world, replica } = this
    if (this.over) return
    if (key === world.scenario.keys) {
      if (pass === PASSES) return world.caughtUp(replica, this.epoch)
      return this.later(() => this.#pass(pass + 1, 0))
    }
    const from = world.layout.epoch(this.epoch).set
    const need = world.rules.headStartSources(from.length)
    askStates(world, replica, { key, from, epoch: this.epoch, need }, (states) => {
      if (this.over) return
      if (!states) return this.later(() => this.#pass(pass, key))
      const accepted = agreed(states.map((state) => state.accepted))
      if (!accepted || accepted === 'differ') return this.#pass(pass, key + 1)
      world.stall(() => {
        if (!this.over) replica.copy(key, accepted, () => this.#pass(pass, key + 1))
      })
    })
  }
}

/** Pulls everything from F+1 members of P that answer at exactly this epoch (L5). */
export class Sync extends EpochWork {
  start(): void {
    const { world, replica } = this
    const survivor = world.layout.epoch(this.epoch).set.includes(replica.index)
    if (survivor && !world.rules.survivorsSync) world.synced(replica, this.epoch)
    else this.#pull()
  }

  #pull(): void {
    const { world, replica } = this
    if (this.over) return
    const from = world.layout.epoch(this.epoch).set
    const need = world.rules.syncSources(from.length)
    const summaries: KernelSummary[] = []
    let answers = 0
    for (const source of from) {
      world.links.ask<KernelSummary | undefined>(
        replica,
        source,
        (respond) => {
          const other = world.replica(source)
          if (other.epoch < this.epoch) other.adopt(this.epoch)
          other.summary(this.epoch, respond)
        },
        (summary) => {
          answers++
          if (summaries.length >= need) return
          if (summary && summaries.push(summary) === need) this.#take(0, summaries, true)
          else if (answers === from.length) this.later(() => this.#pull())
        },
      )
    }
  }

  /** `clean`: nothing differed so far. */
  #take(key: number, summaries: readonly KernelSummary[], clean: boolean): void {
    const { world, replica } = this
    if (this.over) return
    if (key === world.scenario.keys) return this.#finish(summaries, clean)
    const accepted = agreed(summaries.map(({ states }) => states[key]))
    if (accepted === 'differ') return this.#settle(key, summaries)
    if (!accepted) {
      // P has nothing; what is here may be what P has collected.
      const differs = replica.state(key).accepted !== undefined && world.rules.carries.removal
      if (differs) this.#settle(key, summaries)
      else this.#take(key + 1, summaries, clean)
      return
    }
    // The process may stall between the answers and the copy.
    world.stall(() => {
      if (this.crashed || (this.over && world.rules.stopLateSync)) return
      replica.copy(key, accepted, (synced) => {
        if (this.over) return
        if (synced) this.#take(key + 1, summaries, clean)
        else this.#settle(key, summaries)
      })
    })
  }

  /** Anything else takes an identity change in JOINT and is pulled again. */
  #settle(key: number, summaries: readonly KernelSummary[]): void {
    const { world, replica } = this
    const host = world.host(replica)
    const next = (): void => {
      if (!this.over) this.#take(key + 1, summaries, false)
    }
    if (host.busy(key)) return this.later(next)
    host.identity(key, world.now + 200, world.now, next, true)
  }

  #finish(summaries: readonly KernelSummary[], clean: boolean): void {
    if (!clean) return this.later(() => this.#pull())
    const floor = summaries.reduce((top, each) => maxBallot(top, each.floor), ZERO_BALLOT)
    const minimum = Math.max(...summaries.map((each) => each.minimum))
    const mark = Math.max(...summaries.map((each) => each.mark))
    this.replica.raise({ floor, minimum, mark }, () => {
      if (!this.over) this.world.synced(this.replica, this.epoch)
    })
  }
}

/** Anti-entropy: a replica takes over what F+1 of its set hold alike (G3). */
export function repair(world: KernelWorld, replica: KernelReplica, key: number): void {
  const { epoch, life } = replica
  const { joint, set } = world.layout.epoch(epoch)
  if (joint || !set.includes(replica.index) || replica.entering) return
  askStates(world, replica, { key, from: set, epoch, need: majority(set.length) }, (states) => {
    if (!states || replica.life !== life || replica.epoch !== epoch) return
    const accepted = agreed(states.map((state) => state.accepted))
    if (accepted && accepted !== 'differ') replica.copy(key, accepted, () => undefined)
  })
}

/**
 * Asks all replicas about a tombstone that this one has; when each has the very same, or has forgotten it
 * already and can't take it back, tells all to forget it (G2). Never while a learner copies, or a sync.
 */
export function tryCollect(world: KernelWorld, replica: KernelReplica, key: number): void {
  const { epoch } = replica
  const { state, joint, set } = world.layout.epoch(epoch)
  const here = replica.state(key).accepted
  const stable = state === 'STABLE' || (!joint && world.rules.collectInPlanned)
  if (!stable || !here?.value.tombstone) return
  const need = world.rules.collectAfter(set.length)
  const { ballot } = here
  const ready = new Set<number>()
  for (const member of set) {
    world.links.message(replica.index, member, () => {
      const other = world.replica(member)
      if (other.epoch < epoch) other.adopt(epoch)
      if (other.epoch !== epoch || other.tombstoneState(key, ballot) === 'other') return
      world.links.message(member, replica.index, () => {
        if (ready.has(member) || ready.add(member).size !== need) return
        for (const to of set) {
          world.links.message(replica.index, to, () =>
            world.replica(to).collect(key, ballot, epoch),
          )
        }
      })
    })
  }
}

/** The first `need` states that nodes report at this epoch; undefined when too few do. */
function askStates(
  world: KernelWorld,
  replica: KernelReplica,
  question: { key: number; from: readonly number[]; epoch: number; need: number },
  done: (states: readonly StateReply[] | undefined) => void,
): void {
  const { key, from, epoch, need } = question
  const request: ReadRequest = { type: 'read', key: world.keyName(key), epoch, want: 'value' }
  const states: StateReply[] = []
  let answers = 0
  for (const node of from) {
    world.links.call(replica, node, request, {
      done: (reply) => {
        answers++
        if (states.length >= need) return
        if (reply?.type === 'state' && states.push(reply) === need) done(states)
        else if (answers === from.length) done(undefined)
      },
    })
  }
}

function agreed(states: readonly (Accepted | undefined)[]): Accepted | undefined | 'differ' {
  const [first, ...rest] = states
  for (const accepted of rest) {
    const same = accepted && first ? sameBallot(accepted.ballot, first.ballot) : accepted === first
    if (!same) return 'differ'
  }
  return first
}
