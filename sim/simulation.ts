/**
 * One run: a cluster forms, clients work while things go wrong, then everything is calm and must come
 * level within a bounded time.
 */

import { CheckerA } from './checkers/checker-a.ts'
import { assertionText } from '../node/tools/failed-assertion.ts'
import { onFailedAssertion } from '../protocol/assert.ts'
import type { ShoalNode } from '../node/assembly/node.ts'
import { SimulatedCluster, type ClusterOptions } from './world/cluster.ts'
import { freedButReferenced, thinBlocks, unreferencedBlocks } from './checkers/space-checker.ts'
import type { ChangeCounts } from './faults/change-tally.ts'
import {
  SimulatedChanges,
  CHANGE_NAMES,
  type ChangeName,
  type DeathStep,
} from './faults/changes.ts'
import { Faults, type FaultKind } from './faults/faults.ts'
import type { FaultName } from './faults/kinds.ts'
import { BucketsWorkload } from './workloads/buckets.ts'
import type { Workload } from './workloads/clients.ts'
import { LocksWorkload } from './workloads/locks.ts'
import { ObjectsWorkload } from './workloads/objects.ts'
import { RenamesWorkload } from './workloads/renames.ts'
import { SettingsWorkload } from './workloads/settings.ts'
import { UploadsWorkload } from './workloads/uploads.ts'
import { VersionsWorkload } from './workloads/versions.ts'

const LEVEL_WITHIN_MS = 60_000
const TIDY_WITHIN_MS = 60_000
const SCRUBBED_WITHIN_MS = 120_000

/** Quick enough that all of it happens under the faults of half a minute. */
const SPACE = {
  reclaimDelayMs: 1_000,
  scanPauseMs: 3_000,
  tombstoneDelayMs: 15_000,
  generationPauseMs: 2_000,
}
const UPKEEP = { compactionIntervalMs: 1_000, compactionGainBytes: 64 << 10 }
const SEGMENT_BYTES = 512 << 10
/** So little that blocks are let go all the time. */
const RECENT_BYTES_MAX = 32 << 10

/** What clients do, by name. */
const WORKLOADS = {
  /** Puts, gets, deletes and lists of plain objects. */
  objects: (cluster: SimulatedCluster) => new ObjectsWorkload(cluster, { clients: 6, keys: 6 }),
  versions: (cluster: SimulatedCluster) => new VersionsWorkload(cluster, 3),
  /** Locked versions, with one clock a year ahead. */
  locks: (cluster: SimulatedCluster) => new LocksWorkload(cluster, 3),
  /** Objects that change their keys, and are written and deleted meanwhile. */
  renames: (cluster: SimulatedCluster) => new RenamesWorkload(cluster, 3),
  settings: (cluster: SimulatedCluster) => new SettingsWorkload(cluster),
  uploads: (cluster: SimulatedCluster) => new UploadsWorkload(cluster),
  buckets: (cluster: SimulatedCluster) => new BucketsWorkload(cluster, 2),
} satisfies Record<string, (cluster: SimulatedCluster) => Workload>

export type WorkloadName = keyof typeof WORKLOADS

export const WORKLOAD_NAMES = Object.keys(WORKLOADS) as WorkloadName[]

export interface SimulationOptions {
  readonly seed: number
  readonly nodes: number
  readonly minutes: number
  readonly verbose?: boolean | undefined
  readonly adapt?: ClusterOptions['adapt']
  readonly faults?: FaultKind | undefined
  /** All of them unless given. */
  readonly workloads?: readonly WorkloadName[] | undefined
  readonly space?: ClusterOptions['space']
  /** Members that come and go meanwhile; none unless given. */
  readonly changes?: readonly ChangeName[] | 'all' | undefined
}

export interface Counts {
  readonly done: number
  readonly unknown: number
}

export interface SimulationResult {
  readonly seed: number
  readonly digest: string
  readonly violations: readonly string[]
  readonly operations: number
  readonly unknown: number
  readonly byWorkload: Readonly<Partial<Record<WorkloadName, Counts>>>
  readonly faults: number
  readonly faultsByKind: Readonly<Partial<Record<FaultName, number>>>
  readonly changesByKind: Readonly<Partial<Record<ChangeName, ChangeCounts>>>
  /** How many nodes died for good in each step of the layout. */
  readonly deathsByStep: Readonly<Partial<Record<DeathStep, number>>>
  /** In the end. */
  readonly members: number
  readonly epoch: number
  readonly messages: number
  readonly registerEvents: number
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const checker = new CheckerA()
  const cluster: SimulatedCluster = new SimulatedCluster({
    ...options,
    space: { ...SPACE, ...options.space },
    upkeep: UPKEEP,
    segmentSizeBytes: SEGMENT_BYTES,
    recentBytesMax: RECENT_BYTES_MAX,
    observer: (node, event) => checker.note(event, cluster.clock.monotonicMs(), `node ${node}`),
  })
  const { clock } = cluster
  const faults = new Faults(cluster, options.faults)
  const wanted = options.changes === 'all' ? CHANGE_NAMES : (options.changes ?? [])
  const changes = new SimulatedChanges(cluster, faults.crashes, wanted)
  const names = options.workloads ?? WORKLOAD_NAMES
  const workloads = names.map((name) => WORKLOADS[name](cluster) as Workload)
  const violations: string[] = []
  const scenario = async (): Promise<void> => {
    await cluster.form()
    for (const one of workloads) await one.prepare(cluster.node(0)!.backend)
    const untilMs = clock.monotonicMs() + options.minutes * 60_000
    // Time in which faults were held off does not count.
    const isOver = (): boolean => clock.monotonicMs() >= untilMs + faults.crashes.heldMs
    await Promise.all([
      ...workloads.map((one) => one.run(isOver)),
      faults.run(isOver),
      changes.run(isOver),
    ])
    await faults.calm()
    violations.push(
      ...(await changes.settle()),
      ...(await level(cluster)),
      ...(await sound(cluster)),
    )
    for (const one of workloads) await one.checkCalm()
    violations.push(...(await tidy(cluster)), ...cluster.failures)
  }
  // Most assertions would end as a refused message, which the clients of a simulation are used to.
  const letAssertions = onFailedAssertion((failed) => violations.push(assertionText(failed)))
  await clock.settle(scenario()).finally(letAssertions)
  checker.finish()
  const byWorkload = Object.fromEntries(names.map((name, i) => [name, workloads[i]!.counts]))
  const total = (what: keyof Counts): number =>
    workloads.reduce((sum, { counts }) => sum + counts[what], 0)
  return {
    seed: options.seed,
    digest: cluster.digest(),
    violations: [
      ...checker.violations,
      ...workloads.flatMap((one) => one.violations),
      ...violations,
    ],
    operations: total('done'),
    unknown: total('unknown'),
    byWorkload,
    faults: faults.injected,
    faultsByKind: Object.fromEntries(faults.byKind),
    changesByKind: Object.fromEntries(changes.tally.byKind),
    deathsByStep: Object.fromEntries(changes.deaths),
    members: changes.members().length,
    epoch: memberOf(cluster)?.layout.current()?.epoch ?? 0,
    messages: cluster.wires.messages,
    registerEvents: checker.events,
  }
}

