/** Breaks of P4 on full disks. */

import { AcceptTally } from '../../node/quorum/accept-tally.ts'
import { CONFLICT, FULL, outcomeOf, TIMEOUT } from '../testing/scripted-replicas.ts'
import type { NodeMutant, MutantScenario } from './mutant.ts'

/** It is not known whether a first accept was stored. The second one finds no room on any replica. */
const fullAfterAccept: MutantScenario = async () => {
  const outcome = await outcomeOf([
    [TIMEOUT, CONFLICT, CONFLICT],
    [FULL, FULL, FULL],
  ])
  return outcome === 'Unavailable' ? [] : [`answered ${outcome}, and it may be stored (P4)`]
}

export const FULL_MUTANTS: readonly NodeMutant[] = [
  {
    name: '507-after-stored-accept',
    rule: 'P4',
    breaks: 'a full disk is answered with 507 although an earlier accept may have been stored',
    by: 'replicas that answer by script',
    scenario: fullAfterAccept,
    caughtAs: /answered InsufficientStorage/,
    seedsMax: 1,
    patch: (patches) => {
      patches.getter(AcceptTally.prototype, 'mayBeStored', () => false)
    },
  },
]
