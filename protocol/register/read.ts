/**
 * Reading a register: one round trip when the replicas agree, as a state machine.
 *
 * Invariants:
 *   - a state is answered only when a majority of each active set reports its ballot, or absence (R1, L3)
 *   - values are never compared, and no highest is taken without agreement                        (R1)
 *   - votes of one reading are never added to those of another
 *   - FAULTY and stale-epoch replies never count                                                  (R3)
 *
 * 1. Ask all: the nearest for the value, the others for their ballot.
 * 2. A quorum agrees: answer with the value. When no replica was asked that could still send it, ask one that has
 *    that ballot.
 * 3. No quorum can agree any more: ask again after a random pause, twice (R2); then `needs-identity`.
 */

import { assert } from '../assert.ts'
import type { NodeId, RegisterKey } from '../ids.ts'
import { type Ballot, sameBallot } from './ballot.ts'
import { count, isQuorum, majority, membersOf } from './quorum.ts'
import type { ReaderOutcome, Send, Step } from './step.ts'
import type {
  Accepted,
  Fence,
  ReadRequest,
  RegisterReply,
  RegisterRequest,
  ReplicaSets,
  StateReply,
} from './types.ts'

/** The first and two more (R2). */
export const READINGS_MAX = 3

export interface ReaderOptions {
  readonly key: RegisterKey
  readonly sets: ReplicaSets
  readonly epoch: number
  readonly fence?: Fence | undefined
  /** Nearest first: the first that is a member sends the value, the others their ballot. */
  readonly preferred?: readonly NodeId[] | undefined
}

type ReaderStep = Step<ReaderOutcome>

/** Who reports one ballot, or absence. */
interface Group {
  readonly ballot: Ballot | undefined
  readonly nodes: NodeId[]
  accepted: Accepted | undefined
}

const NOTHING: ReaderStep = { send: [] }

export class Reader {
  /** Quorum rounds waited for so far. */
  rounds = 0

  readonly #options: ReaderOptions
  /** Nearest first. */
  readonly #members: readonly NodeId[]
  #phase: 'new' | 'asking' | 'fetching' | 'backoff' | 'done' = 'new'
  #groups: Group[] = []
  #agreed: Group | undefined
  #forBallot: ReadRequest
  #forValue: ReadRequest
  /** Asked for the value in this reading; those of them who have neither answered nor failed. */
  #askedValue: NodeId[] = []
  #valuePending: NodeId[] = []
  /** Neither answered nor failed in this reading. */
  #pending: NodeId[] = []
  #readings = 0

  constructor(options: ReaderOptions) {
    this.#options = options
    const { sets, preferred = [] } = options
    const members = membersOf(sets)
    const near = preferred.filter((node) => members.includes(node))
    this.#members = [...near, ...members.filter((node) => !near.includes(node))]
    assert(members.length > 0, 'a register has replicas')
    this.#forBallot = this.#newRequest('ballot')
    this.#forValue = this.#newRequest('value')
  }

