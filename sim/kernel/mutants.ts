/**
 * Deliberate breaks of single rules, by name, for the kernel simulation. Each is the real protocol with
 * one piece replaced (sim/kernel/rules.ts); the checker must catch every one of them, or it would not
 * notice the same mistake made by accident.
 */

import { compareBallots, ZERO_BALLOT } from '../../protocol/register/ballot.ts'
import { handle, type Ready } from '../../protocol/register/acceptor.ts'
import { membersOf } from '../../protocol/register/quorum.ts'
import type { AcceptorState } from '../../protocol/register/acceptor.ts'
import type { ReplicaSets } from '../../protocol/register/types.ts'
import { survivorHoldsUnchosen } from './directed.ts'
import { HastyProposer } from './hasty-proposer.ts'
import { LAYOUT_MUTANTS } from './layout-mutants.ts'
import { HighestReader, SameValueReader } from './naive-readers.ts'
import { type Rules, RULES } from './rules.ts'
import type { KernelScenario } from './scenario.ts'

export interface Mutant {
  readonly name: string
  /** The rule of docs/correctness.md that it breaks. */
  readonly rule: string
  readonly rules: Rules
  /** Where the break shows soonest. */
  readonly focus: Partial<KernelScenario>
  /** Caught within so many seeds, or the checker is blind. */
  readonly seedsMax: number
  /** Played instead of seeds: what random ones meet too seldom. */
  readonly directed?: (rules: Rules) => readonly string[]
}

/** They take a second or more each, so `npm test` leaves them to `npm run sim:kernel -- --mutants`. */
export const SLOW_MUTANTS: ReadonlySet<string> = new Set([
  'attempt-resumed-after-leaving',
  'attempts-over-before-epoch',
  'entering-forgotten-in-crash',
  'epoch-ignored',
  'free-upon-a-read',
  'repeated-accept-promises-nothing',
])

const BUSY: Partial<KernelScenario> = { keys: 1, clients: 4, thinkMax: 2 }
const LOSSY: Partial<KernelScenario> = { ...BUSY, lossPermille: 150, latePermille: 100 }
const CRASHES: Partial<KernelScenario> = { ...BUSY, crashEvery: 40, lossPermille: 50 }
/** One replica, and nothing lost on the way: only crashes matter. */
const ALONE: Partial<KernelScenario> = {
  ...BUSY,
  replicas: 1,
  crashEvery: 30,
  lossPermille: 0,
  markStep: 1,
  spares: 2,
  layoutEvery: 40,
  hasty: true,
  diskEvery: 0,
  bucketEvery: 0,
}
const MOVING: Partial<KernelScenario> = {
  ...BUSY,
  replicas: 3,
  spares: 2,
  layoutEvery: 20,
  hasty: true,
  lossPermille: 50,
  latePermille: 100,
}
const COLLECTING: Partial<KernelScenario> = {
  ...BUSY,
  replicas: 3,
  collectEvery: 8,
  deletes: 30,
  puts: 20,
  conditional: 20,
  lossPermille: 50,
  latePermille: 100,
}

