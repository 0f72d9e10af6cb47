/**
 * CASPaxos proposer: one operation on one register, as a state machine without clock or promises.
 *
 * Invariants:
 *   - a ballot carries one value, ever; after an accept without a quorum the next one follows a
 *     prepare at a higher ballot                                            (P1)
 *   - the prepare is left out only upon a `prior` of the same epoch, once   (P2)
 *   - `kept` is answered only for a state known to be chosen                (P3)
 *   - once an accept of ours may have reached an acceptor, only our own value or the very state that we
 *     meant to replace let the operation go on; all else is `unknown`       (P4)
 *   - counters move past every ballot seen                                  (P6)
 *   - a majority of each active set is waited for, and no more              (L3)
 *   - nothing is carried into another epoch but the `Attempt`               (L4)
 *
 * 1. prepare(b) to all; a quorum of promises shows the current state: the one accepted highest.
 * 2. `change` makes a value of it: accept(b, value, next) to all. Or it keeps it: done if a quorum
 *    promised upon exactly this state, else accept(b, current, next) first.
 * 3. A quorum has accepted: done, and `next` may serve as the prepare of the following operation.
 * Whenever a quorum can't come together any more: back off, and again from 1 at a higher ballot.
 */

import { assert } from '../assert.ts'
import type { NodeId } from '../ids.ts'
import { checkInput } from '../input.ts'
import { type Ballot, compareBallots, maxBallot, sameBallot, ZERO_BALLOT } from './ballot.ts'
import { lineageOf, originAfter, valueInLineage } from './lineage.ts'
import { membersOf, Quorum } from './quorum.ts'
import type { Attempt, ProposerOutcome, Step } from './step.ts'
import type {
  Accepted,
  AcceptRequest,
  PrepareRequest,
  PromisedReply,
  RegisterReply,
  RegisterRequest,
  RegisterValue,
} from './types.ts'
import type { ProposerOptions } from './proposer-options.ts'
import { isSameValue, withoutLost } from './value.ts'
import { majorityClockMs, standingOf, type Promised } from './promises.ts'

/** After so many rounds in a row without a quorum and without a conflict, the replicas count as gone. */
export const FAILED_ROUNDS_MAX = 3

/** The back-off grows no longer once an accept was sent of which nothing is known. */
const DOUBTFUL_BACKOFFS = 3

/** How far past the highest ballot met a proposer begins that has backed off (P6). */
const COUNTERS_AHEAD = 32

type ProposerStep = Step<ProposerOutcome>

const NOTHING: ProposerStep = { send: [] }

export class RegisterProposer {
  /** Quorum rounds waited for so far. */
  rounds = 0

  readonly #options: ProposerOptions
  readonly #members: readonly NodeId[]
  #phase: 'new' | 'prepare' | 'accept' | 'backoff' | 'done' = 'new'
  /** The request of the present round, or of the last one while backing off. */
  #request: PrepareRequest | AcceptRequest | undefined
  #quorum: Quorum
  #promises: Promised[] = []
  /** What a quorum for the present accept means. */
  #accepting: 'written' | 'kept' | 'overtaken' = 'written'
  /** What was written, where the accept rewrites what came after it. */
  #overtaken: RegisterValue | undefined
  /** What was proposed last, unless the change has seen another state since, and the state that it was made of. */
  #proposed: RegisterValue | undefined
  #proposedFrom: RegisterValue | undefined
  /** Ballots of the last accept (P1), and of the last one of a value of ours: an earlier proposer may have sent all of those. */
  #acceptedAt: Ballot = ZERO_BALLOT
  #writtenAt: Ballot | undefined
  /** Highest ballot met (P6). */
  #seen: Ballot = ZERO_BALLOT
  /** A replica knew of a higher ballot in this round: another proposer is at work (P6), and P2 does not hold. */
  #conflictInRound = false
  /** Rounds in a row that found no quorum, without a conflict: FAILED_ROUNDS_MAX of them end it. */
  #failedRounds = 0
  #backoffs = 0
  /** Set once an accept of ours may have reached an acceptor; from then on no quorum means `unknown` (P4). */
  #attempt: Attempt | undefined
  /** The accept that alone made `#attempt`, and who will certainly never accept it. */
  #settling: { request: AcceptRequest; never: NodeId[]; resent: boolean } | undefined

