/** Kills a random node again and again while a step of the growth is under way, and starts it again at once. */

import { pauseMs } from '../../../bench/harness/process.ts'
import { HAS_LEFT, type Members } from './members.ts'
import type { GrowthTally } from './tally.ts'

const PAUSE_MS_MAX = 1_000

export class Killer {
  /** Numbers that are not killed at random. */
  readonly spared = new Set<number>()
  readonly faults: string[] = []
  count = 0
  readonly #members: Members
  readonly #tally: GrowthTally
  readonly #atOnce: boolean
  /** How many kills are allowed so far, in all. */
  #allowed = 0
  #reviving: Promise<void> = Promise.resolve()
  /** Counts kills by the state of the layout. */
  readonly #states = new Map<string, number>()

  /** @param atOnce start a killed node again without a pause */
  constructor(members: Members, tally: GrowthTally, atOnce: boolean) {
    this.#members = members
    this.#tally = tally
    this.#atOnce = atOnce
  }

  /** Allows kills until there were `count` in all. */
  allow(count: number): void {
    this.#allowed = count
  }

  get left(): number {
    return Math.max(0, this.#allowed - this.count)
  }

  /** Allows no more kills in this step; resolves once the last node is up again. */
  async pause(): Promise<void> {
    this.#allowed = 0
    await this.revived()
  }

  /** Resolves once the killed node is up again. */
  revived(): Promise<void> {
    return this.#reviving
  }

  async run(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await pauseMs(this.#atOnce ? Math.random() * PAUSE_MS_MAX : 300 + Math.random() * 1_500)
      const nodes = this.#members.running.filter((node) => !this.spared.has(node))
      if (this.left === 0 || nodes.length < 2) continue
      this.count++
      this.#reviving = this.#killAndRevive(nodes[Math.floor(Math.random() * nodes.length)]!)
      await this.#reviving
    }
  }

  /** A line about the kills since the last call, by the state of the layout. */
  line(): string {
    const states = [...this.#states].map(([state, count]) => `${count} in ${state}`)
    this.#states.clear()
    return states.length === 0 ? 'no kills' : `killed: ${states.join(', ')}`
  }

  async #killAndRevive(node: number): Promise<void> {
    const members = this.#members
    const through = members.running.find((other) => other !== node) ?? node
    const seen = await members.seen(through).catch(() => undefined)
    const isMoving = seen?.state === 'STABLE' && seen.sources > 0
    const state = isMoving ? 'STABLE, blocks move' : (seen?.state ?? 'an unknown state')
    this.#states.set(state, (this.#states.get(state) ?? 0) + 1)
    await this.#tally.look([node])
    await members.kill(node)
    if (!this.#atOnce) await pauseMs(Math.random() * 2_000)
    await members.again(node).catch((error: unknown) => {
      // A node that has left says so, and ends.
      if (HAS_LEFT.test(members.output(node))) return
      this.faults.push(`node ${node} does not start again: ${String(error).slice(-2_000)}`)
    })
  }
}
