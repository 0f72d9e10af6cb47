/** Balance and movement of `place()`, today's function and that of clusters which earlier programs founded. */

import { fairShares } from '../../protocol/keyspace/fair-share.ts'
import { place, type Placement, type PlacementMember } from '../../protocol/keyspace/placement.ts'
import type { NodeId } from '../../protocol/ids.ts'
import { GENESIS, KINDS, member, members, type Kind } from './members.ts'
import { plot } from './plot.ts'
import { mean, table, type Scope, type Section } from './report.ts'

export const SIZES = [3, 4, 5, 8, 16, 32, 100, 300, 1_000]
const QUICK_SIZES = [3, 5, 16, 100, 1_000]
const FULLEST_MAX = 1.15
/** Of the mean over the seeds. */
const MOVED_MAX = 1.2
/** 49 partitions a node: docs/scale.md says why. */
const MOVED_MAX_AT_1000 = 1.45

interface Placed {
  readonly of: readonly PlacementMember[]
  readonly placement: Placement
}

interface Figures {
  readonly nodes: number
  readonly kind: Kind
  readonly fullest: number
  readonly emptiest: number
  /** [mean, worst]: replicas moved ÷ what the change of fair shares asks for. */
  readonly join: readonly number[]
  readonly drain: readonly number[]
  readonly capacity: readonly number[]
  /** Replicas that moved and were not the old node's, or were the old node's and did not go to the new one. */
  readonly replacementStrays: number
}

export function balance({ quick }: Scope): Section {
  const sizes = quick ? QUICK_SIZES : SIZES
  const seedsOf = (nodes: number): number =>
    (quick || nodes > 300 ? 2 : 3) - (quick && nodes > 300 ? 1 : 0)
  const today: Figures[] = []
  const before: Figures[] = []
  for (const kind of KINDS) {
    for (const nodes of sizes) {
      if (nodes < kind.zones) continue
      today.push(measure(nodes, kind, seedsOf(nodes), true))
      if (!quick && kind.zones === 1) before.push(measure(nodes, kind, 1, false))
    }
  }
  return {
    text: textOf(today, before),
    plots: quick ? [] : plotsOf(today, before),
    faults: today.flatMap(faultsOf),
  }
}

function measure(nodes: number, kind: Kind, seeds: number, isToday: boolean): Figures {
  const placed = (of: readonly PlacementMember[]): Placed => {
    const placement = isToday ? GENESIS.placement : undefined
    return { of, placement: place(of, { ...GENESIS, systemPartitionBits: undefined, placement }) }
  }
  const join: number[] = []
  const drain: number[] = []
  const capacity: number[] = []
  const fullest: number[] = []
  const emptiest: number[] = []
  let replacementStrays = 0
  for (let seed = 1; seed <= seeds; seed++) {
    const all = members(nodes + 1, seed, kind)
    const [small, large] = [placed(all.slice(0, nodes)), placed(all)]
    const loads = relativeLoads(small)
    fullest.push(Math.max(...loads))
    emptiest.push(Math.min(...loads))
    join.push(...factor(small, large))
    drain.push(...factor(large, small))
    const changed = small.of.map((m, i) =>
      i === 1 ? { ...m, capacityBytes: 2 * m.capacityBytes } : m,
    )
    capacity.push(...factor(small, placed(changed)))
    if (seed > 1) continue
    const lost = small.of[0]!
    const fresh = { ...lost, nodeId: member(nodes + 7, seed, kind).nodeId, place: lost.nodeId }
    replacementStrays += strays(small, placed([...small.of.slice(1), fresh]), lost, fresh)
  }
  const both = (values: readonly number[]): readonly number[] =>
    values.length === 0 ? [] : [mean(values), Math.max(...values)]
  return {
    nodes,
    kind,
    fullest: Math.max(...fullest),
    emptiest: Math.min(...emptiest),
    join: both(join),
    drain: both(drain),
    capacity: both(capacity),
    replacementStrays,
  }
}

function relativeLoads({ of, placement }: Placed): number[] {
  const load = loadsOf(placement)
  const shares = fairShares(of, GENESIS.replication)
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
  const shares = fairShares(from.of, GENESIS.replication)
  const share = new Map(from.of.map((m, i) => [m.nodeId, shares[i]!]))
  let least = 0
  for (const [i, fair] of fairShares(to.of, GENESIS.replication).entries()) {
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
  const { nodes, kind, fullest, join, drain, capacity, replacementStrays } = figures
  const max = nodes >= 1_000 ? MOVED_MAX_AT_1000 : MOVED_MAX
  const where = `${nodes} nodes, ${kind.name}`
  const faults: string[] = []
  if (fullest > FULLEST_MAX) faults.push(`${where}: the fullest node holds ${fullest.toFixed(3)}`)
  for (const [name, values] of Object.entries({ join, drain, capacity })) {
    const average = values[0]
    if (average !== undefined && average > max) {
      faults.push(`${where}: a change (${name}) moves ${average.toFixed(3)} of the least possible`)
    }
  }
  if (replacementStrays > 0) faults.push(`${where}: a replacement moves others' partitions`)
  return faults
}

function textOf(today: readonly Figures[], before: readonly Figures[]): string {
  const pair = (values: readonly number[]): string =>
    values.length === 0 ? '–' : values.map((value) => value.toFixed(2)).join(' / ')
  const rows = today.map((f) => [
    f.kind.name,
    String(f.nodes),
    f.fullest.toFixed(3),
    f.emptiest.toFixed(2),
    pair(f.join),
    pair(f.drain),
    pair(f.capacity),
    f.replacementStrays === 0 ? 'exact' : `${f.replacementStrays} others`,
  ])
  const head = ['capacities', 'nodes', 'fullest', 'emptiest', 'join', 'drain', 'capacity ×2']
  const old = before.map((f) => [
    f.kind.name,
    String(f.nodes),
    f.fullest.toFixed(3),
    f.emptiest.toFixed(2),
    pair(f.join),
    pair(f.drain),
    pair(f.capacity),
  ])
  return `## Balance, and what one change moves

Real code: \`place()\` with 16,384 partitions and 3 replicas. *Fullest* and *emptiest* are a node's partitions against its
fair share, the worst of all seeds. *Join*, *drain* and *capacity ×2* are the replicas that move against the least that the
change of fair shares asks for: mean / worst of the seeds. *Replacement*: a new node in a lost one's place gets exactly
that node's partitions.

Bounds that this command checks: fullest at most ${FULLEST_MAX}; moved, mean of the seeds, at most ${MOVED_MAX}, and at most
${MOVED_MAX_AT_1000} at 1,000 nodes. There a node holds 49 partitions. Chance alone then puts one node in twenty at its bound
(in three zones one in ten), and each partition that such a node gains or loses moves a second one. A cluster that is
to have a thousand nodes is better founded with more partitions.

${table([...head, 'replacement'], rows)}

![The fullest node](scale-fullest.svg)

![What a join moves](scale-join.svg)
${
  old.length === 0
    ? ''
    : `
Clusters founded by earlier programs keep their placement function (genesis without \`placement\`):

${table(head, old)}
`
}`
}

function plotsOf(today: readonly Figures[], before: readonly Figures[]): Section['plots'] {
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
          ...series(before, ' (before)', join).filter(({ points }) => points.length > 0),
        ],
        bound: MOVED_MAX,
      }),
    },
  ]
}
