/** Deliberate breaks of the rules on changes of the layout with data (L1-L9, D1, D2, T8, G5), see sim/kernel/mutants.ts. */

import type { Rules } from './rules.ts'
import type { KernelScenario } from './scenario.ts'

export interface LayoutMutant {
  readonly name: string
  readonly rule: string
  readonly focus: Partial<KernelScenario>
  readonly broken: Partial<Rules>
}

const CARRIED = { floor: true, minimum: true, mark: true, removal: true }

/** Every kind of change, one after the other. */
const CHANGING: Partial<KernelScenario> = {
  keys: 1,
  clients: 4,
  thinkMax: 2,
  replicas: 3,
  spares: 1,
  joiners: 6,
  layoutEvery: 10,
  hasty: false,
  lossPermille: 50,
  latePermille: 100,
  dataPermille: 0,
  bucketEvery: 0,
  freeEvery: 0,
}
/** Values are deleted and collected between plans that come to nothing. */
const COLLECTING: Partial<KernelScenario> = {
  ...CHANGING,
  layoutEvery: 25,
  abandonPermille: 500,
  collectEvery: 4,
  deletes: 50,
  puts: 40,
  conditional: 0,
  spares: 2,
  replicas: 2,
  crashEvery: 0,
  cutEvery: 0,
  diskEvery: 0,
  lossPermille: 0,
}
const LOSING: Partial<KernelScenario> = { ...CHANGING, diskEvery: 40, joiners: 8, horizon: 1500 }
const BUCKETS: Partial<KernelScenario> = {
  ...CHANGING,
  bucketEvery: 10,
  hasty: true,
  replicas: 1,
  spares: 3,
  thinkMax: 20,
}
/** Blocks move all the time, whole sets at once. */
const MOVING: Partial<KernelScenario> = {
  ...CHANGING,
  hasty: true,
  spares: 3,
  layoutEvery: 15,
  dataPermille: 1000,
  deletes: 0,
  puts: 60,
  conditional: 0,
  thinkMax: 20,
}
/** Flushes take as long as changes do. */
const SLOW: Partial<KernelScenario> = {
  ...MOVING,
  latePermille: 200,
  toldPermille: 300,
  flushMax: 60,
  layoutEvery: 8,
  thinkMax: 2,
}
/** Whole sets change, and registers start again. */
const REBORN: Partial<KernelScenario> = {
  ...COLLECTING,
  replicas: 1,
  spares: 3,
  layoutEvery: 30,
  hasty: true,
  collectEvery: 2,
  clients: 2,
  thinkMax: 40,
  horizon: 2000,
}
/** Nodes leave while they write, and what they have written is freed. */
const LEAVING: Partial<KernelScenario> = {
  ...CHANGING,
  freeEvery: 3,
  blockPermille: 900,
  latePermille: 200,
  toldPermille: 100,
  layoutEvery: 30,
}
/** Joiners that are out again after a JOINT that was abandoned, and in again with the next plan. */
const BACK: Partial<KernelScenario> = {
  ...LEAVING,
  clients: 8,
  replicas: 1,
  spares: 0,
  joiners: 2,
  toldPermille: 1000,
  abandonPermille: 200,
  layoutEvery: 4,
  lossPermille: 100,
  crashEvery: 0,
  diskEvery: 0,
}
/** One replica, and joiners whose disks are lost at once. */
const FRAGILE: Partial<KernelScenario> = {
  ...CHANGING,
  replicas: 1,
  spares: 2,
  diskEvery: 15,
  layoutEvery: 12,
}

export const LAYOUT_MUTANTS: readonly LayoutMutant[] = [
  mutant('learner-votes', 'L1b', CHANGING, { learnersVote: true }),
  mutant('entry-decided-by-next', 'L1', FRAGILE, { decidedBy: 'next' }),
  mutant('head-start-unchosen', 'L1b', CHANGING, { headStartSources: () => 1 }),
  mutant('head-start-kept', 'L9', COLLECTING, { discardHeadStart: false }),
  mutant(
    'entering-forgotten-in-crash',
    'L9',
    { ...REBORN, replicas: 2, crashEvery: 40 },
    {
      discardSurvivesCrash: false,
    },
  ),
  mutant('collects-in-planned', 'G2', COLLECTING, { collectInPlanned: true }),
  mutant('promise-kept-across-epochs', 'L4', CHANGING, { stampLate: true }),
  mutant('synced-in-another-epoch', 'L5', CHANGING, { syncedOnce: false }),
  mutant('stable-after-one-synced', 'L7', CHANGING, { needSynced: () => 1 }),
  mutant('floor-not-carried', 'L5', REBORN, {
    // Marks are higher than most floors.
    carries: { ...CARRIED, floor: false, mark: false },
  }),
  mutant('minimum-not-carried', 'L5', BUCKETS, { carries: { ...CARRIED, minimum: false } }),
  mutant('epoch-not-checked-after-flush', 'L6b', SLOW, {
    // What is listed for a sync waits for what is under way: the other guard.
    recheckEpoch: false,
    summaryWaits: false,
  }),
  mutant('registers-dropped-early', 'L8', CHANGING, { dropAfterEpochIsHeld: false }),
  mutant('blocks-dropped-early', 'L8', MOVING, { dropAfterCopies: false }),
  mutant('source-dropped-early', 'L5', MOVING, { wholeMembers: () => 0 }),
  mutant('whole-after-one', 'L5', MOVING, { wholeSources: () => 1 }),
  mutant('sources-not-read', 'L5', MOVING, { readsAskSources: false }),
  mutant('attempts-over-before-epoch', 'G5', LEAVING, { attemptsOfLeft: 'decided' }),
  mutant('attempt-resumed-after-leaving', 'G5', BACK, { giveUpWhenOut: false }),
  mutant('old-storage-id-votes', 'D1', LOSING, { newStorageId: false }),
  mutant('old-image-votes', 'D2', LOSING, { refuseOldImage: false }),
]

function mutant(
  name: string,
  rule: string,
  focus: Partial<KernelScenario>,
  broken: Partial<Rules>,
): LayoutMutant {
  return { name, rule, focus, broken }
}
