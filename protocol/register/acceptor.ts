/**
 * CASPaxos acceptor: the durable half of one register, as functions over its state.
 *
 * Invariants:
 *   - promised >= accepted.ballot                                          (A3)
 *   - promised never decreases, across restarts                            (A1, A2)
 *   - a promise that lives in memory only has a counter below the mark     (A1)
 *   - a reply leaves only after the state it reports is flushed            (A1)
 *   - accepted.ballot only rises; one ballot has one value                 (A3, P1)
 *   - a value is accepted only where its blocks are                        (A5)
 *   - nothing is answered from damaged state, nor across epochs or below the bucket's
 *     minimum generation                                                   (A4, L4, T8)
 *
 * The host calls with the register's state in memory, or with `recovered(...)` when memory holds none,
 * sets the new state at once, and then obeys `Ready` in order. Requests of one register may overlap
 * with a flush under way: `reports` says what has to be durable before the reply may leave.
 *
 * A request from a LATER epoch than ours is for the host: it fetches and persists the layout first (L4)
 * and calls then. If it calls regardless, the answer is no vote.
 *
 * See Rystsov, "CASPaxos: Replicated State Machines without logs" (2018), and docs/correctness.md 1.
 */

import type { BlockKey } from '../ids.ts'
import { assert } from '../assert.ts'
import { checkInput } from '../input.ts'
import { type Ballot, compareBallots, maxBallot, sameBallot } from './ballot.ts'
import type {
  Accepted,
  AcceptRequest,
  Fence,
  PrepareRequest,
  ReadRequest,
  RegisterReply,
  RegisterRequest,
} from './types.ts'

/** One register on one node, as memory has it. It may be ahead of the disk while a flush is under way. */
export interface AcceptorState {
  /** The highest ballot promised. After a start it is at least the mark (A1). */
  readonly promised: Ballot
  /** What was accepted last. Absent while the register is absent: never written here, or collected (G2). */
  readonly accepted?: Accepted | undefined
}

/** What surrounds the register at this moment. */
export interface AcceptorEnv {
  /** Durably reserved: promises with a counter below it survive a crash as "at least the mark" (A1). */
  readonly mark: number
  /** The floor of the register's partition (A2, A3, G2); ZERO_BALLOT when nothing was ever collected. */
  readonly floor: Ballot
  readonly epoch: number
  /** Highest generation seen of the request's bucket in this partition (T8); 0 when none. */
  readonly minimumGeneration: number
  /** True when the block is here, flushed no later than the state that names it will be (A5). */
  readonly holdsBlock: (block: BlockKey) => boolean
  /** The wall clock of this node: promises tell it, and nothing here is decided by it (T10). */
  readonly clockMs: number
  /** The stored state fails its checksum: that is not the same as absent (A4, D3). */
  readonly faulty: boolean
}

/** What the host must do, in the order of the fields. */
export interface Ready {
  /** The new in-memory state, to be set at once. Absent when nothing changed. */
  readonly state?: AcceptorState
  /** Durably raise the mark to above this counter BEFORE `reply` is sent (A1). */
  readonly reserve?: number
  /** The bucket's new minimum in this partition: flush BEFORE `reply` is sent (T8). */
  readonly raise?: Fence
  /** Flush BEFORE `reply` is sent (A1). */
  readonly persist?: Accepted
  /** The reply speaks of the state accepted at this ballot: if its flush is still under way, the reply
   * waits for it (A1). */
  readonly reports?: Ballot
  readonly reply: RegisterReply
}

/**
 * The state of a register of which memory holds no promise: after a start, with the mark found at the
 * start; after its promise was dropped from memory, with the mark of that moment (A1).
 */
export function recovered(accepted: Accepted | undefined, mark: number): AcceptorState {
  assert(mark >= 0, 'a mark is a counter (A1)')
  const least: Ballot = { counter: mark, proposer: '' as Ballot['proposer'] }
  const promised = accepted ? maxBallot(accepted.ballot, least) : least
  assert(promised.counter >= mark, 'a forgotten promise counts as at least the mark (A1)')
  return { promised, accepted }
}

/**
 * Answers a prepare (A2): `promised` with the state accepted so far, or `conflict` when the ballot is not above all that was
 * promised, accepted or collected. The promise itself is in `state` alone, below the mark.
 */
export function prepare(state: AcceptorState, env: AcceptorEnv, request: PrepareRequest): Ready {
  const refusal = refuse(env, request)
  if (refusal) return refusal
  const raise = raised(env, request)
  const { accepted } = state
  const seen = accepted ? state.promised : maxBallot(state.promised, env.floor)
  if (compareBallots(request.ballot, seen) <= 0) {
    return { ...raise, reply: { type: 'conflict', seen } }
  }
  const { ballot } = request
  return {
    state: risen(state, { promised: ballot, accepted }),
    ...reserved(env, ballot, accepted),
    ...raise,
    ...(accepted && { reports: accepted.ballot }),
    reply: accepted
      ? { type: 'promised', ballot, accepted, clockMs: env.clockMs }
      : { type: 'promised', ballot, floor: env.floor, clockMs: env.clockMs },
  }
}

