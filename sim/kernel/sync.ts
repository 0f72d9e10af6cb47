/**
 * Sync of one member of P' in JOINT, anti-entropy, and collection of tombstones in STABLE: the ways in
 * which registers come and go beside Paxos (L5-L7, G2, G3).
 */

import { sameBallot } from '../../protocol/register/ballot.ts'
import type { Accepted, ReadRequest, StateReply } from '../../protocol/register/types.ts'
import type { Replica } from './replica.ts'
import type { World } from './world.ts'

/** Pulls every register from F+1 members of P that answer at exactly this epoch (L5). */
export class Sync {
  readonly #world: World
  readonly #replica: Replica
  readonly #epoch: number
  readonly #life: number

  constructor(world: World, replica: Replica) {
    this.#world = world
    this.#replica = replica
    this.#epoch = replica.epoch
    this.#life = replica.life
  }

  start(): void {
    const world = this.#world
    const replica = this.#replica
    const [from] = world.layout.epoch(this.#epoch).sets
    const survivor = from?.includes(replica.index) === true
    if (survivor && !world.rules.survivorsSync) world.synced(replica, this.#epoch)
    else this.#pull(0)
  }

  /** L6: a sync stops when its epoch is over. */
  get #over(): boolean {
    return this.#replica.life !== this.#life || this.#replica.epoch !== this.#epoch
  }

  #pull(key: number): void {
    const world = this.#world
    if (this.#over) return
    if (key === world.scenario.keys) return world.synced(this.#replica, this.#epoch)
    const sources = world.layout.epoch(this.#epoch).sets[0] as readonly number[]
    const need = world.rules.syncSources(sources.length)
    const request = readOf(world, key, this.#epoch)
    const states: StateReply[] = []
    let answers = 0
    let decided = false
    for (const source of sources) {
      world.call(this.#replica, source, request, {
        done: (reply) => {
          answers++
          if (decided) return
          if (reply?.type === 'state') states.push(reply)
          if (states.length >= need) {
            decided = true
            this.#take(key, states)
          } else if (answers === sources.length) this.#later(key)
        },
      })
    }
  }

  #take(key: number, states: readonly StateReply[]): void {
    if (this.#over) return
    const accepted = agreed(states)
    if (accepted === 'differ') return this.#settle(key)
    if (!accepted) return this.#pull(key + 1)
    // The process may stall between the answers and the copy.
    const { random, scenario } = this.#world
    if (random.chance(scenario.latePermille)) {
      this.#world.after(random.int(scenario.stallMax), () => this.#copy(key, accepted))
    } else this.#copy(key, accepted)
  }

  #copy(key: number, accepted: Accepted): void {
    if (this.#replica.life !== this.#life) return
    if (this.#over && this.#world.rules.stopLateSync) return
    this.#replica.copy(key, accepted, (synced) => {
      if (this.#over) return
      if (synced) this.#pull(key + 1)
      else this.#settle(key)
    })
  }

  /** Anything else takes an identity change in JOINT and is pulled again. */
  #settle(key: number): void {
    const { now } = this.#world
    const host = this.#world.host(this.#replica)
    if (host.busy(key)) return this.#later(key)
    host.identity(key, now + 200, now, () => this.#later(key), true)
  }

  #later(key: number): void {
    this.#world.after(5 + this.#world.random.int(20), () => this.#pull(key))
  }
}

/** Anti-entropy: a replica takes over what F+1 of its set hold alike (G3). */
export function repair(world: World, replica: Replica, key: number): void {
  const { epoch, life } = replica
  const { joint, sets } = world.layout.epoch(epoch)
  const members = sets[0] as readonly number[]
  if (joint || !members.includes(replica.index)) return
  const request = readOf(world, key, epoch)
  const states: StateReply[] = []
  const need = (members.length >> 1) + 1
  for (const member of members) {
    world.call(replica, member, request, {
      done: (reply) => {
        if (reply?.type !== 'state' || states.push(reply) !== need) return
        const accepted = agreed(states)
        if (accepted === 'differ' || !accepted || replica.life !== life) return
        if (replica.epoch === epoch) replica.copy(key, accepted, () => undefined)
      },
    })
  }
}

/**
 * Asks all replicas about a tombstone that this one has; when each has the very same, or has forgotten it
 * already and can't take it back, tells all to forget it (G2).
 */
export function tryCollect(world: World, replica: Replica, key: number): void {
  const { epoch } = replica
  const { joint, sets } = world.layout.epoch(epoch)
  const here = replica.state(key).accepted
  if (joint || !here?.value.tombstone) return
  const members = sets[0] as readonly number[]
  const need = world.rules.collectAfter(members.length)
  const { ballot } = here
  const ready = new Set<number>()
  for (const member of members) {
    world.message(replica.index, member, () => {
      const other = world.replica(member)
      if (other.epoch < epoch) other.adopt(epoch)
      if (other.epoch !== epoch || other.tombstoneState(key, ballot) === 'other') return
      world.message(member, replica.index, () => {
        if (ready.has(member) || ready.add(member).size !== need) return
        for (const to of members) {
          world.message(replica.index, to, () => world.replica(to).collect(key, ballot, epoch))
        }
      })
    })
  }
}

function agreed(states: readonly StateReply[]): Accepted | undefined | 'differ' {
  const [first, ...rest] = states
  for (const { accepted } of rest) {
    const same =
      accepted && first?.accepted
        ? sameBallot(accepted.ballot, first.accepted.ballot)
        : accepted === first?.accepted
    if (!same) return 'differ'
  }
  return first?.accepted
}

function readOf(world: World, key: number, epoch: number): ReadRequest {
  return { type: 'read', key: world.keyName(key), epoch, want: 'value' }
}
