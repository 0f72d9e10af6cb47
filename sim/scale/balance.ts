/** Balance and movement of `place()`, today's function and those of clusters which earlier programs founded. */

import { fairShares } from '../../protocol/keyspace/fair-share.ts'
import { partitionCount, PARTITION_BITS, systemBitsFor } from '../../protocol/keyspace/key.ts'
import {
  loadBounds,
  place,
  PLACEMENT,
  type Placement,
  type PlacementMember,
  type PlacementVersion,
} from '../../protocol/keyspace/placement.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { GROUP_PARTITIONS } from '../../node/repair/sync-answers.ts'
import { SUMMARIES_MAX } from '../../node/rebalance/witness.ts'
import { DIGEST_BYTES } from '../../protocol/sync/digest.ts'
import { GENESIS, KINDS, scaleMember, members, type Kind } from './members.ts'
import { plot } from './plot.ts'
import { bytesText, mean, markdownTable, type Scope, type Section } from './report.ts'

export const SIZES = [3, 4, 5, 8, 16, 32, 100, 300, 1_000]
const QUICK_SIZES = [3, 5, 16, 100, 1_000]
const FULLEST_MAX = 1.15
/** Bound of the mean over the seeds. */
const MOVED_MAX = 1.2
/** The bound where there are more zones than replicas; the report says why. */
const MOVED_MAX_MORE_ZONES = 1.5
const REPLICAS = GENESIS.replication

/** The placement function of clusters that were founded at one time. */
interface Age {
  readonly name: string
  readonly placement: PlacementVersion | undefined
  readonly bits: number
}

const TODAY: Age = { name: 'today', placement: PLACEMENT, bits: PARTITION_BITS }
const SECOND: Age = { name: '`placement` 2, 14 bits', placement: 2, bits: 14 }
const FIRST: Age = { name: 'without `placement`, 14 bits', placement: undefined, bits: 14 }

interface Placed {
  readonly of: readonly PlacementMember[]
  readonly placement: Placement
  readonly bits: number
}

interface Figures {
  readonly age: Age
  readonly nodes: number
  readonly kind: Kind
  readonly fullest: number
  readonly emptiest: number
  /** [mean, worst]: replicas moved ÷ what the change of fair shares asks for. */
  readonly join: readonly number[]
  readonly drain: readonly number[]
  readonly capacity: readonly number[]
  readonly half: readonly number[]
  /** Share of all replicas that nodes at their bound hold, mean of the seeds. */
  readonly atBound: number
  /** Replicas that moved and were not the old node's, or were the old node's and did not go to the new one. */
  readonly replacementStrays: number
}

export function balance({ quick }: Scope): Section {
  const sizes = quick ? QUICK_SIZES : SIZES
  // A single change varies most where a node has few partitions.
  const seedsOf = (nodes: number): number => {
    if (nodes >= 1_000) return 8
    return quick ? 2 : 3
  }
  const today: Figures[] = []
  const before: Figures[] = []
  for (const kind of KINDS) {
    for (const nodes of sizes) {
      if (nodes < kind.zones) continue
      today.push(measure(TODAY, nodes, kind, seedsOf(nodes)))
      if (quick || nodes === 3) continue
      before.push(measure(SECOND, nodes, kind, 1))
      if (kind.zones === 1) before.push(measure(FIRST, nodes, kind, 1))
    }
  }
  const byBits = quick ? [] : [12, 13, 14, 15, 16].map(bitsAt)
  return {
    text: textOf(today, before, byBits),
    plots: quick ? [] : plotsOf(today, before),
    faults: today.flatMap(faultsOf),
  }
}

