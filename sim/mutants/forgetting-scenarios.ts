/** A node that has lost a part of what it knew, in every order of restarts and rebuilds (D2, D8). */

import { byteString, bytesOf } from '../../protocol/bytes.ts'
import { segmentPath } from '../../node/log/segment.ts'
import type { LogPosition } from '../../node/log/types.ts'
import { MARK_ROW, positionOfRow } from '../../node/replica/index-rows.ts'
import { decodePosition } from '../../node/replica/row-format.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  BUCKET,
  codeOf,
  context,
  get,
  nodeOf,
  onCluster,
  put,
  calmSleep,
  untilLevel,
} from '../testing/calm-cluster.ts'
import type { MutantScenario } from './mutant.ts'

const SPACE = { reclaimDelayMs: 500, scanPauseMs: 2_000, tombstoneDelayMs: 2_000 }
const NODES = [0, 1, 2] as const
const EMPTY = new Uint8Array(0)

/** Nothing passes between a node and the others. */
function isolate(cluster: SimulatedCluster, node: number): void {
  for (const other of NODES) {
    if (other === node) continue
    cluster.wires.cut(cluster.idOf(other), cluster.idOf(node))
    cluster.wires.cut(cluster.idOf(node), cluster.idOf(other))
  }
}

export function registerRecord(cluster: SimulatedCluster, node: number, key: string): LogPosition {
  let position: LogPosition | undefined
  nodeOf(cluster, node).store.range(bytesOf('r'), bytesOf('s'), 10_000, (rowKey, row) => {
    if (byteString(rowKey).endsWith(key)) position = decodePosition(row)
  })
  if (position === undefined) throw new Error(`node ${node} has no register ${key}`)
  return position
}

/** `key` is on nodes 0 and 1 alone, and acknowledged. */
export async function putWithoutTwo(cluster: SimulatedCluster): Promise<void> {
  await calmSleep(cluster, 1_000)
  isolate(cluster, 2)
  await calmSleep(cluster, 100)
  await put(backendOf(cluster, 0), 'key', EMPTY)
  // The last record of a log would look like a torn tail (D4).
  for (const other of ['one', 'two']) await put(backendOf(cluster, 0), other, EMPTY)
}

/** The only other node that is up must not be believed that there is no such key. */
export async function mustNotBeDenied(cluster: SimulatedCluster, found: string[]): Promise<void> {
  for (let tries = 0; tries < 4; tries++) {
    const code = await codeOf(get(backendOf(cluster, 2), 'key'))
    if (code === 'NoSuchKey') found.push('what was acknowledged is lost')
    await calmSleep(cluster, 1_000)
  }
}

export async function mustBeThere(cluster: SimulatedCluster, found: string[]): Promise<void> {
  await untilLevel(cluster)
  for (const node of NODES) {
    let code = await codeOf(get(backendOf(cluster, node), 'key'))
    for (let tries = 0; code === 'Unavailable' && tries < 20; tries++) {
      await calmSleep(cluster, 500)
      code = await codeOf(get(backendOf(cluster, node), 'key'))
    }
    if (code !== 'ok') found.push(`what was acknowledged is ${code} through node ${node}`)
  }
}

/** What happens between the damage and the moment when the third node is there again. */
type Between = 'restart' | 'restarts' | 'rebuild' | 'rebuild then restart'

/** Node 1 has lost a record that cannot be named; node 0, which has the value too, is away. */
export function damagedThen(between: Between): MutantScenario {
  return async ({ seed, adapt }) => {
    const found: string[] = []
    await onCluster(
      3,
      async (cluster) => {
        await putWithoutTwo(cluster)
        const record = registerRecord(cluster, 1, 'key')
        for (const node of [0, 1]) cluster.kill(node, false)
        cluster.diskOf(1).corrupt(segmentPath(record.segment), record.offset + 20, 1)
        cluster.wires.mend()
        if (between.startsWith('rebuild')) await cluster.rebuildIndex(1)
        else cluster.wipeIndex(1)
        await cluster.start(1)
        const again = between === 'restarts' ? 2 : between === 'rebuild' ? 0 : 1
        for (let i = 0; i < again; i++) {
          await calmSleep(cluster, 2_000)
          await nodeOf(cluster, 1).store.commitIndex()
          cluster.kill(1, false)
          await cluster.start(1)
        }
        await mustNotBeDenied(cluster, found)
        if (found.length > 0) return
        await cluster.start(0)
        await mustBeThere(cluster, found)
      },
      { seed, adapt, space: SPACE },
    )
    return found
  }
}

/** Node 1 comes back from a copy that was made before the key was put. `running`: copied while it ran. */
export function restoredImage(running: boolean): MutantScenario {
  return async ({ seed, adapt }) => {
    const found: string[] = []
    await onCluster(
      3,
      async (cluster) => {
        await calmSleep(cluster, 1_000)
        if (!running) cluster.kill(1, false)
        const image = cluster.imageOf(1)
        if (!running) await cluster.start(1)
        // The others see it go on.
        else await put(backendOf(cluster, 0), 'early', EMPTY)
        await calmSleep(cluster, 8_000)
        await putWithoutTwo(cluster)
        await calmSleep(cluster, 4_000)
        for (const node of [0, 1]) cluster.kill(node, false)
        cluster.wires.mend()
        cluster.restore(1, image)
        await cluster.start(1)
        await mustNotBeDenied(cluster, found)
        if (found.length > 0) return
        await cluster.start(0)
        await mustBeThere(cluster, found)
      },
      { seed, adapt, space: SPACE },
    )
    return found
  }
}

