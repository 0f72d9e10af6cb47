/** A whole cluster without faults, for tests that drive its nodes by hand. */

import type { Backend } from '../../gateway/port/backend.ts'
import type { ObjectHeaders } from '../../gateway/port/objects.ts'
import type { RequestContext } from '../../protocol/context.ts'
import type { StoreErrorCode } from '../../protocol/errors.ts'
import type { LayoutView } from '../../protocol/layout/view.ts'
import type { RegisterObserver } from '../../node/quorum/register-events.ts'
import type { ShoalNode } from '../../node/assembly/node.ts'
import { CheckerA } from '../checkers/checker-a.ts'
import { SimulatedCluster, type ClusterOptions } from '../world/cluster.ts'

export const BUCKET = 'bucket'
export const HEADERS: ObjectHeaders = { system: {}, user: {}, storageClass: 'STANDARD' }
/** What is deleted is freed, and tombstones are forgotten, within seconds. */
export const SPACE_SOON = { reclaimDelayMs: 500, scanPauseMs: 2_000, tombstoneDelayMs: 2_000 }

export function context(operation = 'Test'): RequestContext {
  return { operation, signal: new AbortController().signal, rounds: 0 }
}

/** Forms a cluster, makes BUCKET, runs the scenario on virtual time, and has checker A look at it. */
export async function onCluster(
  nodes: number,
  scenario: (cluster: SimulatedCluster) => Promise<void>,
  options: {
    seed?: number
    observer?: RegisterObserver
    space?: ClusterOptions['space']
    upkeep?: ClusterOptions['upkeep']
    segmentSizeBytes?: number
    partBytesMin?: number
    adapt?: ClusterOptions['adapt']
    systemPartitions?: ClusterOptions['systemPartitions']
    members?: ClusterOptions['members']
    removeAfterMs?: number
    moveBytesPerSecond?: ClusterOptions['moveBytesPerSecond']
  } = {},
): Promise<void> {
  const checker = new CheckerA()
  const cluster: SimulatedCluster = new SimulatedCluster({
    seed: options.seed ?? 1,
    nodes,
    space: options.space,
    upkeep: options.upkeep,
    segmentSizeBytes: options.segmentSizeBytes,
    partBytesMin: options.partBytesMin,
    adapt: options.adapt,
    systemPartitions: options.systemPartitions,
    members: options.members,
    removeAfterMs: options.removeAfterMs,
    moveBytesPerSecond: options.moveBytesPerSecond,
    observer: (node, event) => {
      options.observer?.(event)
      checker.note(event, cluster.clock.monotonicMs(), `node ${node}`)
    },
  })
  const run = async (): Promise<void> => {
    await cluster.form()
    await backendOf(cluster, 0).createBucket(context(), request(BUCKET))
    await scenario(cluster)
  }
  await cluster.clock.settle(run())
  checker.finish()
  const problems = [...checker.violations, ...cluster.failures]
  if (problems.length > 0) throw new Error(problems.join('\n'))
}

export function nodeOf(cluster: SimulatedCluster, number: number): ShoalNode {
  const node = cluster.node(number)
  if (node === undefined) throw new Error(`node ${number} is not up`)
  return node
}

export function backendOf(cluster: SimulatedCluster, number: number): Backend {
  return nodeOf(cluster, number).backend
}

/** In simulated milliseconds. */
export async function timed(
  cluster: SimulatedCluster,
  work: () => Promise<unknown>,
): Promise<number> {
  const startedMs = cluster.clock.monotonicMs()
  await work()
  return cluster.clock.monotonicMs() - startedMs
}

export function request(bucket: string): { bucket: string; ownerAccount: string; region: string } {
  return { bucket, ownerAccount: '1', region: 'sim' }
}

/** The code of the StoreError that it fails with; 'ok' when it doesn't. */
export async function codeOf(work: Promise<unknown>): Promise<StoreErrorCode | 'ok'> {
  try {
    await work
    return 'ok'
  } catch (error) {
    const { code } = error as { code?: StoreErrorCode }
    if (code === undefined) throw error
    return code
  }
}

export function bytesLike(sizeBytes: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(sizeBytes)
  let state = seed
  for (let i = 0; i < sizeBytes; i++) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) | 0
    bytes[i] = state >>> 16
  }
  return bytes
}