function measure(age: Age, nodes: number, kind: Kind, seeds: number): Figures {
  const { placement: version, bits } = age
  const placed = (of: readonly PlacementMember[]): Placed => {
    const options = { replication: REPLICAS, partitionBits: bits, placement: version }
    return { of, placement: place(of, options), bits }
  }
  const join: number[] = []
  const drain: number[] = []
  const capacity: number[] = []
  const half: number[] = []
  const fullest: number[] = []
  const emptiest: number[] = []
  const atBound: number[] = []
  let replacementStrays = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const all = members(nodes + 1, seed, kind)
    const [small, large] = [placed(all.slice(0, nodes)), placed(all)]
    const loads = relativeLoads(small)
    fullest.push(Math.max(...loads))
    emptiest.push(Math.min(...loads))
    atBound.push(partAtBound(small))
    join.push(...factor(small, large))
    drain.push(...factor(large, small))
    for (const [times, factors] of [
      [2, capacity],
      [0.5, half],
    ] as const) {
      const changed = small.of.map((m, i) =>
        i === 1 ? { ...m, capacityBytes: times * m.capacityBytes } : m,
      )
      factors.push(...factor(small, placed(changed)))
    }
    if (seed > 1) continue
    const lost = small.of[0]!
    const fresh = { ...lost, nodeId: scaleMember(nodes + 7, seed, kind).nodeId, place: lost.nodeId }
    replacementStrays += strays(small, placed([...small.of.slice(1), fresh]), lost, fresh)
  }
  const both = (values: readonly number[]): readonly number[] =>
    values.length === 0 ? [] : [mean(values), Math.max(...values)]
  return {
    age,
    nodes,
    kind,
    fullest: Math.max(...fullest),
    emptiest: Math.min(...emptiest),
    join: both(join),
    drain: both(drain),
    capacity: both(capacity),
    half: both(half),
    atBound: mean(atBound),
    replacementStrays,
  }
}

/** One row: what a number of partitions gives 1,000 nodes, and what it costs. */
function bitsAt(bits: number): string[] {
  const age = { ...TODAY, bits }
  const zoned = KINDS.find(({ name }) => name === '1 : 2 : 4, 3 zones')!
  const [equal, unequal] = [KINDS[0]!, zoned].map((kind) => measure(age, 1_000, kind, 2))
  const partitions = partitionCount({
    partitionBits: bits,
    systemPartitionBits: systemBitsFor(bits),
  })
  return [
    String(bits),
    (((1 << bits) * REPLICAS) / 1_000).toFixed(0),
    ...[equal!, unequal!].flatMap((f) => [
      `${(100 * f.atBound).toFixed(1)} %`,
      f.fullest.toFixed(3),
      f.join[0]!.toFixed(2),
    ]),
    bytesText(partitions / 8),
    bytesText((partitions / GROUP_PARTITIONS) * DIGEST_BYTES),
    String(REPLICAS * Math.ceil(partitions / SUMMARIES_MAX)),
    bytesText((1 << bits) * REPLICAS * 4),
  ]
}

/** Share of all replicas that nodes at their bound hold. Such nodes pass on what they win, and take it when they lose one. */
function partAtBound({ of, placement, bits }: Placed): number {
  // In the order in which `place` looks at members: it does not matter here.
  const bounds = loadBounds(of, REPLICAS, 2 ** bits)
  const load = loadsOf(placement)
  let held = 0
  for (const [i, { nodeId }] of of.entries()) {
    const own = load.get(nodeId) ?? 0
    if (own >= bounds[i]! && own < placement.partitions) held += own
  }
  return held / (placement.partitions * Math.min(REPLICAS, of.length))
}

function relativeLoads({ of, placement }: Placed): number[] {
  const load = loadsOf(placement)
  const shares = fairShares(of, REPLICAS)
  return of.map((m, i) => (load.get(m.nodeId) ?? 0) / (shares[i]! * placement.partitions))
}

export function loadsOf(placement: Placement): Map<NodeId, number> {
  const load = new Map<NodeId, number>()
  for (let p = 0; p < placement.partitions; p++) {
    for (const node of placement.replicas(p)) load.set(node, (load.get(node) ?? 0) + 1)
  }
  return load
}

