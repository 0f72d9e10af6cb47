/** Sums counters of nodes that are killed and started again, from what each process last said. Notes peak memory, too. */

import { readFileSync } from 'node:fs'
import { scrape, sumOf } from '../../../bench/harness/metrics.ts'
import { pauseMs } from '../../../bench/harness/process.ts'
import { mib } from '../mib.ts'
import { HAS_LEFT, type Members } from './members.ts'

/** What a node has received from others, apart from clients' writes. */
const COUNTERS = {
  blocks: 'shoal_move_bytes_total',
  registers: 'shoal_move_register_bytes_total',
  given: 'shoal_given_bytes_total',
  resync: 'shoal_resync_bytes_total',
} as const
const EVERY_MS = 500

export type Received = Record<keyof typeof COUNTERS, number>

export class GrowthTally {
  readonly #members: Members
  /** Last counters of each process. */
  readonly #last = new Map<string, Received>()
  /** A line for each node that ended by itself. */
  readonly faults: string[] = []
  readonly #peakBytes = new Map<number, number>()

  constructor(members: Members) {
    this.#members = members
  }

  async run(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await this.look()
      await pauseMs(EVERY_MS)
    }
  }

  /** Reads the counters of `nodes`; those that do not answer are passed over. */
  async look(nodes: readonly number[] = this.#members.running): Promise<void> {
    for (const { node, code, output } of this.#members.takeEnded()) {
      if (HAS_LEFT.test(output)) continue
      this.faults.push(`node ${node} ended with ${code}`)
      console.log(`--- node ${node} ended with ${code}\n${output.slice(-4_000)}`)
    }
    await Promise.all(nodes.map((node) => this.#lookAt(node)))
  }

  /** What all nodes have received since the beginning, bytes. */
  received(): Received {
    const sum: Received = { blocks: 0, registers: 0, given: 0, resync: 0 }
    for (const each of this.#last.values()) {
      for (const name of Object.keys(sum) as (keyof Received)[]) sum[name] += each[name]
    }
    return sum
  }

  memoryLine(): string {
    const peaks = [...this.#peakBytes].sort(([a], [b]) => a - b)
    return peaks.map(([node, bytes]) => `n${node} ${mib(bytes)}`).join(', ')
  }

  async #lookAt(node: number): Promise<void> {
    const pid = this.#members.process(node)
    if (pid === undefined) return
    this.#lookAtMemory(node, pid)
    const samples = await scrape(this.#members.admin(node)).catch(() => undefined)
    // A new process may have answered; the next look counts it then.
    if (samples === undefined || this.#members.process(node) !== pid) return
    const now = Object.fromEntries(
      Object.entries(COUNTERS).map(([name, metric]) => [name, sumOf(samples, metric)]),
    ) as Received
    this.#last.set(`${node}/${pid}`, now)
  }

  #lookAtMemory(node: number, pid: number): void {
    try {
      const peak = /VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
      const bytes = Number(peak ?? 0) * 1024
      this.#peakBytes.set(node, Math.max(this.#peakBytes.get(node) ?? 0, bytes))
    } catch {
      // The process has ended, or this system has no /proc.
    }
  }
}