const COPYING: Partial<KernelScenario> = { ...COLLECTING, repairEvery: 4, latePermille: 200 }
/** One replica, much twice, answers late. */
const DOUBLED: Partial<KernelScenario> = {
  keys: 1,
  clients: 8,
  thinkMax: 2,
  puts: 95,
  conditional: 0,
  deletes: 0,
  replicas: 1,
  spares: 1,
  layoutEvery: 0,
  collectEvery: 0,
  repairEvery: 0,
  crashEvery: 0,
  cutEvery: 0,
  lossPermille: 0,
  duplicatePermille: 500,
  latePermille: 400,
}
/** The whole set changes and registers start again below ballots that a proposer still remembers. */
const REBORN: Partial<KernelScenario> = {
  ...DOUBLED,
  clients: 2,
  thinkMax: 40,
  horizon: 2000,
  puts: 50,
  deletes: 50,
  spares: 3,
  layoutEvery: 30,
  hasty: true,
  collectEvery: 2,
  duplicatePermille: 0,
  latePermille: 0,
}
/** Late accepts meet copies of themselves. */
const SWAPPING: Partial<KernelScenario> = {
  ...DOUBLED,
  clients: 4,
  puts: 90,
  replicas: 2,
  spares: 2,
  joiners: 0,
  dataPermille: 0,
  bucketEvery: 0,
  diskEvery: 0,
  layoutEvery: 8,
  hasty: true,
  duplicatePermille: 100,
  latePermille: 200,
}
/** Layouts come and go, and with them values that are deleted and collected, while a sync pauses. */
const STALLING: Partial<KernelScenario> = {
  ...COLLECTING,
  replicas: 2,
  spares: 1,
  layoutEvery: 20,
  hasty: true,
  collectEvery: 4,
  deletes: 50,
  puts: 40,
  conditional: 0,
  lossPermille: 0,
  latePermille: 200,
  crashEvery: 0,
  cutEvery: 0,
  stallMax: 400,
}
/** Blocks are freed all the time, and much is late. */
const FREEING: Partial<KernelScenario> = {
  ...BUSY,
  replicas: 3,
  spares: 0,
  layoutEvery: 0,
  collectEvery: 0,
  freeEvery: 4,
  blockPermille: 900,
  lossPermille: 50,
  latePermille: 200,
  deletes: 20,
  puts: 40,
}
/** Few writes, so that registers are still absent when their blocks are asked about. */
const SPARSE: Partial<KernelScenario> = {
  ...FREEING,
  thinkMax: 60,
  lossPermille: 200,
  horizon: 300,
}

const NOTHING_BESIDE = { floor: false, minimum: false, mark: false, removal: false }