/** The record of a lone node's mark is damaged, and its index rebuilt. */
export const lostMark: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    1,
    async (cluster) => {
      for (const key of ['one', 'two']) await put(backendOf(cluster, 0), key, EMPTY)
      const { store, host } = nodeOf(cluster, 0)
      const before = host.mark
      const { segment, offset } = positionOfRow(MARK_ROW, store.get(MARK_ROW)!)!
      cluster.kill(0, false)
      cluster.diskOf(0).corrupt(segmentPath(segment), offset + 20, 1)
      await cluster.rebuildIndex(0)
      await cluster.start(0)
      const after = nodeOf(cluster, 0).host.mark
      if (after < before) found.push(`the mark fell from ${before} to ${after}`)
    },
    { seed, adapt },
  )
  return found
}

/** A key was deleted and forgotten by all; then node 1 has it again, by an old copy of its data directory. */
export const onlyHere: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      await put(backendOf(cluster, 0), 'key', EMPTY)
      await untilLevel(cluster)
      cluster.kill(1, false)
      const image = cluster.imageOf(1)
      await cluster.start(1)
      await calmSleep(cluster, 1_000)
      await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key: 'key' })
      const isThere = (): boolean => NODES.some((node) => hasRegister(cluster, node, 'key'))
      for (let tries = 0; isThere(); tries++) {
        if (tries === 600) throw new Error('the tombstone was not collected')
        await calmSleep(cluster, 100)
      }
      cluster.kill(1, false)
      cluster.restore(1, image)
      await cluster.start(1)
      await untilRemembered(cluster)
      cluster.kill(0, false)
      await calmSleep(cluster, 100)
      for (const node of [1, 2]) {
        const code = await codeOf(get(backendOf(cluster, node), 'key'))
        if (code === 'ok') found.push(`what was deleted is back through node ${node}`)
      }
      await cluster.start(0)
      await untilLevel(cluster)
      if (isThere()) found.push('what was deleted and forgotten is back')
    },
    { seed, adapt, space: SPACE },
  )
  return found
}

function hasRegister(cluster: SimulatedCluster, node: number, key: string): boolean {
  let found = false
  nodeOf(cluster, node).store.range(bytesOf('r'), bytesOf('s'), 10_000, (rowKey) => {
    if (byteString(rowKey).endsWith(key)) found = true
  })
  return found
}

/** Every node votes on all its partitions. */
async function untilRemembered(
  cluster: SimulatedCluster,
  nodes: readonly number[] = NODES,
): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (nodes.every((node) => nodeOf(cluster, node).recall.forgotten().length === 0)) return
    await calmSleep(cluster, 100)
  }
  throw new Error('a node does not vote on all its partitions again')
}

/** One of two nodes has lost a record that cannot be named: only the other one knows. */
export const oneOfTwo: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    2,
    async (cluster) => {
      for (const key of ['key', 'one', 'two']) await put(backendOf(cluster, 0), key, EMPTY)
      const record = registerRecord(cluster, 1, 'key')
      cluster.kill(1, false)
      cluster.diskOf(1).corrupt(segmentPath(record.segment), record.offset + 20, 1)
      await cluster.rebuildIndex(1)
      await cluster.start(1)
      await untilRemembered(cluster, [0, 1])
      for (const node of [0, 1]) {
        const code = await codeOf(get(backendOf(cluster, node), 'key'))
        if (code !== 'ok') found.push(`what was acknowledged is ${code} through node ${node}`)
      }
    },
    { seed, adapt },
  )
  return found
}

/** Damage that a comparison has repaired is still in the log when its index is rebuilt once more. */
export const repairedThenRebuilt: MutantScenario = async ({ seed, adapt }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      await putWithoutTwo(cluster)
      const damage = (key: string): void => {
        const record = registerRecord(cluster, 1, key)
        cluster.kill(1, false)
        cluster.diskOf(1).corrupt(segmentPath(record.segment), record.offset + 20, 1)
      }
      damage('key')
      cluster.wires.mend()
      await cluster.rebuildIndex(1)
      await cluster.start(1)
      await untilRemembered(cluster)
      await untilLevel(cluster)
      cluster.kill(1, false)
      await cluster.rebuildIndex(1)
      cluster.kill(0, false)
      await cluster.start(1)
      const forgotten = (): number => nodeOf(cluster, 1).recall.forgotten().length
      if (forgotten() > 0) found.push('what was compared is forgotten again')
      await calmSleep(cluster, 2_000)
      const code = await codeOf(get(backendOf(cluster, 1), 'key'))
      if (code !== 'ok') found.push(`what was acknowledged is ${code}`)
      damage('one')
      await cluster.rebuildIndex(1)
      await cluster.start(1)
      if (forgotten() === 0) found.push('new damage is not told from the old')
      await cluster.start(0)
      await mustBeThere(cluster, found)
    },
    { seed, adapt, space: SPACE },
  )
  return found
}
