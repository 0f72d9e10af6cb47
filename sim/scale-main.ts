/**
 * `npm run sim:scale [-- --quick] [-- --only NAME]`: what grows with the cluster, and how. Writes docs/scale.md and its
 * plots, the same bytes each time; `--quick` and `--only` check the bounds and write nothing. Exits 1 when a bound is broken.
 */

import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { tableOf } from '../node/status/layout-table.ts'
import { place } from '../protocol/keyspace/placement.ts'
import { planOf } from '../protocol/layout/plan.ts'
import { LayoutView } from '../protocol/layout/view.ts'
import { balance } from './scale/balance.ts'
import { durability } from './scale/durability.ts'
import { kademlia } from './scale/kademlia.ts'
import { entry, GENESIS, KINDS, members } from './scale/members.ts'
import { messages } from './scale/messages.ts'
import type { Scope, Section } from './scale/report.ts'

/** Most processor time for one placement, plan or table, milliseconds. */
const MS_MAX = new Map([
  [100, 200],
  [1_000, 1_000],
])
const TIMES = 3

const SECTIONS: Record<string, (scope: Scope) => Section | Promise<Section>> = {
  balance,
  messages,
  kademlia,
  durability,
}

if (isMainThread) await main()
else {
  const { name, quick } = workerData as { name: string; quick: boolean }
  const section = await SECTIONS[name]!({ quick })
  parentPort!.postMessage(section)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { quick: { type: 'boolean', default: false }, only: { type: 'string' } },
  })
  const names = Object.keys(SECTIONS).filter((name) => (values.only ?? name) === name)
  const sections = await Promise.all(names.map((name) => inWorker(name, values.quick)))
  for (const { text } of sections) console.log(text)
  const faults = sections.flatMap((section) => section.faults)
  // Printed and not written: it differs from machine to machine. A slow one is no fault, many times as slow is.
  for (const [nodes, maxMs] of MS_MAX) {
    for (const [name, ms] of Object.entries(times(nodes))) {
      console.log(
        `${name} at ${nodes} nodes: ${ms.toFixed(0)} ms of processor time (aim: ${maxMs})`,
      )
      if (ms > 10 * maxMs) faults.push(`${name} takes ${ms.toFixed(0)} ms at ${nodes} nodes`)
    }
  }
  if (!values.quick && values.only === undefined) {
    writeFileSync('docs/scale.md', report(sections.map(({ text }) => text)))
    for (const { name, svg } of sections.flatMap(({ plots }) => plots)) {
      writeFileSync(`docs/${name}`, svg)
    }
  }
  for (const fault of faults) console.error(`FAULT ${fault}`)
  process.exitCode = faults.length > 0 ? 1 : 0
}

/** One section each, all at once. */
function inWorker(name: string, quick: boolean): Promise<Section> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { name, quick } })
  return new Promise((resolve, reject) => {
    worker.once('message', resolve)
    worker.once('error', reject)
  })
}

/** Times of what blocks a node's event loop: the quickest of some runs, in the case that costs most (zones, capacities). */
function times(nodes: number): Record<string, number> {
  const all = members(nodes + 1, 1, KINDS[3]!)
  const view = new LayoutView(entry(all.slice(0, nodes)))
  const planned = new LayoutView(entry(all.slice(0, nodes), { state: 'PLANNED', next: all }), view)
  return {
    'place()': quickest(() => void place(all, GENESIS)),
    '`layout plan`': quickest(
      () => void planOf(view, { members: all, replication: GENESIS.replication }, () => 1e12),
    ),
    '`layout show`': quickest(() => void tableOf(planned, all[0]!.nodeId, new Map(), [])),
  }
}

function quickest(work: () => void): number {
  let least = Infinity
  for (let time = 0; time < TIMES; time++) {
    const before = process.cpuUsage()
    work()
    const { user, system } = process.cpuUsage(before)
    least = Math.min(least, (user + system) / 1_000)
  }
  return least
}

function report(sections: readonly string[]): string {
  return `# What grows with the cluster

Written by \`npm run sim:scale\`: run it again after a change and look at the difference. Each section says whether its figures come
from the real code or from a model. \`npm run sim:scale -- --quick\` checks the bounds on fewer sizes and writes nothing.

${sections.join('\n')}`
}
