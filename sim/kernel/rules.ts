/**
 * The parts of the kernel that a mutant may replace. `RULES` is the protocol as it is; a mutant
 * (sim/kernel/mutants.ts) is the same record with one rule broken. Nothing of this reaches protocol/.
 */

import {
  type AcceptorEnv,
  type AcceptorState,
  handle,
  type Ready,
  recovered,
} from '../../protocol/register/acceptor.ts'
import { collect, install } from '../../protocol/register/copy.ts'
import { identityProposer } from '../../protocol/register/identity-proposer.ts'
import { RegisterProposer } from '../../protocol/register/proposer.ts'
import { type ProposerOptions } from '../../protocol/register/proposer-options.ts'
import { majority } from '../../protocol/register/quorum.ts'
import { Reader, type ReaderOptions } from '../../protocol/register/read.ts'
import type {
  PriorBallot,
  ProposerOutcome,
  ReaderOutcome,
  Step,
} from '../../protocol/register/step.ts'
import type { Accepted, RegisterReply, RegisterRequest } from '../../protocol/register/types.ts'
import type { NodeId } from '../../protocol/ids.ts'

export interface KernelMachine<Outcome> {
  start(): Step<Outcome>
  onReply(from: NodeId, request: RegisterRequest, reply: RegisterReply): Step<Outcome>
  onFailure(from: NodeId, request: RegisterRequest, maybeDelivered: boolean): Step<Outcome>
  onBackoffOver(): Step<Outcome>
  giveUp(): Outcome
}

export interface Rules {
  readonly handle: (state: AcceptorState, env: AcceptorEnv, request: RegisterRequest) => Ready
  readonly recovered: (accepted: Accepted | undefined, mark: number) => AcceptorState
  readonly install: typeof install
  readonly collect: typeof collect
  readonly proposer: (options: ProposerOptions) => KernelMachine<ProposerOutcome>
  readonly identity: (
    options: Parameters<typeof identityProposer>[0],
  ) => KernelMachine<ProposerOutcome>
  readonly reader: (options: ReaderOptions) => KernelMachine<ReaderOutcome>
  /** A1: false sends replies while their flush is under way. */
  readonly flushFirst: boolean
  /** P1: the boot number that goes into the proposer's id. */
  readonly bootOf: (boot: number) => number
  /** P2: the cached ballot to use in `epoch`. */
  readonly prior: (prior: PriorBallot, epoch: number) => PriorBallot | undefined
  /** P1: false keeps the cached ballot after an operation that used it without a quorum. */
  readonly forgetPrior: boolean
  /** P4: true runs an operation again, as if new, when its outcome is unknown. */
  readonly retryUnknown: boolean
  /** G2: how many replicas must hold the tombstone before it is collected. */
  readonly collectAfter: (setSize: number) => number
  /** G5: false takes every attempt for over. */
  readonly askAttempt: boolean
  /** G5: what has to find no reference. `change` writes a tombstone where there is nothing. */
  readonly freeAfter: 'change' | 'identity' | 'read'
  /** G5: false frees what a change removes before that change is chosen. */
  readonly fenceFirst: boolean
  /** L2: false goes from STABLE to STABLE. */
  readonly joint: boolean
  /** L5: how many members of P a sync asks; whether survivors sync at all. */
  readonly syncSources: (setSize: number) => number
  readonly survivorsSync: boolean
  /** L6. */
  readonly stopLateSync: boolean
  /** L9. */
  readonly discardOnEntry: boolean
  /** L9: false keeps what was pulled in a run of PLANNED entries that came to nothing. */
  readonly discardHeadStart: boolean
  /** L9: false forgets in a crash that it still has to discard. */
  readonly discardSurvivesCrash: boolean
  /** L1. */
  readonly decidedBy: 'stable' | 'next'
  /** L1b. */
  readonly learnersVote: boolean
  /** How many answers a learner waits for before it copies what they agree on. */
  readonly headStartSources: (setSize: number) => number
  /** L4: true sends what was begun in one epoch under the next one. */
  readonly stampLate: boolean
  /** L5: false counts what was synced in an earlier JOINT. */
  readonly syncedOnce: boolean
  /** L7. */
  readonly needSynced: (setSize: number) => number
  /** L5: what a sync carries beside registers. `removal`: what P has collected is not kept either. */
  readonly carries: {
    readonly floor: boolean
    readonly minimum: boolean
    readonly mark: boolean
    readonly removal: boolean
  }
  /** L5: false lists what is flushed, while more is under way. */
  readonly summaryWaits: boolean
  /** L6b: false answers what was begun in an earlier epoch. */
  readonly recheckEpoch: boolean
  /** L8: false drops registers without asking how many hold the epoch. */
  readonly dropAfterEpochIsHeld: boolean
  /** L8: false drops blocks as soon as the node is no member, source or not. */
  readonly dropAfterCopies: boolean
  /** L5: how many nodes of a source are asked what they hold. */
  readonly wholeSources: (setSize: number) => number
  /** L5: how many members must be whole before a source is dropped. */
  readonly wholeMembers: (setSize: number) => number
  /** L5: false asks members only for a block. */
  readonly readsAskSources: boolean
  /** G2: true collects in PLANNED too. */
  readonly collectInPlanned: boolean
  /** G5: when the attempts of a node that left are over. */
  readonly attemptsOfLeft: 'settled' | 'decided'
  /** G5: false takes up again, once back in the cluster, what was begun before it was out. */
  readonly giveUpWhenOut: boolean
  /** D1: false lets an empty disk vote under the id of the lost one. */
  readonly newStorageId: boolean
  /** D2: false lets a restored old image vote. */
  readonly refuseOldImage: boolean
}

export const RULES: Rules = {
  handle,
  recovered,
  install,
  collect,
  proposer: (options) => new RegisterProposer(options),
  identity: identityProposer,
  reader: (options) => new Reader(options),
  flushFirst: true,
  bootOf: (boot) => boot,
  prior: (prior, epoch) => (prior.epoch === epoch ? prior : undefined),
  forgetPrior: true,
  retryUnknown: false,
  collectAfter: (setSize) => setSize,
  askAttempt: true,
  freeAfter: 'change',
  fenceFirst: true,
  joint: true,
  syncSources: majority,
  survivorsSync: true,
  stopLateSync: true,
  discardOnEntry: true,
  discardHeadStart: true,
  discardSurvivesCrash: true,
  decidedBy: 'stable',
  learnersVote: false,
  headStartSources: majority,
  stampLate: false,
  syncedOnce: true,
  needSynced: majority,
  carries: { floor: true, minimum: true, mark: true, removal: true },
  summaryWaits: true,
  recheckEpoch: true,
  dropAfterEpochIsHeld: true,
  dropAfterCopies: true,
  wholeSources: majority,
  wholeMembers: majority,
  readsAskSources: true,
  collectInPlanned: false,
  attemptsOfLeft: 'settled',
  giveUpWhenOut: true,
  newStorageId: true,
  refuseOldImage: true,
}
