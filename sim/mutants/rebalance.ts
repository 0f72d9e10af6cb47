/** Breaks of moving registers while the layout changes: L1b, L5, L6, L9. */

import { LayoutView } from '../../protocol/layout/view.ts'
import { LayoutManager } from '../../node/layout/layout-manager.ts'
import { AcceptorHost } from '../../node/replica/acceptor-host.ts'
import { RegisterRemovals } from '../../node/replica/register-removals.ts'
import { Copier } from '../../node/rebalance/copier.ts'
import { Copy } from '../../node/rebalance/copy.ts'
import { Entering } from '../../node/rebalance/entering.ts'
import { MoveFile } from '../../node/rebalance/move-file.ts'
import { Witness } from '../../node/rebalance/witness.ts'
import type { NodeMutant } from './mutant.ts'
import {
  endedRun,
  faultyWitness,
  floorCarried,
  lateCopy,
  learnersVote,
  minimumCarried,
  oneSource,
  promiseForgotten,
  returning,
  survivorBehind,
  syncedBefore,
  unchosenPair,
} from './rebalance-scenarios.ts'

export const REBALANCE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'sync-from-one-source',
    rule: 'L5',
    breaks: 'a sync asks only one member of P what it has',
    by: 'a member of P that has missed a write, and is the only one that answers',
    scenario: oneSource,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => patches.method(Copier.prototype, 'needed', () => () => 1),
  },
  {
    name: 'survivors-count-as-synced',
    rule: 'L5',
    breaks: 'a member of P′ that was in P counts as synced from the start',
    by: 'a member of P and P′ that has missed a write',
    scenario: survivorBehind,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Copier.prototype,
        'judge',
        (original) =>
          function (this: Copier, mine, summaries, need) {
            const real = original.call(this, mine, summaries, need)
            return this.isOwn(summaries) ? 'level' : real
          },
      )
    },
  },
  {
    name: 'unchosen-pair-copied',
    rule: 'L5',
    breaks: 'where states differ, the highest is copied without an identity change',
    by: 'an accept that only one member of P has',
    scenario: unchosenPair,
    caughtAs: /what was not chosen/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Copy.prototype,
        'agreed',
        () => (pairs) => pairs.toSorted((a, b) => b.ballot.counter - a.ballot.counter)[0]?.ballot,
      )
    },
  },
  {
    name: 'promises-not-carried',
    rule: 'A1',
    breaks: 'a member of P′ has synced without a mark above the promises of P',
    by: 'promises of P, and a lower ballot afterwards',
    scenario: promiseForgotten,
    caughtAs: /promises less than/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Copier.prototype, 'raiseMark', () => () => Promise.resolve())
    },
  },
  {
    name: 'floor-not-carried',
    rule: 'L5',
    breaks: 'a member of P′ has synced without the floors of P',
    by: 'a register that was collected before',
    scenario: floorCarried,
    caughtAs: /another floor/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Copier.prototype, 'raiseFloors', () => () => Promise.resolve())
    },
  },
  {
    name: 'minima-not-carried',
    rule: 'T8',
    breaks: 'a member of P′ has synced without the bucket minima of P',
    by: 'a bucket that was written to before',
    scenario: minimumCarried,
    caughtAs: /another minimum/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Copy.prototype, 'minima', () => () => Promise.resolve())
    },
  },
  {
    name: 'faulty-member-tells',
    rule: 'R3',
    breaks:
      'a member of P answers a sync about a partition in which a register of its own is FAULTY',
    by: 'a register of which the other copy is FAULTY',
    scenario: faultyWitness,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => patches.method(Witness.prototype, 'isFaulty', () => () => false),
  },
  {
    name: 'late-copy',
    rule: 'L6',
    breaks: 'a state that was read in an earlier epoch is installed',
    by: 'states that arrive when the plan was abandoned',
    scenario: (play) => lateCopy()(play),
    caughtAs: /in an epoch that is over/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        AcceptorHost.prototype,
        'learn',
        (original) =>
          function (this: AcceptorHost, key, chosen) {
            return original.call(this, key, chosen)
          },
      )
    },
  },
  {
    name: 'synced-for-good',
    rule: 'L6',
    breaks: 'what was synced at one JOINT epoch counts at the next',
    by: 'a JOINT that was abandoned, and another one',
    scenario: syncedBefore,
    caughtAs: /without a word of P/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        MoveFile.prototype,
        'addSynced',
        (original) =>
          function (this: MoveFile, _epoch, partitions) {
            return original.call(this, 1, partitions)
          },
      )
      patches.method(
        MoveFile.prototype,
        'isSynced',
        (original) =>
          function (this: MoveFile, _epoch, partition) {
            return original.call(this, 1, partition)
          },
      )
    },
  },
  {
    name: 'left-over-kept',
    rule: 'L9',
    breaks: 'a node that enters a partition again keeps the registers of an earlier time',
    by: 'a value that was deleted and collected while the node was out',
    scenario: returning,
    caughtAs: /is back/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(RegisterRemovals.prototype, 'drop', () => () => Promise.resolve(false))
    },
  },
  {
    name: 'entries-passed-over',
    rule: 'L9',
    breaks: 'when several entries are adopted at once, only the last one is looked at',
    by: 'a learner that hears of the end of a plan and of the next one at once',
    scenario: endedRun,
    caughtAs: /is back/,
    seedsMax: 1,
    patch: (patches) => {
      // The end of a plan would have to be among them.
      patches.method(Entering.prototype, 'followGap', () => () => {})
      patches.method(
        Entering.prototype,
        'unseen',
        (original) =>
          function (this: Entering) {
            return original.call(this).slice(-1)
          },
      )
    },
  },
  {
    name: 'learners-vote',
    rule: 'L1b',
    breaks: 'learners vote and count while the layout is PLANNED',
    by: 'a member and two learners without the rest of P',
    scenario: learnersVote,
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        LayoutManager.prototype,
        'isMember',
        (original) =>
          function (this: LayoutManager) {
            return original.call(this) || this.current()?.state === 'PLANNED'
          },
      )
      patches.method(
        LayoutView.prototype,
        'replicaSets',
        (original) =>
          function (this: LayoutView, partition) {
            const sets = original.call(this, partition)
            if (this.state !== 'PLANNED') return sets
            return [[...new Set([...sets[0]!, ...this.nextPlacement!.replicas(partition)])]]
          },
      )
    },
  },
]
