/** What all nodes of a growing cluster hold, and whether old holders have given up what they must. */

import { pauseMs } from '../../../bench/harness/process.ts'
import { heldBy, heldThinly, layoutIn, leftOvers, type HeldBlocks } from './held.ts'
import type { Members } from './members.ts'

/** How long old holders have to give up what they keep, and replicas to become level after clients' last writes. */
const LEVEL_MS = 180_000
/** How long old holders have before the next step begins. */
const GIVEN_UP_MS = 60_000

export class NodeHoldings {
  readonly #members: Members

  constructor(members: Members) {
    this.#members = members
  }

  /** What each node holds, by node id. */
  async byNode(): Promise<Map<string, HeldBlocks>> {
    const held = new Map<string, HeldBlocks>()
    const { members: all } = layoutIn(this.#members.dir(0))
    for (const node of this.#members.running) {
      // A node that has only been spawned holds nothing yet.
      const id = this.#members.idIfReady(node)
      if (id === undefined || !all.some(({ nodeId }) => nodeId === id)) continue
      held.set(id, await heldBy(this.#members.dir(node)))
    }
    return held
  }

  /** Waits, for GIVEN_UP_MS at most, until no node keeps blocks that only others hold. */
  async untilGivenUp(): Promise<void> {
    const untilMs = performance.now() + GIVEN_UP_MS
    while (performance.now() < untilMs) {
      const view = layoutIn(this.#members.dir(0))
      const held = [...(await this.byNode())]
      if (held.every(([node, rows]) => leftOvers(view, node, rows).blocks === 0)) return
      await pauseMs(1_000)
    }
    console.log('  some old holders have not given up all they keep')
  }

  /** Checks by the nodes' metrics and indexes that no node keeps anything of partitions that it does not hold, and that
   * each one has every block of those that it holds. */
  async untilLevel(): Promise<string[]> {
    const startedMs = performance.now()
    let faults: string[] = []
    do {
      faults = []
      const view = layoutIn(this.#members.dir(0))
      const held = await this.byNode()
      for (const [node, rows] of held) {
        const { registers, blocks, blockBytes } = leftOvers(view, node, rows)
        if (registers + blocks === 0) continue
        faults.push(
          `${node} keeps ${registers} registers and ${blocks} blocks (${blockBytes} bytes) of others`,
        )
      }
      const foreign = await this.#members.metric('shoal_foreign_partitions')
      if (foreign > 0) faults.push(`${foreign} partitions with something left, by the metrics`)
      const thin = heldThinly(view, held)
      if (thin > 0) faults.push(`${thin} blocks are not at all of their holders`)
      if (faults.length === 0) {
        const tookS = ((performance.now() - startedMs) / 1_000).toFixed(0)
        const rows = [...held.values()].reduce((sum, { blocks }) => sum + blocks.size, 0)
        console.log(
          `level after ${tookS} s: no old holder keeps anything, ${rows} copies of blocks in place`,
        )
        return []
      }
      await pauseMs(2_000)
    } while (performance.now() - startedMs < LEVEL_MS)
    return faults
  }
}
