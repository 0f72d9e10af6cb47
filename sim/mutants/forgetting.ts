/** Breaks of D2 and D8: a node that has lost records, or has come back from an old copy, and does not know it. */

import type { DiskFile } from '../../node/env/ports.ts'
import { Forgotten, FORGOTTEN_FILE } from '../../node/repair/forgotten.ts'
import { Recall } from '../../node/repair/recall.ts'
import { Sightings } from '../../node/replica/sightings.ts'
import { damagedThen, lostMark, onlyHere, restoredImage } from './forgetting-scenarios.ts'
import type { NodeMutant } from './mutant.ts'
import { withMethods } from '../testing/changed-ports.ts'

export const FORGETTING_MUTANTS: readonly NodeMutant[] = [
  {
    name: 'forgetting-not-written',
    rule: 'D8',
    breaks: 'a node that has lost records remembers that only until its next start',
    by: 'a value of which the other copy is away, and two starts',
    scenario: damagedThen('restart'),
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    adapt: (environment) => {
      const { disk } = environment
      const lying = (file: DiskFile): DiskFile =>
        withMethods(file, { write: () => Promise.resolve(), flush: () => Promise.resolve() })
      return {
        ...environment,
        disk: withMethods(disk, {
          open: async (path, mode) => {
            const file = await disk.open(path, mode)
            return path === FORGOTTEN_FILE ? lying(file) : file
          },
        }),
      }
    },
  },
  {
    name: 'repaired-before-compared',
    rule: 'D8',
    breaks: 'damage counts as repaired as soon as it is known, before the replicas were compared',
    by: 'a value of which the other copy is away, and an index that is rebuilt',
    scenario: damagedThen('rebuild'),
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Forgotten.prototype, 'isRepaired', () => () => true)
    },
  },
  {
    name: 'cleared-by-one-replica',
    rule: 'D8',
    breaks: 'a node that has lost records votes again after it was compared with one replica',
    by: 'a value of which the other copy is away',
    scenario: damagedThen('restarts'),
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(
        Recall.prototype,
        'isEnough',
        () => (_view, _partition, peers) => peers.size > 0,
      )
    },
  },
  {
    name: 'lost-mark-stays-low',
    rule: 'A1',
    breaks: 'a node whose mark is damaged goes on with a lower one',
    by: 'the mark before and after',
    scenario: lostMark,
    caughtAs: /the mark fell/,
    seedsMax: 1,
    patch: (patches) => {
      patches.getter(Forgotten.prototype, 'mustRaiseMark', () => false)
    },
  },
  {
    name: 'others-forget-how-far-a-node-was',
    rule: 'D2',
    breaks:
      'peers do not remember the boot number and the log position that they last saw of a node',
    by: 'an old copy of a data directory, and a value of which the other copy is away',
    scenario: restoredImage(false),
    caughtAs: /is lost|known to be present/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Sightings.prototype, 'note', () => () => Promise.resolve(undefined))
    },
  },
  {
    name: 'keeps-what-was-collected',
    rule: 'D8',
    breaks: 'a node that has lost removals keeps the registers that no other replica has',
    by: 'a key that was deleted and forgotten by all, and an old copy of a data directory',
    scenario: onlyHere,
    caughtAs: /is back|known to be|absent/,
    seedsMax: 1,
    patch: (patches) => {
      patches.method(Recall.prototype, 'discard', () => () => Promise.resolve())
    },
  },
]