/**
 * Answers an accept (A3, A5): `accepted`, `need-blocks` while blocks of the value are missing here, or `conflict`. Throws
 * InputError when the proposer breaks P1: it promises less than its own ballot, or has put a second value under a ballot.
 */
export function accept(state: AcceptorState, env: AcceptorEnv, request: AcceptRequest): Ready {
  const refusal = refuse(env, request)
  if (refusal) return refusal
  const { ballot, value, next } = request
  checkInput(compareBallots(next, ballot) >= 0, 'an accept promises no less than its own ballot')
  const raise = raised(env, request)
  const { accepted } = state

  if (accepted && sameBallot(accepted.ballot, ballot)) {
    // Doubled on its way, or copied here before. Flushed again, so that the reply can't overtake the
    // first one's flush; and `next` promised, which a crash or a copy may have left out (P2).
    checkInput(accepted.value.operation === value.operation, 'one ballot carries one value (P1)')
    const promised = maxBallot(state.promised, next)
    return {
      state: risen(state, { promised, accepted }),
      ...reserved(env, promised, accepted),
      ...raise,
      persist: accepted,
      reports: ballot,
      reply: { type: 'accepted', ballot },
    }
  }
  const below = accepted ? accepted.ballot : env.floor
  if (compareBallots(ballot, state.promised) < 0 || compareBallots(ballot, below) <= 0) {
    const seen = maxBallot(state.promised, below)
    const never = compareBallots(below, ballot) < 0
    return {
      // `never` has to survive a crash as the promise does that it rests on.
      ...(never && reserved(env, state.promised, accepted)),
      ...raise,
      ...(never && accepted && { reports: accepted.ballot }),
      reply: { type: 'conflict', seen, never },
    }
  }
  // What the state at hand names is here: this acceptor had it when it accepted that.
  const here = accepted?.value.blocks ?? []
  const missing = value.blocks.filter((block) => !here.includes(block) && !env.holdsBlock(block))
  if (missing.length > 0) return { ...raise, reply: { type: 'need-blocks', blocks: missing } }

  const replacement: Accepted = { ballot, value }
  return {
    state: risen(state, { promised: next, accepted: replacement }),
    ...reserved(env, next, replacement),
    ...raise,
    persist: replacement,
    reports: ballot,
    reply: { type: 'accepted', ballot },
  }
}

/** Answers a read (R1). Changes nothing but the bucket's minimum. */
export function read(state: AcceptorState, env: AcceptorEnv, request: ReadRequest): Ready {
  const refusal = refuse(env, request)
  if (refusal) return refusal
  const { accepted } = state
  if (!accepted) return { ...raised(env, request), reply: { type: 'state' } }
  const { ballot } = accepted
  return {
    ...raised(env, request),
    reports: ballot,
    reply:
      request.want === 'value' ? { type: 'state', ballot, accepted } : { type: 'state', ballot },
  }
}

/** Answers any of the three. Called by AcceptorHost (node/replica), once for each request that has its turn. */
export function handle(state: AcceptorState, env: AcceptorEnv, request: RegisterRequest): Ready {
  switch (request.type) {
    case 'prepare':
      return prepare(state, env, request)
    case 'accept':
      return accept(state, env, request)
    case 'read':
      return read(state, env, request)
  }
}

/** The refusal of a request that no state of the register can be asked by (A4, L4, T8); undefined when it may be. */
function refuse(env: AcceptorEnv, request: RegisterRequest): Ready | undefined {
  if (env.faulty) return { reply: { type: 'no-vote', reason: 'faulty' } }
  if (request.epoch < env.epoch) return { reply: { type: 'stale-epoch', epoch: env.epoch } }
  if (request.epoch > env.epoch) return { reply: { type: 'no-vote', reason: 'not-a-replica' } }
  if (request.fence && request.fence.generation < env.minimumGeneration) {
    return { reply: { type: 'stale-fence', generation: env.minimumGeneration } }
  }
  return undefined
}

/** The request knows a later generation of its bucket than this node: that is the minimum from now on (T8). */
function raised(env: AcceptorEnv, { fence }: RegisterRequest): { raise: Fence } | undefined {
  return fence && fence.generation > env.minimumGeneration ? { raise: fence } : undefined
}

/** The state after a vote, which is checked against the one before. */
function risen(before: AcceptorState, after: AcceptorState): AcceptorState {
  const { promised, accepted } = after
  assert(compareBallots(promised, before.promised) >= 0, 'a promise never falls (A1)')
  assert(
    !before.accepted || (accepted && compareBallots(accepted.ballot, before.accepted.ballot) >= 0),
    'an accepted ballot never falls (A3)',
  )
  assert(
    !accepted || compareBallots(promised, accepted.ballot) >= 0,
    'what is accepted is promised (A3)',
  )
  return after
}

/** The mark has to rise above a promise, except one that is on disk as the accepted ballot (A1). */
function reserved(
  env: AcceptorEnv,
  promised: Ballot,
  accepted: Accepted | undefined,
): { reserve: number } | undefined {
  if (promised.counter < env.mark) return undefined
  if (accepted && sameBallot(promised, accepted.ballot)) return undefined
  return { reserve: promised.counter }
}