  constructor(options: ProposerOptions) {
    this.#options = options
    this.#members = membersOf(options.sets)
    this.#quorum = new Quorum(options.sets)
    this.#attempt = options.attempt
    assert(this.#members.length > 0, 'a register has replicas')
  }

  /** Call once, first: the prepare, or the accept where P2 allows to leave the prepare out. */
  start(): ProposerStep {
    assert(this.#phase === 'new', 'a proposer starts once')
    const { prior, epoch, change } = this.#options
    if (prior && prior.epoch === epoch && !this.#attempt) {
      const result = change(prior.accepted.value, true, undefined)
      // A failed condition is a read and needs a round of promises anyway (P3).
      if ('write' in result) return this.#write(prior.ballot, prior.accepted, result.write)
    }
    if (prior) this.#seen = prior.ballot
    return this.#prepare()
  }

  /** `request` is the very object that was sent. Answers to an earlier round cast no vote. */
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): ProposerStep {
    if (this.#phase === 'done') return NOTHING
    switch (reply.type) {
      case 'stale-epoch':
        if (reply.epoch > this.#options.epoch) {
          const { epoch } = reply
          return this.#finish({ type: 'stale-epoch', epoch, ...this.#carried() })
        }
        return this.#voteLost(from, request)
      case 'stale-fence': {
        const { generation } = reply
        return this.#finish({ type: 'stale-fence', generation, ...this.#carried() })
      }
      case 'conflict':
        this.#seen = maxBallot(this.#seen, reply.seen)
        if (reply.never === true) this.#neverAccepted(from, request)
        if (request === this.#request) this.#conflictInRound = true
        return this.#voteLost(from, request)
      case 'promised':
        return this.#promised(from, request, reply)
      case 'accepted':
        return this.#accepted(from, request)
      case 'need-blocks':
        if (this.#phase !== 'accept' || request !== this.#request) return NOTHING
        assert(request.type === 'accept')
        if (this.#settling) this.#settling.resent = true
        return { send: [], needBlocks: { node: from, blocks: reply.blocks, request } }
      case 'no-vote':
      case 'state':
        return this.#voteLost(from, request)
    }
  }

  /** `maybeDelivered` false: the request certainly never left this node. */
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): ProposerStep {
    if (this.#phase === 'done') return NOTHING
    if (!maybeDelivered && this.#settling?.resent === false) this.#neverAccepted(from, request)
    return this.#voteLost(from, request)
  }

  /** Call when the pause that `backoff` asked for is over: the next round begins, at a higher ballot. */
  onBackoffOver(): ProposerStep {
    return this.#phase === 'backoff' ? this.#prepare() : NOTHING
  }

  /** Call when answers are slow to come: a round that met a conflict, and that only one who is silent could
   * still decide, is given up for the next, as if that one had refused. */
  hedge(): ProposerStep {
    if (this.#phase !== 'prepare' && this.#phase !== 'accept') return NOTHING
    return this.#conflictInRound ? this.#retry() : NOTHING
  }

  /** The deadline has passed: `unknown` or `unavailable`. */
  giveUp(): ProposerOutcome {
    this.#phase = 'done'
    return { type: this.#attempt ? 'unknown' : 'unavailable' }
  }

  #prepare(): ProposerStep {
    const { key, epoch, fence, proposer, nextCounter, above = 0 } = this.#options
    // While this one waited, the proposers that it met have moved on.
    const ahead = this.#backoffs > 0 ? COUNTERS_AHEAD : 0
    const counter = nextCounter(Math.max(above, this.#seen.counter) + ahead)
    assert(counter > above && counter > this.#seen.counter, 'counters rise (P1)')
    const ballot = { counter, proposer }
    this.#seen = ballot
    this.#promises = []
    return this.#round('prepare', { type: 'prepare', key, epoch, fence, ballot })
  }

  #promised(from: NodeId, request: RegisterRequest, reply: PromisedReply): ProposerStep {
    if (this.#phase !== 'prepare' || request !== this.#request) return NOTHING
    // A promise of another ballot than was asked for is none.
    if (!sameBallot(reply.ballot, request.ballot)) return this.#voteLost(from, request)
    if (this.#quorum.answered(from)) return NOTHING
    const { accepted, floor = ZERO_BALLOT, clockMs = 0 } = reply
    this.#promises.push({ from, accepted, floor, clockMs })
    this.#quorum.add(from)
    return this.#quorum.reached ? this.#decide(request.ballot) : NOTHING
  }

  /** A quorum has promised: what to propose (P3, P4)? */
  #decide(ballot: Ballot): ProposerStep {
    assert(this.#phase === 'prepare', 'a value is chosen once, upon promises (P1)')
    const { current, isAgreed, isOpen } = standingOf(this.#promises, this.#options)
    if (isOpen)
      return this.#members.every((node) => this.#quorum.answered(node)) ? this.#retry() : NOTHING
    this.#failedRounds = 0
    const { operation, change } = this.#options
    if (current && current.value.operation === operation) {
      return this.#accept(ballot, current.value, 'written')
    }
    if (this.#attempt) {
      if (current && lineageOf(current.value).includes(operation)) {
        // It has happened, and was replaced since: known for certain once the present state is chosen.
        this.#overtaken = valueInLineage(this.#attempt, operation, current.value)
        if (this.#overtaken === undefined) return this.#finish({ type: 'unknown' })
        return this.#accept(ballot, current.value, 'overtaken')
      }
      if (!this.#notApplied(this.#attempt, current)) return this.#finish({ type: 'unknown' })
      if (current) this.#attempt = { ...this.#attempt, bases: lineageOf(current.value) }
    }
    const again = this.#proposedUpon(current)
    if (again) return this.#write(ballot, current, again)
    this.#proposed = undefined
    // Also of a promise whose state is passed over (A5): its clock is as good as any other.
    const clockMs = majorityClockMs(this.#options.sets, this.#promises)
    const result = change(current?.value, isAgreed, clockMs)
    if ('write' in result) return this.#write(ballot, current, result.write)
    if (!current)
      return this.#finish(this.#attempt ? { type: 'unknown' } : { type: 'kept', ballot })
    // Without an accept of ours, the value on which the replicas agree stays as it is. After one, it is accepted again at
    // this ballot: a replica that has our earlier accept could otherwise still bring that up.
    const chosen = isAgreed && !this.#attempt
    if (chosen && result.rewrite !== true) {
      return this.#finish({ type: 'kept', current, ballot: current.ballot })
    }
    return this.#accept(ballot, current.value, 'kept')
  }

  /**
   * P4: does the lineage of `current`, in which the attempt is not, reach back to before the attempt? Had that
   * been chosen, every later ballot would carry it or what came after it. The promises just given keep it
   * from being chosen later.
   */
  #notApplied(attempt: Attempt, current: Accepted | undefined): boolean {
    const { bases } = attempt
    if (current) {
      if (lineageOf(current.value).some((operation) => bases.includes(operation))) return true
      // Its lineage began on nothing, and nothing that was collected before reached the attempt's ballot.
      const { above } = current.value
      if (above === undefined) return false
      return attempt.epoch === this.#options.epoch && compareBallots(above, attempt.ballot) < 0
    }
    if (bases.length > 0) return false
    // Absent then and absent now, unless written, deleted and collected between: the floors would show
    // it, within an epoch (G2).
    if (attempt.epoch !== this.#options.epoch) return false
    return this.#promises.every(({ floor }) => compareBallots(floor, attempt.ballot) < 0)
  }

  /**
   * The same change of the same state is the same value, so that its proposals need not be told apart. The same
   * operation is not the same state: its proposer may have proposed it upon one state, and then upon another.
   */
  #proposedUpon(current: Accepted | undefined): RegisterValue | undefined {
    if (this.#attempt === undefined || this.#proposed === undefined) return undefined
    return isSameValue(this.#proposedFrom, current?.value) ? this.#proposed : undefined
  }

  #highestFloor(): Ballot {
    return this.#promises.reduce((top, { floor }) => maxBallot(top, floor), ZERO_BALLOT)
  }

  #write(
    ballot: Ballot,
    current: Accepted | undefined,
    write: Omit<RegisterValue, 'operation'>,
  ): ProposerStep {
    const { operation, epoch } = this.#options
    assert(operation !== '', 'a write has an operation id (P4)')
    const first = this.#attempt === undefined
    this.#attempt ??= { epoch, ballot, bases: current ? lineageOf(current.value) : [], values: [] }
    const origin = current
      ? originAfter(current.value, this.#options.isRecent)
      : { above: this.#highestFloor() }
    const step = this.#accept(ballot, { ...write, operation, ...origin }, 'written')
    const request = this.#request
    assert(request?.type === 'accept')
    const others = this.#attempt.values.filter(
      (value) => value !== this.#proposed || value.replaced !== request.value.replaced,
    )
    this.#attempt = { ...this.#attempt, values: [...others, request.value] }
    this.#proposed = request.value
    this.#proposedFrom = current?.value
    this.#settling = first ? { request, never: [], resent: false } : undefined
    return step
  }

  #accept(
    ballot: Ballot,
    named: RegisterValue,
    accepting: 'written' | 'kept' | 'overtaken',
  ): ProposerStep {
    const { key, epoch, fence, lost, promisesNext = true } = this.#options
    const value = withoutLost(named, lost)
    const next = promisesNext ? this.#ballotAfter(ballot) : ballot
    assert(compareBallots(ballot, this.#acceptedAt) > 0, 'a ballot carries one value (P1)')
    this.#acceptedAt = ballot
    this.#seen = maxBallot(this.#seen, next)
    this.#accepting = accepting
    if (accepting === 'written') this.#writtenAt = ballot
    return this.#round('accept', { type: 'accept', key, epoch, fence, ballot, value, next })
  }

  #ballotAfter({ counter }: Ballot): Ballot {
    const { proposer, nextCounter } = this.#options
    const next = { counter: nextCounter(counter), proposer }
    assert(next.counter > counter, 'counters rise (P1)')
    return next
  }

  #accepted(from: NodeId, request: RegisterRequest): ProposerStep {
    if (this.#phase !== 'accept' || request !== this.#request) return NOTHING
    assert(request.type === 'accept')
    this.#quorum.add(from)
    if (!this.#quorum.reached) return NOTHING
    const { ballot, value, next: nextBallot, epoch } = request
    const writtenAt = this.#writtenAt ?? this.#attempt?.ballot ?? ballot
    if (this.#accepting === 'overtaken') {
      assert(this.#overtaken !== undefined)
      const written = { ballot, value: this.#overtaken, writtenAt, overtakenBy: value }
      return this.#finish({ type: 'written', ...written })
    }
    const accepted = { ballot, value }
    // Without an attempt, every replica has said that it never accepts this operation, and then one had accepted it.
    checkInput(
      this.#accepting !== 'written' || this.#attempt !== undefined,
      'a write is an attempt (P4)',
    )
    if (this.#accepting === 'kept') {
      return this.#finish({ type: 'kept', current: accepted, ballot })
    }
    const prior = { epoch, ballot: nextBallot, accepted }
    return this.#finish({
      type: 'written',
      ballot,
      value,
      writtenAt,
      ...(compareBallots(nextBallot, ballot) > 0 && !this.#conflictInRound && { prior }),
    })
  }

  /** Only when every replica has said so is the attempt undone; one that hasn't may hold the value. */
  #neverAccepted(from: NodeId, request: RegisterRequest): void {
    const settling = this.#settling
    if (!settling || settling.request !== request || settling.never.includes(from)) return
    settling.never.push(from)
    assert(settling.never.length <= this.#members.length, 'a replica refuses for good once (P4)')
    if (settling.never.length < this.#members.length) return
    this.#attempt = undefined
    this.#settling = undefined
  }

  #voteLost(from: NodeId, request: RegisterRequest): ProposerStep {
    if (request !== this.#request || this.#phase === 'backoff') return NOTHING
    this.#quorum.fail(from)
    // A quorum that has promised and decided nothing waits for all replicas (A5).
    const waits = this.#phase === 'prepare' && this.#quorum.reached
    return waits || this.#quorum.impossible ? this.#retry() : NOTHING
  }

  #retry(): ProposerStep {
    assert(this.#phase === 'prepare' || this.#phase === 'accept', 'only a round is tried again')
    if (!this.#conflictInRound) {
      this.#failedRounds++
      if (this.#failedRounds >= FAILED_ROUNDS_MAX) return { send: [], outcome: this.giveUp() }
    } else if (this.#phase === 'prepare' && this.rounds === 1) {
      // Most likely no other proposer is active, and only our counter was too low.
      return this.#prepare()
    }
    this.#phase = 'backoff'
    const backoffs = this.#backoffs++
    // A proposer that waits long is overtaken by more operations than a lineage holds.
    return {
      send: [],
      backoff: { attempt: this.#attempt ? Math.min(backoffs, DOUBTFUL_BACKOFFS) : backoffs },
    }
  }

  #round(phase: 'prepare' | 'accept', request: PrepareRequest | AcceptRequest): ProposerStep {
    assert(this.#phase !== 'done', 'nothing is proposed after the outcome')
    this.#phase = phase
    this.#request = request
    this.#quorum = new Quorum(this.#options.sets)
    this.#conflictInRound = false
    this.rounds++
    return { send: this.#members.map((to) => ({ to, request })) }
  }

  #carried(): { attempt: Attempt } | undefined {
    return this.#attempt && { attempt: this.#attempt }
  }

  #finish(outcome: ProposerOutcome): ProposerStep {
    assert(this.#phase !== 'done', 'an operation has one outcome (P4)')
    this.#phase = 'done'
    return { send: [], outcome }
  }
}