export const MUTANTS: readonly Mutant[] = [
  mutant('promise-lost-in-crash', 'A1', CRASHES, {
    recovered: (accepted) => ({ promised: accepted?.ballot ?? ZERO_BALLOT, accepted }),
  }),
  mutant('reply-before-flush', 'A1', CRASHES, { flushFirst: false }),
  mutant('prepare-ignores-promised', 'A2', BUSY, {
    handle: (state, env, request) =>
      handle(request.type === 'prepare' ? unpromised(state) : state, env, request),
  }),
  mutant('accept-below-promised', 'A3', BUSY, {
    handle: (state, env, request) => {
      const blind = request.type === 'accept' ? unpromised(state) : state
      return keepPromise(state, handle(blind, env, request))
    },
  }),
  mutant('accept-leaves-promised', 'A3', BUSY, {
    handle: (state, env, request) => {
      const ready = handle(state, env, request)
      if (request.type !== 'accept' || !ready.state) return ready
      return { ...ready, state: { ...ready.state, promised: state.promised } }
    },
  }),
  mutant('accepts-without-blocks', 'A5', LOSSY, {
    handle: (state, env, request) => handle(state, { ...env, holdsBlock: () => true }, request),
  }),
  // Where a sync carries marks and floors no ballot comes again, so that two guards have to fail.
  mutant('boot-not-in-proposer', 'P1', ALONE, { bootOf: () => 0, carries: NOTHING_BESIDE }),
  mutant('cached-ballot-after-timeout', 'P1', LOSSY, { forgetPrior: false }),
  mutant('cached-ballot-across-epochs', 'P2', REBORN, {
    prior: (prior, epoch) => ({ ...prior, epoch }),
  }),
  mutant('failed-condition-unchosen', 'P3', LOSSY, {
    proposer: (options) => new HastyProposer(options),
  }),
  mutant('blind-retry', 'P4', LOSSY, { retryUnknown: true }),
  mutant('read-highest', 'R1', LOSSY, { reader: (options) => new HighestReader(options) }),
  mutant('read-compares-values', 'R1', LOSSY, {
    reader: (options) => new SameValueReader(options),
  }),
  mutant('joint-is-union', 'L3', MOVING, {
    proposer: (options) => RULES.proposer({ ...options, sets: union(options.sets) }),
    identity: (options) => RULES.identity({ ...options, sets: union(options.sets) }),
    reader: (options) => RULES.reader({ ...options, sets: union(options.sets) }),
  }),
  mutant('no-joint', 'L2', MOVING, { joint: false }),
  mutant('epoch-ignored', 'L4', MOVING, {
    handle: (state, env, request) => handle(state, { ...env, epoch: request.epoch }, request),
  }),
  mutant('sync-from-one', 'L5', MOVING, { syncSources: () => 1 }),
  mutant('survivors-not-synced', 'L5', MOVING, { survivorsSync: false }),
  mutant('stale-registers-kept', 'L9', STALLING, { discardOnEntry: false }),
  mutant('collect-after-majority', 'G2', COLLECTING, {
    collectAfter: (setSize) => (setSize >> 1) + 1,
  }),
  mutant('collect-without-floor', 'G2', COLLECTING, {
    collect: (state, floor, ballot) => {
      const collected = RULES.collect(state, floor, ballot)
      return collected && { state: { promised: ZERO_BALLOT }, floor }
    },
  }),
  mutant('copy-below-floor', 'G3', COPYING, {
    install: (state, _floor, chosen) => RULES.install(state, ZERO_BALLOT, chosen),
  }),
  mutant('free-before-fence', 'G5', FREEING, { fenceFirst: false }),
  mutant('free-upon-a-read', 'G5', FREEING, { freeAfter: 'read' }),
  mutant('free-upon-a-promise', 'G5', SPARSE, { freeAfter: 'identity' }),
  mutant('attempt-not-asked', 'G5', FREEING, { askAttempt: false }),
  mutant('late-sync', 'L6', STALLING, { stopLateSync: false }),
  mutant('absence-taken-for-proof', 'P4', COLLECTING, {
    handle: (state, env, request) => {
      const ready = handle(state, env, request)
      if (ready.reply.type !== 'promised') return ready
      return { ...ready, reply: { ...ready.reply, floor: undefined } }
    },
  }),
  mutant('refusal-taken-for-never', 'P4', DOUBLED, {
    handle: (state, env, request) => {
      const ready = handle(state, env, request)
      if (ready.reply.type !== 'conflict' || request.type !== 'accept') return ready
      return { ...ready, reply: { ...ready.reply, never: true } }
    },
  }),
  mutant('repeated-accept-promises-nothing', 'P2', SWAPPING, {
    // What a sync carries would hide it.
    carries: NOTHING_BESIDE,
    handle: (state, env, request) => {
      const ready = handle(state, env, request)
      const again = request.type === 'accept' && state.accepted?.ballot
      if (!again || !ready.persist || compareBallots(again, request.ballot) !== 0) return ready
      const { state: _state, reserve: _reserve, ...rest } = ready
      return rest
    },
  }),
  ...LAYOUT_MUTANTS.map(({ name, rule, focus, broken }) => mutant(name, rule, focus, broken)),
  {
    ...mutant(
      'mark-not-carried',
      'L5',
      {},
      {
        carries: { floor: true, minimum: true, mark: false, removal: true },
      },
    ),
    directed: survivorHoldsUnchosen,
  },
]

export function findMutant(name: string): Mutant | undefined {
  return MUTANTS.find((mutant) => mutant.name === name)
}

function mutant(
  name: string,
  rule: string,
  focus: Partial<KernelScenario>,
  broken: Partial<Rules>,
  seedsMax = 20_000,
): Mutant {
  return { name, rule, focus, rules: { ...RULES, ...broken }, seedsMax }
}

function unpromised({ accepted }: AcceptorState): AcceptorState {
  return { promised: accepted?.ballot ?? ZERO_BALLOT, accepted }
}

function keepPromise(before: AcceptorState, ready: Ready): Ready {
  if (!ready.state || compareBallots(ready.state.promised, before.promised) >= 0) return ready
  return { ...ready, state: { ...ready.state, promised: before.promised } }
}

function union(sets: ReplicaSets): ReplicaSets {
  return [membersOf(sets)]
}
