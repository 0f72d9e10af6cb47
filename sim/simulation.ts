/**
 * One run: a cluster forms, clients work while things go wrong, then everything is calm and must come
 * level within a bounded time.
 */

import { CheckerA } from './checker-a.ts'
import { SimulatedCluster, type ClusterOptions } from './cluster.ts'
import { freedButReferenced, unreferencedBlocks } from './space-checker.ts'
import { Faults, type FaultKind } from './faults.ts'
import { BucketsWorkload } from './workloads/buckets.ts'
import { context } from './workloads/clients.ts'
import { SettingsWorkload } from './workloads/settings.ts'
import { UploadsWorkload } from './workloads/uploads.ts'
import { VersionsWorkload } from './workloads/versions.ts'
import { BUCKET, Workload } from './workload.ts'

const LEVEL_WITHIN_MS = 60_000
const TIDY_WITHIN_MS = 60_000

/** Quick enough that all of it happens under the faults of half a minute. */
const SPACE = { reclaimDelayMs: 1_000, scanPauseMs: 3_000, tombstoneDelayMs: 15_000 }
const UPKEEP = { compactionIntervalMs: 1_000, compactionGainBytes: 64 << 10 }
const SEGMENT_BYTES = 512 << 10

export interface SimulationOptions {
  readonly seed: number
  readonly nodes: number
  readonly minutes: number
  readonly verbose?: boolean | undefined
  readonly adapt?: ClusterOptions['adapt']
  readonly faults?: FaultKind | undefined
  /** `objects`: puts, gets, deletes and lists of plain objects alone. */
  readonly workloads?: 'all' | 'objects' | undefined
}

export interface SimulationResult {
  readonly seed: number
  readonly digest: string
  readonly violations: readonly string[]
  readonly operations: number
  readonly unknown: number
  readonly faults: number
  readonly messages: number
  readonly registerEvents: number
}

export async function simulate(options: SimulationOptions): Promise<SimulationResult> {
  const checker = new CheckerA()
  const cluster: SimulatedCluster = new SimulatedCluster({
    ...options,
    space: SPACE,
    upkeep: UPKEEP,
    segmentSizeBytes: SEGMENT_BYTES,
    observer: (node, event) => checker.note(event, cluster.clock.monotonicMs(), `node ${node}`),
  })
  const { clock } = cluster
  const faults = new Faults(cluster, options.faults)
  const scenario = async (): Promise<Workload> => {
    await cluster.form()
    const founder = cluster.node(0)!
    await founder.backend.createBucket(context('CreateBucket'), {
      bucket: BUCKET,
      ownerAccount: '1',
      region: 'sim',
    })
    const versions = new VersionsWorkload(cluster, 3)
    const settings = new SettingsWorkload(cluster)
    const uploads = new UploadsWorkload(cluster)
    const others = [versions, settings, uploads, new BucketsWorkload(cluster, 2)]
    if (options.workloads === 'objects') others.length = 0
    else for (const one of [versions, settings, uploads]) await one.prepare(founder.backend)
    const untilMs = clock.monotonicMs() + options.minutes * 60_000
    const workload = new Workload(cluster, { clients: 6, keys: 6, untilMs })
    await Promise.all([
      workload.run(),
      ...others.map((one) => one.run(untilMs)),
      faults.run(untilMs),
    ])
    workload.violations.push(...cluster.failures, ...(await level(cluster)))
    await workload.checkCalm()
    for (const one of others) {
      await one.checkCalm()
      workload.violations.push(...one.violations)
      workload.counts.done += one.counts.done
      workload.counts.unknown += one.counts.unknown
    }
    workload.violations.push(...(await tidy(cluster)))
    return workload
  }
  const workload = await clock.settle(scenario())
  workload.check()
  checker.finish()
  return {
    seed: options.seed,
    digest: cluster.digest(),
    violations: [...checker.violations, ...workload.violations],
    operations: workload.counts.done,
    unknown: workload.counts.unknown,
    faults: faults.injected,
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
    const node = cluster.node(0)
    if (node === undefined) continue
    const { partitions, resync } = await node.admin.status()
    last = JSON.stringify({ partitions, resync })
    if (partitions.whole < partitions.total || resync.pending > 0) continue
    const found = differences(cluster)
    if (found.length === 0) return []
    last = found.join(', ')
  }
  return [`not level within ${LEVEL_WITHIN_MS} ms: ${last}`]
}

/** Within the bound nothing lies on a disk that no register names; at no time is anything gone that one
 * does (G5). */
async function tidy(cluster: SimulatedCluster): Promise<string[]> {
  const { clock } = cluster
  const until = clock.monotonicMs() + TIDY_WITHIN_MS
  for (;;) {
    const gone = freedButReferenced(cluster)
    if (gone.length > 0) return gone.map((block) => `freed, but named: ${block}`)
    const left = unreferencedBlocks(cluster)
    if (left.length === 0) return []
    if (clock.monotonicMs() > until) return left.map((block) => `never freed: ${block}`)
    await new Promise<void>((resolve) => void clock.after(1_000, resolve))
  }
}

/** What status calls whole is whole: the digests of all replicas are the same. */
function differences(cluster: SimulatedCluster): string[] {
  const found: string[] = []
  const view = cluster.node(0)!.layout.current()!
  const numberOf = new Map(
    Array.from({ length: cluster.size }, (_, number) => [cluster.idOf(number), number] as const),
  )
  for (let partition = 0; partition < view.partitions; partition++) {
    const digests = view
      .replicas(partition)
      .map((id) => cluster.node(numberOf.get(id)!)!.digestOf(partition))
    if (new Set(digests).size > 1) found.push(`replicas of partition ${partition} differ`)
  }
  return found
}
