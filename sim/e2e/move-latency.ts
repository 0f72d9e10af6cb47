/**
 * `node sim/e2e/move-latency.ts [--objects 5000] [--large 20] [--clients 16] [--seconds 20] [--rates 8MiB,64MiB,0]`
 *
 * How long clients wait while data moves. To three nodes with data others are added, one after the other, and each fetches
 * its blocks at another rate (0 for no limit). It prints a table of p50 and p99 of GET and PUT of 4 KiB: before the first
 * change, while nodes learn and compare, while blocks move at each rate, and afterwards. Other clients work all the while.
 * It checks that each change ends and that every byte is right; times are only printed.
 */

import { parseArgs } from 'node:util'
import { pauseMs } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { GrowthContents } from './growth/contents.ts'
import { Latencies, ms, type Waits } from './growth/latencies.ts'
import { isAtRest } from './growth/layout-seen.ts'
import { Members } from './growth/members.ts'
import { GrowthTally } from './growth/tally.ts'
import { Workloads } from './history/workloads.ts'
import { mib } from './mib.ts'

const { values } = parseArgs({
  options: {
    objects: { type: 'string', default: '5000' },
    large: { type: 'string', default: '20' },
    clients: { type: 'string', default: '16' },
    probes: { type: 'string', default: '4' },
    /** Length of a phase in which nothing moves. */
    seconds: { type: 'string', default: '20' },
    rates: { type: 'string', default: '8MiB,64MiB,0' },
  },
})
const calmMs = Number(values.seconds) * 1_000
const STEP_MS = 300_000

interface Phase {
  readonly title: string
  readonly seconds: number
  readonly mibPerSecond: number
  readonly waits: Waits
}

function show(phases: readonly Phase[]): void {
  const first = phases[0]!.waits
  const head = [
    '',
    'seconds',
    'MiB/s',
    'GETs',
    'p50',
    'p99',
    'PUTs',
    'p50',
    'p99',
    'refused',
    'against before',
  ]
  const ratio = (of: number, before: number): string => (of / before).toFixed(1)
  const rows = phases.map(({ title, seconds, mibPerSecond, waits: { get, put, refused } }) => [
    title,
    seconds.toFixed(1),
    mibPerSecond.toFixed(1),
    ...[get, put].flatMap(({ count, p50, p99 }) => [String(count), ms(p50), ms(p99)]),
    String(refused),
    `GET ${ratio(get.p50, first.get.p50)} ${ratio(get.p99, first.get.p99)}, ` +
      `PUT ${ratio(put.p50, first.put.p50)} ${ratio(put.p99, first.put.p99)}`,
  ])
  for (const row of [head, ...rows]) console.log(`| ${row.join(' | ')} |`)
}

/** Measures one phase after the other. */
class Phases {
  readonly done: Phase[] = []
  readonly #latencies: Latencies
  readonly #tally: GrowthTally
  #sinceMs = performance.now()
  #sinceBytes = 0

  constructor(latencies: Latencies, tally: GrowthTally) {
    this.#latencies = latencies
    this.#tally = tally
  }

  async begin(): Promise<void> {
    await this.#tally.look()
    this.#sinceBytes = this.#tally.received().blocks
    this.#latencies.take()
    this.#sinceMs = performance.now()
  }

  async end(title: string): Promise<void> {
    const waits = this.#latencies.take()
    const seconds = (performance.now() - this.#sinceMs) / 1_000
    await this.#tally.look()
    const movedBytes = this.#tally.received().blocks - this.#sinceBytes
    this.done.push({ title, seconds, mibPerSecond: movedBytes / 2 ** 20 / seconds, waits })
  }
}

async function main(members: Members): Promise<number> {
  const clientOf = (node: number): RawClient =>
    new RawClient(members.endpoint(node), members.credentials)
  const clients = [clientOf(0)]
  const join = async (rate: string): Promise<void> => {
    const { node, ready } = await members.join(0, { env: { SHOAL_MOVE_RATE: rate } })
    await ready
    clients.push(clientOf(node))
  }
  const moved = (): Promise<unknown> => members.untilLayout('all blocks moved', isAtRest, STEP_MS)
  await join('0')
  await join('0')
  await moved()
  const contents = new GrowthContents({
    objects: Number(values.objects),
    large: Number(values.large),
    versioned: 0,
    uploads: 0,
  })
  await contents.write(clients[0]!)
  console.log(`three nodes, ${mib(contents.bytes)} MiB written`)

  const workloads = new Workloads(clients)
  await workloads.prepare()
  let done = false
  const isDone = (): boolean => done
  const load = Array.from({ length: Number(values.clients) }, async () => {
    while (!done) await workloads.run(performance.now() + 500)
  })
  const latencies = new Latencies()
  const tally = new GrowthTally(members)
  const background = [...load, tally.run(isDone)].concat(
    Array.from({ length: Number(values.probes) }, () => latencies.run(() => clients, isDone)),
  )
  const phases = new Phases(latencies, tally)
  try {
    await pauseMs(5_000)
    await phases.begin()
    await pauseMs(calmMs)
    await phases.end('before, 3 nodes')
    for (const rate of values.rates.split(',')) {
      await phases.begin()
      await join(rate)
      await phases.end(`learning and comparing, to ${clients.length} nodes`)
      await phases.begin()
      await moved()
      await phases.end(rate === '0' ? 'blocks move, no limit' : `blocks move, ${rate}/s`)
    }
    await phases.begin()
    await pauseMs(calmMs)
    await phases.end(`afterwards, ${clients.length} nodes`)
  } finally {
    done = true
    await Promise.all(background)
  }
  show(phases.done)
  console.log(`memory of a node at its peak, MiB: ${tally.memoryLine()}`)
  const faults = [...(await contents.check(clients)), ...tally.faults, ...workloads.errors]
  for (const fault of faults) console.log(`FAULT: ${fault}`)
  for (const client of clients) client.close()
  return faults.length === 0 ? 0 : 1
}

const members = await Members.found()
try {
  process.exitCode = await main(members)
} finally {
  await members.close()
}
