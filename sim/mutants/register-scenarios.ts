/** Scenarios that lead straight to the harm when a change or a read of a register skips a step (A4, P5 to P7, R2). */

import { byteString } from '../../protocol/bytes.ts'
import { BLOCK_BYTES } from '../../protocol/limits.ts'
import { RPC } from '../../protocol/rpc/message.ts'
import { flipBits, placesOf } from '../world/places.ts'
import {
  backendOf,
  bytesLike,
  calmSleep,
  codeOf,
  get,
  onCluster,
  put,
  untilLevel,
} from '../testing/calm-cluster.ts'
import { roundsWhenRefused } from '../testing/scripted-replicas.ts'
import { mustBeThere, mustNotBeDenied, putWithoutTwo } from './forgetting-scenarios.ts'
import type { MutantScenario } from './mutant.ts'
import { withNetwork } from '../testing/changed-ports.ts'
import { scene } from './scene.ts'

/** Two nodes have a value. On one of them its record is damaged, but its key can be read; the other one is away. */
export const damagedState = scene(3, async ({ cluster, found }) => {
  await putWithoutTwo(cluster)
  for (const node of [0, 1]) cluster.kill(node, false)
  const disk = cluster.diskOf(1)
  const place = placesOf(disk).find(
    ({ kind, type, record }) =>
      kind === 'record-body' && type === 'register' && record?.key.endsWith('key') === true,
  )
  flipBits(disk, place!, 8, 1)
  cluster.wipeIndex(1)
  cluster.wires.mend()
  await cluster.start(1)
  await mustNotBeDenied(cluster, found)
  // Stop here: two replicas that disagree would end the scenario with another complaint.
  if (found.length > 0) return
  await cluster.start(0)
  await mustBeThere(cluster, found)
})

/** One key, written through two nodes. Checker A compares what each write replaced. */
export const overwritten: MutantScenario = async ({ seed }) => {
  await onCluster(
    3,
    async (cluster) => {
      for (const node of [0, 1, 0]) await put(backendOf(cluster, node), 'key', bytesLike(10, node))
    },
    { seed },
  )
  return []
}

/** Replicas refuse each prepare: about 70 rounds fit into the time of an operation when the waits between them grow. */
export const refusedForEver: MutantScenario = async () => {
  const rounds = await roundsWhenRefused()
  return rounds > 150 ? [`${rounds} rounds in one operation (P6)`] : []
}

/** No block that node 0 sends reaches another node. */
export const blocksNotStored: MutantScenario = async ({ seed }) => {
  const found: string[] = []
  await onCluster(
    3,
    async (cluster) => {
      const code = await codeOf(put(backendOf(cluster, 0), 'key', bytesLike(3 * BLOCK_BYTES)))
      if (code === 'ok') found.push('a PUT is acknowledged without its blocks on a majority (P7)')
    },
    {
      seed,
      adapt: (environment, node) => {
        const { network } = environment
        if (node !== 0) return environment
        return withNetwork(environment, {
          call: (peer, traffic, message, options) =>
            message.type === RPC.putBlock
              ? Promise.reject(Object.assign(new Error('TIMEOUT'), { maybeDelivered: true }))
              : network.call(peer, traffic, message, options),
        })
      },
    },
  )
  return found
}

/** An accept reached one replica, and its proposer died. A read through that replica, then one through the others. */
export const halfWritten = scene(3, async ({ cluster, found, wires }) => {
  const contentThrough = async (node: number): Promise<string> => {
    for (let tries = 0; ; tries++) {
      try {
        return byteString(await get(backendOf(cluster, node), 'key'))
      } catch (error) {
        // Those that are up may not have found each other yet.
        if (tries === 20) throw error
        await calmSleep(cluster, 500)
      }
    }
  }
  await put(backendOf(cluster, 0), 'key', bytesLike(10, 1))
  await untilLevel(cluster)
  wires.filter = (from, _, { type }) => (from === 0 && type === 'accept' ? 'drop' : 'pass')
  put(backendOf(cluster, 0), 'key', bytesLike(10, 2)).catch(() => {})
  await calmSleep(cluster, 200)
  for (const node of [0, 2]) cluster.kill(node, false)
  wires.filter = () => 'pass'
  await cluster.start(0)
  const first = await contentThrough(0)
  cluster.kill(0, false)
  await cluster.start(2)
  if ((await contentThrough(1)) !== first) found.push('a read has undone another one (R2)')
  await cluster.start(0)
})
