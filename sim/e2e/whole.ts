/** Waits until a cluster says of itself that it is whole again. */

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