/** One number; none where the change asks for nothing, as a larger disk in a cluster of three does. */
function factor(from: Placed, to: Placed): number[] {
  const shares = fairShares(from.of, REPLICAS)
  const share = new Map(from.of.map((m, i) => [m.nodeId, shares[i]!]))
  let least = 0
  for (const [i, fair] of fairShares(to.of, REPLICAS).entries()) {
    least += Math.max(0, fair - (share.get(to.of[i]!.nodeId) ?? 0))
  }
  const { partitions } = to.placement
  if (least * partitions < 1) return []
  let moved = 0
  for (let p = 0; p < partitions; p++) {
    const old = from.placement.replicas(p)
    for (const node of to.placement.replicas(p)) if (!old.includes(node)) moved++
  }
  return [moved / (least * partitions)]
}

function strays(from: Placed, to: Placed, lost: PlacementMember, fresh: PlacementMember): number {
  let count = 0
  for (let p = 0; p < to.placement.partitions; p++) {
    const after = to.placement.replicas(p)
    for (const [rank, node] of from.placement.replicas(p).entries()) {
      if (after[rank] !== (node === lost.nodeId ? fresh.nodeId : node)) count++
    }
  }
  return count
}

function faultsOf(figures: Figures): string[] {
  const { nodes, kind, fullest, join, drain, capacity, half, replacementStrays } = figures
  const max = kind.zones > REPLICAS ? MOVED_MAX_MORE_ZONES : MOVED_MAX
  const where = `${nodes} nodes, ${kind.name}`
  const faults: string[] = []
  if (fullest > FULLEST_MAX) faults.push(`${where}: the fullest node holds ${fullest.toFixed(3)}`)
  for (const [name, values] of Object.entries({ join, drain, capacity, half })) {
    const average = values[0]
    if (average !== undefined && average > max) {
      faults.push(`${where}: a change (${name}) moves ${average.toFixed(3)} of the least possible`)
    }
  }
  if (replacementStrays > 0) faults.push(`${where}: a replacement moves others' partitions`)
  return faults
}

const HEAD = [
  'capacities',
  'nodes',
  'fullest',
  'emptiest',
  'at bound',
  'join',
  'drain',
  'capacity ×2',
  'capacity ÷2',
]

function pair(values: readonly number[]): string {
  return values.length === 0 ? '–' : values.map((value) => value.toFixed(2)).join(' / ')
}

function rowOf(f: Figures): string[] {
  return [
    f.kind.name,
    String(f.nodes),
    f.fullest.toFixed(3),
    f.emptiest.toFixed(2),
    `${(100 * f.atBound).toFixed(1)} %`,
    pair(f.join),
    pair(f.drain),
    pair(f.capacity),
    pair(f.half),
  ]
}

function textOf(
  today: readonly Figures[],
  before: readonly Figures[],
  byBits: readonly string[][],
): string {
  const rows = today.map((f) => [
    ...rowOf(f),
    f.replacementStrays === 0 ? 'exact' : `${f.replacementStrays} others`,
  ])
  return `## Balance, and what one change moves

Real code: \`place()\` with ${(1 << PARTITION_BITS).toLocaleString('en')} partitions and ${REPLICAS} replicas. *Fullest* and *emptiest*: the partitions of that node divided by its
fair share, in the worst seed. *Join*, *drain*, *capacity ×2* and *÷2*: the replicas that move, divided by the least
that the change of fair shares requires (mean / worst of the seeds). *At bound*: the share of all replicas that are on nodes
which may take no more. *Replacement*: a new node in a lost one's place gets exactly that node's partitions.

Bounds that this command checks: fullest at most ${FULLEST_MAX}; moved, mean of the seeds, at most ${MOVED_MAX}, or
${MOVED_MAX_MORE_ZONES} where there are more zones than replicas.

${markdownTable([...HEAD, 'replacement'], rows)}

![The fullest node](scale-fullest.svg)

![What a join moves](scale-join.svg)

${limitsText(byBits)}${before.length === 0 ? '' : earlierText(before)}`
}

