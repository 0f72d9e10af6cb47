/** Scenarios for minima of buckets that are gone (T8). */

import { bytesOf } from '../../protocol/bytes.ts'
import type { Environment } from '../../node/env/ports.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  bodyOf,
  bytesLike,
  codeOf,
  context,
  HEADERS,
  nodeOf,
  onCluster,
  request,
  calmSleep,
} from '../testing/calm-cluster.ts'
import type { MutantScenario } from './mutant.ts'
import { scene } from './scene.ts'
import { withNetwork } from '../testing/changed-ports.ts'

export const MINIMA_PAUSE_MS = 2_000

/** Rows of minima on a node. */
export function minimaOf(cluster: SimulatedCluster, node: number): number {
  let rows = 0
  nodeOf(cluster, node).store.range(bytesOf('g'), bytesOf('h'), 1_000_000, () => {
    rows++
  })
  return rows
}

export function putInto(cluster: SimulatedCluster, node: number, bucket: string): Promise<string> {
  return codeOf(
    backendOf(cluster, node).putObject(context(), {
      bucket,
      key: 'key',
      headers: HEADERS,
      body: bodyOf(bytesLike(10)),
    }),
  )
}

async function removeKey(cluster: SimulatedCluster, node: number, bucket: string): Promise<void> {
  await backendOf(cluster, node).deleteObject(context(), { bucket, key: 'key' })
}

/** How many minima all nodes have together. */
function rowsOf(cluster: SimulatedCluster): number {
  return [0, 1, 2].reduce((sum, node) => sum + minimaOf(cluster, node), 0)
}

async function until(
  cluster: SimulatedCluster,
  isSo: () => boolean,
  withinMs = 60_000,
): Promise<boolean> {
  const endMs = cluster.clock.monotonicMs() + withinMs
  while (!isSo()) {
    if (cluster.clock.monotonicMs() > endMs) return false
    await calmSleep(cluster, 200)
  }
  return true
}

/** Node 2 has cached the record of a bucket that node 0 deletes. When the minima are gone, node 2 must no longer use
 * it. */
export const knownAndBuried = scene(
  3,
  async ({ cluster, found }) => {
    const before = rowsOf(cluster)
    await backendOf(cluster, 0).createBucket(context(), request('known'))
    await putInto(cluster, 2, 'known')
    await removeKey(cluster, 2, 'known')
    await backendOf(cluster, 0).deleteBucket(context(), 'known')
    if (!(await until(cluster, () => rowsOf(cluster) <= before))) found.push('minima stay')
    const code = await putInto(cluster, 2, 'known')
    if (code !== 'NoSuchBucket') found.push(`a PUT into a bucket that is gone: ${code}`)
  },
  { space: { generationPauseMs: MINIMA_PAUSE_MS } },
)

/** The same, but node 2 is away. The minima must stay until it is back. */
export const awayAndBuried = scene(
  3,
  async ({ cluster, found }) => {
    const before = minimaOf(cluster, 0)
    await backendOf(cluster, 0).createBucket(context(), request('known'))
    await putInto(cluster, 2, 'known')
    await removeKey(cluster, 2, 'known')
    for (const node of [0, 1]) cluster.wires.cut(cluster.idOf(node), cluster.idOf(2))
    await calmSleep(cluster, 1_000)
    await backendOf(cluster, 0).deleteBucket(context(), 'known')
    await calmSleep(cluster, 10 * MINIMA_PAUSE_MS)
    cluster.wires.mend()
    await calmSleep(cluster, 100)
    for (let i = 0; i < 20; i++) {
      const code = await putInto(cluster, 2, 'known')
      if (code === 'ok') found.push(`a PUT into a bucket that is gone: ${code}`)
      await calmSleep(cluster, 200)
    }
    if (!(await until(cluster, () => minimaOf(cluster, 0) <= before))) found.push('minima stay')
  },
  { space: { generationPauseMs: MINIMA_PAUSE_MS } },
)

/** A PUT through node 2 has a slow body. It begins before the bucket is deleted and ends after the minima are gone. */
export const openedAndBuried = scene(
  3,
  async ({ cluster, found }) => {
    const before = rowsOf(cluster)
    await backendOf(cluster, 0).createBucket(context(), request('open'))
    await putInto(cluster, 2, 'open')
    await removeKey(cluster, 2, 'open')
    const last = { go: (): void => {} }
    const held = new Promise<void>((resolve) => (last.go = resolve))
    async function* chunks(): AsyncGenerator<Uint8Array> {
      yield bytesLike(100_000)
      await held
      yield bytesLike(100_000)
    }
    const putting = codeOf(
      backendOf(cluster, 2).putObject(context(), {
        bucket: 'open',
        key: 'key',
        headers: HEADERS,
        body: {
          sizeBytes: 200_000,
          chunks: chunks(),
          finish: () => ({ etag: 'e', checksums: {} }),
        },
      }),
    )
    await calmSleep(cluster, 1_000)
    await backendOf(cluster, 0).deleteBucket(context(), 'open')
    if (!(await until(cluster, () => rowsOf(cluster) <= before))) found.push('minima stay')
    last.go()
    const code = await putting
    if (code === 'ok') found.push(`a PUT into a bucket that is gone: ${code}`)
  },
  { space: { generationPauseMs: MINIMA_PAUSE_MS } },
)

/** Requests of node 2 to registers are held up until the minima are gone, and then arrive. */
export const sentAndBuried: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  const wire = { isHeld: false, waiting: [] as (() => void)[] }
  await onCluster(
    3,
    async (cluster) => {
      const before = rowsOf(cluster)
      await backendOf(cluster, 0).createBucket(context(), request('sent'))
      await putInto(cluster, 2, 'sent')
      await removeKey(cluster, 2, 'sent')
      wire.isHeld = true
      const putting = putInto(cluster, 2, 'sent')
      await calmSleep(cluster, 5)
      await backendOf(cluster, 0).deleteBucket(context(), 'sent')
      await calmSleep(cluster, 600)
      for (let pass = 0; pass < 2; pass++) {
        await Promise.all([0, 1, 2].map((node) => nodeOf(cluster, node).space.generations.pass()))
      }
      if (rowsOf(cluster) > before) found.push('minima stay')
      wire.isHeld = false
      for (const go of wire.waiting) go()
      const code = await putting
      if (code === 'ok') found.push(`a PUT into a bucket that is gone: ${code}`)
    },
    {
      seed,
      space: { generationPauseMs: 3_600_000 },
      adapt: (environment, node) => {
        const adapted = adapt?.(environment, node) ?? environment
        return node === 2 ? withHeldRegisters(adapted, wire) : adapted
      },
    },
  )
  return found
}

function withHeldRegisters(
  environment: Environment,
  wire: { isHeld: boolean; waiting: (() => void)[] },
): Environment {
  const { network } = environment
  return withNetwork(environment, {
    call: async (...args) => {
      const [, , message] = args
      if (wire.isHeld && message.type === RPC.register) {
        await new Promise<void>((resolve) => wire.waiting.push(resolve))
      }
      return network.call(...args)
    },
  })
}