  /** Call once, first: asks all replicas. */
  start(): ReaderStep {
    assert(this.#phase === 'new', 'a reader starts once')
    return this.#ask()
  }

  /** `request` is the very object that was sent. Answers to an earlier reading are dropped. */
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): ReaderStep {
    if (this.#phase === 'done') return NOTHING
    switch (reply.type) {
      case 'stale-epoch':
        if (reply.epoch <= this.#options.epoch) return this.onFailure(from, request)
        return this.#finish({ type: 'stale-epoch', epoch: reply.epoch })
      case 'stale-fence':
        return this.#finish({ type: 'stale-fence', generation: reply.generation })
      case 'state':
        return this.#state(from, request, reply)
      case 'promised':
      case 'accepted':
      case 'conflict':
      case 'need-blocks':
      case 'no-vote':
        return this.onFailure(from, request)
    }
  }

  /** The replica did not answer, or its answer does not count (R3). */
  onFailure(from: NodeId, request: RegisterRequest, _maybeDelivered = true): ReaderStep {
    if (!this.#current(request)) return NOTHING
    remove(this.#pending, from)
    if (request === this.#forValue) remove(this.#valuePending, from)
    return this.#judge()
  }

  /** Call when the pause that `backoff` asked for is over: the next reading begins. */
  onBackoffOver(): ReaderStep {
    return this.#phase === 'backoff' ? this.#ask() : NOTHING
  }

  /** Call when answers are slow to come. Those that came disagree: reads again, since one that is silent
   * is all that could still decide. Else asks one more replica for the value; empty when nothing is to ask. */
  hedge(): ReaderStep {
    if (this.#phase !== 'asking' && this.#phase !== 'fetching') return NOTHING
    const answered = this.#groups.flatMap(({ nodes }) => nodes)
    if (!this.#agreed && isQuorum(this.#options.sets, answered)) return this.#again()
    return this.#askForValue()
  }

  /** The deadline has passed: `unavailable`. */
  giveUp(): ReaderOutcome {
    this.#phase = 'done'
    return { type: 'unavailable' }
  }

  #ask(): ReaderStep {
    assert(this.#readings < READINGS_MAX, 'a reader reads three times at most (R2)')
    this.#phase = 'asking'
    this.#readings++
    this.rounds++
    this.#groups = []
    this.#agreed = undefined
    this.#forBallot = this.#newRequest('ballot')
    this.#forValue = this.#newRequest('value')
    this.#pending = [...this.#members]
    this.#askedValue = this.#members.slice(0, 1)
    this.#valuePending = this.#members.slice(0, 1)
    const send: Send[] = this.#members.map((to, index) => ({
      to,
      request: index === 0 ? this.#forValue : this.#forBallot,
    }))
    return { send }
  }

  #state(from: NodeId, request: RegisterRequest, reply: StateReply): ReaderStep {
    if (!this.#current(request)) return NOTHING
    if (request === this.#forValue) remove(this.#valuePending, from)
    const ballot = reply.accepted?.ballot ?? reply.ballot
    let group = this.#groups.find((each) => sameState(each.ballot, ballot))
    // A second answer of a node (hedged) may bring a value, but it has voted already.
    const votes = this.#pending.includes(from)
    if (!group && votes) {
      group = { ballot, nodes: [], accepted: undefined }
      this.#groups.push(group)
    }
    if (group) {
      assert(!votes || !group.nodes.includes(from), 'a replica votes once in a reading (R1)')
      if (votes) group.nodes.push(from)
      group.accepted ??= reply.accepted
    }
    remove(this.#pending, from)
    return this.#judge()
  }

  #judge(): ReaderStep {
    const { sets } = this.#options
    this.#agreed ??= this.#groups.find((group) => isQuorum(sets, group.nodes))
    const agreed = this.#agreed
    if (agreed) {
      const { ballot, accepted } = agreed
      assert(
        !accepted || sameState(accepted.ballot, ballot),
        'a value is of the agreed ballot (R1)',
      )
      if (!agreed.ballot) return this.#finish({ type: 'state' })
      if (agreed.accepted) return this.#finish({ type: 'state', accepted: agreed.accepted })
      // The host hedges when those already asked are slow.
      if (this.#valuePending.length > 0) return NOTHING
      const step = this.#askForValue()
      if (step.send.length > 0) {
        if (this.#phase === 'asking') this.rounds++
        this.#phase = 'fetching'
        return step
      }
      return this.#again()
    }
    if (this.#mayAgree([]) || this.#groups.some(({ nodes }) => this.#mayAgree(nodes)))
      return NOTHING
    return this.#again()
  }

  /** Asks the nearest replica that has not been asked yet and, once agreed, has the agreed ballot. */
  #askForValue(): ReaderStep {
    const among = this.#agreed?.nodes ?? this.#members
    const to = this.#members.find(
      (node) => among.includes(node) && !this.#askedValue.includes(node),
    )
    if (to === undefined) return NOTHING
    this.#askedValue.push(to)
    this.#valuePending.push(to)
    return { send: [{ to, request: this.#forValue }] }
  }

  /** Could `nodes` become a quorum with those that have not answered yet? */
  #mayAgree(nodes: readonly NodeId[]): boolean {
    return this.#options.sets.every(
      (set) => count(set, nodes) + count(set, this.#pending) >= majority(set.length),
    )
  }

  /** No quorum can agree in this reading: the next one after a pause, or the end (R2). */
  #again(): ReaderStep {
    assert(this.#readings > 0 && this.#phase !== 'backoff', 'a reading ends once')
    if (this.#readings < READINGS_MAX) {
      this.#phase = 'backoff'
      return { send: [], backoff: { attempt: this.#readings - 1 } }
    }
    const answered = this.#groups.flatMap(({ nodes }) => nodes)
    const quorum = isQuorum(this.#options.sets, answered)
    return this.#finish({ type: quorum ? 'needs-identity' : 'unavailable' })
  }

  #current(request: RegisterRequest): boolean {
    if (this.#phase !== 'asking' && this.#phase !== 'fetching') return false
    return request === this.#forBallot || request === this.#forValue
  }

  #newRequest(want: 'value' | 'ballot'): ReadRequest {
    const { key, epoch, fence } = this.#options
    return { type: 'read', key, epoch, fence, want }
  }

  #finish(outcome: ReaderOutcome): ReaderStep {
    assert(this.#phase !== 'done', 'a read has one outcome')
    this.#phase = 'done'
    return { send: [], outcome }
  }
}

function sameState(a: Ballot | undefined, b: Ballot | undefined): boolean {
  return a && b ? sameBallot(a, b) : a === b
}

function remove(nodes: NodeId[], node: NodeId): void {
  const at = nodes.indexOf(node)
  if (at >= 0) nodes.splice(at, 1)
}
