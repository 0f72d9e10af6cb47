/** A node that has lost a part of what it knew, in every order of restarts and rebuilds (D2, D8). */

import { EMPTY_BYTES } from '../../protocol/bytes.ts'
import { segmentPath } from '../../node/log/segment.ts'
import { MARK_ROW, positionOfRow } from '../../node/replica/index-rows.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import {
  backendOf,
  BUCKET,
  codeOf,
  context,
  get,
  nodeOf,
  put,
  calmSleep,
  untilLevel,
  SPACE_SOON,
} from '../testing/calm-cluster.ts'
import type { MutantScenario } from './mutant.ts'
import { scene } from './scene.ts'
import { isolate } from '../testing/cuts.ts'
import { findRegister, storedRegister } from '../testing/stored-registers.ts'

const NODES = [0, 1, 2] as const

/** `key` is on nodes 0 and 1 alone, and acknowledged. */
export async function putWithoutTwo(cluster: SimulatedCluster): Promise<void> {
  await calmSleep(cluster, 1_000)
  isolate(cluster, 2)
  await calmSleep(cluster, 100)
  await put(backendOf(cluster, 0), 'key', EMPTY_BYTES)
  // The last record of a log would look like a torn tail (D4).
  for (const other of ['one', 'two']) await put(backendOf(cluster, 0), other, EMPTY_BYTES)
}

/** Node 2 must not answer that there is no such key, although the only other node that is up lacks it. */
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

/** Node 1 has lost a record whose key cannot be read. Node 0, which has the value too, is away. */
export function damagedThen(between: Between): MutantScenario {
  return scene(
    3,
    async ({ cluster, found }) => {
      await putWithoutTwo(cluster)
      const record = storedRegister(cluster, 1, 'key').position
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
    { space: SPACE_SOON },
  )
}

/** Node 1 comes back from a copy that was made before the key was put. `running`: copied while it ran. */
export function restoredImage(running: boolean): MutantScenario {
  return scene(
    3,
    async ({ cluster, found }) => {
      await calmSleep(cluster, 1_000)
      if (!running) cluster.kill(1, false)
      const image = cluster.imageOf(1)
      if (!running) await cluster.start(1)
      // The others see a later log position of it.
      else await put(backendOf(cluster, 0), 'early', EMPTY_BYTES)
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
    { space: SPACE_SOON },
  )
}

/** The record of a lone node's mark is damaged, and its index rebuilt. */
export const lostMark = scene(1, async ({ cluster, found }) => {
  for (const key of ['one', 'two']) await put(backendOf(cluster, 0), key, EMPTY_BYTES)
  const { store, host } = nodeOf(cluster, 0)
  const before = host.mark
  const { segment, offset } = positionOfRow(MARK_ROW, store.get(MARK_ROW)!)!
  cluster.kill(0, false)
  cluster.diskOf(0).corrupt(segmentPath(segment), offset + 20, 1)
  await cluster.rebuildIndex(0)
  await cluster.start(0)
  const after = nodeOf(cluster, 0).host.mark
  if (after < before) found.push(`the mark fell from ${before} to ${after}`)
})

/** A key was deleted and its register forgotten by all. Then node 1 has it again, from an old copy of its data
 * directory. */
export const onlyHere = scene(
  3,
  async ({ cluster, found }) => {
    await put(backendOf(cluster, 0), 'key', EMPTY_BYTES)
    await untilLevel(cluster)
    cluster.kill(1, false)
    const image = cluster.imageOf(1)
    await cluster.start(1)
    await calmSleep(cluster, 1_000)
    await backendOf(cluster, 0).deleteObject(context(), { bucket: BUCKET, key: 'key' })
    const isThere = (): boolean =>
      NODES.some((node) => findRegister(cluster, node, 'key') !== undefined)
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
  { space: SPACE_SOON },
)

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

/** One of two nodes has lost a record whose key cannot be read. Only the other one still has it. */
export const oneOfTwo = scene(2, async ({ cluster, found }) => {
  for (const key of ['key', 'one', 'two']) await put(backendOf(cluster, 0), key, EMPTY_BYTES)
  const record = storedRegister(cluster, 1, 'key').position
  cluster.kill(1, false)
  cluster.diskOf(1).corrupt(segmentPath(record.segment), record.offset + 20, 1)
  await cluster.rebuildIndex(1)
  await cluster.start(1)
  await untilRemembered(cluster, [0, 1])
  for (const node of [0, 1]) {
    const code = await codeOf(get(backendOf(cluster, node), 'key'))
    if (code !== 'ok') found.push(`what was acknowledged is ${code} through node ${node}`)
  }
})

/** Damage that a comparison has repaired is still in the log when its index is rebuilt once more. */
export const repairedThenRebuilt = scene(
  3,
  async ({ cluster, found }) => {
    await putWithoutTwo(cluster)
    const damage = (key: string): void => {
      const record = storedRegister(cluster, 1, key).position
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
  { space: SPACE_SOON },
)
