/** Breaks of how blocks move while the layout changes, and of what is freed afterwards: L5, L6, L8. */

import { movedEntry } from '../../protocol/layout/transition.ts'
import { MovedStep } from '../../node/layout/moved-step.ts'
import { BlockDrop } from '../../node/rebalance/block-drop.ts'
import { BlockMover } from '../../node/rebalance/block-mover.ts'
import { Peers } from '../../node/quorum/peers.ts'
import { lateWhole, sourceKeeps, sourceLeaves } from './moves-scenarios.ts'
import type { NodeMutant } from './mutant.ts'

export const MOVE_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'source-dropped-too-soon',
    rule: 'L5',
    breaks: 'a source is over before its blocks have moved',
    by: 'the only holder of some blocks, which is drained and then switched off',
    scenario: sourceLeaves,
    caughtAs: /is lost/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        MovedStep.prototype,
        'next',
        () => (layout) =>
          Promise.resolve(layout.sources[0] && movedEntry(layout.entry, layout.sources[0].epoch)),
      )
    },
  },
  {
    name: 'source-frees-too-soon',
    rule: 'L8',
    breaks:
      'a source frees blocks of partitions that it no longer holds, without asking whether the new holders have them',
    by: 'a source whose blocks have not moved',
    scenario: sourceKeeps,
    caughtAs: /is lost/,
    seedsMax: 1,
    patch: (patches) => {
      // Either guard alone is enough.
      patches.method(BlockDrop.prototype, 'asked', () => () => new Set())
      patches.method(
        Peers.prototype,
        'holds',
        () => (_to, _epoch, keys) => Promise.resolve(keys.map(() => true)),
      )
    },
  },
  {
    name: 'late-whole-bit',
    rule: 'L6',
    breaks: 'a partition that was compared in an epoch which is over counts as whole',
    by: 'a list of blocks that arrives when the node no longer holds the partition',
    scenario: lateWhole(),
    caughtAs: /says that it is whole/,
    seedsMax: 1,
    patch: (patches) => patches.method(BlockMover.prototype, 'isPast', () => () => false),
  },
]