/** As the gateway gives it: whole when small, else a stream of chunks. */
export function bodyOf(
  bytes: Uint8Array,
  etag = 'etag',
): Parameters<Backend['putObject']>[1]['body'] {
  const finish = () => ({ etag, checksums: {} })
  if (bytes.length <= 65_536) return { bytes, finish }
  async function* chunks(): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < bytes.length; at += 100_000) yield bytes.subarray(at, at + 100_000)
  }
  return { sizeBytes: bytes.length, chunks: chunks(), finish }
}

export async function put(
  backend: Backend,
  key: string,
  bytes: Uint8Array,
  extra: Partial<Parameters<Backend['putObject']>[1]> = {},
): Promise<void> {
  await backend.putObject(context(), {
    bucket: BUCKET,
    key,
    headers: HEADERS,
    body: bodyOf(bytes),
    ...extra,
  })
}

export async function get(
  backend: Backend,
  key: string,
  range?: [number, number],
): Promise<Uint8Array> {
  const reader = await backend.getObject(context(), { bucket: BUCKET, key, withData: true })
  if (reader.bytes !== undefined) return reader.bytes.subarray(...(range ?? []))
  const chunks: Uint8Array[] = []
  const [start, end] = range ?? [0, reader.info.sizeBytes]
  for await (const chunk of reader.read(start, end)) chunks.push(chunk.slice())
  return Buffer.concat(chunks)
}

/** Every key of BUCKET, page by page. */
export async function keysOf(backend: Backend, limit = 1000): Promise<string[]> {
  const keys: string[] = []
  let after: string | undefined
  do {
    const page = await backend.listObjects(context(), { bucket: BUCKET, prefix: '', after, limit })
    keys.push(...[...page.objects].map(({ key }) => key))
    after = page.next
  } while (after !== undefined)
  return keys
}

/** Stores `count` objects, 'key 0', 'key 1' and so on, through the node. */
export async function fill(
  cluster: SimulatedCluster,
  through: number,
  count: number,
  sizeBytes: number,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    await put(backendOf(cluster, through), `key ${i}`, bytesLike(sizeBytes, i))
  }
}

/** Reads what `fill` stored, through the node. Throws when a byte is wrong. */
export async function readBack(
  cluster: SimulatedCluster,
  through: number,
  count: number,
  sizeBytes: number,
): Promise<void> {
  for (let i = 0; i < count; i++) {
    const bytes = await get(backendOf(cluster, through), `key ${i}`)
    if (Buffer.compare(bytes, bytesLike(sizeBytes, i)) !== 0) throw new Error(`key ${i} is wrong`)
  }
}

export async function calmSleep(cluster: SimulatedCluster, delayMs: number): Promise<void> {
  await new Promise<void>((resolve) => void cluster.clock.after(delayMs, resolve))
}

/** The layout that the node knows. */
export const view = (cluster: SimulatedCluster, number: number): LayoutView =>
  nodeOf(cluster, number).layout.current()!

/** Waits until it is so, for five minutes at most unless `withinMs` says otherwise. `what` names it if it never is. */
export async function calmUntil(
  cluster: SimulatedCluster,
  what: string,
  is: () => boolean,
  everyMs = 20,
  withinMs = 300_000,
): Promise<void> {
  const untilMs = cluster.clock.monotonicMs() + withinMs
  while (!is()) {
    if (cluster.clock.monotonicMs() > untilMs) throw new Error(`not in time: ${what}`)
    await calmSleep(cluster, everyMs)
  }
}

/** Waits until all replicas of all partitions hold the same; fails after `withinMs`. */
export async function untilLevel(cluster: SimulatedCluster, withinMs = 60_000): Promise<void> {
  const until = cluster.clock.monotonicMs() + withinMs
  for (;;) {
    if (isLevel(cluster)) return
    if (cluster.clock.monotonicMs() > until) throw new Error(`not level within ${withinMs} ms`)
    await calmSleep(cluster, 200)
  }
}

function isLevel(cluster: SimulatedCluster): boolean {
  const view = nodeOf(cluster, 0).layout.current()!
  const numbers = Array.from({ length: cluster.size }, (_, number) => number)
  const byId = new Map(numbers.map((number) => [cluster.idOf(number), number] as const))
  for (let partition = 0; partition < view.partitions; partition++) {
    const digests = view
      .replicas(partition)
      .map((id) => nodeOf(cluster, byId.get(id)!).digestOf(partition))
    if (new Set(digests).size > 1) return false
  }
  return true
}
