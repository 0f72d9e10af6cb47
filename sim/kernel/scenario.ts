/** What one seed plays: sizes, rates and lengths, all drawn from the seed. Times are ticks. */

import type { KernelRandom } from './random.ts'

export interface KernelScenario {
  readonly replicas: number
  /** Members of the cluster beyond the first replica set. */
  readonly spares: number
  /** Nodes that may join later, each with a storage id of its own. */
  readonly joiners: number
  readonly keys: number
  readonly clients: number
  /** Length of the phase with faults. */
  readonly horizon: number
  readonly lossPermille: number
  readonly duplicatePermille: number
  /** Messages that take long. */
  readonly latePermille: number
  /** How long a node may pause between an answer and what it does with it. */
  readonly stallMax: number
  /** Mean ticks between faults of each kind; 0 is never. */
  readonly crashEvery: number
  readonly cutEvery: number
  readonly layoutEvery: number
  /** Seats are swapped at once, without PLANNED, and sources go as soon as they may. */
  readonly hasty: boolean
  /** How often a plan is given up when one looks at it. */
  readonly abandonPermille: number
  /** Share of nodes that are told of an entry when it is decided; the others hear of it some time. */
  readonly toldPermille: number
  /** Longest flush. */
  readonly flushMax: number
  /** Disks are lost, old images restored, nodes are gone for long. */
  readonly diskEvery: number
  /** The bucket's record changes (T8). */
  readonly bucketEvery: number
  readonly collectEvery: number
  readonly repairEvery: number
  /** Blocks are asked about, and freed (G5). */
  readonly freeEvery: number
  /** Writes that name a block of their own. */
  readonly blockPermille: number
  /** Writes whose bytes are in a block beside the register (P7). */
  readonly dataPermille: number
  /** How far one reservation raises the mark above what is needed (A1). */
  readonly markStep: number
  /** Longest pause of a client between operations. */
  readonly thinkMax: number
  /** Shares of operations, out of 100; the rest are reads. */
  readonly puts: number
  readonly conditional: number
  readonly deletes: number
}

export function drawScenario(
  random: KernelRandom,
  focus: Partial<KernelScenario> = {},
): KernelScenario {
  const layout = random.chance(450)
  const calm = random.chance(150)
  const collecting = random.chance(400)
  const buckets = random.chance(300)
  return {
    replicas: random.chance(750) ? 3 : random.pick([1, 2, 4, 5, 5]),
    spares: layout ? random.int(3) : 0,
    joiners: layout ? 1 + random.int(5) : 0,
    keys: 1 + random.int(2),
    clients: 2 + random.int(3),
    horizon: 600 + random.int(600),
    lossPermille: calm ? 0 : random.pick([0, 10, 50, 150]),
    duplicatePermille: calm ? 0 : random.pick([0, 20, 100]),
    latePermille: calm ? 0 : random.pick([0, 20, 100]),
    stallMax: 200,
    crashEvery: calm || random.chance(300) ? 0 : 60 + random.int(300),
    cutEvery: calm || random.chance(600) ? 0 : 100 + random.int(300),
    layoutEvery: layout ? 15 + random.int(40) : 0,
    hasty: random.chance(100),
    abandonPermille: random.pick([50, 100, 400]),
    toldPermille: random.pick([1000, 1000, 500]),
    flushMax: random.chance(900) ? 4 : 30,
    diskEvery: !layout || calm || random.chance(400) ? 0 : 100 + random.int(400),
    bucketEvery: buckets ? 40 + random.int(100) : 0,
    collectEvery: collecting ? 20 + random.int(80) : 0,
    repairEvery: random.chance(500) ? 0 : 10 + random.int(60),
    markStep: random.pick([1, 4, 32]),
    thinkMax: random.pick([2, 20, 80]),
    puts: 20 + random.int(20),
    conditional: 15 + random.int(20),
    deletes: collecting ? 15 + random.int(15) : random.int(10),
    freeEvery: random.chance(500) ? 0 : 10 + random.int(60),
    blockPermille: 300,
    dataPermille: layout ? random.pick([0, 300, 600]) : 0,
    ...focus,
  }
}
