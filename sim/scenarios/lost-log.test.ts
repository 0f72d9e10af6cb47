/** A node has lost a part of its log: no acknowledged write is denied, and the node gets all of it back (D8, D9). */

import { expect, test } from 'vitest'
import { PAGE_BYTES, segmentPath } from '../../node/log/segment.ts'
import type { SimulatedCluster } from '../world/cluster.ts'
import { mustBeThere, mustNotBeDenied, putWithoutTwo } from '../mutants/forgetting-scenarios.ts'
import { nodeOf, onCluster, SPACE_SOON } from '../testing/calm-cluster.ts'
import { storedRegister } from '../testing/stored-registers.ts'

async function clearLog(cluster: SimulatedCluster, node: number): Promise<void> {
  const disk = cluster.diskOf(node)
  for (const name of await disk.list('log')) await disk.remove(`log/${name}`)
}

/** The last batch holds the key and has a bad header. A start that took it for a torn tail would drop it. */
function spoilTheEnd(cluster: SimulatedCluster, node: number): void {
  const disk = cluster.diskOf(node)
  const path = disk
    .paths()
    .filter((each) => each.endsWith('.seg'))
    .toSorted()
    .at(-1)!
  const last = Math.floor((disk.contentOf(path).length - 1) / PAGE_BYTES) * PAGE_BYTES
  disk.corrupt(path, last + 100, 1)
}

for (const what of ['no log', 'no segment', 'a bad last batch after a clean stop'] as const) {
  test(`${what}: the node that still has the key is away, the third never had it`, async () => {
    const found: string[] = []
    await onCluster(
      3,
      async (cluster) => {
        await putWithoutTwo(cluster)
        const { segment } = storedRegister(cluster, 1, 'key').position
        if (what === 'a bad last batch after a clean stop') await nodeOf(cluster, 1).stop()
        for (const node of [0, 1]) cluster.kill(node, false)
        cluster.wires.mend()
        if (what === 'no log') {
          await clearLog(cluster, 1)
          for (const index of ['there', 'gone']) {
            if (index === 'gone') cluster.wipeIndex(1)
            await expect(cluster.start(1)).rejects.toMatchObject({ code: 'LOG_MISSING' })
            cluster.kill(1, false)
          }
        } else if (what === 'no segment') {
          await cluster.diskOf(1).remove(segmentPath(segment))
        } else {
          spoilTheEnd(cluster, 1)
        }
        cluster.wipeIndex(1)
        await cluster.start(1, { acceptLostLog: true })
        expect(nodeOf(cluster, 1).store.losses().length).toBeGreaterThan(0)
        await mustNotBeDenied(cluster, found)
        await cluster.start(0)
        await mustBeThere(cluster, found)
      },
      { seed: 1, space: SPACE_SOON },
    )
    expect(found).toEqual([])
  })
}
