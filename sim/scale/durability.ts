/** How long a lost node's data takes to be replicated again, and what durability follows. */

import { place } from '../../protocol/keyspace/placement.ts'
import { loadsOf, SIZES } from './balance.ts'
import { GENESIS, KINDS, members } from './members.ts'
import { plot } from './plot.ts'
import { grouped, markdownTable, type Scope, type Section } from './report.ts'

const TIB = 1024 ** 4
const NODE_BYTES = 4 * TIB
/** The default of \`moveRate\`. */
const MOVE_RATE = 64 << 20
const HOUR_S = 3_600
const YEAR_S = 365.25 * 24 * HOUR_S
/** For a node with its disk: 4 % of them are lost for good in a year. */
const MTTF_S = 25 * YEAR_S
/** From the loss until an operator removes or replaces the node, or removeAfter does. */
const NOTICE_S = HOUR_S
const REPLICATIONS = [2, 3, 4]

interface Repair {
  readonly nodes: number
  readonly replication: number
  /** Most that one of the others has to take in, against the lost node's data. */
  readonly most: number
  readonly removeS: number
  readonly replaceS: number
  readonly sets: number
  /** Probability a year that any partition loses all its replicas; and that a given one does. */
  readonly anyLoss: number
  readonly partitionLoss: number
}

export function durability({ quick }: Scope): Section {
  const repairs: Repair[] = []
  for (const replication of REPLICATIONS) {
    for (const nodes of quick ? [5, 100] : SIZES) {
      if (nodes > replication) repairs.push(repairOf(nodes, replication))
    }
  }
  const faults: string[] = []
  for (const { nodes, replication, most } of repairs) {
    // The others share what is lost: none takes in more than three times its part.
    if (nodes <= 100 && most * (nodes - 1) > 3) {
      faults.push(`${nodes} nodes, R = ${replication}: one takes in ${most.toFixed(3)} of a node`)
    }
  }
  return { text: textOf(repairs), plots: quick ? [] : plotsOf(repairs), faults }
}

function repairOf(nodes: number, replication: number): Repair {
  const all = members(nodes, 1, KINDS[0]!)
  const options = { ...GENESIS, replication, systemPartitionBits: undefined }
  const [before, after] = [place(all, options), place(all.slice(1), options)]
  const lost = all[0]!.nodeId
  const gained = new Map<string, number>()
  const sets = new Set<string>()
  for (let p = 0; p < before.partitions; p++) {
    const old = before.replicas(p)
    sets.add([...old].sort().join(' '))
    for (const node of after.replicas(p)) {
      if (!old.includes(node)) gained.set(node, (gained.get(node) ?? 0) + 1)
    }
  }
  const most = Math.max(...gained.values()) / loadsOf(before).get(lost)!
  const copyS = (most * NODE_BYTES) / MOVE_RATE
  const perSet = lossRate(replication, 1 / (NOTICE_S + copyS))
  return {
    nodes,
    replication,
    most,
    removeS: copyS,
    replaceS: NODE_BYTES / MOVE_RATE,
    sets: sets.size,
    anyLoss: yearly(perSet * sets.size),
    partitionLoss: yearly(perSet),
  }
}

/**
 * Losses a second of one replica set: a birth-death chain whose state is the number of replicas that are left. Each
 * fails at the rate 1/MTTF, each that is missing comes back at the rate \`repair\`. The mean time T(i) to no
 * replica from
 * i replicas: with D(i) = T(i) − T(i−1), D(R) = 1/(Rλ) and D(i) = (1 + (R−i)·repair·D(i+1))/(iλ); T(R) is their sum.
 */
function lossRate(replication: number, repair: number): number {
  const rate = 1 / MTTF_S
  let [difference, total] = [0, 0]
  for (let left = replication; left >= 1; left--) {
    difference = (1 + (replication - left) * repair * difference) / (left * rate)
    total += difference
  }
  return 1 / total
}

/** 1 − e^(−x), also for an x so small that the subtraction would leave nothing. */
function yearly(perSecond: number): number {
  return -Math.expm1(-perSecond * YEAR_S)
}

function textOf(repairs: readonly Repair[]): string {
  return `## Repair of a lost node, and durability

A node with ${NODE_BYTES / TIB} TiB in use is lost. *Removed*: the others take over its partitions, each from the two
that are left, at \`moveRate\` (${MOVE_RATE >> 20} MiB/s a node); it is over when the node that takes in most is done, by the real
\`place()\`. *Replaced*: one new node takes in everything at that rate. Rates add up only while disks and network allow it.

Durability is a Markov chain for each replica set. A node and its disk are lost for good after ${(MTTF_S / YEAR_S).toFixed(0)} years on
average, independently of others (λ = 1/MTTF; ${(100 * (YEAR_S / MTTF_S)).toFixed(0)} % a year). The repair begins after
${NOTICE_S / HOUR_S} h, so that a missing replica is back at the rate μ = 1/(${NOTICE_S / HOUR_S} h + the copy's time). With i of R replicas left, the chain goes down
at iλ and up at (R−i)μ; the mean time from R to none is the sum of D(R) … D(1), where D(R) = 1/(Rλ) and
D(i) = (1 + (R−i)μD(i+1))/(iλ). About: rate of loss ≈ R·λ^R/μ^(R−1). *Any loss* multiplies by the number of different
replica sets that \`place()\` makes. Correlated losses (a rack, a site, an operator, a bug) are not in the model. They are far
more likely than figures this small; zones help against the first two.

${markdownTable(
  [
    'R',
    'nodes',
    'most taken in',
    'removed: hours',
    'replaced: hours',
    'replica sets',
    'any loss a year',
    'a given partition',
  ],
  repairs.map((each) => [
    String(each.replication),
    grouped(each.nodes),
    `${(100 * each.most).toFixed(1)} %`,
    (each.removeS / HOUR_S).toFixed(2),
    (each.replaceS / HOUR_S).toFixed(1),
    grouped(each.sets),
    each.anyLoss.toExponential(1),
    each.partitionLoss.toExponential(1),
  ]),
)}

![Yearly probability of any loss](scale-loss.svg)
`
}

function plotsOf(repairs: readonly Repair[]): Section['plots'] {
  return [
    {
      name: 'scale-loss.svg',
      svg: plot({
        title: 'Probability a year that any partition loses all replicas',
        x: 'nodes',
        y: 'probability',
        logarithmicY: true,
        series: REPLICATIONS.map((replication) => ({
          name: `${replication} replicas`,
          points: repairs
            .filter((each) => each.replication === replication)
            .map(({ nodes, anyLoss }) => [nodes, anyLoss] as const),
        })),
      }),
    },
  ]
}