/** What keeps a change from moving only the least possible. */
function limitsText(byBits: readonly string[][]): string {
  return `### What limits it

**Few partitions a node.** A node of F partitions has F ± √(0.31 F) of them by chance (± √(0.5 F) where each zone has one
replica of everything). A node at its bound of 1.15 F passes every further one on to another node. When a change takes a partition from
such a node, the node takes back another one, which moves as well; when fair shares shrink, its bound shrinks and one more
moves. So at least twice the share of replicas *at bound* moves on top of the least possible. A placement that follows from
the member list alone can hardly avoid that, because what a node gives away must depend on how much it won. With a softer
bound more nodes give something away, and more moves. (This argument and the measurements do not prove that no placement
does better.) More partitions help:

${
  byBits.length === 0
    ? ''
    : markdownTable(
        [
          'bits',
          'a node of 1,000',
          'equal: at bound',
          'fullest',
          'join',
          '1 : 2 : 4, 3 zones: at bound',
          'fullest',
          'join',
          'a bitmap',
          'digests of all',
          'summaries of 3 nodes',
          'placement in memory',
        ],
        byBits,
      )
}

New clusters have ${PARTITION_BITS} bits. With 16 no numbers would be left for system partitions, since every key has two bytes for
its partition. The number of partitions is fixed when a cluster is founded: another number would change every key. Above
about 2,000 nodes a node has fewer than 50 partitions again, and moves grow as in the row of 14 bits.

**More zones than replicas.** A replica set has at most one node of each zone. With 4 zones a new node therefore takes three
quarters of its partitions from nodes of its own zone, though fair shares ask for a quarter, and the nodes of that zone end
up with a little less than their share. Correcting that at once moves 1 + 2/zones of the least (1.5 with 4 zones, 1.4 with
5). So a zone may be off its share by up to 10 % before its odds are corrected (5 % where a node has 150 partitions, 4 % at
1,000 nodes). Zones of about the same size stay within that, and a change mostly moves 1.0 to 1.2 of the least. Zones that
differ by more, or a change that makes them differ by more (one more node in a zone of two), still pay for the correction.
`
}

function earlierText(before: readonly Figures[]): string {
  return `
### Clusters founded by earlier programs

They keep their placement function and their number of partitions:

${markdownTable(
  ['founded', ...HEAD],
  before.map((f) => [f.age.name, ...rowOf(f)]),
)}
`
}

function plotsOf(today: readonly Figures[], before: readonly Figures[]): Section['plots'] {
  // Only the kind that changed most, because there are no more colours.
  const last = before.filter(({ age, kind }) => age === SECOND && kind.zones === 4)
  const series = (of: readonly Figures[], suffix: string, value: (f: Figures) => number) =>
    KINDS.map((kind) => ({
      name: kind.name + suffix,
      points: of.filter((f) => f.kind === kind).map((f) => [f.nodes, value(f)] as const),
    }))
  const join = (f: Figures): number => f.join[0]!
  return [
    {
      name: 'scale-fullest.svg',
      svg: plot({
        title: 'Partitions of the fullest node against its fair share',
        x: 'nodes',
        y: 'fullest ÷ fair',
        series: series(today, '', (f) => f.fullest),
        bound: FULLEST_MAX,
      }),
    },
    {
      name: 'scale-join.svg',
      svg: plot({
        title: 'Replicas that a join moves against the least possible (mean)',
        x: 'nodes',
        y: 'moved ÷ least',
        series: [
          ...series(today, '', join),
          ...series(last, ' (`placement` 2)', join).filter(({ points }) => points.length > 0),
        ],
        bound: MOVED_MAX,
      }),
    },
  ]
}
