/** Waits until a cluster says of itself that it is whole again. */

import { AdminClient } from '../../node/cli/admin-client.ts'
import { untilTrue } from '../../bench/harness/process.ts'
import type { Shoal } from '../../bench/harness/shoal.ts'

/** What this reads of `shoal status --json`. */
interface Status {
  readonly members: readonly { readonly up: boolean }[]
  readonly partitions: { readonly total: number; readonly whole: number }
  readonly resync: { readonly pending: number }
}

/** Every node sees all members up, all partitions whole and nothing left to fetch. */
export async function waitUntilWhole(shoal: Shoal, timeoutMs: number): Promise<void> {
  for (let index = 0; index < shoal.size; index++) {
    await untilTrue(
      `node ${index} whole`,
      async () => {
        const status = (await shoal.json(index, ['status'])) as Status
        const { members, partitions, resync } = status
        const up = members.filter((member) => member.up).length
        const whole = partitions.whole === partitions.total && resync.pending === 0
        if (up === members.length && whole) return true
        throw new Error(
          `${up} of ${members.length} up, ${partitions.whole} of ${partitions.total} partitions ` +
            `whole, ${resync.pending} pending`,
        )
      },
      timeoutMs,
      1_000,
    )
  }
}

/** Each of these nodes, by number, hears exactly these: itself, all the others, and no further member. */
export async function waitUntilLinked(
  shoal: Shoal,
  nodes: readonly number[],
  timeoutMs: number,
): Promise<void> {
  const numbers = new Map(shoal.ready.map(({ node }, number) => [node, number]))
  const wanted = nodes.join(', ')
  for (const node of nodes) {
    const admin = AdminClient.of(shoal.ready[node]!.admin, shoal.nodeDir(node))
    await untilTrue(
      `node ${node} to hear nodes ${wanted}`,
      async () => {
        const { members } = await admin.status()
        const up = members.filter((member) => member.up).map((member) => numbers.get(member.node)!)
        const heard = up.sort((a, b) => a - b).join(', ')
        if (heard === wanted) return true
        throw new Error(`it hears ${heard}`)
      },
      timeoutMs,
      50,
    )
  }
}