/** Within the bound every partition is whole, by the nodes' own account. */
async function level(cluster: SimulatedCluster): Promise<string[]> {
  const { clock } = cluster
  const until = clock.monotonicMs() + LEVEL_WITHIN_MS
  let last = 'no node is up'
  while (clock.monotonicMs() < until) {
    await new Promise<void>((resolve) => void clock.after(500, resolve))
    const node = memberOf(cluster)
    if (node === undefined) continue
    const { partitions, resync } = await node.admin.status()
    last = JSON.stringify({ partitions, resync })
    if (partitions.whole < partitions.total || resync.pending > 0) continue
    const found = [...abstentions(cluster), ...differences(cluster)]
    if (found.length === 0) return []
    last = found.join(', ')
  }
  return [`not level within ${LEVEL_WITHIN_MS} ms: ${last}`]
}

/** A scrub mends whatever is damaged; the next one finds nothing. */
async function sound(cluster: SimulatedCluster): Promise<string[]> {
  const { clock } = cluster
  const found: string[] = []
  for (const pass of ['mends', 'finds'] as const) {
    for (const number of cluster.numbers) cluster.node(number)?.upkeep.scrubFast()
    const until = clock.monotonicMs() + SCRUBBED_WITHIN_MS
    for (const number of cluster.numbers) {
      const upkeep = cluster.node(number)?.upkeep
      if (upkeep === undefined) continue
      while (upkeep.scrubStatus().running && clock.monotonicMs() < until) {
        await new Promise<void>((resolve) => void clock.after(500, resolve))
      }
      const { running, error, left, bad, badRows } = upkeep.scrubStatus()
      const clean = pass === 'mends' || bad + badRows === 0
      if (running || error !== undefined || left > 0 || !clean) {
        const status = JSON.stringify({ running, error, left, bad, badRows })
        found.push(`a scrub of node ${number} ${pass} ${status}`)
      }
    }
  }
  return found
}

/**
 * Within the bound, disks keep no block that no register names, and all R holders have each block that one names. At no
 * time is a named block gone (G5).
 */
async function tidy(cluster: SimulatedCluster): Promise<string[]> {
  const { clock } = cluster
  const until = clock.monotonicMs() + TIDY_WITHIN_MS
  for (;;) {
    const gone = freedButReferenced(cluster)
    if (gone.length > 0) return gone.map((block) => `freed, but named: ${block}`)
    const left = unreferencedBlocks(cluster)
    const thin = thinBlocks(cluster)
    if (left.length + thin.length === 0) return []
    if (clock.monotonicMs() > until) {
      return [...left.map((block) => `never freed: ${block}`), ...thin]
    }
    await new Promise<void>((resolve) => void clock.after(1_000, resolve))
  }
}

/** No node may have forgotten anything any more (D8). */
function abstentions(cluster: SimulatedCluster): string[] {
  return cluster.numbers.flatMap((number) => {
    const node = cluster.node(number)
    if (node === undefined) return [`node ${number} is not up`]
    const count = node.recall.forgotten().length
    return count === 0 ? [] : [`node ${number} abstains from ${count} partitions`]
  })
}

/** Any that is up and a member. */
function memberOf(cluster: SimulatedCluster): ShoalNode | undefined {
  return cluster.numbers
    .map((number) => cluster.node(number))
    .find((node) => node?.layout.isMember() === true)
}

/** What status calls whole is whole: the digests of all replicas are the same. */
function differences(cluster: SimulatedCluster): string[] {
  const found: string[] = []
  const view = memberOf(cluster)!.layout.current()!
  const numberOf = new Map(cluster.numbers.map((number) => [cluster.idOf(number), number] as const))
  for (let partition = 0; partition < view.partitions; partition++) {
    const digests = view
      .replicas(partition)
      .map((id) => cluster.node(numberOf.get(id)!)!.digestOf(partition))
    if (new Set(digests).size > 1) found.push(`replicas of partition ${partition} differ`)
  }
  return found
}
