/**
 * `node sim/e2e/heal.ts [--lengths 5,15,30,60] [--kinds one,all,one-way] [--goal 3]`
 *
 * How long a cluster of three takes to recover once a network that was cut is whole again: seconds from the heal to
 * the first acknowledged write through each node, and until every node sees all members. Fails when a first
 * write takes longer than the goal.
 */

import { parseArgs } from 'node:util'
import { runCommand } from '../../bench/harness/process.ts'
import { RawClient } from '../../bench/harness/s3.ts'
import { WanCluster } from './wan/cluster.ts'
import { ADMIN_PORT } from './wan/hosts.ts'
import { SwitchedHosts } from './wan/switch.ts'

const NODES = 3
const BUCKET = 'heal'
const PROBE_MS = 100
/** The writes begin this long before the heal. */
const PROBES_BEFORE_MS = 3_000
const PROBES_MAX = 40
const WHOLE_TIMEOUT_MS = 60_000

const { values } = parseArgs({
  options: {
    lengths: { type: 'string', default: '5,15,30,60' },
    kinds: { type: 'string', default: 'one,all,one-way' },
    goal: { type: 'string', default: '3' },
  },
})
const goalMs = Number(values.goal) * 1_000

const pause = (ms: number): Promise<void> => new Promise((resolve) => void setTimeout(resolve, ms))

/** Which messages get lost. */
const KINDS: Readonly<Record<string, (from: number, to: number) => boolean>> = {
  one: (from, to) => from === 2 || to === 2,
  all: () => true,
  'one-way': (from) => from === 2,
}

async function cut(hosts: SwitchedHosts, kind: string): Promise<void> {
  const isCut = KINDS[kind]
  if (isCut === undefined) throw new Error(`no such kind of cut: ${kind}`)
  for (let from = 0; from < NODES; from++) {
    for (let to = 0; to < NODES; to++) {
      if (from !== to && isCut(from, to)) await hosts.cut(from, to)
    }
  }
}

/** Begins a write through one node every 100 ms, from before the heal on, and notes when the first one is
 * acknowledged. */
class Probe {
  readonly #client: RawClient
  readonly #title: string
  #running = true
  #inFlight = 0
  #count = 0
  /** The time of the first acknowledgement since `reset`. */
  firstMs: number | undefined

  constructor(client: RawClient, title: string) {
    this.#client = client
    this.#title = title
    void this.#run()
  }

  reset(): void {
    this.firstMs = undefined
  }

  stop(): void {
    this.#running = false
  }

  async #run(): Promise<void> {
    while (this.#running) {
      if (this.#inFlight < PROBES_MAX) void this.#write()
      await pause(PROBE_MS)
    }
  }

  async #write(): Promise<void> {
    this.#inFlight++
    const key = `${this.#title}-${this.#count++ % 500}`
    const body = Buffer.from(key)
    await this.#client.send({ method: 'PUT', bucket: BUCKET, key, body, timeoutMs: 15_000 }).then(
      ({ status }) => {
        if (status === 200) this.firstMs ??= performance.now()
      },
      () => {},
    )
    this.#inFlight--
  }
}

/** By the metrics of the node itself. */
async function membersUp(hosts: SwitchedHosts, node: number): Promise<number> {
  const url = `http://127.0.0.1:${ADMIN_PORT}/metrics`
  const curl = ['netns', 'exec', hosts.namespace(node), 'curl', '-s', '-m', '5', url]
  const { stdout } = await runCommand('ip', curl, { okCodes: [0, 7, 28, 52, 56] })
  return Number(/^shoal_members_up (\d+)/m.exec(stdout)?.[1] ?? 0)
}

async function wholeMs(hosts: SwitchedHosts): Promise<number | undefined> {
  const startMs = performance.now()
  while (performance.now() - startMs < WHOLE_TIMEOUT_MS) {
    const up = await Promise.all([0, 1, 2].map((node) => membersUp(hosts, node)))
    if (up.every((count) => count === NODES)) return performance.now()
    await pause(50)
  }
  return undefined
}

function seconds(fromMs: number, toMs: number | undefined): string {
  return toMs === undefined ? 'never' : (Math.max(0, toMs - fromMs) / 1_000).toFixed(2)
}

async function main(): Promise<number> {
  const hosts = await SwitchedHosts.create(NODES)
  if (typeof hosts === 'string') {
    console.log(`skipped: hosts of their own are not permitted on this machine: ${hosts}`)
    return 0
  }
  let cluster: WanCluster | undefined
  let longestMs = 0
  try {
    cluster = await WanCluster.start(hosts)
    const clients = [0, 1, 2].map(
      (node) => new RawClient(cluster!.endpoint(node), cluster!.credentials),
    )
    await clients[0]!.must({ method: 'PUT', bucket: BUCKET })
    console.log('cut      length   first write through node 0, 1, 2      all members up')
    for (const kind of values.kinds.split(',')) {
      for (const length of values.lengths.split(',').map(Number)) {
        await pause(3_000)
        await cut(hosts, kind)
        await pause(length * 1_000 - PROBES_BEFORE_MS)
        const probes = clients.map((client, node) => new Probe(client, `${kind}-${length}-${node}`))
        await pause(PROBES_BEFORE_MS)
        await hosts.heal()
        const healedMs = performance.now()
        for (const probe of probes) probe.reset()
        const whole = wholeMs(hosts)
        while (
          probes.some(({ firstMs }) => firstMs === undefined) &&
          performance.now() - healedMs < WHOLE_TIMEOUT_MS
        ) {
          await pause(10)
        }
        const firsts = probes.map(({ firstMs }) => firstMs)
        for (const probe of probes) probe.stop()
        const cells = firsts.map((firstMs) => `${seconds(healedMs, firstMs).padStart(6)} s`)
        const all = `${seconds(healedMs, await whole)} s`
        console.log(
          `${kind.padEnd(8)} ${String(length).padStart(4)} s  ${cells.join('  ')}  ${all}`,
        )
        for (const firstMs of firsts) {
          longestMs = Math.max(longestMs, (firstMs ?? Number.POSITIVE_INFINITY) - healedMs)
        }
      }
    }
    for (const client of clients) client.close()
  } finally {
    await cluster?.close()
    await hosts.remove()
  }
  const verdict = longestMs <= goalMs ? 'within' : 'NOT within'
  console.log(
    `longest ${(longestMs / 1_000).toFixed(2)} s: ${verdict} the goal of ${values.goal} s`,
  )
  return longestMs <= goalMs ? 0 : 1
}

process.exitCode = await main()
